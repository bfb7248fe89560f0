"""Callers and objects of the isolation tests: a credential for every role, objects of two teams.

``payments`` is the callers' own team, ``billing`` the other one. Every identifier of ``billing``
is on a list, and may appear in no answer to ``payments``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import TestCase

from apps import clock, principals
from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import ApiToken, Application
from apps.applications.roles import Role
from apps.audit.models import AuditEvent
from apps.authorities import services as authority_services
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import CRL, Authority, AuthorityKind
from apps.certificates import issuance, revocation
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import EnrollmentMethod
from apps.enrollment.acme.models import AcmeAccount, AcmeOrder
from apps.enrollment.acme.services import eab_keys
from apps.enrollment.acme.services import endpoints as acme
from apps.jobs.models import Job
from apps.principals import Principal, ProductRole, Scope
from apps.profiles.requested_content import RequestedContent
from pki.algorithms import KeyAlgorithm
from pki.reasons import RevocationReason
from tests.factories.accounts import make_person
from tests.factories.applications import Team, make_application, make_machine, make_team
from tests.factories.authorities import make_issuing
from tests.factories.profiles import make_policy, make_profile
from tests.protocol.acme.client import Acme
from tests.served import Client

SYSTEM = principals.system("tests")
ABSENT = "01a20000-0000-7000-8000-00000000dead"
ABSENT_NAME = "nobody-has-this"


@dataclass(slots=True)
class Side:
    """What one team has.

    Attributes:
        team: the application with its people.
        things: for each kind of thing, what a URL needs to name it.
        ids: the same by identifier, for things that ``things`` calls by name.
        marks: texts that tell of something of this team, and of nobody else.
    """

    team: Team
    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, dict[str, Any]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)


@dataclass(slots=True)
class World:
    """Both teams, the roles' credentials, and objects that belong to nobody."""

    own: Side
    foreign: Side
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    common: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo everything afterwards, as Django's test cases do; keys may be used inside."""
    atomics = TestCase._enter_atomics()
    try:
        yield
    finally:
        TestCase._rollback_atomics(atomics)


def build() -> World:
    """Make everything."""
    payments = make_team("payments")
    billing = make_team("billing", authority=make_issuing("billing-issuing"))
    world = World(own=_side(payments), foreign=_side(billing))
    world.common = _common(world)
    world.headers = _headers(world)
    return world


# --- things ------------------------------------------------------------------------------------


