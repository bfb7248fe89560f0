"""Every operation keeps the promises of the OpenAPI document, whatever is sent.

schemathesis makes requests from the committed document, good ones and broken ones, and checks
the answers: no fault (5xx), no status, media type or body that the document does not declare, no
broken data accepted, no operation open without a token.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS
from schemathesis.core.parameters import ParameterLocation

from apps.applications import services
from apps.applications.roles import Role
from apps.enrollment.acme.services import endpoints as acme
from apps.jobs.models import Job
from apps.principals import ProductRole, system
from tests.factories.accounts import make_person
from tests.factories.applications import make_machine, make_team, make_token
from tests.protocol.api.conftest import token_of

_DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.yaml"
schema = schemathesis.openapi.from_dict(yaml.safe_load(_DOCUMENT.read_text()))
schema.app = get_wsgi_application()

# A broken body that is also too long is refused for its length.
schema.config.checks.negative_data_rejection.expected_statuses.append("413")

# Whether well-formed data is acceptable is for rules to say that JSON Schema has no words for:
# names must exist, policies must allow, states must fit. Such refusals are right.
_CHECKS = [check for check in CHECKS.get_all() if check.__name__ != "positive_data_acceptance"]


class World:
    """Objects that requests can mean, and a token that may do everything with them."""

    def __init__(self) -> None:
        team = make_team("payments")
        machine = make_machine(team.application)
        make_token(machine)
        person = make_person("gwen", role=ProductRole.ADMIN)
        member = services.add_member(
            system("tests"), team.application, user=person, role=Role.ADMIN
        )
        acme.enable_acme(system("tests"), team.pairing)
        job = Job.objects.create(kind="crl.publish", state="failed")
        self.token = token_of(person)
        self.named = {
            "application": team.application.name,
            "profile": team.profile.name,
            "policy": team.profile.policy.name,
            "authority": team.authority.name,
            "parent": team.authority.name,
            "machine_identity": machine.name,
            "user": "payments-auditor",
        }
        self.in_paths: dict[str, dict[str, Any]] = {
            "authorities": {"reference": team.authority.name},
            "policies": {"reference": team.profile.policy.name, "number": 1},
            "profiles": {"reference": team.profile.name},
            "applications": {
                "reference": team.application.name,
                "profile": team.profile.name,
                "member_id": str(member.pk),
            },
            "machine-identities": {"reference": machine.name},
            "tokens": {"token_id": str(machine.user.auth_token_set.get().public_id)},
            "jobs": {"job_id": str(job.pk)},
            "audit-events": {"event_id": 1},
        }


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep requests from closing the connection, and with it the test's transaction.

    Django's own test client does the same; these requests come through plain WSGI.
    """
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def world(db: None, keyring: None, one_connection: None) -> World:
    return World()


@schema.parametrize()
@settings(
    max_examples=4,
    # schemathesis does not take these over from the profile in tests/conftest.py
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_operation_keeps_its_promises(case: Any, world: World) -> None:
    _mean_real_objects(case, world)
    case.call_and_validate(headers={"Authorization": f"Bearer {world.token}"}, checks=_CHECKS)


def _mean_real_objects(case: Any, world: World) -> None:
    """Replace well-formed references, of which next to none would exist, by real ones."""
    kind = case.operation.path.removeprefix("/api/v1/").split("/")[0]
    if _is_well_formed(case, ParameterLocation.PATH):
        known = world.in_paths.get(kind, {})
        case.path_parameters |= {k: known[k] for k in case.path_parameters if k in known}
    if _is_well_formed(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        case.body |= {k: world.named[k] for k in case.body if k in world.named}


def _is_well_formed(case: Any, location: ParameterLocation) -> bool:
    component = case.meta.components.get(location) if case.meta else None
    return component is not None and component.mode.is_positive
