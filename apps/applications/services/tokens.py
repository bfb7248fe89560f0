"""Services that create and revoke API tokens; only a digest of the token is stored."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps import clock
from apps.accounts.models import AccountKind, User
from apps.applications import access
from apps.applications.models import ApiToken, Application, MachineIdentity
from apps.applications.roles import Permission
from apps.applications.services import naming
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import (
    AccessDenied,
    InsufficientScope,
    InvalidInput,
    InvalidTransition,
    NotFound,
)
from apps.principals import Principal, Scope
from pki.findings import Violation

MAX_LIFETIME_DAYS = 365
_MAX_NETWORKS = 50
_MAX_NAME = 100
_NETWORK = "An address, or a prefix such as 192.0.2.0/24 without bits set beyond its length."


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Requested properties, not yet validated."""

    name: str
    scopes: Sequence[Scope | str]
    lifetime_days: int
    allowed_networks: Sequence[str]


def create_token(
    principal: Principal,
    owner: MachineIdentity | User,
    *,
    name: str,
    scopes: Sequence[Scope | str],
    application: Application | None = None,
    lifetime_days: int | None = None,
    allowed_networks: Sequence[str] = (),
) -> tuple[ApiToken, str]:
    """Create a token and return it with its text, which is not stored and cannot be shown again.

    Args:
        principal: a product administrator, or the person who will own the token.
        owner: the machine identity or person that the token authenticates.
        name: label for people.
        scopes: what it may be used for; at least one, none that the principal's own
            credential lacks.
        application: the only application it may touch; ``None`` = all of the owner's.
        lifetime_days: 1 to 365; the default comes from ``TOKEN_LIFETIME_DAYS``.
        allowed_networks: source networks in CIDR notation; empty = from anywhere.

    Raises:
        AccessDenied: no right to create tokens for this owner, or wider than one's own credential.
        NotFound: the principal cannot see the application.
        InvalidInput: a property is unusable; all are listed.
        InvalidTransition: the owner is disabled.
    """
    user = owner.user if isinstance(owner, MachineIdentity) else owner
    _authorise(principal, user)
    wanted = _Wanted(
        name=name,
        scopes=scopes,
        lifetime_days=settings.SEALWRIGHT["TOKEN_LIFETIME_DAYS"]
        if lifetime_days is None
        else lifetime_days,
        allowed_networks=allowed_networks,
    )
    granted, networks = _checked(wanted)
    _refuse_wider(principal, granted, application)
    if not user.is_active:
        raise InvalidTransition("The owner is disabled.")
    with transaction.atomic():
        token, text = ApiToken.objects.create(
            user=user,
            expiry=timedelta(days=wanted.lifetime_days),
            name=name,
            scopes=granted,
            application=application,
            allowed_networks=networks,
            created_by=principal.actor,
        )
        record(
            Event.TOKEN_CREATED,
            principal=principal,
            subject=token.user,
            application_id=application.pk if application else None,
            token_id=str(token.public_id),
            token_name=name,
            scopes=granted,
            networks=networks,
            expires_at=token.expiry,
        )
    return token, text


def revoke_token(principal: Principal, token: ApiToken) -> None:
    """Revoke a token; the row stays as evidence. Harmless to repeat.

    Raises:
        NotFound: neither the principal's own token nor a product administrator.
        AccessDenied: the credential lacks the scope ``manage``.
    """
    if not principal.governs and principal.user_id != token.user_id:
        raise NotFound
    _require_manage(principal)
    with transaction.atomic():
        ended = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now())
        if ended:
            record(
                Event.TOKEN_REVOKED,
                principal=principal,
                subject=token.user,
                application_id=token.application_id,
                token_id=str(token.public_id),
                token_name=token.name,
            )
    token.refresh_from_db(fields=["revoked_at"])


def _authorise(principal: Principal, user: User) -> None:
    """Let product administrators create tokens for machines, and people for themselves.

    Administrators cannot create a token for another person: it would act in that person's name.
    """
    if principal.is_system:
        return
    if user.kind == AccountKind.MACHINE:
        principal.require_governance()
        return
    if principal.user_id != user.pk:
        raise AccessDenied("People make their own tokens.")
    _require_manage(principal)


def _require_manage(principal: Principal) -> None:
    if not principal.has_scope(Scope.MANAGE):
        raise InsufficientScope(Scope.MANAGE)


def _refuse_wider(
    principal: Principal, granted: Sequence[str], application: Application | None
) -> None:
    """Refuse rights that the creator's own credential lacks (PV-32)."""
    lacking = [scope for scope in granted if not principal.has_scope(Scope(scope))]
    if lacking:
        raise AccessDenied(f"Your own credential lacks: {', '.join(lacking)}.")
    if application is not None:
        access.require(principal, Permission.VIEW, application)
    elif principal.application_id is not None:
        raise AccessDenied("Your own credential is confined to one application.")


def _checked(wanted: _Wanted) -> tuple[list[str], list[str]]:
    """Return scopes and networks in canonical form.

    Raises:
        InvalidInput: everything that is unusable, at once.
    """
    violations = naming.of_text("name", wanted.name, _MAX_NAME)
    if not wanted.name.strip():
        violations.append(Violation("name.missing", "name", "", "The token needs a name."))
    known = [scope.value for scope in Scope]
    for index, scope in enumerate(wanted.scopes):
        if scope not in known:
            violations.append(_unknown_scope(index, str(scope), known))
    if not wanted.scopes:
        reason = "The token needs at least one scope."
        violations.append(Violation("token.no_scope", "scopes", "", reason, ", ".join(known)))
    if not 1 <= wanted.lifetime_days <= MAX_LIFETIME_DAYS:
        reason = f"The lifetime must be 1 to {MAX_LIFETIME_DAYS} days."
        text = str(wanted.lifetime_days)
        violations.append(Violation("token.lifetime", "lifetime_days", text, reason))
    networks, bad_networks = _networks(wanted.allowed_networks)
    violations += bad_networks
    if violations:
        raise InvalidInput(violations)
    return [scope for scope in known if scope in wanted.scopes], networks


def _unknown_scope(index: int, scope: str, known: list[str]) -> Violation:
    reason = "There is no such scope."
    return Violation(
        "token.scope_unknown", f"scopes[{index}]", scope[:200], reason, ", ".join(known)
    )


def _networks(texts: Sequence[str]) -> tuple[list[str], list[Violation]]:
    if len(texts) > _MAX_NETWORKS:
        reason = f"At most {_MAX_NETWORKS} networks can be listed."
        return [], [Violation("token.networks", "allowed_networks", str(len(texts)), reason)]
    networks, violations = [], []
    for index, text in enumerate(texts):
        try:
            networks.append(str(ipaddress.ip_network(text)))
        except ValueError:
            field = f"allowed_networks[{index}]"
            reason = "This is not a network."
            violations.append(Violation("token.network", field, str(text)[:200], reason, _NETWORK))
    return networks, violations
