"""The supervisor with small programs of its own; signals are sent by pid only."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from apps.site.supervisor import Program, Supervisor

ROOT = Path(__file__).resolve().parents[3]
_SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
_STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);print('up', flush=True); time.sleep(60)",
]


def _script(tmp_path: Path, body: str) -> subprocess.Popen:
    """Start a supervising process of its own, as ``manage.py serve`` is one."""
    head = f"""
        import logging, sys
        from pathlib import Path
        from apps.site.supervisor import Program, Supervisor
        logging.basicConfig()
        SLEEP = {_SLEEP!r}
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
supervisor = Supervisor([Program("a", SLEEP), Program("b", SLEEP)], FOLDER)
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


def test_program_that_ends_by_itself_takes_the_rest_down(tmp_path, caplog):
    dying = Program("dying", [sys.executable, "-c", "import sys; sys.exit(7)"])
    supervisor = Supervisor([Program("other", _SLEEP), dying], tmp_path)
    assert supervisor.run() == 1
    assert "dying ended by itself (exit status 7)" in caplog.text
    assert supervisor._children["other"].returncode == -signal.SIGTERM


def test_program_that_cannot_be_started_takes_the_rest_down(tmp_path):
    supervisor = Supervisor([Program("other", _SLEEP), Program("no", ["/nonexistent"])], tmp_path)
    with pytest.raises(FileNotFoundError):
        supervisor.run()
    assert supervisor._children["other"].returncode is not None


def test_program_that_does_not_stop_is_killed_with_all_it_started(tmp_path):
    (tmp_path / "stubborn.py").write_text(
        textwrap.dedent(
            f"""
            import signal, subprocess, time
            from pathlib import Path
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen({_STUBBORN!r})
            Path("draft").write_text(str(child.pid))
            Path("draft").rename("grandchild")
            time.sleep(60)
            """
        )
    )
    body = """
    stubborn = Program("stubborn", [sys.executable, "stubborn.py"])
    supervisor = Supervisor([stubborn], FOLDER, stop_within_s=0.5)
    supervisor.ready = lambda: (FOLDER / "grandchild").exists()
    supervisor.on_ready = lambda: started(supervisor)
    sys.exit(supervisor.run())
    """
    process = _script(tmp_path, body)
    assert {process.stdout.readline(), process.stdout.readline()} == {"ready\n", "up\n"}
    process.terminate()
    _, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "stubborn did not stop in time" in err
    assert _gone(_pid(tmp_path / "grandchild"))


def test_second_signal_ends_the_patience(tmp_path):
    body = f"""
    stubborn = Program("stubborn", {_STUBBORN!r})
    supervisor = Supervisor([stubborn], FOLDER, stop_within_s=60)
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
    answers = iter([False, True])
    announced = []
    supervisor = Supervisor(
        [Program("brief", [sys.executable, "-c", "import time; time.sleep(1)"])], tmp_path
    )
    supervisor.ready = lambda: next(answers)
    supervisor.on_ready = lambda: announced.append(1)
    supervisor.run()
    assert announced == [1]
