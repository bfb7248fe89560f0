"""Approval of requests by a second person, and the signing of approved ones.

Whoever asked can never approve, and an approval is used once, under the request's row lock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from django.db import transaction

from apps import clock, registry
from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.certificates import pipeline, states
from apps.certificates.decision import Decision, evaluate_leaf
from apps.certificates.models import CertificateRequest, RequestState
from apps.certificates.outcomes import Issued, Outcome, Pending
from apps.certificates.pipeline import Draft
from apps.certificates.signers.selection import signer_of_request
from apps.errors import (
    AccessDenied,
    AuthorityRevoked,
    InvalidTransition,
    PolicyViolation,
    SealwrightError,
)
from apps.policies import selectors as policy_selectors
from apps.policies.evaluation import violations_of
from apps.principals import Principal
from pki.findings import Violation
from pki.template import Leaf


def approve(principal: Principal, request: CertificateRequest) -> Issued | Pending:
    """Approve a pending request and sign it.

    The current policy is applied to the content again: rules that were tightened while the
    request waited hold for it too.

    Raises:
        AccessDenied: the principal may not approve here, or made the request.
        InvalidTransition: the request is not waiting for approval.
        PolicyViolation: the rules have become stricter; the request is now rejected.
    """
    access.require(principal, Permission.APPROVE_REQUESTS, request.application)
    if principal.actor == request.requested_by:
        raise AccessDenied("Nobody approves a request of their own.")
    with transaction.atomic():
        locked = _locked(request.pk)
        if locked.state != RequestState.PENDING_APPROVAL:
            raise InvalidTransition(f"The request is {locked.state}, not pending approval.")
        states.move(locked, RequestState.APPROVED)
        record(
            Event.APPROVAL_GRANTED,
            principal=principal,
            subject=locked,
            application_id=locked.application_id,
        )
    return sign_approved(principal, locked)


def deny(principal: Principal, request: CertificateRequest, comment: str = "") -> None:
    """End a pending request as rejected.

    Raises:
        AccessDenied, InvalidTransition: as ``approve``.
    """
    access.require(principal, Permission.APPROVE_REQUESTS, request.application)
    _end(principal, request, RequestState.REJECTED, Event.APPROVAL_DENIED, comment)


def cancel(principal: Principal, request: CertificateRequest) -> None:
    """Withdraw a pending request: by its requester or by whoever may approve it."""
    access.require(principal, Permission.REQUEST_CERTIFICATES, request.application)
    if principal.actor != request.requested_by:
        access.require(principal, Permission.APPROVE_REQUESTS, request.application)
    _end(principal, request, RequestState.CANCELLED, Event.REQUEST_CANCELLED, "")


def sign_approved(principal: Principal, request: CertificateRequest) -> Issued | Pending:
    """Sign an approved request once, however many callers do it at a time.

    Returns:
        The outcome; every caller gets the same certificate.

    Raises:
        AuthorityRevoked: its authority never issues again; the request is rejected.
        InvalidTransition: another caller is signing it right now, or it has ended otherwise.
        PolicyViolation: the current policy refuses the content; the request is rejected.
        UpstreamUnavailable, UpstreamRejected: as ``issuance.submit``.
    """
    try:
        decision = _decide_again(request)
    except AuthorityRevoked as error:  # for good: the request would wait for ever
        _reject(principal, request, [_revoked_issuer(request, error)])
        raise
    outcome: Outcome
    if decision.violations:
        outcome = PolicyViolation(decision.violations, request_id=str(request.pk))
    else:
        draft = Draft(principal, request=request, decision=decision, signer=decision.signer)
        (outcome,) = pipeline.run([draft])
    if isinstance(outcome, PolicyViolation):  # of the rules, or of the lint in the pipeline
        _reject(principal, request, outcome.violations)
    if isinstance(outcome, SealwrightError):
        raise outcome
    # The key belongs to whoever asked, not to whoever approved.
    return replace(outcome, private_key_der=None) if isinstance(outcome, Issued) else outcome


def _decide_again(request: CertificateRequest) -> Decision:
    """Return today's decision on the content as approved, its validity moved on by the wait."""
    leaf = Leaf.from_dict(request.leaf)
    now = clock.now_s()
    if leaf.not_before <= now:
        # A start that was asked for in advance was not waited for until it came.
        waited = now - max(request.created_at.replace(microsecond=0), leaf.not_before)
        leaf = leaf.with_validity(leaf.not_before + waited, leaf.not_after + waited)
    signer = signer_of_request(request)
    end = signer.limits(leaf.key_algorithm).not_after
    if end is not None and leaf.not_after > end:
        leaf = leaf.with_validity(leaf.not_before, end)
    version = request.profile.policy.current_version
    assert version is not None
    verdicts = evaluate_leaf(
        policy_selectors.rules_of(version), leaf, signer, has_csr=bool(request.csr_der)
    )
    return Decision(
        leaf=leaf,
        verdicts=verdicts,
        violations=(*_withdrawn(request), *violations_of(verdicts)),
        csr=None,
        signer=signer,
        policy_version=version,
    )


def _withdrawn(request: CertificateRequest) -> Iterator[Violation]:
    """Yield what was withdrawn since: the pairing, its issuer, or something of its method (AC-05)."""
    attached = Pairing.objects.filter(
        application_id=request.application_id, profile_id=request.profile_id
    )
    if not attached.exists():
        yield _DETACHED
    now = request.profile
    if (request.issuer_type, request.authority_id) != (now.issuer_type, now.authority_id):
        yield _OTHER_ISSUER
    for check in registry.presign_checks:
        yield from check(request)


def _reject(
    principal: Principal, request: CertificateRequest, violations: Sequence[Violation]
) -> None:
    listed = [violation.as_dict() for violation in violations]
    with transaction.atomic():
        if states.move(request, RequestState.REJECTED, violations=listed, sealed_private_key=b""):
            record(
                Event.REQUEST_REJECTED,
                principal=principal,
                subject=request,
                application_id=request.application_id,
                violations=listed,
            )


def _end(
    principal: Principal,
    request: CertificateRequest,
    to: RequestState,
    event: Event,
    comment: str,
) -> None:
    with transaction.atomic():
        locked = _locked(request.pk)
        if not states.move(locked, to, failure=comment, sealed_private_key=b""):
            raise InvalidTransition(f"The request is {locked.state} already.")
        record(
            event,
            principal=principal,
            subject=locked,
            application_id=locked.application_id,
            comment=comment,
        )
    request.state = locked.state


def _locked(request_id: UUID) -> CertificateRequest:
    return (
        CertificateRequest.objects.select_for_update(of=("self",))
        .select_related("application", "profile__policy__current_version", "authority")
        .get(pk=request_id)
    )


def _revoked_issuer(request: CertificateRequest, error: AuthorityRevoked) -> Violation:
    return Violation(
        code="request.authority_revoked",
        field="profile",
        value=request.authority.name if request.authority else "",
        reason=error.detail,
        hint="Make a new request once the profile has another authority.",
    )


_DETACHED = Violation(
    code="request.profile_detached",
    field="profile",
    value="",
    reason="The profile has been taken from the application since.",
    hint="Ask for it to be attached again, then make a new request.",
)
_OTHER_ISSUER = Violation(
    code="request.issuer_changed",
    field="profile",
    value="",
    reason="The profile has another issuer now than when the request was made.",
    hint="Make a new request.",
)
