"""What must be put right regularly? Interrupted requests and expired certificates."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record
from apps.certificates import abandoned, approvals, signing
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
from apps.errors import SealwrightError, UpstreamUnavailable
from apps.keyring import SealingError

logger = logging.getLogger(__name__)
_BATCH = 500


def reconcile() -> str:
    """End requests that a crash left between the two commits, or approved but unsigned.

    A ``signing`` row holds serial number and content, so finishing it repeats nothing: the
    same bytes are signed, and the unique request on a certificate admits one outcome. Where the
    process died before it wrote such a row, nobody has seen a signature, and it fails.
    """
    principal = principals.system("reconciler")
    before = clock.now() - timedelta(seconds=settings.SEALWRIGHT["SIGNING_TIMEOUT_S"])
    finished = failed = 0
    interrupted = CertificateRequest.objects.select_related(
        "authority", "application", "profile__policy__current_version", "replaces"
    )
    stuck = interrupted.filter(state=RequestState.SIGNING, signing_since__lt=before)
    for request in stuck.order_by("signing_since")[:_BATCH]:
        try:
            done = signing.resume(request, principal) is not None
        except (UpstreamUnavailable, SealingError) as error:
            # Neither a silent key backend nor a missing keyring says anything about the request.
            logger.warning("request %s waits for its key: %s", request.pk, error)
            continue
        except SealwrightError as error:
            signing.give_up(request, principal, error.detail)
            done = False
        except Exception:  # a row that cannot be read must not keep the others waiting
            logger.exception("request %s cannot be finished", request.pk)
            continue
        finished, failed = finished + done, failed + (not done)
    for request in interrupted.filter(state=RequestState.APPROVED, updated_at__lt=before)[:_BATCH]:
        try:
            approvals.release(principal, request)
            finished += 1
        except SealwrightError as error:
            logger.warning("approved request %s not signed: %s", request.pk, error)
            failed += 1
        except Exception:  # see above
            logger.exception("approved request %s cannot be signed", request.pk)
            failed += 1
    failed += abandoned.end(principal, before)
    return f"finished {finished}, failed {failed}"


def mark_expired() -> str:
    """Mark certificates whose validity has ended, each with its own event."""
    principal = principals.system("expiry")
    marked = 0
    while True:
        with transaction.atomic():
            due = list(
                Certificate.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(
                    state__in=[CertificateState.ACTIVE, CertificateState.HELD],
                    not_after__lt=clock.now(),
                )
                .order_by("not_after")[:_BATCH]
            )
            for certificate in due:
                certificate.state = CertificateState.EXPIRED
                record(
                    Event.CERTIFICATE_EXPIRED,
                    principal=principal,
                    subject=certificate,
                    application_id=certificate.application_id,
                    serial_number=certificate.serial_number,
                )
            Certificate.objects.bulk_update(due, ["state"])
        marked += len(due)
        if len(due) < _BATCH:
            return f"marked {marked}"
