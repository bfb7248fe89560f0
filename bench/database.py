"""Databases of a benchmark run: a temporary PostgreSQL with fsync, or SQLite files.

A measured PostgreSQL is as durable as Debian's default: fsync, synchronous commit and full
page writes are on, nothing is tuned.
"""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from bench.cpu import parent_of

_ROOT = Path(__file__).resolve().parents[1]
_STOP_S = 30


@dataclass(frozen=True, slots=True)
class Database:
    """A running PostgreSQL, or none: then every participant has a SQLite file.

    Attributes:
        kind: ``postgresql`` or ``sqlite``.
        url: of the PostgreSQL; empty for SQLite.
        pids: roots of the processes whose CPU belongs to the database.
        version: for the report.
    """

    kind: str
    url: str
    pids: tuple[int, ...]
    version: str

    def create(self, name: str, folder: Path) -> str:
        """Return the URL of a new, empty database."""
        if self.kind == "sqlite":
            return f"sqlite:///{folder / name}.sqlite3"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()


@contextmanager
def running(kind: str) -> Iterator[Database]:
    """Start a database of this kind for as long as the block lasts."""
    if kind == "sqlite":
        yield Database("sqlite", "", (), f"SQLite {sqlite3.sqlite_version}")
        return
    # The script stops the server when its command ends; "cat" ends when this process does.
    command = ["scripts/with-postgres", "sh", "-c", 'echo "$SEALWRIGHT_DATABASE_URL"; exec cat']
    process = subprocess.Popen(
        command,
        cwd=_ROOT,
        env=os.environ | {"WITH_POSTGRES_DURABLE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        with psycopg.connect(url) as connection:
            pid, version = connection.execute(
                "SELECT pg_backend_pid(), current_setting('server_version')"
            ).fetchone()
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                (value,) = connection.execute("SELECT current_setting(%s)", [setting]).fetchone()
                if value != "on":
                    raise RuntimeError(f"PostgreSQL has {setting} = {value}")
            postmaster = parent_of(pid)
        yield Database("postgresql", url, (postmaster,), f"PostgreSQL {version}, fsync on")
    finally:
        process.stdin.close()
        process.wait(_STOP_S)


def count(url: str, table: str, where: str = "") -> int:
    """Return how many rows a table has; ``where`` must be a constant."""
    query = f"SELECT count(*) FROM {table} {where}"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as connection:
            (found,) = connection.execute(query).fetchone()
    else:
        with psycopg.connect(url) as connection:
            (found,) = connection.execute(query).fetchone()  # type: ignore[arg-type]
    return int(found)
