"""Setting mistakes are one short list with name and reason, whatever is started."""

import socket

import pytest

from apps import origins
from config.env import Environment
from tests.commands import run_on_own_home

MISTAKES = {
    "LOGLEVEL": (
        "debug",
        "SEALWRIGHT_LOGLEVEL is not a setting; did you mean SEALWRIGHT_LOG_LEVEL",
    ),
    "DB_URL": ("x", "SEALWRIGHT_DB_URL is not a setting; did you mean SEALWRIGHT_DATABASE_URL"),
    "LOG_LEVEL": ("loud", "SEALWRIGHT_LOG_LEVEL='loud' is none of debug, info"),
    "BIND": ("localhost", "SEALWRIGHT_BIND='localhost' is not an IP address"),
    "PUBLIC_URL": (
        "http://ca.example",
        "SEALWRIGHT_PUBLIC_URL='http://ca.example' must begin with https://",
    ),
    "PKI_URL": ("http://u:canary@x/p", "SEALWRIGHT_PKI_URL='http://***@x/p' must end after host"),
    "HTTP_PORT": ("8443", "SEALWRIGHT_HTTPS_PORT and SEALWRIGHT_HTTP_PORT are the same port"),
    "WORKERS": ("many", "SEALWRIGHT_WORKERS='many' is not a whole number"),
    "THREADS": ("0", "SEALWRIGHT_THREADS=0 is outside 1..64"),
    "PROXY_BIND": ("127.0.0.1:9000", "SEALWRIGHT_PROXY_BIND needs SEALWRIGHT_TRUSTED_PROXIES"),
    "DATABASE_URL": ("postgres://u:canary@h:port/n", "SEALWRIGHT_DATABASE_URL is not postgres://"),
    "ALLOWED_HOSTS": (
        "https://ca.example",
        "SEALWRIGHT_ALLOWED_HOSTS: 'https://ca.example' is not a host",
    ),
    "KEK": ("canary", "SEALWRIGHT_KEK is not 32 bytes in base64"),
    "FORMER_HTTP_PORTS": ("80,http", "SEALWRIGHT_FORMER_HTTP_PORTS: 'http' is not a port"),
}


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "up"),
        ("manage.py", "serve"),
        ("manage.py", "qcluster"),
        ("-m", "gunicorn", "-c", "python:config.gunicorn"),
        ("-m", "gunicorn", "config.wsgi:application", "--bind", "127.0.0.1:0"),
    ],
    ids=lambda command: command[1] if command[0] == "manage.py" else command[2],
)
def test_every_entry_tells_all_mistakes_at_once(tmp_path, command):
    done = run_on_own_home(
        tmp_path, *command, **{name: value for name, (value, _) in MISTAKES.items()}
    )
    told = done.stdout + done.stderr
    assert done.returncode in {1, 3}
    assert "Traceback" not in told
    for _, mistake in MISTAKES.values():
        assert f"  - {mistake}" in told
    assert "canary" not in told
    assert len(told.splitlines()) <= len(MISTAKES) + 12
    assert not (tmp_path / "home").exists()


def test_names_of_others_are_no_mistakes(tmp_path):
    done = run_on_own_home(
        tmp_path,
        "manage.py",
        "check",
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT_HTTPS="8443",
        PORT="tcp://10.0.0.1:8443",
        PORT_8443_TCP_ADDR="10.0.0.1",
        WEB_PORT_80_TCP="tcp://10.0.0.2:80",
        CLI_URL="https://ca.example",
        CLI_TOKEN="x",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"HOME": "/proc/nowhere"}, "SEALWRIGHT_HOME: the folder /proc/nowhere cannot be written"),
        ({"HOME": "/etc/passwd"}, "SEALWRIGHT_HOME='/etc/passwd' is not a directory"),
        (
            {"DATABASE_URL": "sqlite:////proc/nowhere.sqlite3"},
            "SEALWRIGHT_DATABASE_URL: the folder /proc cannot be written",
        ),
        (
            {"DATABASE_URL": "postgres://nobody:canary@127.0.0.1:1/nothing"},
            "SEALWRIGHT_DATABASE_URL: the database 127.0.0.1:1/nothing cannot be used: ",
        ),
        (
            {"RUN_FOLDER": "/proc/run"},
            "SEALWRIGHT_RUN_FOLDER: the folder /proc/run cannot be written",
        ),
    ],
)
def test_unusable_places_are_named_without_a_traceback(tmp_path, variables, reason):
    done = run_on_own_home(tmp_path, "manage.py", "up", **variables)
    assert done.returncode == 1
    assert f"  - {reason}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stderr


