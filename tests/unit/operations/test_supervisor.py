"""The supervisor with small programs of its own; signals are sent by pid only."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from apps.operations.supervisor import python

ROOT = Path(__file__).resolve().parents[3]
_SLEEP = "import time\ntime.sleep(60)\n"
_STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True)\ntime.sleep(60)\n"
)
_BRIEF = "import time\ntime.sleep(1)\n"


@pytest.fixture(autouse=True)
def _scripts(tmp_path: Path) -> None:
    for name, text in (("sleep", _SLEEP), ("stubborn", _STUBBORN), ("brief", _BRIEF)):
        (tmp_path / f"{name}.py").write_text(text)


def _script(tmp_path: Path, body: str) -> subprocess.Popen:
    """Start a supervising process of its own, as ``manage.py serve`` is one."""
    head = f"""
        import logging, sys
        from pathlib import Path
        from apps.operations.supervisor import Program, Supervisor, python
        logging.basicConfig()
        FOLDER = Path({str(tmp_path)!r})
        def started(supervisor):
            for name, child in supervisor._children.items():
                (FOLDER / name).write_text(str(child.pid))
            print("ready", flush=True)
    """
    code = textwrap.dedent(head) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


_TWO_SLEEPERS = """
supervisor = Supervisor([python("a", "sleep.py"), python("b", "sleep.py")], FOLDER)
supervisor.on_ready = lambda: started(supervisor)
sys.exit(supervisor.run())
"""


def _pid(path: Path) -> int:
    return int(path.read_text())


def _gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_every_program_and_ends_well(tmp_path, how):
    process = _script(tmp_path, _TWO_SLEEPERS)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(how)
    _, err = process.communicate(timeout=15)
    assert process.returncode == 0, err
    assert _gone(_pid(tmp_path / "a"))
    assert _gone(_pid(tmp_path / "b"))


def test_killed_supervisor_leaves_no_orphans(tmp_path):
    process = _script(tmp_path, _TWO_SLEEPERS)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate(timeout=15)
    assert _gone(_pid(tmp_path / "a"))
    assert _gone(_pid(tmp_path / "b"))


def test_program_that_ends_by_itself_takes_the_rest_down(tmp_path):
    (tmp_path / "dying.py").write_text("import sys\nsys.exit(7)\n")
    body = """
    other, dying = python("other", "sleep.py"), python("dying", "dying.py")
    supervisor = Supervisor([other, dying], FOLDER)
    status = supervisor.run()
    print(supervisor._children["other"].exitcode)
    sys.exit(status)
    """
    out, err = _script(tmp_path, body).communicate(timeout=15)
    assert "dying ended by itself (exit status 7)" in err
    assert out == f"{-signal.SIGTERM}\n"


def test_program_that_cannot_be_started_takes_the_rest_down(tmp_path):
    body = """
    missing = python("missing", "-m", "no_such_module_anywhere")
    sys.exit(Supervisor([python("other", "sleep.py"), missing], FOLDER).run())
    """
    process = _script(tmp_path, body)
    _, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "missing ended by itself (exit status 1)" in err
    assert "no_such_module_anywhere" in err


def test_program_that_does_not_stop_is_killed_with_all_it_started(tmp_path):
    (tmp_path / "parent.py").write_text(
        textwrap.dedent(
            """
            import signal, subprocess, sys, time
            from pathlib import Path
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "stubborn.py"])
            Path("draft").write_text(str(child.pid))
            Path("draft").rename("grandchild")
            time.sleep(60)
            """
        )
    )
    body = """
    supervisor = Supervisor([python("parent", "parent.py")], FOLDER, stop_within_s=0.5)
    supervisor.ready = lambda: (FOLDER / "grandchild").exists()
    supervisor.on_ready = lambda: started(supervisor)
    sys.exit(supervisor.run())
    """
    process = _script(tmp_path, body)
    assert {process.stdout.readline(), process.stdout.readline()} == {"ready\n", "up\n"}
    process.terminate()
    _, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "parent did not stop in time" in err
    assert _gone(_pid(tmp_path / "grandchild"))


def test_second_signal_ends_the_patience(tmp_path):
    body = """
    supervisor = Supervisor([python("stubborn", "stubborn.py")], FOLDER, stop_within_s=60)
    sys.exit(supervisor.run())
    """
    process = _script(tmp_path, body)
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 1


def test_readiness_is_announced_once(tmp_path):
    body = """
    answers = iter([False, True])
    supervisor = Supervisor([python("brief", "brief.py")], FOLDER)
    supervisor.ready = lambda: next(answers)
    supervisor.on_ready = lambda: print("ready")
    supervisor.run()
    """
    out, _ = _script(tmp_path, body).communicate(timeout=15)
    assert out == "ready\n"


def test_program_sees_its_own_command_line(tmp_path):
    (tmp_path / "say.py").write_text("import sys\nprint(__name__, sys.argv, flush=True)\n")
    body = """
    Supervisor([python("say", "say.py", "--loud")], FOLDER).run()
    """
    out, _ = _script(tmp_path, body).communicate(timeout=15)
    assert out == "__main__ ['say.py', '--loud']\n"
    assert python("say", "say.py", "--loud").command == [sys.executable, "say.py", "--loud"]
