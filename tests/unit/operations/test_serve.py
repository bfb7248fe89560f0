"""What ``manage.py serve`` refuses before it starts anything, and what it would start."""

import socket
import ssl
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.operations import front_server, start_checks, tls_files
from apps.operations.management.commands import serve
from tests.interop.server import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "HOME": tmp_path,
        "RUN_FOLDER": tmp_path / "run",
        "BIND": "127.0.0.1",
    }
    return tmp_path


def test_port_in_use_is_explained(home, settings):
    (home / "tls").mkdir()
    (home / "tls" / "server.pem").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.SEALWRIGHT = settings.SEALWRIGHT | {"HTTPS_PORT": taken.getsockname()[1]}
        with pytest.raises(CommandError, match="SEALWRIGHT_HTTPS_PORT"):
            call_command("serve")
        settings.SEALWRIGHT = settings.SEALWRIGHT | {
            "HTTPS_PORT": free_port(),
            "HTTP_PORT": free_port(),
            "PROXY_BIND": f"127.0.0.1:{taken.getsockname()[1]}",
        }
        with pytest.raises(CommandError, match="SEALWRIGHT_PROXY_BIND"):
            call_command("serve")


def test_address_that_is_none_is_explained(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"BIND": "no address"}
    with pytest.raises(CommandError, match="SEALWRIGHT_BIND"):
        call_command("up")


def test_busy_port_at_a_first_start_writes_nothing(home, settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.SEALWRIGHT = settings.SEALWRIGHT | {"HTTPS_PORT": taken.getsockname()[1]}
        out = StringIO()
        with pytest.raises(CommandError, match="SEALWRIGHT_HTTPS_PORT"):
            call_command("up", stdout=out)
    assert out.getvalue() == ""
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("arguments", [("up",), ("serve",), ("serve", "--print")])
def test_second_start_on_a_data_directory_is_refused(home, settings, arguments):
    (home / "tls").mkdir()
    (home / "tls" / "server.pem").touch()
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "HTTPS_PORT": free_port(),
        "HTTP_PORT": free_port(),
    }
    with start_checks.only_start():
        before = sorted(home.rglob("*"))
        with pytest.raises(CommandError, match="already runs on the data directory"):
            call_command(*arguments, stdout=StringIO())
        assert sorted(home.rglob("*")) == before
    with start_checks.only_start():
        pass  # free again


def test_missing_nginx_is_explained(home, settings, monkeypatch):
    (home / "tls").mkdir()
    (home / "tls" / "server.pem").touch()
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "HTTPS_PORT": free_port(),
        "HTTP_PORT": free_port(),
    }
    monkeypatch.setattr(front_server.shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(CommandError, match="apt-get install nginx"):
        call_command("serve")


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_listener_without_a_usable_certificate_gets_a_self_signed_one(home, content, caplog):
    if content is not None:
        (home / "tls").mkdir()
        (home / "tls" / "server.pem").write_bytes(content)
    call_command("serve", "--print", stdout=StringIO())
    assert tls_files.shown_file() == tls_files.self_signed_file()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls_files.shown_file())
    assert "self-signed certificate" in caplog.text
    assert "manage.py quickstart" in caplog.text
    assert (home / "tls" / "server.pem").exists() == (content is not None)


def test_parts_can_be_listed_for_another_supervisor():
    out = StringIO()
    call_command("serve", "--print", stdout=out)
    assert [line.split(":")[0] for line in out.getvalue().splitlines()] == [
        "application",
        "jobs",
        "front",
    ]


def test_listeners_that_do_not_answer_are_not_ready(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.SEALWRIGHT = settings.SEALWRIGHT | {"HTTPS_PORT": free.getsockname()[1]}
        assert not serve.listeners_answer()


@pytest.mark.parametrize(
    ("bind", "reachable"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("[::1]", "::1"), ("192.0.2.1", "192.0.2.1")],
)
def test_probe_goes_to_an_address_that_can_be_reached(bind, reachable):
    assert serve.reachable_address(bind) == reachable
