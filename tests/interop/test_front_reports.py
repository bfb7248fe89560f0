"""What nginx reports about clients, seen by an application that answers with what it was sent."""

import contextlib
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from apps.operations import front_server, nginx_config, tls_files
from tests.interop.server import free_port

_HOST = "127.0.0.1"


class _Echo(BaseHTTPRequestHandler):
    """Answers with the header fields of the request, in order."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/pki/slow":
            time.sleep(3)
        body = json.dumps([self.path, self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


class _Application(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


class Authority:
    """Signs client certificates."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            self._builder(self.name, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def issue(self, folder: Path, *, ended: bool = False) -> Path:
        """Return a file with key and certificate of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        certificate = self._builder(name, key, ended=ended).sign(self.key, hashes.SHA256())
        path = folder / f"{certificate.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        return path

    def _builder(self, subject, key, *, ended: bool = False) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=-1 if ended else 1))
        )


@dataclass
class Front:
    """A running nginx: its ports, and our authority."""

    https: int
    http: int
    proxy: int
    ours: Authority
    folder: Path

    def ask(self, port: int, *lines: str, certificate: Path | None = None) -> tuple[int, list]:
        """Send a GET; return the status and the fields that the application received."""
        answer = self.raw(port, *lines, certificate=certificate)
        status = int(answer.split()[1])
        fields = json.loads(answer.partition(b"\r\n\r\n")[2])[1] if status == 200 else []
        return status, [(name.lower(), value) for name, value in fields]

    def raw(
        self, port: int, *lines: str, certificate: Path | None = None, path: str = "/pki/x"
    ) -> bytes:
        """Send a GET; return the whole answer."""
        request = [f"GET {path} HTTP/1.1", "Host: localhost", *lines, "Connection: close"]
        head = "\r\n".join(request)
        connection = socket.create_connection((_HOST, port), timeout=20)
        if port == self.https:
            connection = _unverified(certificate).wrap_socket(connection)
        with connection:
            connection.sendall(f"{head}\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


def _unverified(certificate: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate)
    return context


@pytest.fixture
def changed() -> dict[str, object]:
    """Settings of one test."""
    return {}


@pytest.fixture
def front(settings, tmp_path: Path, changed) -> Iterator[Front]:
    ours = Authority("ours")
    running = Front(free_port(), free_port(), free_port(), ours, tmp_path)
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "HOME": tmp_path / "home",
        "RUN_FOLDER": Path(f"/tmp/sealwright-{os.getpid()}-{running.https}"),
        "HTTPS_PORT": running.https,
        "HTTP_PORT": running.http,
        "PROXY_BIND": f"{_HOST}:{running.proxy}",
        "TRUSTED_PROXIES": (ipaddress.ip_network("127.0.0.1/32"),),
        "PROXY_CLIENT_CERTIFICATE": "rfc9440",
        "TLS_CLIENT_CERTIFICATES": "optional",
        **changed,
    }
    if changed.get("ACCESS_LOG"):
        settings.SEALWRIGHT["ACCESS_LOG"] = str(tmp_path / "access.log")
    server = Authority("server").issue(tmp_path)
    tls_files.server_file().parent.mkdir(parents=True)
    tls_files.server_file().write_bytes(server.read_bytes())
    tls_files.client_authorities_file().write_bytes(ours.certificate.public_bytes(Encoding.PEM))
    front_server.prepare()
    front_server.check()
    run = settings.SEALWRIGHT["RUN_FOLDER"]
    with _Application(str(run / "application.sock"), _Echo) as application:
        (run / "application.sock").chmod(0o777)
        threading.Thread(target=application.serve_forever, daemon=True).start()
        nginx = subprocess.Popen(front_server.command())
        try:
            for port in (running.https, running.http, running.proxy):
                _wait_for(port)
            yield running
        finally:
            nginx.terminate()
            nginx.wait(20)
            application.shutdown()
            subprocess.run(["rm", "-rf", str(run)], check=True)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((_HOST, port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(port)


def _shown(fields: list) -> tuple[str, str]:
    """Return the client certificate that was reported, and nginx's verdict."""
    found = dict(fields)
    return unquote(found.get("x-ssl-client-cert", "")), found.get("x-ssl-client-verify", "")


