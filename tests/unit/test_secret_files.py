import os
import stat
from pathlib import Path

import pytest

from apps import secret_files


def test_file_is_private_whatever_the_umask(tmp_path: Path):
    previous = os.umask(0)
    try:
        assert secret_files.write(tmp_path / "new" / "secret", b"a")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_existing_file_is_replaced_as_a_whole(tmp_path: Path):
    path = tmp_path / "secret"
    secret_files.write(path, b"first")
    with path.open("rb") as reader:
        assert secret_files.write(path, b"second", mode=secret_files.PUBLIC)
        assert reader.read() == b"first"
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_first_writer_wins_where_nothing_may_be_replaced(tmp_path: Path):
    path = tmp_path / "secret"
    assert secret_files.write(path, b"first", replace=False)
    assert not secret_files.write(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch):
    path = tmp_path / "secret"
    secret_files.write(path, b"first")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        secret_files.write(path, b"second")
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_unchanged_content_is_not_written_again(tmp_path: Path):
    path = tmp_path / "file"
    assert secret_files.write_if_changed(path, b"a")
    before = path.stat().st_ino
    assert not secret_files.write_if_changed(path, b"a")
    assert path.stat().st_ino == before
    assert secret_files.write_if_changed(path, b"b")
