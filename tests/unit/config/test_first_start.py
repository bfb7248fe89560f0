"""Tests of the permissions of SQLite's files."""

import os
import stat

import pytest

from apps.data_directory import keep_private


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_open_database_and_journals_are_closed_to_other_users(tmp_path):
    files = [tmp_path / f"sealwright.sqlite3{suffix}" for suffix in ("", "-wal", "-shm")]
    for path in files:
        path.write_bytes(b"kept")
        path.chmod(0o644)
    tmp_path.chmod(0o755)
    keep_private(files[0])
    assert [mode_of(path) for path in files] == [0o600] * 3
    assert [path.read_bytes() for path in files] == [b"kept"] * 3
    assert mode_of(tmp_path) == 0o755  # may be shared with others


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_new_database_is_for_its_owner_only_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        keep_private(tmp_path / "data" / "sealwright.sqlite3")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "data" / "sealwright.sqlite3") == 0o600
    assert mode_of(tmp_path / "data") == 0o700
