"""First installation: a small working hierarchy, a demo application, and the files that name them.

Made once: what an administrator later removes does not come back. Only the server's
certificate and the demo token are looked after on every start. Each step can be repeated, so
an interrupted first start is completed by the next one.
"""

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from knox.crypto import hash_token

from apps import clock, keyring, principals, secret_files
from apps.accounts import services as account_services
from apps.accounts.models import User
from apps.applications import services as application_services
from apps.applications.models import ApiToken, Application, MachineIdentity, Membership, Pairing
from apps.applications.roles import Role
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.audit.record import record
from apps.authorities import pki_urls, publication
from apps.authorities import services as authority_services
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import CRL, Authority, AuthorityKind, AuthorityState
from apps.enrollment.acme import selectors as acme_selectors
from apps.enrollment.acme.models import AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab_keys
from apps.enrollment.acme.services import endpoints as acme_services
from apps.enrollment.trust_anchor import root_file
from apps.operations import web_certificate
from apps.operations.attempts import attempt
from apps.policies import services as policy_services
from apps.policies.models import Policy
from apps.policies.presets import PRESETS
from apps.principals import Principal, ProductRole, Scope
from apps.profiles import services as profile_services
from apps.profiles.models import IssuerType, Profile
from pki import bundles
from pki.algorithms import KeyAlgorithm

ADMINISTRATOR = "admin"
ROOT, ISSUING = "quickstart-root", "quickstart-issuing"
APPLICATION, MACHINE, TOKEN = "demo", "demo-operator", "quickstart"
# Profile and policy name -> preset.
PROFILES = {"tls-server": "tls-server", "mtls-client": "tls-client"}
ACME_PROFILE, EAB_NAME = "tls-server", "quickstart"
# Trials run on this machine, where names lead to loopback; elsewhere it is never validated.
_ACME_NETWORKS = ["127.0.0.0/8", "::1/128"]
_ROOT_DAYS, _ISSUING_DAYS = 3650, 1825
_TOKEN_SCOPES = (Scope.READ, Scope.REQUEST, Scope.REVOKE, Scope.EXPORT_KEY)
_RENEW_TOKEN_BEFORE = timedelta(days=7)
_PASSWORD_BYTES = 18

_SYSTEM = principals.system("quickstart")

Facts = dict[str, Any]


@dataclass
class Outcome:
    """What ``run`` found and did.

    Attributes:
        facts: the content of ``quickstart.json``; holds secrets.
        done: one line for each thing that was made.
        warnings: a sentence for each step that failed; the next start tries it again.
    """

    facts: Facts
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def facts_file() -> Path:
    """Return where URLs and secrets for the first steps are written (mode 0600)."""
    return Path(settings.SEALWRIGHT["HOME"]) / "quickstart.json"


def run() -> Outcome:
    """Make or complete the first installation, and keep its certificate and token fresh."""
    with _locked():
        keyring.ensure_keyring()
        principal = _SYSTEM
        outcome = Outcome(_read())
        if not AuditEvent.objects.filter(event=Event.SETTINGS_INITIALISED).exists():
            attempt(
                "The first installation is not complete",
                partial(_install, principal, outcome),
                outcome.warnings,
            )
        _refresh(principal, outcome)
        former = attempt(
            "The PKI URL was not written down",
            partial(pki_urls.adopt, principal),
            outcome.warnings,
        )
        if former:
            outcome.warnings.append(f"The PKI URL has changed. {pki_urls.account(former)}")
        return outcome


def _install(principal: Principal, outcome: Outcome) -> None:
    """Make everything that a first start makes."""
    _administrator(principal, outcome)
    root = _authority(principal, outcome, _root_spec())
    issuing = _authority(principal, outcome, _issuing_spec(root))
    profiles = [_profile(principal, outcome, name, issuing) for name in PROFILES]
    application = Application.objects.filter(name=APPLICATION).first()
    if application is None:
        application = application_services.create_application(
            principal, name=APPLICATION, description="For first steps; delete it when you like"
        )
        outcome.done.append(f"application {APPLICATION}")
    for profile in profiles:
        if not Pairing.objects.filter(application=application, profile=profile).exists():
            application_services.attach_profile(principal, application, profile)
    _machine(principal, outcome, application)
    web_certificate.prepare(principal, issuing)
    with transaction.atomic():
        record(Event.SETTINGS_INITIALISED, principal=principal, made=outcome.done)


