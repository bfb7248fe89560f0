"""Ledgers of an authority: serial numbers used, and serial numbers revoked.

Called inside the transaction of the act that the entry belongs to. Entries are never deleted;
revocation only moves forward, save for a hold, which can be released (RFC 5280 section 5.3.1).

Every change of a status first locks the row of the issued serial number, then deletes the OCSP
answers that are kept for it. ``ocsp_answers`` keeps one only under the same lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import IntegrityError, transaction

from apps import clock
from apps.authorities.models import Authority, IssuedSerial, OcspAnswer, RevokedSerial
from apps.errors import AlreadyRevoked, InvalidTransition, NotFound
from apps.statements import writes
from pki.reasons import RevocationReason


@dataclass(frozen=True, slots=True)
class Status:
    """What an authority says about a serial number.

    Attributes:
        status: ``unknown`` for serial numbers it never used.
        revoked_at: aware UTC, whole seconds; with ``revoked`` only.
        reason: with ``revoked`` only.
    """

    status: Literal["good", "revoked", "unknown"]
    revoked_at: datetime | None = None
    reason: RevocationReason | None = None


GOOD, UNKNOWN = Status("good"), Status("unknown")


def reserve_serial(
    authority_id: UUID,
    serial_hex: str,
    tbs_sha256: str,
    not_after: datetime,
    *,
    request_id: UUID | None = None,
) -> None:
    """Write down a serial number and what is to be signed under it, before it is signed.

    Args:
        authority_id: whose serial number it is.
        serial_hex: lower-case hex without leading zeros.
        tbs_sha256: hexadecimal digest of the TBSCertificate.
        not_after: end of the certificate.
        request_id: the certificate request that it is for, if there is or will be one.

    Raises:
        IntegrityError: the authority has used the number; the transaction is lost (X-02 makes
            this a matter of 2^-152).
    """
    writes.insert(
        IssuedSerial(
            authority_id=authority_id,
            serial_number=serial_hex,
            tbs_sha256=tbs_sha256,
            not_after=not_after,
            request_id=request_id,
        )
    )


def revoke_serial(
    authority: Authority,
    serial_hex: str,
    *,
    reason: RevocationReason,
    revoked_at: datetime,
    not_after: datetime,
    invalidity_date: datetime | None = None,
) -> None:
    """Revoke a serial number, or turn a hold into a revocation for good.

    A hold that becomes final keeps its date: the certificate has not been good since then.

    Args:
        authority: whose serial number it is.
        serial_hex: lower-case hex without leading zeros.
        reason: any; ``certificateHold`` can be released.
        revoked_at: aware UTC, whole seconds.
        not_after: end of the certificate; its entry leaves the CRL some time after.
        invalidity_date: since when the key is doubted.

    Raises:
        AlreadyRevoked: revoked for good, or on hold and to be held again.
        NotFound: the authority never used the number.
    """
    if not _begin_change(authority, serial_hex):
        raise NotFound(f"{authority} never used the serial number {serial_hex}.")
    entry = _locked(authority, serial_hex)
    if entry is None:
        entry = RevokedSerial(authority=authority, serial_number=serial_hex)
    elif entry.released_at is None:
        if entry.reason != RevocationReason.CERTIFICATE_HOLD or reason == entry.reason:
            raise AlreadyRevoked
        revoked_at = entry.revoked_at
    entry.reason = reason.value
    entry.revoked_at = revoked_at
    entry.invalidity_date = invalidity_date
    entry.not_after = not_after
    entry.released_at = None
    try:
        with transaction.atomic():
            entry.save()
    except IntegrityError as error:
        raise AlreadyRevoked from error


def release_serial(authority: Authority, serial_hex: str) -> None:
    """End a hold; the serial number is good again.

    Raises:
        InvalidTransition: it is not on hold.
    """
    _begin_change(authority, serial_hex)
    entry = _locked(authority, serial_hex)
    if (
        entry is None
        or entry.released_at is not None
        or entry.reason != RevocationReason.CERTIFICATE_HOLD
    ):
        raise InvalidTransition("The serial number is not on hold.")
    entry.released_at = clock.now_s()
    entry.save(update_fields=["released_at"])


def statuses_of(authority_id: UUID, serials_hex: Iterable[str]) -> dict[str, Status]:
    """Return the status of each serial number, by two queries.

    A number counts as issued from the moment it is reserved: a certificate that a client
    already holds is never ``unknown`` because a later write failed.
    """
    wanted = set(serials_hex)
    found = dict.fromkeys(wanted, UNKNOWN)
    issued = IssuedSerial.objects.filter(authority_id=authority_id, serial_number__in=wanted)
    found.update(dict.fromkeys(issued.values_list("serial_number", flat=True), GOOD))
    revoked = RevokedSerial.objects.filter(
        authority_id=authority_id, serial_number__in=wanted, released_at__isnull=True
    )
    for serial_hex, revoked_at, reason in revoked.values_list(
        "serial_number", "revoked_at", "reason"
    ):
        found[serial_hex] = Status("revoked", revoked_at, RevocationReason(reason))
    return found


def _begin_change(authority: Authority, serial_hex: str) -> bool:
    """Lock an issued serial number and delete what OCSP has said about it; tell if it exists.

    Without the lock an answer that another transaction is about to keep would be overlooked: the
    DELETE does not see its row yet, and that transaction does not see this change.
    """
    issued = IssuedSerial.objects.select_for_update(no_key=True)
    found = issued.filter(authority=authority, serial_number=serial_hex).first()
    OcspAnswer.objects.filter(authority=authority, serial_number=serial_hex).delete()
    return found is not None


def _locked(authority: Authority, serial_hex: str) -> RevokedSerial | None:
    return (
        RevokedSerial.objects.select_for_update()
        .filter(authority=authority, serial_number=serial_hex)
        .first()
    )
