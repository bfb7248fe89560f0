"""How are many certificates issued by one call? The pipeline's steps, each for all of them at once.

Every enrollment stands for itself: one that is refused, or waits for approval, stops none of
the others. What two commits do for one certificate, they do here for a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.certificates import approvals, issuance, signing
from apps.certificates.decision import Decision, decide
from apps.certificates.issuance import Enrollment, Pending
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.signing import Intent, Issued
from apps.errors import BadCSR, PolicyViolation, SealwrightError, UpstreamUnavailable
from apps.statements import writes

MAX_ENROLLMENTS = 100

Outcome = Issued | Pending | SealwrightError


@dataclass(slots=True)
class _Draft:
    """One enrollment on its way.

    Attributes:
        enrollment: as given; always with a CSR.
        request: the row, once there is a decision.
        decision: what it yields; ``None`` for a CSR that cannot be read.
        intent: what is to be signed; only when it is.
        certificate: the signed row, not stored yet.
        outcome: what it came to, as far as that is known.
    """

    enrollment: Enrollment
    request: CertificateRequest | None = None
    decision: Decision | None = None
    intent: Intent | None = None
    certificate: Certificate | None = None
    outcome: Outcome | None = None

    @property
    def must_be_durable(self) -> bool:
        """Tell whether what is written down now has to be on disk: it may be all that is."""
        if self.intent is not None:
            return self.intent.must_be_durable
        return self.request is not None


def submit_many(enrollments: Sequence[Enrollment]) -> list[Outcome]:
    """Take enrollments through policy, approval and signing, all at one pairing by one principal.

    Returns:
        For each, in order: ``Issued``, ``Pending``, or the error that ``issuance.submit`` would
        have raised. Refusals are on record as they are there.

    Raises:
        AccessDenied, NotFound: the principal may not request here.
        InvalidTransition: the authority is not active.
        ValueError: none, too many, at several pairings, or one without a CSR.
    """
    if not 0 < len(enrollments) <= MAX_ENROLLMENTS:
        raise ValueError(f"1 to {MAX_ENROLLMENTS} enrollments")
    first = enrollments[0]
    if any(
        (one.principal, one.pairing.pk, one.method)
        != (first.principal, first.pairing.pk, first.method)
        or one.csr is None
        or one.replaces is not None
        for one in enrollments
    ):
        raise ValueError("the enrollments do not belong together")
    issuance.authorise(first)
    drafts = [_drafted(one) for one in enrollments]
    with writes.together(durable=any(draft.must_be_durable for draft in drafts)):
        for draft in drafts:
            _write_down(draft)
    for draft in drafts:
        _sign(draft)
    _store([draft for draft in drafts if draft.certificate is not None])
    return [_known(draft) for draft in drafts]


def _drafted(enrollment: Enrollment) -> _Draft:
    """Decide, and prepare what is to be signed; writes nothing."""
    draft = _Draft(enrollment)
    try:
        decision = draft.decision = decide(enrollment.pairing, enrollment.csr, enrollment.requested)
    except BadCSR as error:
        draft.outcome = error
        draft.request = issuance.refused_request(enrollment, error.violations, None)
        return draft
    if decision.violations:
        request = issuance.refused_request(enrollment, decision.violations, decision)
        draft.request = request
        draft.outcome = PolicyViolation(decision.violations, request_id=str(request.pk))
        return draft
    state = approvals.first_state(enrollment.pairing)
    draft.request = issuance.new_request(enrollment, decision, state)
    if state == RequestState.PENDING_APPROVAL:
        draft.outcome = Pending(draft.request, approvals.RETRY_AFTER_S)
        return draft
    try:
        draft.intent = signing.prepare(draft.request, decision)
    except PolicyViolation as error:  # our own lint refuses; nothing of it is kept
        draft.request, draft.outcome = None, error
    return draft


def _write_down(draft: _Draft) -> None:
    """Gather the rows that tell of it before anything is signed."""
    request, enrollment = draft.request, draft.enrollment
    if request is None:
        return
    if draft.intent is not None:
        signing.reserve(request, draft.intent)
    writes.insert(request)
    if request.state == RequestState.REJECTED:
        issuance.record_refusal(request, enrollment)
        return
    issuance.record_acceptance(request, enrollment)


def _sign(draft: _Draft) -> None:
    if draft.intent is None or draft.request is None:
        return
    try:
        draft.certificate = signing.signed_row(draft.request, draft.intent)
    except UpstreamUnavailable as error:  # reserved; the reconciler will finish it
        draft.outcome = error


def _store(drafts: Sequence[_Draft]) -> None:
    """Store what was signed; should anybody have touched one of them, one by one."""
    if not drafts:
        return
    pairs = [(d.request, d.certificate) for d in drafts if d.request and d.certificate]
    principal = drafts[0].enrollment.principal
    for draft, outcome in zip(drafts, signing.store_many(pairs, principal), strict=True):
        draft.outcome = outcome


def _known(draft: _Draft) -> Outcome:
    assert draft.outcome is not None
    return draft.outcome