def _side(team: Team) -> Side:
    name = team.application.name
    operator = team.principal(Role.OPERATOR)
    certificate = _issue(operator, team, f"www.{name}.example.com")
    held = _issue(operator, team, f"held.{name}.example.com")
    revocation.revoke(SYSTEM, held, RevocationReason.CERTIFICATE_HOLD)
    services.update_pairing(SYSTEM, team.pairing, requires_approval=True)
    pending = _pending(operator, team, f"pending.{name}.example.com")
    services.update_pairing(SYSTEM, team.pairing, requires_approval=False)
    spare = make_application(f"{name}-spare")
    for role, person in team.people.items():
        services.add_member(SYSTEM, spare, user=person, role=role)
    # A pair without ACME; its application has never had a certificate and can be deleted.
    services.attach_profile(SYSTEM, spare, team.profile)
    machine = make_machine(team.application, f"{name}-robot")
    services.add_member(SYSTEM, spare, machine=machine, role=Role.OPERATOR)
    extra = make_profile(f"{name}-unattached", authority=team.authority)
    token, _ = services.create_token(SYSTEM, machine, name=f"{name} ci", scopes=list(Scope))
    auditor = team.application.memberships.get(user=team.people[Role.AUDITOR])
    event = AuditEvent.objects.filter(application_id=team.application.pk).order_by("pk").last()
    policy = team.profile.policy
    side = Side(team)
    side.things = {
        "application": {"reference": name},
        "spare": {"reference": spare.name},
        "member": {"reference": name, "member_id": auditor.pk},
        "attached": {"reference": name, "profile": team.profile.name},
        "certificate": {"certificate_id": certificate.pk},
        "serial number": {"reference": certificate.serial_number},
        "held": {"certificate_id": held.pk},
        "request": {"request_id": pending.pk},
        "profile": {"reference": team.profile.name},
        "unattached": {"reference": extra.name},
        "policy": {"reference": policy.name},
        "version": {"reference": policy.name, "number": 1},
        "machine": {"reference": machine.name},
        "token": {"token_id": token.public_id},
        "event": {"event_id": event.pk},
        "directory": {"application": name, "profile": team.profile.name},
        "closed directory": {"application": spare.name, "profile": team.profile.name},
    }
    side.ids = {
        "application": {"reference": team.application.pk},
        "spare": {"reference": spare.pk},
        "member": {"reference": team.application.pk, "member_id": auditor.pk},
        "attached": {"reference": team.application.pk, "profile": team.profile.pk},
        "profile": {"reference": team.profile.pk},
        "unattached": {"reference": extra.pk},
        "policy": {"reference": policy.pk},
        "version": {"reference": policy.pk, "number": 1},
        "machine": {"reference": machine.pk},
    }
    _add_acme(side)
    side.marks |= {
        str(mark)
        for mark in (
            *(spare.pk, spare.name, team.application.pk, auditor.pk, token.public_id, machine.pk),
            *(team.profile.pk, team.profile.name, extra.pk, extra.name, policy.pk, policy.name),
            *(certificate.pk, held.pk, pending.pk, certificate.serial_number, token.token_key),
            *(team.pairing.pk, certificate.fingerprint_sha256, f"{name}.example.com"),
            *(person.username for person in team.people.values()),
        )
    }
    return side


def _add_acme(side: Side) -> None:
    """Enable ACME for the team, and let a client make an order there."""
    team = side.team
    name, profile = team.application.name, team.profile.name
    admin = team.principal(Role.ADMIN)
    endpoint = acme.enable_acme(admin, team.pairing, skip_validation=True)
    bare = make_profile(f"{name}-bare", authority=team.authority)
    services.attach_profile(SYSTEM, team.application, bare)
    fresh, used = (
        eab_keys.create_eab_key(admin, endpoint, restrict_to=["**"], name=f"{name} {which}")
        for which in ("fresh", "used")
    )
    eab = used.kid, eab_keys.reveal_eab_key(admin, used)
    client = Acme(Client(), f"/acme/{name}/{profile}/directory", eab=eab)
    assert client.register().status_code == HTTPStatus.CREATED
    assert client.order(f"acme.{name}.example.com").status_code == HTTPStatus.CREATED
    account = AcmeAccount.objects.get(endpoint=endpoint)
    order = AcmeOrder.objects.get(account=account)
    in_team = {
        "endpoint": {"profile": profile},
        "bare": {"profile": bare.name},
        "eab key": {"profile": profile, "key_id": fresh.pk},
        "account": {"account_id": account.pk},
        "order": {"order_id": order.pk},
    }
    for thing, values in in_team.items():
        side.things[thing] = {"reference": name} | values
        side.ids[thing] = {"reference": team.application.pk} | values
        if "profile" in values:
            side.ids[thing]["profile"] = bare.pk if thing == "bare" else team.profile.pk
    marks = (fresh.pk, fresh.kid, used.pk, used.kid, account.pk, account.url_id, order.pk)
    side.marks |= {str(mark) for mark in (*marks, order.url_id, bare.name, bare.pk)}


def _issue(principal: Principal, team: Team, name: str) -> Any:
    return _submit(principal, team, name).certificate


def _pending(principal: Principal, team: Team, name: str) -> Any:
    return _submit(principal, team, name).request


def _submit(principal: Principal, team: Team, name: str) -> Any:
    team.pairing.refresh_from_db()
    names = (("dns_name", name),)
    requested = RequestedContent(subject_alt_names=names, key_algorithm=KeyAlgorithm.EC_P256)
    return issuance.submit(
        Enrollment(
            principal=principal,
            pairing=team.pairing,
            method=EnrollmentMethod.API,
            requested=requested,
        )
    )


