"""Revocation of an authority's own certificates at its parent, and what has to be done below it.

All certificates of an authority are for the same key, so its revocation takes all of them that have
not expired. Only an earlier certificate, which a renewal has replaced, can be revoked by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger, publication, selectors
from apps.authorities.models import (
    Authority,
    AuthorityCertificate,
    AuthorityKind,
    AuthorityState,
)
from apps.errors import AlreadyRevoked, BadRevocationReason, InvalidTransition, NotFound
from apps.principals import Principal
from pki.reasons import RevocationReason

COMPROMISES = frozenset({RevocationReason.KEY_COMPROMISE, RevocationReason.CA_COMPROMISE})
"""Reasons that concern the key, and with it every certificate of it."""


def revoke(
    principal: Principal,
    authority: Authority,
    reason: RevocationReason,
    *,
    invalidity_date: datetime | None = None,
) -> None:
    """Revoke an authority for good; authorities below it are disabled in the same transaction.

    Raises: see ``services.revoke_authority``.
    """
    now = clock.now_s()
    _require_final(reason, invalidity_date, now)
    with transaction.atomic():
        # Whoever stores a certificate of this authority, or below it, waits for this lock.
        locked = selectors.locked(authority.pk)
        _require_revocable(locked)
        if locked.state == AuthorityState.REVOKED:
            raise AlreadyRevoked("The authority is already revoked.")
        due = list(locked.certificates.filter(not_after__gt=now, revoked_at__isnull=True))
        if not due:
            raise InvalidTransition(
                f"Every certificate of {locked.name} has expired: nothing is left to revoke. "
                "Disable the authority."
            )
        _revoke_certificates(locked, due, reason, now, invalidity_date)
        locked.state = AuthorityState.REVOKED
        locked.save(update_fields=["state"])
        disabled = _disable_below(principal, locked)
        record(
            Event.AUTHORITY_REVOKED,
            principal=principal,
            subject=locked,
            reason=reason.value,
            serial_numbers=[certificate.serial_number for certificate in due],
            parent=locked.parent.name if locked.parent else "",
            disabled_below=disabled,
        )


def revoke_earlier_certificate(
    principal: Principal,
    authority: Authority,
    serial_number: str,
    reason: RevocationReason,
    *,
    invalidity_date: datetime | None = None,
) -> None:
    """Revoke a certificate that a renewal has replaced; the authority goes on with the newer one.

    Raises: see ``services.revoke_authority``.
    """
    now = clock.now_s()
    _require_final(reason, invalidity_date, now)
    with transaction.atomic():
        locked = selectors.locked(authority.pk)
        _require_revocable(locked)
        certificate = locked.certificates.filter(serial_number=serial_number).first()
        if certificate is None:
            raise NotFound("The authority has no certificate with this serial number.")
        if certificate.revoked_at is not None:
            raise AlreadyRevoked
        if certificate.not_after <= now:
            raise InvalidTransition("The certificate has expired; there is nothing left to revoke.")
        if certificate.is_current:
            raise InvalidTransition(
                "This certificate is in force. Renew the authority first, or revoke the authority "
                "as a whole: leave the serial number out."
            )
        if reason in COMPROMISES:
            raise BadRevocationReason(
                "All certificates of an authority are for one key. When that is compromised, "
                "revoke the authority as a whole: leave the serial number out."
            )
        _revoke_certificates(locked, [certificate], reason, now, invalidity_date)
        record(
            Event.AUTHORITY_CERTIFICATE_REVOKED,
            principal=principal,
            subject=locked,
            reason=reason.value,
            serial_number=certificate.serial_number,
            parent=locked.parent.name if locked.parent else "",
        )


def revoke_for_removal(authority: Authority) -> None:
    """Have the parent revoke the certificates of an authority whose key is about to be destroyed."""
    if authority.parent is None:
        return
    now = clock.now_s()
    due = list(authority.certificates.filter(not_after__gt=now, revoked_at__isnull=True))
    _revoke_certificates(authority, due, RevocationReason.CESSATION_OF_OPERATION, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """A revoked authority, and what is left to do.

    Attributes:
        revoked_at: aware UTC.
        reason: of the revocation.
        certificates_in_force: certificates that it issued, neither expired nor revoked.
        authorities_below: names, level by level.
        next_steps: sentences for an administrator, in order.
    """

    revoked_at: datetime
    reason: RevocationReason
    certificates_in_force: int
    authorities_below: tuple[str, ...]
    next_steps: tuple[str, ...]


def aftermath(authority: Authority) -> Aftermath | None:
    """Return what the revocation of an authority means; ``None`` if it is not revoked."""
    if authority.state != AuthorityState.REVOKED:
        return None
    newest = authority.certificates.filter(revoked_at__isnull=False).order_by("-id").first()
    assert newest is not None
    assert newest.revoked_at is not None
    reason = RevocationReason(newest.revocation_reason)
    below = selectors.descendants(authority)
    return Aftermath(
        revoked_at=newest.revoked_at,
        reason=reason,
        certificates_in_force=selectors.certificates_in_force(authority),
        authorities_below=tuple(one.name for one in below),
        next_steps=tuple(_next_steps(authority, reason, below)),
    )


def _next_steps(
    authority: Authority, reason: RevocationReason, below: Sequence[Authority]
) -> list[str]:
    name = authority.name
    steps = []
    if authority.parent is None:
        listed = ", ".join(
            f"{one.serial_number} ({reason.value})"
            for one in authority.certificates.filter(revoked_at__isnull=False)
        )
        steps.append(
            f"The parent of {name} is outside this product: have that CA revoke {listed}. Until "
            "its CRL says so, relying parties go on accepting them."
        )
    steps.append(
        f"Create a new authority with a new key in place of {name}; a renewal is refused, because "
        "it would certify the same key."
    )
    steps.append(
        f"Give every profile of {name} the new authority "
        f"(GET /api/v1/profiles/?authority={name} lists them)."
    )
    steps.append(
        "Have each certificate below replaced: GET "
        f"/api/v1/certificates/?authority={name}&state=active lists them. ACME clients that ask "
        "for renewal information replace theirs by themselves, once the profile has moved."
    )
    if below:
        names = ", ".join(one.name for one in below)
        steps.append(
            f"The authorities below it were disabled, because no path through {name} verifies: "
            f"{names}. Create them again below another parent."
        )
    if reason in COMPROMISES:
        steps.append(
            f"Somebody else may sign with the key of {name}, also answers about revocation. Relying "
            "parties that do not check the status of CA certificates go on trusting it: remove it "
            "from the chains and trust stores that you distribute."
        )
    steps.append(
        f"Keep {name}: its CRL and OCSP answers go on for the certificates below. Delete it when "
        "the last of them has expired or is revoked."
    )
    return steps


def _require_final(
    reason: RevocationReason, invalidity_date: datetime | None, now: datetime
) -> None:
    if reason == RevocationReason.CERTIFICATE_HOLD:
        # Relying parties treat a hold of a CA as the end of all below it, and some remember that.
        raise BadRevocationReason(
            "An authority cannot be put on hold. Disable it to stop issuing for a time, or revoke "
            "it for good."
        )
    if invalidity_date is not None and invalidity_date > now:
        raise BadRevocationReason("The invalidity date lies in the future.")


def _require_revocable(authority: Authority) -> None:
    if authority.kind == AuthorityKind.ROOT:
        raise InvalidTransition(
            f"{authority.name} is a root: nobody above it can revoke it. Disable it, have every "
            "relying party remove it from its trust store, and revoke the authorities below it."
        )
    if authority.state == AuthorityState.PENDING_CERTIFICATE:
        raise InvalidTransition(
            f"{authority.name} has no certificate that could be revoked: delete it instead."
        )


def _revoke_certificates(
    authority: Authority,
    certificates: Iterable[AuthorityCertificate],
    reason: RevocationReason,
    now: datetime,
    invalidity_date: datetime | None = None,
) -> None:
    """Revoke at the parent, if that is here, and note it; the parent's CRL follows at once."""
    parent = authority.parent
    for certificate in certificates:
        if parent is not None:
            ledger.revoke_serial(
                parent,
                certificate.serial_number,
                reason=reason,
                revoked_at=now,
                not_after=certificate.not_after,
                invalidity_date=invalidity_date,
            )
        certificate.revoked_at = now
        certificate.revocation_reason = reason
        certificate.save(update_fields=["revoked_at", "revocation_reason"])
    if parent is not None:
        publication.request_crl(parent)


def _disable_below(principal: Principal, authority: Authority) -> list[str]:
    """Disable the active authorities below; return their names."""
    disabled = []
    for below in selectors.descendants(authority, lock=True):
        if below.state != AuthorityState.ACTIVE:
            continue
        below.state = AuthorityState.DISABLED
        below.save(update_fields=["state"])
        record(
            Event.AUTHORITY_DISABLED,
            principal=principal,
            subject=below,
            revoked_above=authority.name,
        )
        disabled.append(below.name)
    return disabled
