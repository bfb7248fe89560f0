"""What did a process take with it that died between reserving a serial number and storing?

A request that is signed at once is written together with its certificate (ADR 0012). What is
on record until then is the serial number and the event that approved it. Once their process
cannot be at work any more, both become a failed request with a revoked serial number: nobody has
seen the signature, but none may ever count.

The row that is written here has the identifier that the process would have used, so that of the
two only one can be written.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.authorities import ledger
from apps.authorities.models import IssuedSerial
from apps.certificates import signing
from apps.certificates.models import CertificateRequest, LedgerMark, RequestState
from apps.principals import Principal

logger = logging.getLogger(__name__)
_BATCH = 500
# Serial numbers are counted before their commit: a neighbour may show up a little later.
_LATE = timedelta(minutes=10)
_REASON = "The process ended before the certificate was stored."


def end(principal: Principal, before: datetime) -> int:
    """End every reservation older than ``before`` that no request has followed.

    Returns:
        How many.
    """
    mark, _ = LedgerMark.objects.get_or_create(pk=LedgerMark.ONLY)
    since = IssuedSerial.objects.filter(pk__gt=mark.serial_id)
    written = CertificateRequest.objects.filter(pk=OuterRef("request_id"))
    abandoned = since.filter(~Exists(written), request_id__isnull=False, created_at__lt=before)
    found = list(abandoned.select_related("authority").order_by("pk")[:_BATCH])
    ended = failed = 0
    for reserved in found:
        try:
            ended += _end(principal, reserved)
        except Exception:  # one that cannot be ended must not keep the others waiting
            logger.exception("the reserved serial number %s cannot be ended", reserved)
            failed += 1
    if not failed and len(found) < _BATCH:
        # Newest first: what was settled by earlier sweeps is not read again.
        settled = since.filter(created_at__lt=before - _LATE).order_by("-pk")
        last = settled.values_list("pk", flat=True).first()
        if last is not None:
            LedgerMark.objects.filter(pk=mark.pk, serial_id__lt=last).update(serial_id=last)
    return ended


def _end(principal: Principal, reserved: IssuedSerial) -> bool:
    row = _row_of(reserved)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            signing.write_off(row, principal, reserved.not_after)
    except IntegrityError:
        if CertificateRequest.objects.filter(pk=row.pk).exists():
            return False  # written at the last moment
        # What it belonged to is gone; the serial number is not.
        if ledger.status_of(reserved.authority, reserved.serial_number).status == "revoked":
            return False
        with transaction.atomic():
            signing.write_off(row, principal, reserved.not_after)
    logger.warning("request %s was given up: %s", row.pk, _REASON)
    return True


def _row_of(reserved: IssuedSerial) -> CertificateRequest:
    """Return the request as far as it is known, failed; not written."""
    approved = AuditEvent.objects.filter(
        subject_type=CertificateRequest._meta.label_lower,  # noqa: SLF001 - Django's documented Meta API
        subject_id=str(reserved.request_id),
        event=str(Event.REQUEST_APPROVED),
    ).first()
    known: Any = approved or AuditEvent(data={})
    return CertificateRequest(
        id=reserved.request_id,
        application_id=known.application_id,
        profile_id=known.data.get("profile"),
        profile_revision=known.data.get("profile_revision"),
        policy_version_id=known.data.get("policy_version"),
        authority=reserved.authority,
        state=RequestState.FAILED,
        method=known.data.get("method", ""),
        requested_by=known.actor,
        requester_label=known.actor_label,
        leaf={},
        failure=_REASON,
        serial_number=reserved.serial_number,
        tbs_sha256=reserved.tbs_sha256,
        signing_since=reserved.created_at,
        created_at=reserved.created_at,
    )