def test_client_certificate_is_handed_on_with_a_verdict(front):
    own, strange = front.ours.issue(front.folder), Authority("strange").issue(front.folder)
    status, fields = front.ask(front.https)
    assert (status, *_shown(fields)) == (200, "", "NONE")
    status, fields = front.ask(front.https, certificate=own)
    certificate, verdict = _shown(fields)
    assert (status, verdict) == (200, "SUCCESS")
    assert certificate.strip() in own.read_text()
    status, fields = front.ask(front.https, certificate=strange)
    certificate, verdict = _shown(fields)
    assert status == 200
    assert verdict.startswith("FAILED")
    assert certificate.strip() in strange.read_text()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/api/v1/certificates/", "application/problem+json"),
        ("/acme/directory", "application/problem+json"),
        ("/admin/", "text/plain"),
    ],
)
def test_certificate_that_has_ended_is_refused_in_words(front, path, content_type):
    ended = front.ours.issue(front.folder, ended=True)
    head, _, body = front.raw(front.https, certificate=ended, path=path).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == 400
    assert f"Content-Type: {content_type}".encode() in head
    text = body.decode()
    if content_type != "text/plain":
        document = json.loads(text)
        assert document["status"] == 400
        text = document["detail"]
    assert "client certificate of this TLS connection" in text
    assert "it has expired" in text


@pytest.mark.parametrize(
    "lines",
    [
        ("X-SSL-Client-Cert: spoofed", "X-SSL-Client-Verify: SUCCESS"),
        (
            "x-ssl-client-cert: spoofed",
            "X-Ssl-Client-Cert: spoofed",
            "X-SSL-CLIENT-VERIFY: SUCCESS",
        ),
        ("X_SSL_Client_Cert: spoofed", "X_SSL_Client-Verify: SUCCESS"),
        ("Client-Cert: spoofed", "Client-Cert-Chain: spoofed", "X-Client-Cert: spoofed"),
        ("X-Forwarded-Client-Cert: spoofed",),
        ("X-Forwarded-For: spoofed", "Forwarded: for=spoofed", "X-Real-IP: spoofed"),
        ("X-Forwarded-Proto: spoofed", "X-Forwarded-Host: spoofed", "X-Forwarded-Port: spoofed"),
        ("X-Proxy-Secret: spoofed",),
        ("X-Forwarded-For: a", " spoofed"),
    ],
)
def test_no_spoofed_field_reaches_the_application(front, lines):
    for port in (front.https, front.http):
        status, fields = front.ask(port, *lines)
        if lines[-1].startswith(" "):  # folded
            assert status == 400
            continue
        assert status == 200
        assert "spoofed" not in str(fields)
        assert [value for name, value in fields if name == "x-forwarded-for"] == [_HOST]


def test_proxy_listener_hands_on_what_a_proxy_reports(front):
    status, fields = front.ask(
        front.proxy,
        "X-Forwarded-For: 203.0.113.1, 192.0.2.44, 127.0.0.1",
        "X-Forwarded-Proto: https",
        "Client-Cert: :abcd:",
        "X-SSL-Client-Cert: spoofed",
    )
    found = dict(fields)
    assert status == 200
    assert found["x-forwarded-for"] == "192.0.2.44"
    assert found["x-forwarded-proto"] == "https"
    assert found["client-cert"] == ":abcd:"
    assert "x-ssl-client-cert" not in found


def test_proxy_listener_hands_on_both_of_two_copies(front):
    """The application refuses them: which of both the proxy wrote cannot be told."""
    _, fields = front.ask(front.proxy, "Client-Cert: :spoofed:", "Client-Cert: :abcd:")
    assert [value for name, value in fields if name == "client-cert"] == [":spoofed:", ":abcd:"]


def test_proxy_listener_refuses_strangers(front, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "TRUSTED_PROXIES": (ipaddress.ip_network("10.0.0.0/8"),)
    }
    front_server.prepare()
    subprocess.run([*front_server.command(), "-s", "reload"], check=True)
    deadline = time.monotonic() + 20
    while (status := front.ask(front.proxy)[0]) == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert status == 403


@pytest.mark.parametrize("changed", [{"REQUESTS_PER_SECOND": 5}])
def test_address_that_asks_too_often_is_told_to_wait(front, changed):
    answers = [front.raw(front.https, path="/api/v1/x") for _ in range(20)]
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429")]
    assert refused
    head, _, body = refused[0].partition(b"\r\n\r\n")
    assert b"Retry-After: 5" in head
    assert json.loads(body)["code"] == "rate_limited"
    acme = next(
        answer
        for answer in (front.raw(front.https, path="/acme/x") for _ in range(20))
        if answer.startswith(b"HTTP/1.1 429")
    )
    assert json.loads(acme.partition(b"\r\n\r\n")[2])["type"].endswith(":rateLimited")


@pytest.mark.parametrize("changed", [{"CONNECTIONS_PER_ADDRESS": 1}])
def test_address_that_asks_too_much_at_once_is_told_to_wait(front, changed):
    slow = threading.Thread(target=front.raw, args=(front.https,), kwargs={"path": "/pki/slow"})
    slow.start()
    time.sleep(0.5)
    assert front.raw(front.https).startswith(b"HTTP/1.1 429")
    slow.join()
    assert front.ask(front.https)[0] == 200


