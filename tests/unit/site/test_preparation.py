from pathlib import Path

import pytest
from django.core.cache.backends.db import DatabaseCache
from django.db import connection

from apps.site import preparation

pytestmark = pytest.mark.django_db


@pytest.fixture
def collected(settings, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path / "static"
    return settings.STATIC_ROOT


def test_static_files_are_collected_once(collected):
    assert preparation.prepare() == ["static files"]
    assert (collected / "admin" / "css" / "base.css").exists()
    assert preparation.prepare() == []


def test_changed_file_of_ours_is_collected_again(collected, settings, tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "requirements").mkdir(parents=True)
    (checkout / "requirements" / "base.txt").write_text("a==1\n")
    (checkout / "static").mkdir()
    settings.BASE_DIR = checkout
    settings.STATICFILES_DIRS = [checkout / "static"]
    preparation.prepare()
    (checkout / "static" / "new.css").write_text("a{}")
    assert preparation.prepare() == ["static files"]
    assert (collected / "new.css").exists()
    (checkout / "requirements" / "base.txt").write_text("a==2\n")
    assert preparation.prepare() == ["static files"]


def test_cache_table_is_made(collected, settings):
    settings.CACHES = settings.CACHES | {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "test_cache_table",
        }
    }
    preparation.prepare()
    assert "test_cache_table" in connection.introspection.table_names()
    cache = DatabaseCache("test_cache_table", {})
    cache.set("a", 1)
    assert cache.get("a") == 1
