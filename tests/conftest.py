"""Fixtures of every test: no network, a clock that can be stopped, people and applications."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import time_machine
from django.conf import settings
from pytest_socket import socket_allow_hosts

from apps import principals
from apps.principals import Principal, ProductRole
from tests.programs import require_program

if TYPE_CHECKING:
    from tests.factories.applications import Team

_LOOPBACK = ["127.0.0.0/8", "::1"]

# A commit passes or fails whenever it is tested; new inputs are searched by `make fuzz`, which
# names the other profile.
hypothesis.settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("fuzz", derandomize=False, print_blob=True, deadline=None)
hypothesis.settings.load_profile("fixed")


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no test talk to anything but this machine (and unix sockets)."""
    socket_allow_hosts(_LOOPBACK, allow_unix_socket=True)
    for marker in item.iter_markers("program"):
        for name in marker.args:
            require_program(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies in tests/interop; skip what needs PostgreSQL where there is none."""
    interop = Path(__file__).parent / "interop"
    on_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    needs_postgres = pytest.mark.skip(reason="races are only meaningful on PostgreSQL")
    for item in items:
        if interop in item.path.parents:
            item.add_marker(pytest.mark.interop)
        if on_sqlite and item.get_closest_marker("postgres"):
            item.add_marker(needs_postgres)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how much the isolation wall covered: each of its tests notes what it walked."""
    walked: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in getattr(report, "user_properties", ()):
                if name == "wall" and report.when == "call":
                    area, urls, calls = value
                    walked.setdefault(area, Counter()).update(urls=urls, calls=calls)
    if not walked:
        return
    from tests.protocol.wall.audiences import ROLES

    terminalreporter.section("isolation wall")
    for area, found in sorted(walked.items()):
        terminalreporter.line(f"{area:12} {found['urls']:4} URLs {found['calls']:7} calls")
    whole = sum(walked.values(), Counter())
    terminalreporter.line(
        f"{'in all':12} {whole['urls']:4} URLs {whole['calls']:7} calls as {len(ROLES)} roles"
    )


@pytest.fixture(scope="session")
def keyring() -> None:
    """Make the key-encryption key in this process's scratch directory."""
    from apps import keyring

    keyring.ensure_keyring()


@pytest.fixture
def frozen_clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock on a whole second of the present; ``shift`` and ``move_to`` change it.

    A fixed date would lie before what other fixtures made, as soon as it is past.
    """
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as clock:
        yield clock


@pytest.fixture
def sealwright() -> Principal:
    """Sealwright itself, for set-up that is not what the test is about."""
    return principals.system("tests")


@pytest.fixture
def admin(db: None) -> Principal:
    """A product administrator."""
    from tests.factories import accounts

    return accounts.principal_for(accounts.make_person("ada", role=ProductRole.ADMIN))


@pytest.fixture
def outsider(db: None) -> Principal:
    """A member of the product who belongs to no application."""
    from tests.factories import accounts

    return accounts.principal_for(accounts.make_person("oscar"))


@pytest.fixture
def team(db: None, keyring: None) -> "Team":
    """An application with a TLS profile and one person in each role."""
    from tests.factories.applications import make_team

    return make_team("payments")


@pytest.fixture
def other_team(team: "Team") -> "Team":
    """Another application; what belongs to it must look absent to ``team``."""
    from tests.factories.applications import make_team

    return make_team("billing", authority=team.authority)
