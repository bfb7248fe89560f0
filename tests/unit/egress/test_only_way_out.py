"""Test that no module outside apps/egress opens a connection."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NETWORK = (
    "aiohttp",
    "dns",
    "ftplib",
    "http.client",
    "httpx",
    "imaplib",
    "poplib",
    "requests",
    "smtplib",
    "socket",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "xmlrpc.client",
)
# Files that open no connection of their own accord, each with the reason why it may import.
EXCEPTIONS = {
    "apps/operations/management/commands/serve.py": "asks our own listener whether it is up",
    "apps/operations/start_checks.py": "tries to bind our own ports, and connects to nothing",
}
CODE = ("apps", "pki", "config")


def imports_of(source: str) -> set[str]:
    """Return every module that is imported, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module} | {f"{node.module}.{item.name}" for item in node.names}
        elif isinstance(node, ast.Call) and getattr(
            node.func, "attr", getattr(node.func, "id", "")
        ) in {"import_module", "__import__"}:
            found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return found


def network_imports(source: str) -> set[str]:
    return {
        name
        for name in imports_of(source)
        if any(name == module or name.startswith(f"{module}.") for module in NETWORK)
    }


def test_eg1_nothing_but_the_guard_opens_connections():
    offenders = {}
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith("apps/egress/") or name in EXCEPTIONS:
                continue
            if found := network_imports(path.read_text(encoding="utf-8")):
                offenders[name] = sorted(found)
    assert offenders == {}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_each_exception_is_still_needed(name):
    assert network_imports((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import os, socket as s",
        "from urllib import request",
        "from urllib.request import urlopen",
        "def f():\n    import requests.sessions",
        "from dns import resolver",
        "import importlib\nimportlib.import_module('http.client')",
        "__import__('socket')",
    ],
)
def test_scan_sees_through_every_spelling(source):
    assert network_imports(source)


@pytest.mark.parametrize(
    "source",
    [
        "import urllib.parse",
        "from http import HTTPStatus",
        "import socketserver",
        "from . import dns",
    ],
)
def test_scan_leaves_the_harmless_alone(source):
    assert not network_imports(source)
