"""The rendered configuration, judged by nginx itself; what it does is shown in tests/interop."""

import ipaddress
import re
import signal
from pathlib import Path

import pytest

from apps.operations import front_server, tls_files
from apps.operations.front_server import CertificateWatch
from apps.operations.nginx_config import FrontServerError, render
from tests.factories import servers


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "HOME": tmp_path,
        "RUN_FOLDER": tmp_path / "run",
        "HTTPS_PORT": 28443,
        "HTTP_PORT": 28080,
    }
    settings.STATIC_ROOT = tmp_path / "collected"
    _write_certificate()
    return tmp_path


def _write_certificate() -> None:
    path = tls_files.server_file()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(servers.certificate()))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"BIND": "::"},
        {"BIND": "[::1]"},
        {"BIND": "0.0.0.0"},
        {"TLS_CLIENT_CERTIFICATES": "optional"},
        {"CONNECTIONS_PER_ADDRESS": 0, "REQUESTS_PER_SECOND": 0},
        {"MAX_BODY_BYTES": 64 * 1024 * 1024},
        {"ACCESS_LOG": "/dev/null"},
        {"PROXY_SECRET": "x" * 40},
        *(
            {
                "PROXY_BIND": "127.0.0.1:28081",
                "TRUSTED_PROXIES": (
                    ipaddress.ip_network("10.0.0.0/8"),
                    ipaddress.ip_network("2001:db8::/64"),
                ),
                "PROXY_CLIENT_CERTIFICATE": form,
            }
            for form in ("off", "escaped-pem", "rfc9440", "xfcc")
        ),
    ],
    ids=str,
)
def test_nginx_accepts_what_is_rendered(settings, changed):
    settings.SEALWRIGHT = settings.SEALWRIGHT | changed
    front_server.prepare()
    front_server.check()


def _passed(configuration: str, field: str) -> list[str]:
    """Return what each listener hands on in a header field."""
    return re.findall(rf"proxy_set_header {field} (.*);", configuration)


def test_no_listener_hands_on_what_a_client_says_about_itself():
    text = render()
    assert text.count("\n    server {") == 2
    for field in (
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Host",
        "Client-Cert",
        "X-Forwarded-Client-Cert",
    ):
        assert _passed(text, field) == ['""', '""'], field
    assert _passed(text, "X-Forwarded-For") == ["$remote_addr"] * 2
    assert _passed(text, "X-SSL-Client-Cert") == ["$ssl_client_escaped_cert", '""']


def test_proxies_hand_on_one_form_only(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "PROXY_BIND": "127.0.0.1:28081",
        "TRUSTED_PROXIES": (ipaddress.ip_network("127.0.0.1/32"),),
        "PROXY_CLIENT_CERTIFICATE": "xfcc",
    }
    of_proxies = render().split("\n    server {")[3]
    assert _passed(of_proxies, "X-Forwarded-Client-Cert") == []
    assert _passed(of_proxies, "Client-Cert") == ['""']
    assert _passed(of_proxies, "X-SSL-Client-Cert") == ['""']


def test_configuration_with_the_secret_is_private(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PROXY_SECRET": "s" * 40}
    front_server.prepare()
    assert front_server.configuration_file().stat().st_mode & 0o077 == 0
    assert "s" * 40 in front_server.configuration_file().read_text()


def test_path_that_nginx_would_misread_is_refused(settings, tmp_path):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"ACCESS_LOG": str(tmp_path / 'a"; include x')}
    with pytest.raises(FrontServerError, match="plainer"):
        render()


def test_folder_too_long_for_a_socket_is_explained(settings, tmp_path):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"RUN_FOLDER": tmp_path / ("x" * 100)}
    with pytest.raises(FrontServerError, match="SEALWRIGHT_RUN_FOLDER"):
        front_server.prepare()


def test_nobody_else_enters_the_folder_of_the_socket(tmp_path):
    front_server.prepare()
    assert (tmp_path / "run").stat().st_mode & 0o007 == 0


def test_renewed_certificate_is_loaded_once(caplog):
    caplog.set_level("INFO")
    front_server.prepare()
    sent: list[int] = []
    watch = CertificateWatch(send=sent.append, report=pytest.fail)
    watch.look()
    assert sent == []
    _write_certificate()
    watch.look()
    watch.look()
    assert sent == [signal.SIGHUP]
    assert len([r for r in caplog.records if "loads the changed certificate" in r.message]) == 1


def test_unusable_certificate_is_reported_and_the_old_one_stays():
    front_server.prepare()
    sent: list[int] = []
    reports: list[str] = []
    watch = CertificateWatch(send=sent.append, report=reports.append)
    tls_files.server_file().write_text("damaged")
    watch.look()
    assert sent == []
    assert "previous certificate stays" in reports[0]
    _write_certificate()
    watch.look()
    assert sent == [signal.SIGHUP]


def test_client_authorities_are_named_once_there_are_any(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"TLS_CLIENT_CERTIFICATES": "optional"}
    assert "ssl_client_certificate" not in render()
    tls_files.client_authorities_file().write_bytes(servers.certificate()[0])
    assert "ssl_client_certificate" in render()
