"""Revocation, hold and the end of a hold (RFC 5280 section 5.3.1)."""

from datetime import datetime

from django.db import transaction

from apps import clock
from apps.applications import access
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger, publication
from apps.certificates.models import Certificate, CertificateState
from apps.errors import AlreadyRevoked, BadRevocationReason, InvalidTransition
from apps.principals import Principal
from pki.reasons import RevocationReason


def revoke(
    principal: Principal,
    certificate: Certificate,
    reason: RevocationReason,
    *,
    invalidity_date: datetime | None = None,
    allow_expired: bool = False,
) -> Certificate:
    """Revoke a certificate: OCSP says so at once, the CRL within a minute.

    A certificate on hold may be revoked for good; nothing else is revoked twice.

    Args:
        principal: needs ``revoke`` in the certificate's application.
        certificate: what to revoke; the row is locked and read again.
        reason: any reason of RFC 5280; ``certificateHold`` can be released later.
        invalidity_date: since when the key is believed to be unsafe; not in the future.
        allow_expired: revoke a certificate after its end as well. Signatures that were made
            before (code, documents) are judged by the date of the revocation, or by
            ``invalidity_date``.

    Raises:
        AccessDenied, NotFound: the principal may not revoke here.
        AlreadyRevoked: it is revoked for good.
        BadRevocationReason: the invalidity date lies in the future.
        InvalidTransition: expired, self-signed, or not issued by an authority here; an expired
            one is never put on hold.
    """
    access.require(principal, Permission.REVOKE_CERTIFICATES, certificate.application)
    now = clock.now_s()
    if invalidity_date is not None and invalidity_date > now:
        raise BadRevocationReason("The invalidity date lies in the future.")
    with transaction.atomic():
        locked = _locked(certificate)
        if locked.state == CertificateState.REVOKED:
            raise AlreadyRevoked
        if locked.state == CertificateState.HELD and reason == RevocationReason.CERTIFICATE_HOLD:
            raise AlreadyRevoked("The certificate is already on hold.")
        expired = locked.state == CertificateState.EXPIRED or locked.not_after < now
        if expired:
            _require_possible_after_end(reason, allow_expired=allow_expired)
        if locked.authority is None:
            raise InvalidTransition(
                "No authority here issued this certificate, so none can revoke it."
            )
        ledger.revoke_serial(
            locked.authority,
            locked.serial_number,
            reason=reason,
            revoked_at=now,
            # RFC 5280 section 3.3: the entry has to be on one scheduled CRL at least, so that of an
            # expired certificate stays as long as if it had expired just now.
            not_after=max(locked.not_after, now),
            invalidity_date=invalidity_date,
        )
        held = reason == RevocationReason.CERTIFICATE_HOLD
        if locked.state != CertificateState.HELD:
            locked.revoked_at = now  # a hold that becomes final keeps its date
        locked.state = CertificateState.HELD if held else CertificateState.REVOKED
        locked.revocation_reason = reason
        locked.save(update_fields=["state", "revoked_at", "revocation_reason"])
        record(
            Event.CERTIFICATE_HELD if held else Event.CERTIFICATE_REVOKED,
            principal=principal,
            subject=locked,
            application_id=locked.application_id,
            reason=reason.value,
            serial_number=locked.serial_number,
            **({"expired_at": locked.not_after.isoformat()} if expired else {}),
        )
        publication.request_crl(locked.authority)
    return locked


def _require_possible_after_end(reason: RevocationReason, *, allow_expired: bool) -> None:
    """Refuse what makes no sense for an expired certificate, or was not asked for outright."""
    if not allow_expired:
        raise InvalidTransition(
            "The certificate has expired, so nobody accepts it any more. To revoke it all the same, "
            "because of signatures made earlier, say so (allow_expired)."
        )
    if reason == RevocationReason.CERTIFICATE_HOLD:
        raise InvalidTransition("An expired certificate is not put on hold; choose another reason.")


def remove_hold(principal: Principal, certificate: Certificate) -> Certificate:
    """Take a certificate off hold; the next CRL no longer lists it.

    Raises:
        AccessDenied, NotFound: the principal may not revoke here.
        InvalidTransition: it is not on hold.
    """
    access.require(principal, Permission.REVOKE_CERTIFICATES, certificate.application)
    with transaction.atomic():
        locked = _locked(certificate)
        if locked.state != CertificateState.HELD or locked.authority is None:
            raise InvalidTransition("Only a certificate on hold can be released.")
        ledger.release_serial(locked.authority, locked.serial_number)
        expired = locked.not_after < clock.now()
        locked.state = CertificateState.EXPIRED if expired else CertificateState.ACTIVE
        locked.revoked_at = None
        locked.revocation_reason = ""
        locked.save(update_fields=["state", "revoked_at", "revocation_reason"])
        record(
            Event.CERTIFICATE_RELEASED,
            principal=principal,
            subject=locked,
            application_id=locked.application_id,
            serial_number=locked.serial_number,
        )
        publication.request_crl(locked.authority)
    return locked


def _locked(certificate: Certificate) -> Certificate:
    return (
        Certificate.objects.select_for_update(of=("self",))
        .select_related("authority", "application", "profile")
        .get(pk=certificate.pk)
    )
