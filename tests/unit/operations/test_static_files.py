from pathlib import Path

import pytest

from apps.operations import static_files

pytestmark = pytest.mark.django_db


@pytest.fixture
def collected(settings, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path / "static"
    return settings.STATIC_ROOT


def test_static_files_are_collected_once(collected):
    assert static_files.collect_if_stale()
    assert (collected / "admin" / "css" / "base.css").exists()
    assert not static_files.collect_if_stale()


def test_changed_file_of_ours_is_collected_again(collected, settings, tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "requirements").mkdir(parents=True)
    (checkout / "requirements" / "base.txt").write_text("a==1\n")
    (checkout / "static").mkdir()
    settings.BASE_DIR = checkout
    settings.STATICFILES_DIRS = [checkout / "static"]
    static_files.collect_if_stale()
    (checkout / "static" / "new.css").write_text("a{}")
    assert static_files.collect_if_stale()
    assert (collected / "new.css").exists()
    (checkout / "requirements" / "base.txt").write_text("a==2\n")
    assert static_files.collect_if_stale()