def _refresh(principal: Principal, outcome: Outcome) -> None:
    """Bring up to date what ages: the demo token, the TLS certificate, the files.

    The data may have become anything meanwhile: what fails here is left for the next start.
    """
    facts = outcome.facts
    root = Authority.objects.filter(name=ROOT).first()
    if root is not None:
        _write_root(root)
    facts.update(
        https_url=settings.SEALWRIGHT["PUBLIC_URL"],
        http_url=settings.SEALWRIGHT["PKI_URL"],
        ca_file=str(root_file()),
        application=APPLICATION,
        profiles=list(PROFILES),
    )
    facts.setdefault("admin", {"username": ADMINISTRATOR, "password": None})
    for what, step in (
        ("The demo's token was not renewed", _token),
        ("The demo's ACME endpoint was not looked after", _acme),
    ):
        attempt(what, partial(step, principal, outcome), outcome.warnings)
    _write(facts)
    issued = attempt(
        "The web server's certificate was not renewed",
        partial(_web_certificate, principal),
        outcome.warnings,
    )
    if issued:
        outcome.done.append(f"TLS {issued}")
    web_certificate.write_client_authorities()


def _web_certificate(principal: Principal) -> str:
    if not Pairing.objects.filter(profile__name=web_certificate.PROFILE).exists():
        return ""
    return web_certificate.ensure(principal)


def _administrator(principal: Principal, outcome: Outcome) -> None:
    """Create the first administrator, unless somebody governs already.

    The password is on file before the account exists: a crash in between loses nothing.
    """
    if User.objects.filter(product_role=ProductRole.ADMIN.value).exists():
        return
    known = outcome.facts.get("admin") or {}
    password = known.get("password") or secrets.token_urlsafe(_PASSWORD_BYTES)
    outcome.facts["admin"] = {"username": ADMINISTRATOR, "password": password}
    _write(outcome.facts)
    account_services.create_person(
        principal, username=ADMINISTRATOR, password=password, product_role=ProductRole.ADMIN
    )
    outcome.done.append(f"administrator {ADMINISTRATOR}")


def _authority(principal: Principal, outcome: Outcome, spec: AuthoritySpec) -> Authority:
    authority = Authority.objects.filter(name=spec.name).first()
    if authority is None:
        authority = authority_services.create_authority(principal, spec)
        outcome.done.append(f"authority {spec.name}")
    elif authority.state == AuthorityState.PENDING_CERTIFICATE:
        # An earlier start ended between the intent and the signature.
        authority = authority_services.renew_authority(
            principal, authority, spec.lifetime_days or _ISSUING_DAYS
        )
    if not CRL.objects.filter(authority=authority).exists():
        publication.publish_crl(authority.pk)
    return authority


def _root_spec() -> AuthoritySpec:
    return AuthoritySpec(
        name=ROOT,
        kind=AuthorityKind.ROOT,
        subject=(("organization", "Sealwright Quickstart"), ("common_name", "Quickstart Root CA")),
        key_algorithm=KeyAlgorithm.EC_P256,
        lifetime_days=_ROOT_DAYS,
    )


def _issuing_spec(root: Authority) -> AuthoritySpec:
    return AuthoritySpec(
        name=ISSUING,
        kind=AuthorityKind.INTERMEDIATE,
        subject=(
            ("organization", "Sealwright Quickstart"),
            ("common_name", "Quickstart Issuing CA"),
        ),
        key_algorithm=KeyAlgorithm.EC_P256,
        lifetime_days=_ISSUING_DAYS,
        path_length=0,
        parent=root,
    )


def _profile(principal: Principal, outcome: Outcome, name: str, authority: Authority) -> Profile:
    preset = PRESETS[PROFILES[name]]
    policy = Policy.objects.filter(name=name).first()
    if policy is None:
        policy = policy_services.create_policy(
            principal, name=name, description=preset.description, rules=preset.rules
        )
        outcome.done.append(f"policy {name}")
    profile = Profile.objects.filter(name=name).first()
    if profile is None:
        profile = profile_services.create_profile(
            principal,
            name=name,
            description=preset.label,
            issuer_type=IssuerType.AUTHORITY,
            authority=authority,
            policy=policy,
            defaults=preset.defaults,
        )
        outcome.done.append(f"profile {name}")
    return profile


