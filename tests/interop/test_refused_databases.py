"""A start on a database that cannot be used: one line that says why, and nothing is written."""

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.postgres import Postgres, cluster
from tests.interop.server import ROOT, environment_for, free_port

pytestmark = pytest.mark.program
_START_S = 120


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server with roles that lack something; ``stranger`` needs a password."""
    # Not below pytest's folders, which PostgreSQL's user cannot enter.
    with tempfile.TemporaryDirectory(prefix="sealwright-refused-") as name:
        folder = Path(name) / "postgres"
        folder.parent.chmod(0o755)
        folder.mkdir()
        with cluster(folder) as server:
            _furnish(server, folder)
            yield server


def _furnish(server: Postgres, folder: Path) -> None:
    rules = folder / "data" / "pg_hba.conf"
    rules.write_text(f"host all stranger 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    for statement in (
        "CREATE ROLE stranger LOGIN PASSWORD 'right'",
        "CREATE ROLE guest LOGIN",
        "CREATE ROLE reader LOGIN",
        "ALTER ROLE reader SET default_transaction_read_only = on",
        "CREATE DATABASE closed",
        "REVOKE CONNECT ON DATABASE closed FROM public",
        "CREATE DATABASE ascii TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C'",
        "SELECT pg_reload_conf()",
    ):
        server.execute(statement)


def refusal(home: Path, url: str) -> str:
    """Return what ``manage.py up`` says."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment_for(home, DATABASE_URL=url),
        check=False,
        timeout=_START_S,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert not (home / "quickstart.json").exists()
    assert not (home / "tls").exists()
    return done.stderr


@pytest.mark.parametrize(
    ("user", "database", "told"),
    [
        ("stranger:wrong", "faults", 'password authentication failed for user "stranger"'),
        ("nobody", "faults", 'role "nobody" does not exist'),
        ("sealwright", "nothing", 'database "nothing" does not exist'),
        ("guest", "closed", 'permission denied for database "closed"'),
        ("guest", "faults", "guest may not make tables in the schema public"),
        ("reader", "faults", "is read-only"),
        ("sealwright", "ascii", "the database's encoding is SQL_ASCII"),
    ],
)
def test_postgresql_that_cannot_be_used_is_told_in_a_line(postgres, tmp_path, user, database, told):
    where = postgres.url.rpartition("@")[2].rpartition("/")[0]
    said = refusal(tmp_path, f"postgres://{user}@{where}/{database}")
    _require_short(said, told)
    assert "wrong" not in said  # the password


def test_a_server_that_does_not_answer_is_told(tmp_path):
    said = refusal(tmp_path, f"postgres://somebody:hush@127.0.0.1:{free_port()}/any")
    _require_short(said, "Connection refused")
    assert "hush" not in said


@pytest.mark.parametrize("content", [None, b"this is no database, but a text of some length" * 40])
def test_a_file_that_is_no_database_is_told(tmp_path, content):
    file = tmp_path / "database"
    file.mkdir() if content is None else file.write_bytes(content)
    told = "file is not a database" if content else "unable to open database file"
    _require_short(refusal(tmp_path / "home", f"sqlite:///{file}"), told)


def test_a_sqlite_that_somebody_else_holds_is_told(tmp_path):
    file = tmp_path / "database"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        _require_short(refusal(tmp_path / "home", f"sqlite:///{file}"), "database is locked")
    finally:
        holder.close()


def _require_short(said: str, told: str) -> None:
    lines = said.strip().splitlines()
    assert "Traceback" not in said
    assert lines[0].endswith("Cannot start:")
    assert len(lines) == 2, said
    assert lines[1].startswith("  - SEALWRIGHT_DATABASE_URL: ")
    assert told in lines[1]
