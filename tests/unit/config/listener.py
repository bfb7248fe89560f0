"""A gunicorn with our worker and TLS settings around an application of a few lines."""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def application(environ, start_response):
    """Answer with the digest of the client's certificate, ``none`` without one.

    ``/slow`` sends its second half after a second; ``/broken`` breaks before it answers,
    ``/half`` after its head; ``/bare`` has no body; ``/echo`` returns the body of the request,
    ``/file`` a file of 300,000 bytes. No other path reads the request's body.
    """
    certificate = None
    if hasattr(environ["gunicorn.socket"], "getpeercert"):
        certificate = environ["gunicorn.socket"].getpeercert(True)
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("on purpose")
    if path in {"/slow", "/half"}:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return _slow() if path == "/slow" else _half()
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/file":
        file = tempfile.TemporaryFile()  # noqa: SIM115 - gunicorn closes it
        file.write(b"f" * 300_000)
        file.seek(0)
        start_response("200 OK", [("Content-Length", "300000")])
        return environ["wsgi.file_wrapper"](file)
    if path == "/bare":
        start_response("204 No Content", [])
        return []
    text = hashlib.sha256(certificate).hexdigest() if certificate else "none"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _slow():
    yield b"first"
    time.sleep(1)
    yield b"second"


def _half():
    yield b""
    raise RuntimeError("on purpose")


@contextmanager
def running(
    folder: Path, *, tls: str = "", threads: int = 1, faults: bool = False
) -> Iterator[int]:
    """Run one worker with short deadlines; yield its port.

    Spare threads stay with a kept connection for long, so that it shows when one should not.
    ``tls`` is the expression that makes the ``ContextSource``; empty serves plain HTTP. With
    ``faults`` the application may break.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lines = f"""
        from config import bounded
        from pathlib import Path
        bounded.REQUEST_S, bounded.READ_S, bounded.LINGER_S = 3.0, 1.5, 0.5
        bounded.NEXT_MS = 1000
        from config.listen import COMMON
        globals().update(COMMON)
        bind = "127.0.0.1:{port}"
        workers, threads = 1, {threads}
        wsgi_app = "tests.unit.config.listener:application"
    """
    if tls:
        lines += f"""
        from config.tls import ContextSource
        certfile = {str(folder / "server.pem")!r}
        source = {tls}
        def ssl_context(config, factory):
            return source.current()
        """
    settings = folder / "gunicorn_test.py"
    settings.write_text(textwrap.dedent(lines))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", str(settings)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
    try:
        _wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)
    assert faults or "Traceback" not in (folder / "log").read_text()


def _wait(port: int, process: subprocess.Popen) -> None:
    for _ in range(200):
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the listener did not start")