def _machine(principal: Principal, outcome: Outcome, application: Application) -> None:
    machine = MachineIdentity.objects.filter(name=MACHINE).first()
    if machine is None:
        machine = application_services.create_machine_identity(
            principal, name=MACHINE, description="Requests certificates for the demo"
        )
        outcome.done.append(f"machine identity {MACHINE}")
    if not Membership.objects.filter(application=application, user=machine.user).exists():
        application_services.add_member(principal, application, machine=machine, role=Role.OPERATOR)


def _token(principal: Principal, outcome: Outcome) -> None:
    """Keep a working token in the facts, as long as the demo's machine identity is in use."""
    machine = MachineIdentity.objects.filter(name=MACHINE, user__is_active=True).first()
    application = Application.objects.filter(name=APPLICATION).first()
    if machine is None or application is None or _is_usable(outcome.facts.get("token")):
        return
    for stale in ApiToken.objects.filter(user=machine.user, name=TOKEN, revoked_at=None):
        application_services.revoke_token(principal, stale)
    _row, outcome.facts["token"] = application_services.create_token(
        principal, machine, name=TOKEN, scopes=_TOKEN_SCOPES, application=application
    )
    outcome.done.append(f"token for {MACHINE}")


def _acme(principal: Principal, outcome: Outcome) -> None:
    """Open the ACME endpoint of the demo once, and keep a key for its clients in the facts."""
    pairing = Pairing.objects.filter(
        application__name=APPLICATION, profile__name=ACME_PROFILE
    ).first()
    endpoint = AcmeEndpoint.objects.filter(pairing=pairing).first() if pairing else None
    if endpoint is None and pairing is not None and not _had_acme(pairing.application):
        endpoint = acme_services.enable_acme(
            principal, pairing, allowed_networks=list(_ACME_NETWORKS)
        )
        outcome.done.append(f"ACME for {pairing}")
    if endpoint is None:
        outcome.facts.pop("acme", None)
        return
    known = outcome.facts.get("acme") or {}
    outcome.facts["acme"] = {
        "directory_url": acme_selectors.directory_url(endpoint),
        "eab": _eab(principal, outcome, endpoint, known.get("eab")),
    }


def _eab(
    principal: Principal, outcome: Outcome, endpoint: AcmeEndpoint, known: dict[str, str] | None
) -> dict[str, str] | None:
    """Return kid and secret of the demo's key, which any number of accounts may use.

    A secret that got lost is replaced; a key that was revoked stays revoked.
    """
    key = EabKey.objects.filter(endpoint=endpoint, name=EAB_NAME).first()
    if key is None:
        key = eab_keys.create_eab_key(principal, endpoint, name=EAB_NAME, reusable=True)
        outcome.done.append("EAB key for ACME")
        return {"kid": key.kid, "hmac_key": eab_keys.reveal_eab_key(principal, key)}
    if key.revoked_at is not None:
        return None
    if known and known.get("kid") == key.kid and known.get("hmac_key"):
        return known
    outcome.done.append("new secret of the EAB key for ACME")
    return {"kid": key.kid, "hmac_key": eab_keys.rotate_eab_key(principal, key)}


def _had_acme(application: Application) -> bool:
    return AuditEvent.objects.filter(
        application_id=application.pk, event=Event.ACME_ENDPOINT_CREATED, actor=_SYSTEM.actor
    ).exists()


def _is_usable(token: object) -> bool:
    if not isinstance(token, str):
        return False
    return ApiToken.objects.filter(
        pk=hash_token(token), revoked_at=None, expiry__gt=clock.now() + _RENEW_TOKEN_BEFORE
    ).exists()


def _write_root(root: Authority) -> None:
    current = root.certificates.filter(is_current=True).first()
    if current is None:
        return
    content = bundles.to_pem([bytes(current.der)]).encode()
    secret_files.write_if_changed(root_file(), content, mode=secret_files.PUBLIC)


def _read() -> Facts:
    """Return what an earlier start wrote; its secrets cannot be had from anywhere else.

    People edit the file: what has another shape than it was written with is left out.
    """
    try:
        facts = json.loads(facts_file().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(facts, dict):
        return {}
    shapes = {"admin": dict, "acme": dict, "token": str}
    facts = {n: v for n, v in facts.items() if isinstance(v, shapes.get(n, object))}
    if not isinstance(facts.get("admin", {}).get("username", ""), str):
        del facts["admin"]
    return facts


def _write(facts: Facts) -> None:
    content = (json.dumps(facts, indent=2) + "\n").encode()
    secret_files.write_if_changed(facts_file(), content)


@contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time do this on a data directory."""
    home = Path(settings.SEALWRIGHT["HOME"])
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / ".quickstart.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
