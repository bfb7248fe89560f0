"""How do several programs run as one? Started together, watched, and stopped together.

For one machine. Where something bigger supervises (systemd, Kubernetes), it runs the same
programs one by one; ``manage.py serve`` prints their command lines.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

logger = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_TICK_S = 0.1
_KILL_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """One child process.

    Attributes:
        name: how messages call it.
        command: argument list; no shell is involved.
    """

    name: str
    command: Sequence[str]


@dataclass
class Supervisor:
    """Runs programs in the foreground until a signal comes or one of them ends.

    Nothing is restarted: a listener that dies is a fault to be seen, and whoever supervises
    this process decides about a new start.

    Attributes:
        programs: what to run, in order of starting.
        folder: their working directory.
        stop_within_s: how long they may take to finish their work once asked to stop.
        ready: asked every tick until it first says yes; then ``on_ready`` is called once.
    """

    programs: Sequence[Program]
    folder: Path
    stop_within_s: float = 30.0
    ready: Callable[[], bool] = lambda: True
    on_ready: Callable[[], None] = lambda: None
    _children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _signals: list[int] = field(default_factory=list)

    def run(self) -> int:
        """Run to the end.

        Returns:
            0 after a requested stop, 1 when a program ended by itself or had to be killed.
        """
        previous = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for program in self.programs:
                self._children[program.name] = _start(program, self.folder)
            fallen = self._watch()
            clean = self._stop()
            return 0 if clean and not fallen else 1
        finally:
            self._kill()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _watch(self) -> str:
        """Wait for a signal; return the name of a program that ended before one came."""
        announced = False
        while not self._signals:
            for name, child in self._children.items():
                status = child.poll()
                if status is not None:
                    logger.error("%s ended by itself (%s); stopping the rest", name, _tell(status))
                    return name
            if not announced and self.ready():
                announced = True
                self.on_ready()
            time.sleep(_TICK_S)
        return ""

    def _stop(self) -> bool:
        """Ask every program to stop; return whether all did so in time.

        A second signal ends the patience.
        """
        patience = len(self._signals)
        for child in self._children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self.stop_within_s
        while time.monotonic() < deadline and len(self._signals) <= max(patience, 1):
            if all(child.poll() is not None for child in self._children.values()):
                return True
            time.sleep(_TICK_S)
        return False

    def _kill(self) -> None:
        """End what is left, with everything it has started: each child leads its own group."""
        for name, child in self._children.items():
            if child.poll() is None:
                logger.error("%s did not stop in time and is killed", name)
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for child in self._children.values():
            child.wait(_KILL_WAIT_S)


def _start(program: Program, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a program in its own process group, so that Ctrl-C reaches it through us only."""
    return subprocess.Popen(  # noqa: S603 - our own argument lists
        list(program.command),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent(os.getpid()),  # noqa: PLW1509 - no threads run here
    )


def _end_with_parent(parent: int) -> Callable[[], None]:
    """Return what makes a child stop when we are killed and cannot stop it (Linux only)."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it happened before we asked
            os.kill(os.getpid(), signal.SIGTERM)

    return arrange


def _tell(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