def _common(world: World) -> dict[str, dict[str, Any]]:
    """Return what belongs to no team."""
    authority = world.own.team.authority
    root = authority.parent
    spare = make_issuing("spare-issuing", parent=root)
    closed = make_issuing("closed-issuing", parent=root)
    authority_services.disable_authority(SYSTEM, closed)
    pending = _outside("pending-issuing")
    job = Job.objects.create(kind="crl.publish", state="failed", last_error="no answer")
    waiting = Job.objects.create(kind="crl.publish", state="queued")
    world.foreign.marks |= {str(job.pk), str(waiting.pk)}
    assert CRL.objects.filter(authority=authority).exists()
    return {
        "authority": {"reference": authority.name},
        "root": {"reference": root.name},
        "disabled authority": {"reference": closed.name},
        "pending authority": {"reference": pending.name},
        "spare authority": {"reference": spare.name},
        "job": {"job_id": job.pk},
        "waiting job": {"job_id": waiting.pk},
        "unused policy": {"reference": make_policy("unused").name},
        "published": {"name": authority.name},
    }


def _outside(name: str) -> Authority:
    """Return an authority that waits for its certificate from a CA outside."""
    spec = AuthoritySpec(
        name=name,
        kind=AuthorityKind.INTERMEDIATE,
        subject=(("common_name", "Pending CA"),),
        key_algorithm=KeyAlgorithm.EC_P256,
    )
    return authority_services.create_authority(SYSTEM, spec)


# --- roles -------------------------------------------------------------------------------------


def _headers(world: World) -> dict[str, dict[str, str]]:
    own, people = world.own.team, world.own.team.people
    root = make_person("ada", role=ProductRole.ADMIN)
    disabled = make_person("dora", role=ProductRole.ADMIN)
    staff = make_person("sam")
    User.objects.filter(pk=staff.pk).update(is_staff=True, is_superuser=True)
    elsewhere = _person_elsewhere(own.application)
    robot = User.objects.get(username="machine:payments-robot")
    roles = {
        "anonymous": {},
        "admin session": session_of(root),
        "member session": session_of(people[Role.ADMIN]),
        "staff session": session_of(staff),
        "disabled session": session_of(disabled),
        "admin": _token(root),
        "confined admin": _token(root, application=own.application),
        "app admin": _token(people[Role.ADMIN]),
        "operator": _token(people[Role.OPERATOR]),
        "auditor": _token(people[Role.AUDITOR]),
        "machine": _token(robot),
        "outsider": _token(make_person("oscar")),
        "elsewhere": _token(elsewhere[0], application=elsewhere[1]),
        "scopeless": _token(people[Role.ADMIN], scopes=[]),
        "disabled": _token(disabled),
        "expired": _token(root, expiry=clock.now() - timedelta(seconds=1)),
        "revoked": _token(root, revoked_at=clock.now()),
        "junk": {"Authorization": "Bearer swt_" + "0" * 64},
    }
    User.objects.filter(pk=disabled.pk).update(is_active=False)
    return roles


def _person_elsewhere(own: Application) -> tuple[User, Application]:
    """Return an administrator of both own and a third application, and that third one."""
    person, third = make_person("erin"), make_application("third")
    for application in (own, third):
        services.add_member(SYSTEM, application, user=person, role=Role.ADMIN)
    return person, third


def _token(user: User, *, application: Application | None = None, **columns: Any) -> dict[str, str]:
    """Return the header of a real token; ``columns`` overwrite what the service wrote."""
    row, text = services.create_token(
        SYSTEM, user, name="wall", scopes=list(Scope), application=application
    )
    # Noted as just used: a refusal must then write nothing at all.
    columns = {"last_used_at": clock.now() + timedelta(days=1)} | columns
    ApiToken.objects.filter(pk=row.pk).update(**columns)
    return {"Authorization": f"Bearer {text}"}


def session_of(user: User) -> dict[str, str]:
    """Return the header of a browser in which the person is signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "apps.accounts.backends.LockoutBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}
