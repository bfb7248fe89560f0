"""``scripts/check-private-api`` refuses private names of other packages."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[2] / "scripts" / "check-private-api"


@pytest.fixture
def checkout(tmp_path):
    """A checkout with an empty product and an ADR 0001."""
    for folder in ("apps", "docs/adr", "scripts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "docs/adr/0001-one.md").touch()
    return tmp_path


def check(checkout, source, allowed=""):
    (checkout / "apps" / "it.py").write_text(source)
    (checkout / "scripts" / "private-api.txt").write_text(allowed)
    return subprocess.run(
        [sys.executable, CHECK, checkout], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("from json.encoder import _make_iterencode", "_make_iterencode"),
        ("import psycopg._cmodule", "_cmodule"),
        ("from django.utils import functional\nfunctional._x()", "_x"),
        ("def view(request):\n    return request._stream", "_stream"),
        ("class A(Base):\n    def go(self):\n        return self._middleware_chain", "_middle"),
        ("class A(Base):\n    def go(self):\n        return super()._build()", "_build"),
        ("def f(response):\n    setattr(response, '_handler', 1)", "_handler"),
        ("def f(response):\n    vars(response)['items'] = 1", "vars()"),
        ("def f(config):\n    config.__dict__['a'] = 1", "__dict__"),
    ],
)
def test_private_names_of_other_packages_are_refused(checkout, source, name):
    done = check(checkout, source)
    assert done.returncode == 1
    assert f"it.py:{len(source.splitlines())}: {name}" in done.stdout


@pytest.mark.parametrize(
    "source",
    [
        "def f(model):\n    return model._meta.label, model._default_manager",
        (
            "class A:\n    def __init__(self):\n        self._own = 1\n    def f(self, other):\n"
            "        return self._own == other._own and self.__dict__"
        ),
        "from apps import other\nother._helper()",
        "def f(instance):\n    return type(instance).__name__",
        "for _ in range(3):\n    pass",
    ],
)
def test_own_and_documented_names_pass(checkout, source):
    done = check(checkout, source)
    assert (done.returncode, done.stdout) == (
        0,
        "private names: 0 uses in the product, 0 in tests\n",
    )


def test_a_line_with_an_adr_allows_a_name(checkout):
    done = check(checkout, "def f(r):\n    r._x", "apps/it.py _x 0001 there is no other way\n")
    assert done.returncode == 0
    assert "1 uses in the product" in done.stdout


@pytest.mark.parametrize(
    "line", ["apps/it.py _x 0002 an ADR that is not there\n", "apps/it.py _x 0001\n"]
)
def test_a_line_needs_an_adr_and_a_reason(checkout, line):
    assert check(checkout, "def f(r):\n    r._x", line).returncode != 0


def test_a_line_that_nothing_needs_is_refused(checkout):
    done = check(checkout, "", "apps/it.py _x 0001 there was no other way\n")
    assert done.returncode == 1
    assert "uses no _x any more" in done.stdout


@pytest.mark.parametrize(
    "source",
    [
        "from apps.it import _helper",
        "from apps import it\nit._helper()",
        "from apps import it\ndef test_a(monkeypatch):\n    monkeypatch.setattr(it, '_helper', 1)",
    ],
)
def test_tests_touch_no_private_name_of_the_product(checkout, source):
    (checkout / "tests").mkdir()
    (checkout / "tests" / "test_it.py").write_text(source)
    done = check(checkout, "def _helper(): ...")
    assert done.returncode == 1
    assert "test_it.py" in done.stdout
    assert "_helper is private to the product" in done.stdout
