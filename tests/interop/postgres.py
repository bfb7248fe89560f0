"""A PostgreSQL server of a test's own, which it may stop, fill or end connections of."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.interop.server import free_port

_OWNER = "postgres"


class Postgres:
    """A cluster in a folder, reached over loopback."""

    def __init__(self, folder: Path) -> None:
        self._bin = max(Path("/usr/lib/postgresql").glob("*/bin"))
        self._folder, self._port = folder, free_port()
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            subprocess.run(["chown", _OWNER, folder], check=True)
        self._run("initdb", "-D", self._data, "-U", "sealwright", "-A", "trust", "--no-sync")
        self.start()
        self._run(
            "createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "sealwright", "faults"
        )

    @property
    def url(self) -> str:
        """Return the address of the database."""
        return f"postgres://sealwright@127.0.0.1:{self._port}/faults"

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        options += " -c max_wal_size=64MB -c min_wal_size=32MB"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop the server as ``pg_ctl`` names it."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", how, "stop")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement, as superuser; return its rows."""
        writable = "-c default_transaction_read_only=off"
        with psycopg.connect(self.url, autocommit=True, options=writable) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def end_connections(self) -> None:
        """End all other connections to the database."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = 'faults' AND pid <> pg_backend_pid()"
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all of the server's processes where they are; connections stay open."""
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        pids = [first, *map(int, children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            check=False,
            cwd=self._folder,
            user=_OWNER if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        assert done.returncode == 0, f"{program} failed, see {self._folder}"


@contextmanager
def cluster(folder: Path) -> Iterator[Postgres]:
    """A new cluster in ``folder``, stopped at the end."""
    server = Postgres(folder)
    try:
        yield server
    finally:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            server.start()
        server.stop()
