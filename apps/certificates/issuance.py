"""How does an enrollment become a certificate? The one pipeline that every door calls.

Steps, as in docs/architecture.md: 3 shape and 4 evaluate (``decision``), 5 gate
(``approvals``), 6 prepare and commit 1, 7 sign and commit 2 (``signing``).
"""

from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from apps import clock, ids, registry
from apps.applications import access
from apps.applications.models import Pairing
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.certificates import approvals, key_material, signing, states
from apps.certificates.decision import Decision, decide
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    EnrollmentMethod,
    RequestState,
)
from apps.certificates.signing import Intent, Issued, WithCertificate
from apps.errors import AccessDenied, AlreadyExists, BadCSR, InvalidTransition, PolicyViolation
from apps.principals import Principal
from apps.profiles.requested_content import RequestedContent
from apps.statements import writes
from apps.statements.rows import fresh
from pki.csr import ParsedCSR
from pki.findings import Violation

_MAX_STORED_CSR = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """An authenticated request for a certificate, independent of the enrollment method.

    Attributes:
        principal: who asks.
        pairing: application and profile, from ``applications.pairings``; whether the principal
            may request there is asked here.
        method: the door.
        csr: PKCS#10 bytes, PEM or DER, or as the door has read them already; ``None`` lets the
            server make the key.
        requested: what the requester says beside the CSR.
        replaces: the certificate that this one renews.
        request_id: identifier of the request to be made, when its caller needs to know it
            beforehand to find it again after a crash.
        also: what is written together with the certificate, when it is issued by this very call.
    """

    principal: Principal
    pairing: Pairing
    method: EnrollmentMethod
    csr: bytes | ParsedCSR | None = None
    requested: RequestedContent = field(default_factory=RequestedContent)
    replaces: Certificate | None = None
    request_id: UUID | None = None
    also: WithCertificate | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The request waits for somebody else; ask again after ``retry_after_s`` seconds."""

    request: CertificateRequest
    retry_after_s: int


def evaluate(enrollment: Enrollment) -> Decision:
    """Tell what ``submit`` would decide, without a key, a signature or a trace.

    Raises:
        AccessDenied, NotFound: the principal may not request here.
        BadCSR: the CSR cannot be read.
        InvalidTransition: the authority is not active.
    """
    authorise(enrollment)
    return decide(enrollment.pairing, enrollment.csr, enrollment.requested)


def submit(enrollment: Enrollment) -> Issued | Pending:
    """Take an authenticated enrollment through policy, approval and signing.

    Returns:
        ``Issued`` with the certificate (and the private key when it was made here), or
        ``Pending`` while somebody has to approve.

    Raises:
        AccessDenied, NotFound: the principal may not request here.
        BadCSR: the PKCS#10 request is unusable; the refusal is on record.
        PolicyViolation: at least one rule is broken; all broken rules are listed and kept.
        InvalidTransition: the authority is not active.
        UpstreamUnavailable: the key backend did not answer; the reconciler finishes the request.
    """
    authorise(enrollment)
    try:
        decision = decide(enrollment.pairing, enrollment.csr, enrollment.requested)
    except BadCSR as error:
        _keep_refusal(enrollment, error.violations, decision=None)
        raise
    if decision.violations:
        refused = _keep_refusal(enrollment, decision.violations, decision)
        raise PolicyViolation(decision.violations, request_id=str(refused.pk))

    made_key = None
    if enrollment.csr is None:
        assert decision.leaf is not None
        made_key = key_material.make(decision.leaf.key_algorithm)
        decision = decision.with_key(made_key.public_key_der)

    request = new_request(enrollment, decision, approvals.first_state(enrollment.pairing))
    if made_key is not None:
        request.sealed_private_key = key_material.seal_for_request(request, made_key)
    if request.state == RequestState.PENDING_APPROVAL:
        _accept(request, enrollment)
        return Pending(request, approvals.RETRY_AFTER_S)

    intent = signing.prepare(request, decision)
    at_once = _may_be_written_later(enrollment, intent)
    _accept(request, enrollment, intent, at_once=at_once)
    if at_once:
        return signing.sign_at_once(request, intent, enrollment.principal)
    return signing.sign(request, intent, enrollment.principal, enrollment.also)


def outcome_of(request: CertificateRequest) -> Issued | Pending:
    """Return what an earlier ``submit`` came to; an open one is the reconciler's to finish.

    Raises:
        PolicyViolation: it was refused.
        InvalidTransition: it failed or was cancelled.
    """
    if request.state == RequestState.ISSUED:
        certificate = Certificate.objects.select_related("application", "profile").get(
            request=request
        )
        kept = key_material.of_certificate(certificate) if certificate.sealed_private_key else None
        return Issued(request, certificate, kept)
    if request.state == RequestState.REJECTED:
        listed = [Violation(**item) for item in request.violations]
        raise PolicyViolation(listed, request_id=str(request.pk))
    if request.state in states.OPEN_STATES:
        return Pending(request, approvals.RETRY_AFTER_S)
    raise InvalidTransition(f"The request is {request.state}. {request.failure}".strip())


def authorise(enrollment: Enrollment) -> None:
    """Refuse unless the principal may request at the pairing, through this door.

    Raises:
        AccessDenied, NotFound: see ``access.require``; or the door is closed.
    """
    access.require(
        enrollment.principal,
        Permission.REQUEST_CERTIFICATES,
        enrollment.pairing.application,
        pairing_id=enrollment.pairing.id,
    )
    require_open_method(enrollment.pairing, enrollment.method)


def require_open_method(pairing: Pairing, method: EnrollmentMethod) -> None:
    """Refuse a request by an enrollment method that is not open for the pair.

    Raises:
        AccessDenied: the method is closed for the pair, or not registered.
    """
    registered = registry.enrollment_methods.get(method)
    if registered is None or not registered.is_open(pairing):
        label = EnrollmentMethod(method).label
        raise AccessDenied(f"Enrollment by {label} is closed for this application and profile.")


def _accept(
    request: CertificateRequest,
    enrollment: Enrollment,
    intent: Intent | None = None,
    *,
    at_once: bool = False,
) -> None:
    """Put an accepted request on record, with what is to be signed (commit 1).

    Raises:
        AlreadyExists: see ``_lock_replaced``.
    """
    if request.replaces_id is not None:
        with transaction.atomic():
            _lock_replaced(request.replaces_id)
            _write_acceptance(request, enrollment, intent, at_once=at_once)
    else:
        _write_acceptance(request, enrollment, intent, at_once=at_once)


def _write_acceptance(
    request: CertificateRequest, enrollment: Enrollment, intent: Intent | None, *, at_once: bool
) -> None:
    durable = intent is None or intent.must_be_durable
    with writes.together(durable=durable):
        if intent is not None:
            signing.reserve(request, intent)
        if not at_once:
            writes.insert(request)
        record_acceptance(request, enrollment)


def _may_be_written_later(enrollment: Enrollment, intent: Intent) -> bool:
    """Tell whether the request's row may come with its certificate (ADR 0012).

    Not where somebody else signs, or looks for the row: the certificate's other renewals, who
    made the key, a caller that chose the identifier, and the reconciler for self-signed ones,
    which are in no authority's ledger.
    """
    return (
        intent.issuer is not None
        and not intent.must_be_durable
        and enrollment.csr is not None
        and enrollment.request_id is None
        and enrollment.replaces is None
        and enrollment.also is None
    )


def new_request(
    enrollment: Enrollment, decision: Decision, state: RequestState
) -> CertificateRequest:
    """Return the row of an accepted enrollment, not written yet.

    What may be signed at once gets its content from ``signing.reserve``.
    """
    pairing, profile = enrollment.pairing, enrollment.pairing.profile
    assert decision.leaf is not None
    waits = state == RequestState.PENDING_APPROVAL
    return fresh(
        CertificateRequest,
        related={
            "application": pairing.application,
            "profile": profile,
            "policy_version": decision.policy_version,
            "replaces": enrollment.replaces,
        },
        id=enrollment.request_id or ids.uuid7(),
        profile_revision=profile.revision,
        authority_id=decision.issuer.authority_id if decision.issuer else None,
        state=state,
        method=enrollment.method,
        requested_by=enrollment.principal.actor,
        requester_label=enrollment.principal.label[:200],
        csr_der=decision.csr.der if decision.csr else b"",
        leaf=decision.leaf.as_dict() if waits else {},
        created_at=clock.now(),
    )


def _lock_replaced(certificate_id: UUID) -> None:
    """Admit one of several renewals of a certificate, in the caller's transaction.

    Raises:
        AlreadyExists: the certificate is being renewed, or has been.
    """
    Certificate.objects.select_for_update().get(pk=certificate_id)
    if signing.is_renewed_or_renewing(certificate_id):
        raise AlreadyExists("This certificate has been renewed, or is being renewed.")


def record_acceptance(request: CertificateRequest, enrollment: Enrollment) -> None:
    """Record that a request waits for approval, or may be signed, with the caller's writes."""
    waits = request.state == RequestState.PENDING_APPROVAL
    record(
        Event.REQUEST_PENDING_APPROVAL if waits else Event.REQUEST_APPROVED,
        principal=enrollment.principal,
        subject=request,
        application_id=request.application_id,
        profile=str(request.profile_id),
        profile_revision=request.profile_revision,
        policy_version=str(request.policy_version_id),
        method=str(request.method),
        **({} if waits else {"serial_number": request.serial_number}),
    )


