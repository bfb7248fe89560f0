"""Scheduled jobs: finish interrupted requests, and mark expired certificates."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record
from apps.certificates import approvals, collection, pipeline
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
from apps.certificates.outcomes import Issued, Pending
from apps.errors import SealwrightError, UpstreamUnavailable
from apps.keyring import SealingError
from apps.principals import Principal

logger = logging.getLogger(__name__)
BATCH = 500


def reconcile() -> str:
    """Finish requests that a crash left between the two commits, or approved but unsigned.

    A ``signing`` row holds serial number and content, so finishing it repeats nothing: the same
    bytes are signed, and the unique request of a certificate admits one outcome. External
    authorities are asked again about what was submitted to them. Whatever has to wait goes to the
    end of its line: however many wait for one authority, those of others get their turn.
    """
    principal = principals.system("reconciler")
    before = clock.now() - timedelta(seconds=settings.SEALWRIGHT["SIGNING_TIMEOUT_S"])
    rows = CertificateRequest.objects.select_related(
        "authority", "application", "profile__policy__current_version", "policy_version", "replaces"
    )
    left = rows.filter(state=RequestState.SIGNING, signing_since__lt=before)
    asked = rows.filter(state=RequestState.SUBMITTED, updated_at__lt=before)
    results = [
        _finish(request, principal)
        for request in [
            *left.order_by("updated_at")[:BATCH],
            *asked.order_by("updated_at")[:BATCH],
        ]
    ]
    approved = rows.filter(state=RequestState.APPROVED, awaits_client=False, updated_at__lt=before)
    results += [
        _sign_approved(request, principal) for request in approved.order_by("updated_at")[:BATCH]
    ]
    collection.give_up_uncollected(principal)
    finished = sum(done is True for done in results)
    failed = sum(done is False for done in results)
    return f"finished {finished}, failed {failed}"


def _finish(request: CertificateRequest, principal: Principal) -> bool | None:
    """Return whether the request was issued; ``None`` while it has to wait."""
    done = None
    try:
        done = _resume(request, principal)
    except Exception:  # a row that cannot be read must not keep the others waiting
        logger.exception("request %s cannot be finished", request.pk)
    if done is None:
        _to_the_end(request)
    return done


def _to_the_end(request: CertificateRequest) -> None:
    # Not by ``save``: what the attempt has done to the instance is not for the row.
    CertificateRequest.objects.filter(pk=request.pk).update(updated_at=clock.now())


def _resume(request: CertificateRequest, principal: Principal) -> bool | None:
    try:
        outcome = pipeline.resume(request, principal)
    except SealingError as error:
        # A missing keyring says nothing about the request.
        logger.warning("request %s waits for its key: %s", request.pk, error)
        return None
    except SealwrightError as error:
        pipeline.give_up(request, principal, error.detail)
        return False
    if isinstance(outcome, UpstreamUnavailable):
        logger.warning("request %s waits for its signer: %s", request.pk, outcome)
        return None
    if isinstance(outcome, Pending):
        return None
    return isinstance(outcome, Issued)


def _sign_approved(request: CertificateRequest, principal: Principal) -> bool:
    try:
        approvals.sign_approved(principal, request)
    except SealwrightError as error:
        logger.warning("approved request %s not signed: %s", request.pk, error)
    except Exception:  # as in ``_finish``
        logger.exception("approved request %s cannot be signed", request.pk)
    else:
        return True
    _to_the_end(request)
    return False


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
                .order_by("not_after")[:BATCH]
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
        if len(due) < BATCH:
            return f"marked {marked}"
