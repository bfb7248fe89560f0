"""No component of the running server logs a token, whatever way it comes in."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.server import Server

_HOST = "127.0.0.1"
# One word in many places: no component may repeat it.
CANARY = "swt_" + "c0ffee" * 10 + "0042"
FOREIGN = "eyJhbGciOiJIUzI1NiJ9.canaryforeigntoken.c0ffee0042c0ffee0042"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("hygiene") / "home"
    # On a database of its own: the keyring of the other one lies in another home.
    environment = servers.environment_for(
        home, ACCESS_LOG=str(home.parent / "access.log"), LOG_LEVEL="debug", DATABASE_URL=""
    )
    started = servers.start(home, environment)
    yield started
    started.stop()


def _request(line: str, *fields: str, body: str = "") -> bytes:
    head = [line, "Host: localhost", *fields, "Connection: close"]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode("latin-1")


def _requests(secret: str) -> dict[str, bytes]:
    bearer = f"Authorization: Bearer {secret}"
    get = "GET /api/v1/certificates/ HTTP/1.1"
    return {
        "query": _request(f"GET /api/v1/certificates/?token={secret} HTTP/1.1"),
        "query of nothing": _request(f"GET /nothing?access_token={secret}&x=1 HTTP/1.1"),
        "query of OCSP": _request(f"GET /ocsp/quickstart-issuing/AAAA?{secret} HTTP/1.1"),
        "path": _request(f"GET /api/v1/{secret}/ HTTP/1.1"),
        "path of a person": _request(f"GET /admin/{secret}/ HTTP/1.1"),
        "refused credentials": _request(get, bearer),
        "basic": _request(get, f"Authorization: Basic {secret}"),
        "cookie": _request("GET /admin/ HTTP/1.1", f"Cookie: __Host-session={secret}"),
        "field without colon": _request(get, f"Authorization Bearer {secret}"),
        "field with a blank": _request(get, f"Authorization : Bearer {secret}"),
        "field name of octets": _request(get, f"Auth\xffrization: Bearer {secret}"),
        "folded field": _request(get, f"Authorization:\r\n Bearer {secret}"),
        "field twice": _request(get, bearer, bearer),
        "NUL in the field": _request(get, f"{bearer}\x00"),
        "field too large": _request(get, f"{bearer}{'x' * 20000}"),
        "header too large": _request(get, *[f"X-{n}: {secret}{'x' * 4000}" for n in range(40)]),
        "line too long": _request(f"GET /api/v1/?token={secret}{'x' * 20000} HTTP/1.1"),
        "no method": _request(f"{secret} /api/v1/ HTTP/1.1"),
        "no version": f"GET /api/v1/?token={secret}\r\n\r\n".encode(),
        "wrong version": _request(f"GET /?token={secret} HTTP/9.9"),
        "wrong target": _request(f"GET /..%2f..?token={secret} HTTP/1.1"),
        "trace": _request(f"TRACE /api/v1/?token={secret} HTTP/1.1", bearer),
        "wrong host": _request(
            f"GET /admin/?token={secret} HTTP/1.1\r\nHost: evil.example", bearer
        ),
        "wrong length": _request(
            "POST /api/v1/certificate-requests/ HTTP/1.1", bearer, "Content-Length: x"
        ),
        "wrong chunks": _request(
            "POST /api/v1/certificate-requests/ HTTP/1.1",
            bearer,
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
            body=f"zz\r\n{secret}\r\n",
        ),
        "body that is no JSON": _request(
            "POST /api/v1/certificate-requests/ HTTP/1.1",
            "Content-Type: application/json",
            f"Content-Length: {len(secret)}",
            body=secret,
        ),
        "X-Request-Id": _request(get, f"X-Request-Id: {secret}"),
        "expectation": _request(
            f"POST /api/v1/?token={secret} HTTP/1.1",
            bearer,
            "Expect: nonsense",
            "Content-Length: 1",
        ),
    }


def _send(server: Server, data: bytes, *, tls: bool) -> bytes:
    port = int(server.environment["SEALWRIGHT_HTTPS_PORT" if tls else "SEALWRIGHT_HTTP_PORT"])
    received = b""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((_HOST, port), timeout=20))
        if tls:
            context = ssl.create_default_context(cafile=str(server.root_pem))
            connection = stack.enter_context(
                context.wrap_socket(connection, server_hostname="localhost")
            )
        with contextlib.suppress(OSError):
            connection.sendall(data)
            while piece := connection.recv(65536):
                received += piece
    return received


def _logs(server: Server) -> dict[str, str]:
    access = Path(server.environment["SEALWRIGHT_ACCESS_LOG"])
    return {path.name: path.read_text(errors="replace") for path in (server.log, access)}


def test_no_log_shows_a_token(server):
    answers = {}
    for secret in (CANARY, FOREIGN):
        for name, request in _requests(secret).items():
            for tls in (True, False):
                answers[name, tls] = _send(server, request, tls=tls)
        _send(server, f"\x16\x03\x01{secret}".encode("latin-1"), tls=False)
        # Plain HTTP on the TLS port: nginx reads its head.
        port = int(server.environment["SEALWRIGHT_HTTPS_PORT"])
        with socket.create_connection((_HOST, port), timeout=20) as plain:
            plain.sendall(_request(f"GET /?token={secret} HTTP/1.1"))
            assert b"https://" in plain.recv(65536)
    server.manage(
        "shell",
        "-c",
        "import logging; logging.getLogger('x').error("
        f"'GET /?token={FOREIGN} Authorization: Bearer {FOREIGN} Cookie: a={FOREIGN}')",
    )
    # A 4xx or 5xx that was answered is logged, so that this test looks at something.
    logs = _logs(server)
    assert 'TRACE /api/v1/"' in logs["access.log"]
    assert "Unauthorized" in logs[server.log.name]
    for secret in (CANARY, FOREIGN):
        for name, text in logs.items():
            lines = [line for line in text.splitlines() if secret in line]
            assert not lines, (name, lines[:3])
    for (name, _tls), answer in answers.items():
        assert CANARY.encode() not in answer.partition(b"\r\n\r\n")[0], name


def test_gunicorn_logs_through_our_filters(server):
    """What the front server would never hand on: gunicorn refuses it, and quotes it."""
    folder = (
        server.environment.get("SEALWRIGHT_RUN_FOLDER")
        or server.manage(
            "shell",
            "-v",
            "0",
            "-c",
            "from django.conf import settings; print(settings.SEALWRIGHT['RUN_FOLDER'])",
        )
        .strip()
        .splitlines()[-1]
    )
    before = server.log.stat().st_size
    for request in _requests(CANARY).values():
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(f"{folder}/application.sock")
            with contextlib.suppress(OSError):
                connection.sendall(request)
                while connection.recv(65536):
                    pass
    written = server.log.read_text(errors="replace")[before:]
    assert "gunicorn" in written
    assert CANARY not in written
