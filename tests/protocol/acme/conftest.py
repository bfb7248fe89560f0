"""Fixtures of the ACME tests: endpoints with and without proofs, and clients with an account."""

from collections.abc import Callable
from typing import Any

import pytest

from apps import principals, registry
from apps.applications.roles import Role
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.services import eab_keys
from apps.enrollment.acme.services import endpoints as services
from apps.enrollment.acme.services.challenges import VALIDATE_JOB
from apps.policies import services as policy_services
from tests.factories.applications import Team
from tests.protocol.acme.client import Acme
from tests.served import Client

ANYTHING = ("**", "0.0.0.0/0", "::/0")


@pytest.fixture(autouse=True)
def validate_job(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the validator, which has tests of its own: note what would be validated."""
    asked: list[str] = []

    def run(challenge: str) -> str:
        asked.append(challenge)
        return "noted"

    monkeypatch.setitem(registry.job_kinds, VALIDATE_JOB, registry.JobKind(VALIDATE_JOB, run))
    return asked


@pytest.fixture
def endpoint(team: Team) -> AcmeEndpoint:
    """An endpoint with the defaults: EAB and validation."""
    return services.enable_acme(team.principal(Role.ADMIN), team.pairing)


@pytest.fixture
def open_endpoint(team: Team) -> AcmeEndpoint:
    """An endpoint without EAB; names are validated."""
    return services.enable_acme(team.principal(Role.ADMIN), team.pairing, require_eab=False)


@pytest.fixture
def trusting_endpoint(team: Team) -> AcmeEndpoint:
    """An endpoint that trusts EAB keys: the names that they list need no proof."""
    return services.enable_acme(team.principal(Role.ADMIN), team.pairing, skip_validation=True)


def url_of(endpoint: AcmeEndpoint) -> str:
    pairing = endpoint.pairing
    return f"/acme/{pairing.application.name}/{pairing.profile.name}/directory"


def allow_wildcards(team: Team) -> None:
    """Let the team's policy allow every name, wildcards too."""
    rules = team.profile.policy.current_version.rules
    rules["subject_alt_names"] = [
        {"type": "dns_name", "allowed": ["**"], "wildcards": "allowed"},
        {"type": "ip_address", "allowed": ["*"]},
    ]
    governor = principals.system("tests")
    policy_services.update_policy(governor, team.profile.policy, rules=rules)


def make_eab(team: Team, endpoint: AcmeEndpoint, **options: Any) -> tuple[str, str]:
    """Return kid and HMAC key (base64url) of a new EAB key."""
    admin = team.principal(Role.ADMIN)
    key = eab_keys.create_eab_key(admin, endpoint, **options)
    return key.kid, eab_keys.reveal_eab_key(admin, key)


@pytest.fixture
def newcomer(open_endpoint: AcmeEndpoint) -> Acme:
    """A client without an account, at the endpoint without EAB."""
    return Acme(Client(), url_of(open_endpoint))


@pytest.fixture
def client(newcomer: Acme) -> Acme:
    """A client with an account; its names must be proven."""
    assert newcomer.register().status_code == 201
    return newcomer


@pytest.fixture
def make_trusted(team: Team, trusting_endpoint: AcmeEndpoint) -> Callable[[], Acme]:
    """Return a maker of clients whose names need no proof."""

    def make(key: Any = None) -> Acme:
        eab = make_eab(team, trusting_endpoint, restrict_to=ANYTHING)
        made = Acme(Client(), url_of(trusting_endpoint), key=key, eab=eab)
        assert made.register().status_code == 201
        return made

    return make


@pytest.fixture
def trusted(make_trusted: Callable[[], Acme]) -> Acme:
    """A client with an account whose names need no proof."""
    return make_trusted()
