"""Tests that failures of servers, networks and files are told in plain sentences."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from typer.testing import CliRunner

from sealwright import Client
from sealwright.cli import app
from sealwright.errors import ApiError, ConnectionFailed, SealwrightClientError
from tests.factories.servers import (
    LOOPBACK,
    certificate,
    greeting_server,
    moved,
    page,
    silent_server,
    tls_context,
    web_server,
)

LIST = "/api/v1/applications/?limit=200"
EMPTY = page(b'{"results": [], "next": null}', Content_Type="application/json")
# What must never reach a user: names of libraries and classes, and numbers of the system.
LIBRARY = re.compile(
    r"Errno|[a-z]Error\b|Exception|HTTPConnectionPool|urllib3|requests\.|ssl\.c|\[SSL|object at|Traceback"
)


@pytest.fixture(autouse=True)
def _no_login(tmp_path, monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_CLI_CONFIG", str(tmp_path / "login.json"))
    for name in ("SEALWRIGHT_CLI_URL", "SEALWRIGHT_CLI_TOKEN", "SEALWRIGHT_CLI_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def said(*arguments: object, status: int) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert not LIBRARY.search(result.output), result.output
    return result.output


def at(url: str, *more: object, status: int = 7) -> str:
    return said("login", "--url", url, "--token", "swt_x", *more, status=status)


NAMED = (x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), False)
OTHER = (x509.SubjectAlternativeName([x509.DNSName("other.example")]), False)


@pytest.mark.parametrize(
    ("pems", "trusted", "expected"),
    [
        (certificate(NAMED), False, "Name the file with the server's root: "),
        (certificate(NAMED, issuer="nobody"), True, "--ca-file FILE"),
        (certificate(NAMED, not_after=timedelta(days=-1)), True, "has expired, or the clock"),
        (certificate(OTHER), True, "is for other names than 127.0.0.1"),
    ],
    ids=["self-signed", "unknown issuer", "expired", "other name"],
)
def test_a_certificate_that_is_refused(pems, trusted, expected, tmp_path):
    root = tmp_path / "root.pem"
    root.write_bytes(pems[0])
    with web_server(tls_context(tmp_path, pems)) as server:
        more = ("--ca-file", root) if trusted else ()
        assert expected in at(f"https://{LOOPBACK}:{server.port}", *more)


def test_a_certificate_that_is_trusted(tmp_path):
    pems = certificate(NAMED, (x509.BasicConstraints(ca=True, path_length=None), True))
    root = tmp_path / "root.pem"
    root.write_bytes(pems[0])
    with web_server(tls_context(tmp_path, pems)) as server:
        server.pages[LIST] = EMPTY
        told = at(f"https://{LOOPBACK}:{server.port}", "--ca-file", root, status=0)
    assert "Applications: none yet." in told


def test_plain_http_where_tls_is_expected():
    with greeting_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "does not speak TLS" in at(f"https://{LOOPBACK}:{port}")


def test_tls_where_plain_http_is_expected(tmp_path):
    with web_server(tls_context(tmp_path, certificate(NAMED))) as server:
        assert "closed" in at(f"http://{LOOPBACK}:{server.port}")


def test_nothing_listens():
    with silent_server() as port:
        pass
    assert "nothing listens there" in at(f"https://{LOOPBACK}:{port}")


def test_a_name_that_does_not_exist():
    assert "unknown.invalid is not found in DNS" in at("https://unknown.invalid")


def test_proxy_variables_are_told_to_be_of_no_use(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert "HTTPS_PROXY is set, but proxies are not used" in at(f"https://{LOOPBACK}:1")


def test_no_answer_in_time():
    with silent_server() as port:
        client = Client(f"http://{LOOPBACK}:{port}", "swt_x", timeout_s=0.2)
        with pytest.raises(ConnectionFailed, match="connected, but no answer in time"):
            list(client.applications())


def test_a_server_of_another_kind():
    with greeting_server(b"220 mail.example ESMTP\r\n") as port:
        assert "cannot be reached" in at(f"http://{LOOPBACK}:{port}")


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Internal Server Error"])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_an_answer_that_is_not_the_api(status, kind):
    with web_server() as server:
        server.pages[LIST] = page(b"<html>hello</html>", status, Content_Type=kind)
        told = at(f"http://{LOOPBACK}:{server.port}")
    assert "not with the API of Sealwright. Check the address" in told


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"\xff\xfe"])
def test_json_of_another_shape_is_not_the_api(body):
    with web_server() as server:
        server.pages[LIST] = page(body, Content_Type="application/json")
        assert "not with the API" in at(f"http://{LOOPBACK}:{server.port}")


def test_a_redirect_names_where_to():
    with web_server() as server:
        server.pages[LIST] = moved("https://sso.example/login?next=\x1b[31m")
        told = at(f"http://{LOOPBACK}:{server.port}")
    assert "redirects to https://sso.example. " in told
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://x", "pki.example", "https://", "https://h:99999", "https://[::1", "https:/x"]
)
def test_what_is_no_address(url):
    assert "write https://host[:port]" in at(url, status=1)


@pytest.mark.parametrize("end", ["/admin/", "/api/v1", "/?x=1", "/#x"])
def test_an_address_with_more_than_the_origin(end):
    told = at(f"https://{LOOPBACK}:1{end}", status=1)
    assert "without path, query or password" in told


def test_the_final_slash_of_an_origin_does_not_matter():
    with web_server() as server:
        server.pages[LIST] = EMPTY
        at(f"http://{LOOPBACK}:{server.port}/", status=0)


@pytest.mark.parametrize("token", ["a b", "swt_x\r\nX: y", "schl\u00fcssel", "swt_\x00"])
def test_what_is_no_token_is_not_sent(token):
    with pytest.raises(SealwrightClientError, match="This is not an API token"):
        Client(f"http://{LOOPBACK}:1", token)


def test_a_ca_file_that_is_none(tmp_path):
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.write_text("")
    url = f"https://{LOOPBACK}:1"
    assert f"{missing} does not exist" in at(url, "--ca-file", missing, status=1)
    assert f"{empty} holds no certificate" in at(url, "--ca-file", empty, status=1)
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert "broken.pem" in at(url, "--ca-file", broken, status=1)


# --- A server that is busy ---------------------------------------------------------------------


def busy(after: str, status: str = "503 Service Unavailable") -> bytes:
    body = json.dumps({"code": "unavailable", "detail": "The database is away."}).encode()
    return page(body, status, Content_Type="application/problem+json", Retry_After=after)


def test_a_busy_server_is_asked_again_when_it_says():
    with web_server() as server:
        answers = [busy("0"), busy("1", "429 Too Many Requests"), EMPTY]
        server.pages[LIST] = lambda connection: connection.sendall(answers.pop(0))
        told = at(f"http://{LOOPBACK}:{server.port}", status=0)
    assert told.count("The server is busy; trying again in 1 s.") == 2
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("3600", "Try again in 3600 s."),
        (format_datetime(datetime(2199, 1, 1, tzinfo=UTC), usegmt=True), "Try again in "),
        ("soon", "The database is away."),
    ],
)
def test_a_long_wait_is_told(after, expected):
    with web_server() as server:
        server.pages[LIST] = busy(after)
        assert expected in at(f"http://{LOOPBACK}:{server.port}")
    assert len(server.requests) == 1


def test_a_call_without_idempotency_key_is_not_repeated():
    identifier = "00000000-0000-7000-8000-000000000000"
    with web_server() as server:
        server.pages[f"/api/v1/certificates/{identifier}/release/"] = busy("1")
        waits: list[int] = []
        client = Client(f"http://{LOOPBACK}:{server.port}", "swt_x", on_wait=waits.append)
        with pytest.raises(ApiError) as refused:
            client.release(identifier)
    assert refused.value.retry_after_s == 1
    assert (len(server.requests), waits) == (1, [])


def test_an_unavailable_proxy_in_its_own_words():
    with web_server() as server:
        server.pages[LIST] = page(b"<html>", "502 Bad Gateway", Content_Type="text/html")
        told = at(f"http://{LOOPBACK}:{server.port}")
    assert "The server, or a proxy before it, says: Bad Gateway." in told


# --- Files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"url": "x",\n "token": }', "line 2, column 11: not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"url": 3, "token": ["x"]}', "url, token must be a text"),
        (b"\xff\xfe{", "not a text file in UTF-8"),
        (b"[" * 100_000, "login.json"),
    ],
    ids=["empty", "blank", "broken", "list", "numbers", "bytes", "deep"],
)
@pytest.mark.parametrize("option", [False, True], ids=["login", "quickstart"])
def test_a_broken_configuration_file_is_named(content, expected, option, tmp_path):
    file = tmp_path / "login.json"
    file.write_bytes(content)
    told = said("login", "--quickstart", file, status=1) if option else said("list", status=1)
    assert str(file) in told
    assert option or expected in told


def test_quickstart_files_name_what_is_missing(tmp_path):
    file = tmp_path / "quickstart.json"
    file.write_text('{"https_url": "https://localhost:1"}')
    assert "token, ca_file missing" in said("login", "--quickstart", file, status=1)
    told = said("login", "--quickstart", tmp_path / "none.json", status=1)
    assert told == f"{tmp_path / 'none.json'}: there is no such file or folder.\n"


def test_files_are_refused_before_anything_is_requested(tmp_path):
    """Nobody is logged in: whatever is refused here is refused before the first call."""
    there = tmp_path / "there"
    there.write_text("precious")
    request = ("request", "-a", "demo", "-p", "tls-server", "--dns", "a.example.com")
    told = said(*request, "--server-key", "--key-out", there, status=1)
    assert told == f"{there}: it exists already, and nothing is overwritten.\n"
    none = tmp_path / "none" / "cert.pem"
    told = said(*request, "--server-key", "--cert-out", none, status=1)
    assert told == f"{none.parent}: there is no such file or folder.\n"
    told = said(*request, "--server-key", "--cert-out", tmp_path, status=1)
    assert told == f"{tmp_path}: it is a folder.\n"
    told = said("export", "4f", "--out", there, "--password-file", there, status=1)
    assert "nothing is overwritten" in told
    assert there.read_text() == "precious"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--dns", "-\u00fc-.example", "is not a host name"),
        ("--ip", "10.0.0.256", "is not an IP address"),
        ("--email", "m\u00fcller@example.com", "is not a mail address in ASCII"),
        ("--uri", "https://\u00fc.example", "is not a URI in ASCII"),
        ("--cn", "x" * 65, "at most 64 characters"),
    ],
)
def test_names_that_no_csr_can_hold(option, value, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_CLI_URL", f"http://{LOOPBACK}:1")
    monkeypatch.setenv("SEALWRIGHT_CLI_TOKEN", "swt_x")
    key = tmp_path / "key.pem"
    told = said("request", "-a", "a", "-p", "p", option, value, "--key-out", key, status=1)
    assert expected in told
    assert not key.exists()


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        (("list", "--state", "alive"), "active, held, revoked, expired"),
        (("requests", "--state", "alive"), "pending_approval, approved"),
        (("download", "4f", "--format", "jks"), "pem, chain, fullchain, der, p7b"),
        (("export", "4f", "--out", "x", "--format", "pem"), "pkcs12, private-key"),
        (("revoke", "4f", "--reason", "lost"), "unspecified, keyCompromise, cACompromise"),
        (("revoke-authority", "x", "--reason", "certificateHold"), "unspecified, keyCompromise"),
        (("request", "-a", "a", "-p", "p", "-k", "rsa-1024"), "ec-p256, ec-p384"),
        (("completion", "tcsh"), "bash, zsh, fish"),
    ],
)
def test_errors_list_what_is_accepted(arguments, listed):
    assert f"is not one of: {listed}" in " ".join(said(*arguments, status=2).split())


def test_a_reader_that_has_gone_is_no_failure(tmp_path):
    """As in ``sealwright ... | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "sealwright", "--version"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert not LIBRARY.search(done.stderr), done.stderr
