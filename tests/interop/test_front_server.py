"""The front server of the running product, with clients on raw sockets."""

import base64
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.factories.keys import make_csr
from tests.interop import server as servers
from tests.interop.server import Server

_HOST = "127.0.0.1"
_SLOW_CLIENTS = 500
_PROBE_S = 1.0


def _ports(server: Server) -> tuple[int, int]:
    environment = server.environment
    return int(environment["SEALWRIGHT_HTTPS_PORT"]), int(environment["SEALWRIGHT_HTTP_PORT"])


def _context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(server.root_pem))


@contextlib.contextmanager
def _tls(server: Server, *, buffer: int = 0) -> Iterator[ssl.SSLSocket]:
    with socket.socket() as plain:
        plain.settimeout(30)
        if buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        plain.connect((_HOST, _ports(server)[0]))
        with _context(server).wrap_socket(plain, server_hostname="localhost") as wrapped:
            yield wrapped


def _read(connection: socket.socket) -> bytes:
    """Return everything that comes until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        while piece := connection.recv(65536):
            received += piece
    return received


def _exchange(server: Server, request: bytes) -> bytes:
    with _tls(server) as connection:
        connection.sendall(request)
        return _read(connection)


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def _probe_s(server: Server) -> float:
    """Return how long ``/livez`` takes over a new TLS connection."""
    began = time.monotonic()
    answer = _exchange(
        server, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert _status(answer) == HTTPStatus.OK
    return time.monotonic() - began


_BEGUN = b"POST /api/v1/certificate-requests/ HTTP/1.1\r\nHost: localhost\r\n"
_BODY_BEGUN = _BEGUN + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


@pytest.mark.parametrize(
    ("kind", "first", "drip"),
    [
        ("nothing is sent", None, b""),
        ("idle after the handshake", b"", b""),
        ("a header that drips", _BEGUN, b"X"),
        ("a body that drips", _BODY_BEGUN, b" "),
    ],
)
def test_slow_clients_keep_nobody_waiting(running_server, kind, first, drip):
    connections = _slow_clients(running_server, handshake=first is not None)
    try:
        for connection in connections:
            if first:
                connection.sendall(first)
        waits = []
        for _ in range(3):
            for connection in connections:
                if drip:
                    connection.sendall(drip)
            waits.append(_probe_s(running_server))
        assert max(waits) < _PROBE_S, f"{kind}: {waits}"
    finally:
        for connection in connections:
            connection.close()


def _slow_clients(server: Server, *, handshake: bool) -> list[socket.socket]:
    context, port = _context(server), _ports(server)[0]

    def connect(_number: int) -> socket.socket:
        plain = socket.create_connection((_HOST, port), timeout=30)
        return context.wrap_socket(plain, server_hostname="localhost") if handshake else plain

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(connect, range(_SLOW_CLIENTS)))


_CHUNKED = (
    b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


@pytest.mark.parametrize(
    "body",
    [
        b"ZZ\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}XX0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        b"\r\n{}\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize(
    ("path", "form"),
    [(b"/api/v1/certificate-requests/", "code"), (b"/acme/demo/tls-server/new-order", "type")],
)
def test_malformed_chunks_are_a_bad_request(running_server, path, form, body):
    answer = _exchange(running_server, _CHUNKED % path + body)
    head, _, document = answer.partition(b"\r\n\r\n")
    assert _status(answer) in {400, 413}, answer
    assert b"application/problem+json" in head
    assert json.loads(document)[form]
    assert "Traceback" not in running_server.log.read_text()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_requests_that_are_not_http_1_1_are_refused(running_server, head):
    for port in _ports(running_server):
        with socket.create_connection((_HOST, port), timeout=30) as plain:
            connection = (
                _context(running_server).wrap_socket(plain, server_hostname="localhost")
                if port == _ports(running_server)[0]
                else plain
            )
            with connection:
                connection.sendall(head)
                assert _status(_read(connection)) in {400, 505}


@pytest.mark.parametrize(
    ("target", "fields"), [("x" * 12_000, 0), ("x?q=" + "y" * 8_180, 0), ("x", 300)]
)
def test_everything_within_the_limits_of_nginx_reaches_the_application(
    running_server, target, fields
):
    more = "".join(f"X-F{number}: 1\r\n" for number in range(fields))
    answer = _exchange(
        running_server,
        f"GET /api/v1/{target} HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n".encode(),
    )
    head, _, document = answer.partition(b"\r\n\r\n")
    assert _status(answer) == HTTPStatus.NOT_FOUND, answer[:300]
    assert b"application/problem+json" in head
    assert json.loads(document)["code"] == "not_found"


def test_request_behind_an_unread_body_is_answered(running_server):
    """A view that refuses without reading the body; the next request comes on the same connection."""
    body = b"x" * 900_000
    first = (
        b"POST /api/v1/certificate-requests/ HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    second = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for _ in range(20):
        began = time.monotonic()
        answers = _exchange(running_server, first + body + second)
        assert time.monotonic() - began < 5
        assert answers.startswith(b"HTTP/1.1 401")
        assert b"HTTP/1.1 200 OK" in answers
        assert b'"status": "ok"' in answers


def test_body_beyond_the_limit_is_refused_before_it_is_sent(running_server):
    head = _BEGUN + b"Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    with _tls(running_server) as connection:
        connection.sendall(head)
        answer = connection.recv(65536)
    assert _status(answer) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    document = json.loads(answer.partition(b"\r\n\r\n")[2] or b"null")
    assert document is None or document["code"] == "too_large"


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-For: 203.0.113.5",
        "X_Forwarded_For: 203.0.113.5",
        "x-forwarded-for: 203.0.113.5\r\nX-Forwarded-For: 203.0.113.6",
        "Forwarded: for=203.0.113.5;proto=http",
        "X-Real-IP: 203.0.113.5",
        "X-SSL-Client-Cert: abc\r\nX-SSL-Client-Verify: SUCCESS",
        "X_SSL_Client_Cert: abc\r\nX_SSL_Client_Verify: SUCCESS",
        "Client-Cert: :abcd:",
        "X-Proxy-Secret: x",
        "SCRIPT_NAME: /x\r\nPATH_INFO: /y\r\nREMOTE_USER: admin",
    ],
)
def test_spoofed_fields_change_nothing(running_server, field):
    """The address in the audit log is the peer's own; the answer is that of a request without them."""
    marker = os.urandom(4).hex()
    token = running_server.facts["token"]
    body = json.dumps(
        {
            "application": "demo",
            "profile": "tls-server",
            "key": {"algorithm": "ec-p256"},
            "subject": {"common_name": f"{marker}.example.com"},
        }
    )
    answer = _exchange(
        running_server,
        (
            f"POST /api/v1/certificate-requests/ HTTP/1.1\r\nHost: localhost\r\n{field}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        ).encode(),
    )
    assert _status(answer) == HTTPStatus.CREATED, answer
    shown = running_server.manage(
        "shell",
        "-c",
        "from apps.audit.models import AuditEvent as E;"
        "print([e.ip for e in E.objects.filter(event='certificate.issued').order_by('-id')[:1]])",
    )
    assert "127.0.0.1" in shown
    assert "203.0.113" not in shown


def test_plain_listener_gives_no_cookie_and_takes_any_host(running_server):
    base = running_server.facts["http_url"]
    port = _ports(running_server)[1]
    answers = []
    for host in ("localhost", "pki.example", "evil.example:99"):
        with socket.create_connection((_HOST, port), timeout=30) as connection:
            connection.sendall(
                f"GET /pki/quickstart-issuing/ca.cer HTTP/1.1\r\nHost: {host}\r\n"
                "Cookie: __Host-session=x\r\nConnection: close\r\n\r\n".encode()
            )
            answers.append(_read(connection))
    assert [_status(answer) for answer in answers] == [200, 200, 200], base
    assert not [answer for answer in answers if b"set-cookie" in answer.lower()]


@pytest.mark.parametrize(
    "target",
    [
        "/admin/",
        "/api/v1/certificates/",
        "/acme/demo/tls-server/directory",
        "/readyz",
        "/static/admin/css/base.css",
        "/pki/../admin/login/",
        "/pki/..%2fadmin/login/",
        "/pki/%2e%2e/admin/login/",
        "/admin/login/..%2f..%2f..%2fpki/",
        "/admin/..;/pki/",
        "//pki/../admin/login/",
        "http://localhost/admin/login/",
    ],
)
def test_plain_listener_leads_to_public_files_only(running_server, target):
    with socket.create_connection((_HOST, _ports(running_server)[1]), timeout=30) as connection:
        connection.sendall(
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = _read(connection)
    assert _status(answer) in {400, 404}, answer[:200]


def test_crl_is_kept_and_a_revocation_is_seen_within_its_age(running_server):
    """Answers say how long they may be kept (30 s); nothing is kept longer."""
    url = f"{running_server.facts['http_url']}/pki/quickstart-issuing/crl"
    first = running_server.get(url)
    assert "max-age=30" in first.headers["Cache-Control"]
    repeated = [running_server.get(url) for _ in range(3)]
    assert {answer.body for answer in repeated} == {first.body}
    assert len({answer.headers["X-Request-Id"] for answer in [first, *repeated]}) == 4
    certificate = _issue(running_server)
    began = time.monotonic()
    _revoke(running_server, certificate)
    serial = int(certificate["serial_number"], 16)
    while (
        x509.load_der_x509_crl(
            running_server.get(url).body
        ).get_revoked_certificate_by_serial_number(serial)
        is None
    ):
        # The job that publishes the CRL runs within seconds; then the kept copy has to end.
        assert time.monotonic() - began < 60
        time.sleep(1)


def test_a_revocation_is_in_the_next_ocsp_answer_by_get_and_post(running_server):
    certificate = _issue(running_server)
    base = running_server.facts["http_url"]
    issuer = x509.load_der_x509_certificate(
        running_server.get(f"{base}/pki/quickstart-issuing/ca.cer").body
    )
    leaf = x509.load_pem_x509_certificate(certificate["pem"].encode())
    request = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(leaf, issuer, hashes.SHA1())
        .build()
        .public_bytes(Encoding.DER)
    )
    assert _ocsp_get(base, request) == ocsp.OCSPCertStatus.GOOD
    assert _ocsp_get(base, request) == ocsp.OCSPCertStatus.GOOD
    _revoke(running_server, certificate)
    for ask in (_ocsp_get, _ocsp_post, _ocsp_get):
        assert ask(base, request) == ocsp.OCSPCertStatus.REVOKED


def _ocsp_get(base: str, request: bytes) -> ocsp.OCSPCertStatus:
    import base64
    from urllib.parse import quote

    encoded = quote(base64.b64encode(request).decode(), safe="")
    answer = servers.call("GET", f"{base}/ocsp/quickstart-issuing/{encoded}")
    return ocsp.load_der_ocsp_response(answer.body).certificate_status


def _ocsp_post(base: str, request: bytes) -> ocsp.OCSPCertStatus:
    import urllib.request

    sent = urllib.request.Request(
        f"{base}/ocsp/quickstart-issuing",
        data=request,
        headers={"Content-Type": "application/ocsp-request"},
    )
    with urllib.request.urlopen(sent, timeout=30) as answer:
        return ocsp.load_der_ocsp_response(answer.read()).certificate_status


def _issue(server: Server) -> dict:
    answer = server.api(
        "POST",
        "certificate-requests/",
        {
            "application": "demo",
            "profile": "tls-server",
            "key": {"algorithm": "ec-p256"},
            "subject": {"common_name": "front.example.com"},
        },
    )
    assert answer.status == HTTPStatus.CREATED, answer.body
    return answer.json()["certificate"]


def _revoke(server: Server, certificate: dict) -> None:
    answer = server.api(
        "POST", f"certificates/{certificate['id']}/revoke/", {"reason": "superseded"}
    )
    assert answer.status in {200, 201, 204}, answer.body


def test_renewed_certificate_is_shown_and_a_download_goes_on(running_server):
    """nginx starts new workers for it; the old ones finish what they send."""
    with _tls(running_server, buffer=8192) as before:
        old = before.getpeercert(binary_form=True)
        before.sendall(_static_request(running_server))
        began = before.recv(1000)
        (running_server.home / "tls" / "server.pem").touch()
        _renew(running_server)
        deadline = time.monotonic() + 30
        while _shown(running_server) == old:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        head, _, body = (began + _read(before)).partition(b"\r\n\r\n")
    assert _status(head) == HTTPStatus.OK
    length = next(
        line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    assert len(body) == int(length.split(b":")[1])


def _static_request(server: Server) -> bytes:
    """Return a request for the largest static file, which does not fit into socket buffers."""
    folder = server.home / "static"
    largest = max((p for p in folder.rglob("*.js")), key=lambda p: p.stat().st_size)
    path = largest.relative_to(folder).as_posix()
    return f"GET /static/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def _shown(server: Server) -> bytes | None:
    with _tls(server) as connection:
        return connection.getpeercert(binary_form=True)


def _renew(server: Server) -> None:
    server.manage(
        "shell",
        "-c",
        "from apps import principals; from apps.operations import web_certificate as w;"
        "from datetime import timedelta; w.RENEW_BEFORE = timedelta(days=3650);"
        "print(w.ensure(principals.system('web')))",
    )


def test_neither_log_holds_a_query_string(running_server):
    secret = "swt_" + os.urandom(32).hex()
    for path in ("/livez", "/nowhere", "/static/none", "/pki/x/crl"):
        _exchange(
            running_server,
            f"GET {path}?token={secret} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(),
        )
    assert secret not in running_server.log.read_text()


def _cut_off(server: Server, path: str, body: bytes) -> bytes:
    """Return a request that announces more octets than it has; what arrives is whole by chance."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.facts['token']}\r\nX-Forwarded-For: 127.0.0.1\r\n"
        f"X-Forwarded-Proto: https\r\nContent-Length: {len(body) + 10}\r\n\r\n"
    ).encode() + body


@pytest.mark.parametrize("straight", [False, True])
def test_nothing_is_issued_from_a_body_that_was_cut_off(running_server, straight):
    name = "straight.example.com" if straight else "cut.example.com"
    facts = running_server.facts
    csr = base64.b64encode(make_csr(name)).decode()
    body = {"application": facts["application"], "profile": "tls-server", "csr": csr}
    request = _cut_off(running_server, "/api/v1/certificate-requests/", json.dumps(body).encode())
    if straight:
        path = servers.manage(
            running_server.environment,
            "shell",
            "-v0",
            "-c",
            "from django.conf import settings; print(settings.SEALWRIGHT['RUN_FOLDER'])",
        ).strip()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(f"{path}/application.sock")
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = _read(connection)
        assert _status(answer) == HTTPStatus.BAD_REQUEST
        assert b"cut off" in answer
    else:
        with _tls(running_server) as connection:
            connection.sendall(request)  # and goes away
        time.sleep(1)
    assert running_server.api("GET", f"certificates/?name={name}").json()["results"] == []
