"""Participant of a benchmark, and how one sample of it is measured."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import verify
from bench.calibration import calibration_s
from bench.cpu import tree_cpu_s
from bench.database import count
from bench.stats import Sample

_ROOT = Path(__file__).resolve().parents[1]
_IDLE_S = 2.0
MAX_DRIVER_SHARE = 0.8


class Pipe:
    """Child process that works on command, so that only the work is between two clock readings."""

    def __init__(self, module: str, *arguments: str, before: Sequence[str] = ()) -> None:
        """Start a module; ``before`` is a command that runs the command after it."""
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", module, *arguments],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self) -> Any:
        """Return the next line of JSON.

        Raises:
            RuntimeError: the child has ended.
        """
        return json.loads(self._line())

    def prepare(self, ops: int) -> None:
        """Let the child generate what it will send."""
        self._write(json.dumps({"ops": ops}))
        if self._line().strip() != "ready":
            raise RuntimeError("the child is not ready")

    def go(self) -> dict[str, Any]:
        """Let the child work; return its report."""
        self._write("go")
        report: dict[str, Any] = self.read()
        return report

    def close(self) -> None:
        """Stop the child."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the child has ended with status {self._process.wait(30)}")
        return line


@dataclass
class Participant:
    """One way to do the work.

    Attributes:
        name: name in tables.
        pipe: the driver that loads a server, or the limit that does the work itself.
        ops: operations in one sample: a second of CPU or more.
        authorities: certificates (DER) of the possible issuers and of the CAs above them.
        app_pids: roots of the server's processes; empty when the child does the work.
        db_pids: roots of the database's processes.
        tables: rows that ``n`` operations add, by table; counted in ``database_url``.
        database_url: where the rows are.
        about: versions and configuration, for the report.
        warm_ops: operations before the first sample.
        check: raises unless a report of the driver shows the wanted work.
    """

    name: str
    pipe: Pipe
    ops: int
    authorities: Sequence[bytes]
    app_pids: tuple[int, ...] = ()
    db_pids: tuple[int, ...] = ()
    tables: dict[str, int] = field(default_factory=dict)
    database_url: str = ""
    about: str = ""
    stop: Callable[[], None] = lambda: None
    warm_ops: int = 200
    check: Callable[[dict[str, Any], Sequence[bytes], int], None] = verify.certificates

    def warm(self, ops: int) -> None:
        """Fill caches and open connections; verified, but not counted."""
        self.pipe.prepare(ops)
        self.check(self.pipe.go(), self.authorities, ops)

    def sample(self) -> Sample:
        """Take one sample.

        Raises:
            UnequalWorkError: the work was not done, or not stored.
            RuntimeError: the driver was too busy to be a fair client.
        """
        ops = self.ops
        self.pipe.prepare(ops)
        rows = self._rows()
        idle_app, idle_db = self._idle()
        calibration_before = calibration_s()
        app, db, began = tree_cpu_s(self.app_pids), tree_cpu_s(self.db_pids), time.monotonic()
        report = self.pipe.go()
        lasted = time.monotonic() - began
        app = tree_cpu_s(self.app_pids) - app - idle_app * lasted
        db = tree_cpu_s(self.db_pids) - db - idle_db * lasted
        calibration = (calibration_before + calibration_s()) / 2
        self.check(report, self.authorities, ops)
        verify.stored(rows, self._rows(), {t: n * ops for t, n in self.tables.items()})
        share = report["driver_cpu_s"] / report["wall_s"]
        if not self.app_pids:  # the child itself is the participant
            app, share = report["driver_cpu_s"], 0.0
        elif share > MAX_DRIVER_SHARE:
            raise RuntimeError(f"the driver used {share:.0%} of a core")
        cuts = statistics.quantiles(report["latencies_s"] * 2, n=20)
        return Sample(
            participant=self.name,
            ops=ops,
            app_cpu_s=app,
            db_cpu_s=max(db, 0.0),
            wall_s=report["wall_s"],
            calibration_s=calibration,
            p50_ms=cuts[9] * 1000,
            p95_ms=cuts[18] * 1000,
            driver_share=share,
        )

    def _idle(self) -> tuple[float, float]:
        """Return the CPU seconds that server and database use per second without work."""
        if not self.app_pids:
            return 0.0, 0.0
        app, db = tree_cpu_s(self.app_pids), tree_cpu_s(self.db_pids)
        time.sleep(_IDLE_S)
        return (
            (tree_cpu_s(self.app_pids) - app) / _IDLE_S,
            (tree_cpu_s(self.db_pids) - db) / _IDLE_S,
        )

    def _rows(self) -> dict[str, int]:
        return {table: count(self.database_url, table) for table in self.tables}


@contextmanager
def ending(participants: list[Participant]) -> Iterator[list[Participant]]:
    """Stop all participants at the end, also after an error."""
    try:
        yield participants
    finally:
        for participant in reversed(participants):
            try:
                participant.pipe.close()
            finally:
                participant.stop()