def test_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "text.sqlite3"
    path.write_text("no database" * 1000)
    for command in ("up", "migrate", "quickstart"):
        done = run_on_own_home(tmp_path, "manage.py", command, DATABASE_URL=f"sqlite:///{path}")
        assert done.returncode == 1
        assert f"the database {path} cannot be used: file is not a database" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("create_token", "admin"), ("pki_url",), ("serve",)])
def test_an_installation_is_made_by_no_command_that_needs_one(tmp_path, command):
    done = run_on_own_home(tmp_path, "manage.py", *command)
    assert done.returncode == 1
    assert f"There is no database in {tmp_path}/home (SEALWRIGHT_HOME)." in done.stderr
    assert "Traceback" not in done.stderr
    assert run_on_own_home(tmp_path, "manage.py", "check").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_first_start_on_a_busy_port_makes_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_on_own_home(tmp_path, "manage.py", "up", HTTPS_PORT=port)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_database_without_tables_is_told(tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "sealwright.sqlite3").touch(mode=0o600)
    for command in ("serve", "quickstart"):
        done = run_on_own_home(tmp_path, "manage.py", command)
        assert done.returncode == 1
        assert "run `manage.py migrate` first" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("bind", "public", "pki"),
    [
        ("127.0.0.1", "https://localhost:8443", "http://127.0.0.1:8080"),
        ("0.0.0.0", "https://localhost:8443", "http://127.0.0.1:8080"),
        ("::", "https://localhost:8443", "http://127.0.0.1:8080"),
        ("::1", "https://[::1]:8443", "http://[::1]:8080"),
        ("192.0.2.7", "https://192.0.2.7:8443", "http://192.0.2.7:8080"),
    ],
)
def test_addresses_follow_the_interface(bind, public, pki):
    assert origins.for_listener("https", bind, 8443, "localhost") == public
    assert origins.for_listener("http", bind, 8080, "127.0.0.1") == pki


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://CA.Example:443/", "https://ca.example"),
        ("HTTPS://ca.example:8443", "https://ca.example:8443"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]"),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_taken_in_its_usual_form(given, origin):
    assert origins.parsed_origin(given) == origin


@pytest.mark.parametrize(
    "given",
    [
        "ca.example",
        "https://",
        "https://:443",
        "https://ca.example:0",
        "https://ca.example:70000",
        "https://ca.example:",
        "https://ca example",
        'https://ca"example',
        "https://ca.example//",
        "https://ca.example?x",
        "https://ca.example#x",
        "https://b\u00fccher.example",
        "https://1.2.3",
        "https://[::1",
        "https://-x.example",
    ],
)
def test_what_is_no_origin_is_refused(given):
    with pytest.raises(ValueError, match=r"must|has no"):
        origins.parsed_origin(given)


@pytest.mark.parametrize(
    ("origin", "everywhere"),
    [
        ("http://localhost:8080", False),
        ("http://127.0.0.1", False),
        ("http://[::1]:8080", False),
        ("http://pki", False),
        ("http://pki.example", True),
        ("http://10.0.0.1", True),
    ],
)
def test_hosts_that_other_machines_do_not_know(origin, everywhere):
    assert origins.is_everywhere(origin) is everywhere


def test_bind_takes_brackets(monkeypatch):
    monkeypatch.setenv("SEALWRIGHT_BIND", "[::1]")
    assert Environment().address("BIND", "127.0.0.1") == "::1"
