"""Unpacked upgrade fixtures and plain SQL snapshots of their tables."""

import json
import os
import sqlite3
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.commands import inherited_environment

ROOT = Path(__file__).resolve().parents[2]
_DATA = Path(__file__).parent / "data"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """An old data directory with its database.

    Attributes:
        home: the data directory.
        database_url: of PostgreSQL; empty for the SQLite file inside ``home``.
        manifest: what clients of the old installation have, see ``make_fixture``.
    """

    home: Path
    database_url: str
    manifest: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """Return what the product's processes see on this installation."""
        return inherited_environment() | {
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "PYTHONPATH": str(ROOT),
            "SEALWRIGHT_HOME": str(self.home),
            "SEALWRIGHT_STATIC_ROOT": str(self.home.parent / "static"),
            "SEALWRIGHT_DATABASE_URL": self.database_url,
        }

    def tables(self) -> dict[str, list[Row]]:
        """Return every row of every table, read without the product's code."""
        if not self.database_url:
            with sqlite3.connect(self.home / "sealwright.sqlite3") as connection:
                connection.row_factory = sqlite3.Row
                names = connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
                ).fetchall()
                found = {
                    name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
                    for (name,) in names
                }
            connection.close()
            return found
        with psycopg.connect(self.database_url, row_factory=psycopg.rows.dict_row) as postgres:
            listed = postgres.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            return {
                name: postgres.execute(
                    sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))
                ).fetchall()
                for name in (row["tablename"] for row in listed)
            }


@contextmanager
def installation(database: str, folder: Path) -> Iterator[Installation]:
    """Unpack the fixture of ``sqlite`` or ``postgresql``; the database goes away afterwards."""
    with tarfile.open(_DATA / f"{database}.tar.gz") as archive:
        archive.extractall(folder)  # our own archive: regular files below home/
    manifest = json.loads((folder / "manifest.json").read_text())
    if database == "sqlite":
        yield Installation(folder / "home", "", manifest)
        return
    server = os.environ["SEALWRIGHT_DATABASE_URL"]
    name = f"upgrade_{uuid.uuid4().hex[:12]}"
    quoted = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        try:
            url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
            with psycopg.connect(url, autocommit=True) as restored:
                restored.execute((folder / "database.sql").read_bytes())
            yield Installation(folder / "home", url, manifest)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(quoted))
