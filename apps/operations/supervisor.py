"""Supervisor of child processes, which are started, watched and stopped together.

A Python program is a fork of this process that then runs a script or module, as ``python`` would
run it: what has been imported here need not be imported again, which is most of the time a start
takes. Other programs are executed in a fork. The caller closes connections first; nothing here
starts threads.

For one machine. Where something bigger supervises (systemd, Kubernetes), it runs the same
programs one by one; ``manage.py serve --print`` shows their command lines.
"""

import ctypes
import logging
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

logger = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1
_TICK_S = 0.1
_ON_TICK_S = 1.0
# How long programs that stop first may take before the others are asked as well.
_FIRST_S = 10.0
_KILL_WAIT_S = 5.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Program:
    """One child process.

    Attributes:
        name: how messages call it.
        command: the command line that runs it by itself.
        stop_first_with: a signal that makes it finish its work before any other program is asked
            to stop; ``None`` stops it with the others, by SIGTERM.
    """

    name: str
    command: Sequence[str]
    stop_first_with: signal.Signals | None = None


def python(name: str, *arguments: str) -> Program:
    """Return a Python program: ``-m module ...`` or ``script.py ...``."""
    return Program(name, [sys.executable, *arguments])


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
        on_tick: called about once a second while the programs run.
    """

    programs: Sequence[Program]
    folder: Path
    stop_within_s: float = 30.0
    ready: Callable[[], bool] = lambda: True
    on_ready: Callable[[], None] = lambda: None
    on_tick: Callable[[], None] = lambda: None
    _children: dict[str, BaseProcess] = field(default_factory=dict)
    _signals: list[int] = field(default_factory=list)

    def run(self) -> int:
        """Run to the end.

        Returns:
            0 after a requested stop, 1 when a program ended by itself or had to be killed.
        """
        previous = {number: signal.signal(number, self._note) for number in _STOP_SIGNALS}
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

    def send(self, name: str, number: int) -> None:
        """Send a signal to a running program."""
        child = self._children[name]
        if child.pid is not None and child.exitcode is None:
            os.kill(child.pid, number)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _watch(self) -> str:
        """Wait for a signal; return the name of a program that ended before one came."""
        announced, next_tick = False, time.monotonic() + _ON_TICK_S
        while not self._signals:
            for name, child in self._children.items():
                status = child.exitcode
                if status is not None:
                    logger.error("%s ended by itself (%s); stopping the rest", name, _tell(status))
                    return name
            if not announced and self.ready():
                announced = True
                self.on_ready()
            if time.monotonic() >= next_tick:
                self.on_tick()
                next_tick = time.monotonic() + _ON_TICK_S
            time.sleep(_TICK_S)
        return ""

    def _stop(self) -> bool:
        """Ask every program to stop; return whether all did so in time.

        A second signal ends the patience.
        """
        patience = max(len(self._signals), 1)
        deadline = time.monotonic() + self.stop_within_s
        first = [p for p in self.programs if p.stop_first_with and p.name in self._children]
        for program in first:
            self.send(program.name, program.stop_first_with or signal.SIGTERM)
        self._await([p.name for p in first], min(deadline, time.monotonic() + _FIRST_S), patience)
        for child in self._children.values():
            child.terminate()
        return self._await(list(self._children), deadline, patience)

    def _await(self, names: Sequence[str], deadline: float, patience: int) -> bool:
        """Wait until the named programs have ended; return whether they did in time."""
        while any(self._children[name].exitcode is None for name in names):
            if time.monotonic() >= deadline or len(self._signals) > patience:
                return False
            time.sleep(_TICK_S)
        return True

    def _kill(self) -> None:
        """End what is left, with everything it has started: each child leads its own group."""
        for name, child in self._children.items():
            if child.exitcode is None:
                logger.error("%s did not stop in time and is killed", name)
            try:
                os.killpg(child.pid or 0, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for child in self._children.values():
            child.join(_KILL_WAIT_S)


def _start(program: Program, folder: Path) -> BaseProcess:
    """Fork; signals that arrive meanwhile wait until the child is ready to obey them."""
    child = _fork.Process(target=_become, args=(program, folder, os.getpid()), name=program.name)
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        child.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    return child


def _become(program: Program, folder: Path, parent: int) -> None:
    """Turn a fresh fork into ``program``, in a process group of its own.

    Ctrl-C in a terminal then reaches it through the supervisor only.
    """
    os.setsid()
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _end_with(parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    os.chdir(folder)
    executable, *arguments = program.command
    if executable != sys.executable:
        os.execv(executable, [executable, *arguments])  # noqa: S606 - a command line of ours, no shell
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def _end_with(parent: int) -> None:
    """Arrange to be stopped when the supervisor is killed and cannot stop us (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it happened before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def _tell(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
