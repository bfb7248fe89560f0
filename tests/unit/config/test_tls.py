import hashlib
import http.client
import socket
import ssl
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from config.tls import ContextSource

from .listener import running
from .pki import Authority


@pytest.fixture
def authority() -> Authority:
    return Authority("TLS test")


def _trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.pem.decode())


def _peer(port: int, context: ssl.SSLContext) -> tuple[bytes, str]:
    """Return what the server showed and what it saw of us."""
    client = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    with closing(client):
        client.connect()
        shown = client.sock.getpeercert(True)
        client.request("GET", "/", headers={"Connection": "close"})
        return shown, client.getresponse().read().decode()


def _session(port: int, context: ssl.SSLContext) -> ssl.SSLSession:
    """Return what the server lets us resume, after an answer."""
    client = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    with closing(client):
        client.request("GET", "/")
        client.getresponse().read()
        return client.sock.session


def test_context_is_kept_while_the_file_is_unchanged(tmp_path: Path, authority):
    authority.issue(tmp_path / "server.pem")
    source = ContextSource(tmp_path / "server.pem")
    assert source.current() is source.current()


def test_context_refuses_what_is_older_than_tls_1_2(tmp_path: Path, authority):
    authority.issue(tmp_path / "server.pem")
    context = ContextSource(tmp_path / "server.pem").current()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    weak = [
        cipher["name"]
        for cipher in context.get_ciphers()
        if not cipher["aead"] or cipher["kea"] not in {"kx-ecdhe", "kx-any"}
    ]
    assert weak == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_goes_on_where_clients_may_show_certificates(tmp_path: Path, authority, version):
    server, bundle = tmp_path / "server.pem", tmp_path / "client-authorities.pem"
    authority.issue(server)
    bundle.write_bytes(authority.pem)
    with running(
        tmp_path, tls=f"ContextSource(Path({str(server)!r}), Path({str(bundle)!r}))"
    ) as port:
        context = _trusting(authority)
        context.maximum_version = version
        assert not _session(port, context).has_ticket


def test_no_tickets_are_made_for_tls_1_3(tmp_path: Path, authority):
    path = tmp_path / "server.pem"
    authority.issue(path)
    with running(tmp_path, tls=f"ContextSource(Path({str(path)!r}))") as port:
        assert not _session(port, _trusting(authority)).has_ticket


def test_missing_file_at_the_start_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        ContextSource(tmp_path / "server.pem").current()


def test_unusable_new_file_leaves_the_old_certificate_in_service(tmp_path: Path, authority, caplog):
    authority.issue(tmp_path / "server.pem")
    source = ContextSource(tmp_path / "server.pem")
    before = source.current()
    (tmp_path / "server.pem").write_text("not a certificate")
    assert source.current() is before
    assert "previous certificate stays" in caplog.text


def test_renewed_certificate_is_served_without_a_restart(tmp_path: Path, authority):
    path = tmp_path / "server.pem"
    first = authority.issue(path)
    with running(tmp_path, tls=f"ContextSource(Path({str(path)!r}))") as port:
        assert _peer(port, _trusting(authority))[0] == first.public_bytes(Encoding.DER)
        second = authority.issue(path)
        assert _peer(port, _trusting(authority))[0] == second.public_bytes(Encoding.DER)


def test_client_certificate_is_optional_verified_and_readable_by_views(tmp_path: Path, authority):
    clients, strangers = Authority("clients"), Authority("strangers")
    server, bundle = tmp_path / "server.pem", tmp_path / "client-authorities.pem"
    authority.issue(server)
    bundle.write_bytes(clients.pem)
    client = clients.issue(tmp_path / "client.pem", client=True)
    clients.issue(tmp_path / "expired.pem", client=True, days=-1)
    clients.issue(tmp_path / "not-for-clients.pem")
    strangers.issue(tmp_path / "stranger.pem", client=True)

    with running(
        tmp_path, tls=f"ContextSource(Path({str(server)!r}), Path({str(bundle)!r}))"
    ) as port:
        assert _peer(port, _trusting(authority))[1] == "none"

        context = _trusting(authority)
        context.load_cert_chain(tmp_path / "client.pem")
        der = client.public_bytes(Encoding.DER)
        assert _peer(port, context)[1] == hashlib.sha256(der).hexdigest()

        for unusable in ("expired", "not-for-clients", "stranger"):
            context = _trusting(authority)
            context.load_cert_chain(tmp_path / f"{unusable}.pem")
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                _peer(port, context)

        assert _peer(port, _trusting(authority))[1] == "none"


def test_client_certificates_are_not_asked_for_by_default(tmp_path: Path, authority):
    clients = Authority("clients")
    path = tmp_path / "server.pem"
    authority.issue(path)
    clients.issue(tmp_path / "client.pem", client=True)
    with running(tmp_path, tls=f"ContextSource(Path({str(path)!r}))") as port:
        context = _trusting(authority)
        context.load_cert_chain(tmp_path / "client.pem")
        assert _peer(port, context)[1] == "none"


def test_client_that_never_finishes_its_handshake_frees_the_thread(tmp_path: Path, authority):
    path = tmp_path / "server.pem"
    authority.issue(path)
    tls = f"ContextSource(Path({str(path)!r}))"
    with (
        running(tmp_path, tls=tls) as port,
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        slow.sendall(b"\x16\x03\x01")
        assert _peer(port, _trusting(authority))[1] == "none"