@pytest.fixture
def few_connections(monkeypatch) -> int:
    """Let each worker of nginx take few connections; return how many."""
    monkeypatch.setattr(nginx_config, "CONNECTIONS", 64)
    return nginx_config.CONNECTIONS


def test_plain_listener_leaves_half_of_the_connections_to_tls(few_connections, front):
    head = b"POST /ocsp/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(few_connections // 2):
            slow = stack.enter_context(socket.create_connection((_HOST, front.http), timeout=20))
            slow.sendall(head)
        time.sleep(0.5)
        assert front.raw(front.http).startswith(b"HTTP/1.1 429")
        assert front.ask(front.https)[0] == 200
    deadline = time.monotonic() + 10
    while front.raw(front.http).startswith(b"HTTP/1.1 429"):
        assert time.monotonic() < deadline, "the plain listener stays closed"
        time.sleep(0.1)
    assert front.ask(front.http)[0] == 200


@pytest.mark.parametrize(
    ("path", "member", "value"),
    [
        ("/api/v1/x", "code", "unavailable"),
        ("/acme/x", "type", "urn:ietf:params:acme:error:serverInternal"),
    ],
)
def test_missing_application_is_said_in_the_form_of_the_path(front, settings, path, member, value):
    (settings.SEALWRIGHT["RUN_FOLDER"] / "application.sock").unlink()
    head, _, body = front.raw(front.https, path=path).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502")
    assert b"application/problem+json" in head
    assert json.loads(body)[member] == value


@pytest.mark.parametrize("changed", [{"PROXY_SECRET": "s" * 40}])
def test_secret_of_the_hop_goes_to_the_application_only(front, changed):
    assert dict(front.ask(front.https)[1])["x-proxy-secret"] == "s" * 40
    assert dict(front.ask(front.http)[1])["x-proxy-secret"] == "s" * 40
    assert "x-proxy-secret" not in dict(front.ask(front.proxy)[1])
    assert dict(front.ask(front.proxy, "X-Proxy-Secret: theirs")[1])["x-proxy-secret"] == "theirs"


@pytest.mark.parametrize("changed", [{"PROXY_SECRET": "s" * 40}])
def test_secret_of_the_front_server_does_not_vouch_for_a_proxy(front, changed):
    """What the application receives lets it refuse: no listener adds the secret to a proxy's report."""
    for port in (front.https, front.http, front.proxy):
        without = dict(front.ask(port, "X-Forwarded-For: 203.0.113.1")[1])
        assert "x-proxy-secret" not in without
        theirs = front.ask(port, "X-Forwarded-For: 203.0.113.1", "X-Proxy-Secret: theirs")
        assert dict(theirs[1])["x-proxy-secret"] == "theirs"


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        (("X-Forwarded-For: nonsense",), "x-forwarded-for", "nonsense"),
        (("X-Forwarded-For: x, 127.0.0.1",), "x-forwarded-for", "x, 127.0.0.1"),
        ((), "x-forwarded-for", _HOST),
        (("X-Forwarded-Proto: gopher",), "x-forwarded-proto", "gopher"),
        (("X-Forwarded-Proto: https",), "x-forwarded-proto", "https"),
        ((), "x-forwarded-proto", "http"),
    ],
)
def test_unusable_report_goes_to_the_application_which_refuses_it(front, lines, field, value):
    assert dict(front.ask(front.proxy, *lines)[1])[field] == value


@pytest.mark.parametrize("changed", [{"REQUESTS_PER_SECOND": 1, "ACCESS_LOG": "set below"}])
def test_access_log_shows_what_was_asked_for(front, changed):
    for _ in range(4):
        front.raw(front.https, path="/api/v1/x?token=hidden")
    lines = [line for line in (front.folder / "access.log").read_text().splitlines() if line]
    assert {line.split('"')[1] for line in lines} == {"GET /api/v1/x"}
    assert {line.split('"')[2].split()[0] for line in lines} == {"200", "429"}


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("GET /api/%ff%zz HTTP/1.1", 400, "malformed"),
        ("TRACE /api/v1/x HTTP/1.1", 405, "method_not_allowed"),
        ("GET /api/" + "x" * 17000 + " HTTP/1.1", 414, "uri_too_long"),
        ("GET http://localhost/api/%zz HTTP/1.1", 400, "malformed"),
    ],
)
def test_request_that_nginx_refuses_is_answered_in_the_form_of_its_path(
    front, request_line, status, code
):
    connection = _unverified(None).wrap_socket(
        socket.create_connection((_HOST, front.https), timeout=20)
    )
    with connection:
        connection.sendall(
            f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while piece := connection.recv(65536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert json.loads(body)["code"] == code
