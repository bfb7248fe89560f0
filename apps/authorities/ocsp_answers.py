"""OCSP answers that are signed once, kept in the database and served to everybody who asks.

An answer is kept when a client has asked for it first, for a certificate that has not expired. Two
rules let no outdated answer be served (ADR 0023): whoever changes a status locks the row of the issued
serial number and deletes its answers in the same transaction (``ledger``); and an answer is stored
only under the same lock, if the status is still the one that was signed. A new responder ends the
answers of its predecessor, because the look-up asks for those of the current one.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction

from apps import clock
from apps.authorities import ledger
from apps.authorities.ledger import Status
from apps.authorities.models import IssuedSerial, OcspAnswer
from apps.statements import execution
from apps.statements.lookups import TEXT, Lookup
from pki import ocsp, serials
from pki.ocsp import CertId
from pki.reasons import RevocationReason

logger = logging.getLogger(__name__)

# Others are signed for each request: hardly anybody uses them, and each would be one more row.
KEPT_HASHES = frozenset({"sha1", "sha256"})
# After a failure to write, such as a database that is read-only, full or locked.
PAUSE_S = 60.0
_READ = Lookup(
    lambda name, serial, digest: (
        OcspAnswer.objects.filter(
            authority__name=name,
            authority__ocsp_enabled=True,
            serial_number=serial,
            hash_algorithm=digest,
            responder__is_current=True,
        )
        .order_by()
        .values_list("cert_id", "der", "is_final", "this_update", "next_update")
    ),
    name=TEXT,
    serial=TEXT,
    digest=TEXT,
)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it is stored.

    Attributes:
        der: OCSPResponse.
        is_final: it says "revoked", and nothing can take that back.
        this_update: aware UTC.
        next_update: aware UTC; a client may use the answer until then.
    """

    der: bytes
    is_final: bool
    this_update: datetime
    next_update: datetime

    def is_valid(self, now: datetime) -> bool:
        """Tell whether clients accept it; one from the future was signed before a clock was set back."""
        return self.this_update <= now < self.next_update

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether so much of its time is left that the schedule has not missed it."""
        late = self.this_update + (self.next_update - self.this_update) * 3 / 4
        return self.this_update <= now < late


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedAnswer:
    """A new answer about one certificate.

    Attributes:
        serial_hex: lower-case hex without leading zeros.
        cert_id: what was asked.
        status: what it says.
        der: OCSPResponse.
        this_update: aware UTC.
        next_update: aware UTC.
        asked_at: when a client asked last for one that had to be signed.
    """

    serial_hex: str
    cert_id: CertId
    status: Status
    der: bytes
    this_update: datetime
    next_update: datetime
    asked_at: datetime


def find(name: str, cert_id: CertId) -> KeptAnswer | None:
    """Return the kept answer to a CertID, by one query.

    Args:
        name: of the authority.
        cert_id: from a request; the answer repeats it octet by octet, so it must be the same.
    """
    if cert_id.hash_algorithm not in KEPT_HASHES or cert_id.serial_number <= 0:
        return None
    row = _READ.first(name, serials.serial_hex(cert_id.serial_number), cert_id.hash_algorithm)
    if row is None or bytes(row[0]) != cert_id.encoded:
        return None
    return KeptAnswer(bytes(row[1]), *row[2:])


def can_be_kept(cert_id: CertId, status: Status) -> bool:
    """Tell whether an answer may be stored: of bounded number, and about a certificate of ours."""
    return (
        status.status != "unknown"
        and cert_id.hash_algorithm in KEPT_HASHES
        and cert_id.encoded == ocsp.encode_cert_id(cert_id)
    )


class _Pause:
    """Time of this process's last failure to store an answer, by the monotonic clock."""

    until = 0.0


def keep_if_possible(authority_id: UUID, responder_id: UUID, signed: SignedAnswer) -> None:
    """Store an answer that a client has asked for; it is served whether this succeeds or not."""
    if time.monotonic() < _Pause.until:
        return
    try:
        # The client waits meanwhile, and needs nothing of it.
        with execution.short_lock_wait():
            keep(authority_id, responder_id, [signed])
    except DatabaseError as error:
        # The answer itself needed only reading: a database that cannot be written still serves.
        _Pause.until = time.monotonic() + PAUSE_S
        logger.warning("OCSP answers are not kept for %d s: %s", PAUSE_S, error)


def keep(authority_id: UUID, responder_id: UUID, signed: Sequence[SignedAnswer]) -> int:
    """Store answers in place of older ones, unless what they say has changed since.

    Args:
        authority_id: who issued the certificates.
        responder_id: who signed the answers.
        signed: with different serial numbers or hash algorithms.

    Returns:
        How many were stored. Those whose status is being changed right now, or whose certificate
        has expired, are not.
    """
    with transaction.atomic():
        # Skipping locked rows, this never waits for a revocation and cannot deadlock with one.
        issued = IssuedSerial.objects.select_for_update(no_key=True, skip_locked=True).filter(
            authority_id=authority_id,
            serial_number__in={answer.serial_hex for answer in signed},
            not_after__gt=clock.now(),
        )
        lasting = set(issued.values_list("serial_number", flat=True))
        statuses = ledger.statuses_of(authority_id, lasting)
        rows = [
            _row(authority_id, responder_id, answer)
            for answer in signed
            if statuses.get(answer.serial_hex) == answer.status
        ]
        OcspAnswer.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["authority", "serial_number", "hash_algorithm"],
            update_fields=[
                "responder",
                "cert_id",
                "der",
                "is_final",
                "this_update",
                "next_update",
                "refresh_at",
                "asked_at",
            ],
        )
    return len(rows)


def _row(authority_id: UUID, responder_id: UUID, answer: SignedAnswer) -> OcspAnswer:
    return OcspAnswer(
        authority_id=authority_id,
        responder_id=responder_id,
        serial_number=answer.serial_hex,
        hash_algorithm=answer.cert_id.hash_algorithm,
        cert_id=answer.cert_id.encoded,
        der=answer.der,
        is_final=is_final(answer.status),
        this_update=answer.this_update,
        next_update=answer.next_update,
        refresh_at=answer.this_update + (answer.next_update - answer.this_update) / 2,
        asked_at=answer.asked_at,
    )


def is_final(status: Status) -> bool:
    """Tell whether a status never changes again: every revocation but a hold (RFC 5280 5.3.1)."""
    return status.status == "revoked" and status.reason != RevocationReason.CERTIFICATE_HOLD
