"""Browsers of administrators, and one object of everything that the admin shows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from apps import principals
from apps.accounts import groups, lockout
from apps.accounts.models import User
from apps.applications import pairings, services
from apps.applications.models import ApiToken, MachineIdentity
from apps.applications.roles import Role
from apps.authorities import pki_urls
from apps.certificates import issuance
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, CertificateRequest, EnrollmentMethod
from apps.errors import PolicyViolation
from apps.jobs.models import Job
from apps.principals import ProductRole
from tests.factories.accounts import make_person
from tests.factories.acme import Acme, make_acme
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.keys import make_csr


@pytest.fixture
def ada(db: None) -> User:
    """A product administrator who is a member of nothing."""
    return make_person("ada", role=ProductRole.ADMIN)


@pytest.fixture
def grace(team: Team) -> User:
    """A product administrator who is also an administrator of the team's application."""
    person = make_person("grace", role=ProductRole.ADMIN)
    services.add_member(principals.system("tests"), team.application, user=person, role=Role.ADMIN)
    return person


def signed_in(user: User) -> Client:
    """Return a browser with a session of this person."""
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client


@pytest.fixture
def as_ada(ada: User) -> Client:
    """The browser of an administrator."""
    return signed_in(ada)


@pytest.fixture
def as_grace(grace: User) -> Client:
    """The browser of an administrator who operates the team's application."""
    return signed_in(grace)


@pytest.fixture
def issue(team: Team) -> Callable[..., Any]:
    """Let the team's operator ask for a certificate."""

    def submit(name: str, *, number: int = 0) -> Any:
        who = team.principal()
        pairing = pairings.pairing_for(team.application.name, team.profile.name)
        return issuance.submit(
            Enrollment(
                principal=who,
                pairing=pairing,
                method=EnrollmentMethod.API,
                csr=make_csr(name, number=number),
            )
        )

    return submit


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One of everything that the admin shows."""

    team: Team
    certificate: Certificate
    pending: CertificateRequest
    rejected: CertificateRequest
    machine: MachineIdentity
    token: ApiToken
    group: Group
    job: Job
    acme: Acme


@pytest.fixture
def world(team: Team, issue: Callable[..., Any]) -> World:
    """Make one of everything."""
    system = principals.system("tests")
    certificate = issue("www.example.com").certificate
    with pytest.raises(PolicyViolation):
        issue("under_score")
    services.update_pairing(system, team.pairing, requires_approval=True)
    pending = issue("pending.example.com", number=1).request
    machine = make_machine(team.application)
    make_token(machine)
    lockout.begin("nobody", "192.0.2.9")
    pki_urls.adopt(system)
    return World(
        team=team,
        certificate=certificate,
        pending=pending,
        rejected=CertificateRequest.objects.get(state="rejected"),
        machine=machine,
        token=ApiToken.objects.get(),
        group=groups.create_group(system, name="Payments people"),
        job=Job.objects.create(kind="crl.publish", state="failed", last_error="no answer"),
        acme=make_acme(team.pairing),
    )