def refused_request(
    enrollment: Enrollment, violations: tuple[Violation, ...], decision: Decision | None
) -> CertificateRequest:
    """Return the row that tells who asked for what, and every reason why not; not written yet."""
    pairing = enrollment.pairing
    given = enrollment.csr or b""
    csr = given.der if isinstance(given, ParsedCSR) else given
    if decision is not None and decision.csr is not None:
        csr = decision.csr.der
    version = pairing.profile.policy.current_version
    assert version is not None
    return CertificateRequest(
        application=pairing.application,
        profile=pairing.profile,
        profile_revision=pairing.profile.revision,
        policy_version=version,
        authority=pairing.profile.authority,
        state=RequestState.REJECTED,
        method=enrollment.method,
        requested_by=enrollment.principal.actor,
        requester_label=enrollment.principal.label[:200],
        csr_der=csr if len(csr) <= _MAX_STORED_CSR else b"",
        leaf=decision.leaf.as_dict() if decision is not None and decision.leaf else {},
        violations=[violation.as_dict() for violation in violations],
    )


def record_refusal(request: CertificateRequest, enrollment: Enrollment) -> None:
    """Record a refusal with the caller's writes."""
    record(
        Event.REQUEST_REJECTED,
        principal=enrollment.principal,
        subject=request,
        application_id=request.application_id,
        violations=request.violations,
    )


def _keep_refusal(
    enrollment: Enrollment, violations: tuple[Violation, ...], decision: Decision | None
) -> CertificateRequest:
    request = refused_request(enrollment, violations, decision)
    with writes.together():
        writes.insert(request)
        record_refusal(request, enrollment)
    return request
