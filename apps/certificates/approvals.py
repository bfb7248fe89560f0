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
from apps.certificates import gate, pipeline, states
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
from apps.policies.consequences import without_consequences
from apps.policies.evaluation import violations_of
from apps.principals import Principal
from apps.profiles.lifetime import validity
from apps.profiles.requested_content import Defaults, IssuerLimits, RequestedContent
from pki.findings import Violation
from pki.template import Leaf

_LABEL_LENGTH = 200


_OWN = "Nobody approves a request of their own."


def why_not_approve(principal: Principal, request: CertificateRequest) -> str:
    """Return why a person may not approve a request, for pages; empty for who may."""
    lacking = access.why_not(principal, request.application, Permission.APPROVE_REQUESTS)
    return lacking or (_OWN if principal.actor == request.requested_by else "")


def approve(principal: Principal, request: CertificateRequest) -> Issued | Pending:
    """Approve a pending request and sign it, unless its client comes for it (``collection``).

    The current policy is applied to the content again: rules that were tightened while the
    request waited hold for it too.

    Raises:
        AccessDenied: the principal may not approve here, or made the request.
        InvalidTransition: the request is not waiting for approval.
        PolicyViolation: the rules have become stricter; the request is now rejected.
    """
    access.require(principal, Permission.APPROVE_REQUESTS, request.application)
    if principal.actor == request.requested_by:
        raise AccessDenied(_OWN)
    with transaction.atomic():
        locked = _locked(request.pk)
        if locked.state != RequestState.PENDING_APPROVAL:
            raise InvalidTransition(f"The request is {locked.state}, not pending approval.")
        states.move(
            locked,
            RequestState.APPROVED,
            approved_at=clock.now(),
            awaits_client=_method_collects(locked),
            approved_by=principal.label[:_LABEL_LENGTH],
        )
        record(
            Event.APPROVAL_GRANTED,
            principal=principal,
            subject=locked,
            application_id=locked.application_id,
        )
    if is_for_client(locked):
        violations = _decided_again(principal, locked, None).violations
        if violations:
            _reject(principal, locked, violations)
            raise PolicyViolation(violations, request_id=str(locked.pk))
        return Pending(locked, gate.RETRY_AFTER_S)
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


def is_for_client(request: CertificateRequest) -> bool:
    """Tell whether a request was approved, and is signed when its client comes for it."""
    return request.state == RequestState.APPROVED and request.awaits_client


def _method_collects(request: CertificateRequest) -> bool:
    method = registry.enrollment_methods.get(request.method)
    return method is not None and method.collects


def sign_approved(
    principal: Principal, request: CertificateRequest, *, dates: RequestedContent | None = None
) -> Issued | Pending:
    """Sign an approved request once, however many callers do it at a time.

    Args:
        principal: for the audit log.
        request: approved.
        dates: requested content with the dates that hold whenever it is signed; ``None`` moves the
            validity on by the wait.

    Returns:
        The outcome; every caller gets the same certificate.

    Raises:
        AuthorityRevoked: its authority never issues again; the request is rejected.
        InvalidTransition: another caller is signing it right now, or it has ended otherwise.
        PolicyViolation: the current policy refuses the content; the request is rejected.
        UpstreamUnavailable, UpstreamRejected: as ``issuance.submit``.
    """
    decision = _decided_again(principal, request, dates)
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


def _decided_again(
    principal: Principal, request: CertificateRequest, dates: RequestedContent | None
) -> Decision:
    """Return today's decision; a request whose authority was revoked is rejected."""
    try:
        return _decide_again(request, dates)
    except AuthorityRevoked as error:  # for good: the request would wait for ever
        ended = _revoked_issuer(request)
        _reject(principal, request, [ended])
        text = f"{ended.reason} The request ended as rejected. {ended.hint}"
        raise AuthorityRevoked(text) from error


def _decide_again(request: CertificateRequest, dates: RequestedContent | None) -> Decision:
    """Return today's decision on the content as approved, its validity as of now."""
    leaf = Leaf.from_dict(request.leaf)
    signer = signer_of_request(request)
    version = request.profile.policy.current_version
    assert version is not None
    rules = policy_selectors.rules_of(version)
    limits = signer.limits(leaf.key_algorithm)
    found: list[Violation] = []
    if dates is None:
        leaf = _moved_on(leaf, request, limits)
    else:
        valid = validity(dates, Defaults(), limits, rules.validity, clock.now_s())
        leaf = leaf.with_validity(valid.not_before, valid.not_after)
        found += valid.violations
    verdicts = evaluate_leaf(rules, leaf, signer, has_csr=bool(request.csr_der))
    found += [*_withdrawn(request), *violations_of(verdicts)]
    return Decision(
        leaf=leaf,
        verdicts=verdicts,
        violations=without_consequences(found),
        csr=None,
        signer=signer,
        policy_version=version,
    )


def _moved_on(leaf: Leaf, request: CertificateRequest, limits: IssuerLimits) -> Leaf:
    """Return the content with its validity moved on by the wait, within that of the issuer."""
    begin, end, now = leaf.not_before, leaf.not_after, clock.now_s()
    if begin <= now:
        # A start that was asked for in advance was not waited for until it came.
        waited = now - max(request.created_at.replace(microsecond=0), begin)
        begin, end = begin + waited, end + waited
    if limits.not_before is not None:
        # The authority may have been given a new certificate meanwhile.
        begin = max(begin, limits.not_before)
    if limits.not_after is not None:
        end = min(end, limits.not_after)
    return leaf.with_validity(begin, end)


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


def _revoked_issuer(request: CertificateRequest) -> Violation:
    """Return why a request ends whose authority was revoked, and whether it can be made anew now."""
    name = request.authority.name if request.authority else ""
    moved = request.profile.authority_id != request.authority_id
    return Violation(
        code="request.authority_revoked",
        field="profile",
        value=name,
        reason=f"The authority {name} of this request has been revoked.",
        hint="Make a new request; the profile has another issuer already."
        if moved
        else "Make a new request once the profile has another authority.",
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
