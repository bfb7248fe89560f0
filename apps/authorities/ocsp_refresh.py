"""Job that signs kept OCSP answers anew at half of their time, and removes those nobody needs."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from apps import clock
from apps.authorities import ledger, ocsp_answers, ocsp_responders, ocsp_responses
from apps.authorities.models import OcspAnswer
from apps.authorities.ocsp_answers import SignedAnswer
from apps.authorities.ocsp_responses import Source
from apps.errors import SealwrightError
from apps.jobs.leases import report_progress
from pki.findings import PkiError
from pki.ocsp import CertId

logger = logging.getLogger(__name__)

REFRESH_JOB = "ocsp.refresh_answers"
# A certificate nobody has asked about for so long costs one signature when somebody asks again.
KEPT_AFTER_ASKED = timedelta(days=7)
_PAUSE = timedelta(minutes=5)
_BATCH = 200
_BUDGET_S = 120.0

_COLUMNS = ("pk", "authority__name", "serial_number", "hash_algorithm", "cert_id", "asked_at")
_Row: TypeAlias = tuple[int, str, str, str, bytes, datetime]


def refresh_job() -> str:
    """Refresh what is due, in batches; what does not fit into this run is left to the next one."""
    removed, refreshed, until = _remove_unneeded(clock.now()), 0, time.monotonic() + _BUDGET_S
    while time.monotonic() < until:
        due = list(
            OcspAnswer.objects.filter(refresh_at__lte=clock.now())
            .order_by("refresh_at")
            .values_list(*_COLUMNS)[:_BATCH]
        )
        if not due:
            break
        # Whatever cannot be refreshed now comes last next time, so that it is not tried for ever.
        OcspAnswer.objects.filter(pk__in=[row[0] for row in due]).update(
            refresh_at=clock.now() + _PAUSE
        )
        by_authority: defaultdict[str, list[_Row]] = defaultdict(list)
        for row in due:
            by_authority[row[1]].append(row)
        for name, rows in by_authority.items():
            refreshed += _refreshed(name, rows)
        report_progress(f"{refreshed} refreshed")
    return f"{refreshed} refreshed, {removed} removed"


def _remove_unneeded(now: datetime) -> int:
    """Remove what is past its time, or due about a certificate that expired or nobody asks about."""
    expired = OcspAnswer.objects.filter(next_update__lte=now)
    unasked = OcspAnswer.objects.filter(refresh_at__lte=now, asked_at__lte=now - KEPT_AFTER_ASKED)
    return int(expired.delete()[0]) + int(unasked.delete()[0])


def _refreshed(name: str, rows: Sequence[_Row]) -> int:
    try:
        source = ocsp_responses.source_of(name)
        if not source.ocsp_enabled:
            return 0
        responder = ocsp_responders.signing_responder(source.authority_id, source.responder_id)
        signed = _signed(source, responder, rows)
    except (SealwrightError, PkiError) as error:
        logger.warning("kept OCSP answers of %s are not refreshed: %s", name, error)
        return 0
    return ocsp_answers.keep(source.authority_id, responder.id, signed)


def _signed(
    source: Source, responder: ocsp_responders.SigningResponder, rows: Sequence[_Row]
) -> list[SignedAnswer]:
    statuses = ledger.statuses_of(source.authority_id, {row[2] for row in rows})
    hashes = ocsp_responses.issuer_hashes(source)
    signed = []
    for _, _, serial_hex, algorithm, encoded, asked_at in rows:
        cert_id = CertId(algorithm, *hashes[algorithm], int(serial_hex, 16), bytes(encoded))
        status = statuses[serial_hex]
        made = ocsp_responses.sign(responder, [ocsp_responses.single_status(cert_id, status)])
        signed.append(ocsp_responses.to_keep(made, cert_id, status, asked_at=asked_at))
    return signed
