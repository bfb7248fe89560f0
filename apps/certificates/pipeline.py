"""The issuance pipeline: one function that takes requests from enrollment to certificate.

Every certificate takes this way: single and bulk requests, renewals, requests that were approved,
and requests that a crash left half-way. The steps have the numbers of docs/architecture.md. The
intent (serial number, and the bytes to be signed) is committed before any key is used, so that a
crash never loses a signature that somebody may have seen.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger
from apps.authorities.models import AuthorityState
from apps.certificates import gate, key_material, rows, states
from apps.certificates.decision import Decision, decide
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued, Outcome, Pending, Submitted
from apps.certificates.signers.acceptance import accept
from apps.certificates.signers.base import Accepted, Intent, Signer, SigningJob
from apps.certificates.signers.selection import signer_of_request
from apps.errors import (
    AlreadyExists,
    AlreadyRevoked,
    BadCSR,
    Busy,
    InvalidTransition,
    PolicyViolation,
    RateLimited,
    SealwrightError,
    UpstreamRejected,
    UpstreamUnavailable,
)
from apps.principals import Principal
from apps.statements import writes
from pki.reasons import RevocationReason
from pki.template import Leaf


@dataclass(slots=True)
class Draft:
    """One request on its way to a certificate.

    A draft begins with an enrollment, with a request that was approved and its decision, or with a
    request whose intent is committed; each step skips drafts that are beyond it.

    Attributes:
        principal: who acts, for the audit log.
        enrollment: for new requests.
        request: the row; of a new request written by commit 1.
        decision: steps 3 and 4.
        signer: who signs.
        intent: step 6.
        certificate: step 7; the row, written by commit 2.
        private_key_der: PKCS#8 of a key made here.
        outcome: set where the draft has ended.
    """

    principal: Principal
    enrollment: Enrollment | None = None
    request: CertificateRequest | None = None
    decision: Decision | None = None
    signer: Signer | None = None
    intent: Intent | None = None
    certificate: Certificate | None = None
    private_key_der: bytes | None = None
    outcome: Outcome | None = None

    @property
    def row(self) -> CertificateRequest:
        """Return the request of a draft that has one."""
        assert self.request is not None
        return self.request


def run(drafts: Sequence[Draft]) -> list[Outcome]:
    """Take drafts from where each of them stands to its outcome.

    Steps 1 (authenticate) and 2 (resolve the pairing) were done by the caller. Each draft stands
    for itself: its refusal is a value, and stops none of the others.

    Raises:
        IntegrityError: a request with the identifier that an enrollment brought exists already.
        InvalidTransition: the authority is not active.
    """
    # Step 3, shape, and step 4, evaluate: content and verdicts (``decision``).
    for draft in _open(drafts):
        _decide(draft)

    # Step 5, gate: rejected, pending approval or approved.
    for draft in _open(drafts):
        _gate(draft)

    # Step 6, prepare: serial number, to-be-signed bytes, lint. No key, no network.
    for draft in _open(drafts):
        _prepare(draft)

    # Commit 1: requests with their intents, reserved serial numbers, audit events.
    _commit_intents(drafts)

    # Step 7, sign: by key or network, never inside a transaction.
    for draft in _open(drafts):
        _sign(draft)

    # Commit 2: certificates, request states, audit events, and what callers add (``also``).
    _commit_certificates([draft for draft in _open(drafts) if draft.certificate is not None])

    # Step 8, deliver: the outcome to the caller; everybody else reads the audit events.
    return [_outcome(draft) for draft in drafts]


def resume(request: CertificateRequest, principal: Principal) -> Outcome | None:
    """Finish a request that was left ``signing`` or ``submitted``: same serial number, same bytes.

    Returns:
        The outcome, or ``None`` when the request had to be given up (it is then ``failed``, and
        its serial number revoked, because a signature may exist).

    Raises:
        UpstreamUnavailable: try again later.
        InvalidTransition: its authority cannot sign any more.
    """
    leaf = Leaf.from_dict(request.leaf)
    if leaf.not_after <= clock.now():
        give_up(request, principal, "The validity ended before the request could be signed.")
        return None
    draft = Draft(
        principal,
        request=request,
        signer=signer_of_request(request),
        intent=Intent(leaf, request.serial_number, bytes(request.tbs_der)),
    )
    (outcome,) = run([draft])
    return outcome


def give_up(request: CertificateRequest, principal: Principal, reason: str) -> None:
    """End a request whose intent is committed as failed, and revoke its serial number.

    A signature may exist that nobody stored; the authority must not call it good.
    """
    with transaction.atomic():
        if not states.move(request, RequestState.FAILED, failure=reason, sealed_private_key=b""):
            return
        if request.authority is not None:
            with suppress(AlreadyRevoked):
                ledger.revoke_serial(
                    request.authority,
                    request.serial_number,
                    reason=RevocationReason.UNSPECIFIED,
                    revoked_at=clock.now_s(),
                    not_after=Leaf.from_dict(request.leaf).not_after,
                )
        record(
            Event.CERTIFICATE_ISSUE_FAILED,
            principal=principal,
            subject=request,
            application_id=request.application_id,
            reason=request.failure,
            serial_number=request.serial_number,
        )


def is_renewed_or_renewing(certificate_id: UUID) -> bool:
    """Tell whether a certificate has a successor, or a request for one that has not ended."""
    return (
        Certificate.objects.filter(replaces_id=certificate_id).exists()
        or CertificateRequest.objects.filter(
            replaces_id=certificate_id, state__in=states.OPEN_STATES
        ).exists()
    )


def _open(drafts: Sequence[Draft]) -> Iterator[Draft]:
    return (draft for draft in drafts if draft.outcome is None)


def _outcome(draft: Draft) -> Outcome:
    assert draft.outcome is not None
    return draft.outcome


def _decide(draft: Draft) -> None:
    enrollment = draft.enrollment
    if draft.decision is not None or enrollment is None:
        return
    try:
        draft.decision = decide(enrollment.pairing, enrollment.csr, enrollment.requested)
    except BadCSR as error:
        draft.request = rows.refused_request(enrollment, error.violations, None)
        draft.outcome = error
        return
    draft.signer = draft.decision.signer


def _gate(draft: Draft) -> None:
    enrollment, decision = draft.enrollment, draft.decision
    if draft.request is not None or enrollment is None or decision is None:
        return
    if decision.violations:
        draft.request = rows.refused_request(enrollment, decision.violations, decision)
        draft.outcome = PolicyViolation(decision.violations, request_id=str(draft.request.pk))
        return
    made_key = None
    if enrollment.csr is None:
        try:
            made_key = key_material.make(
                decision.leaf.key_algorithm, enrollment.pairing.application_id
            )
        except (Busy, RateLimited) as error:  # nothing is on record: it may come again as it is
            draft.outcome = error
            return
        decision = draft.decision = decision.with_key(made_key.public_key_der)
    state = gate.first_state(enrollment.pairing)
    request = draft.request = rows.accepted_request(enrollment, decision, state)
    if made_key is not None:
        request.sealed_private_key = key_material.seal_for_request(request, made_key)
    if state == RequestState.PENDING_APPROVAL:
        draft.outcome = Pending(request, gate.RETRY_AFTER_S)


def _prepare(draft: Draft) -> None:
    if draft.intent is not None:
        return
    assert draft.signer is not None
    assert draft.decision is not None
    try:
        draft.intent = draft.signer.prepare(draft.decision.leaf)
    except PolicyViolation as error:  # the lint refuses: on record like any other refusal
        if draft.enrollment is not None:
            draft.request = rows.refused_request(draft.enrollment, error.violations, draft.decision)
        draft.outcome = PolicyViolation(error.violations, request_id=str(draft.row.pk))


def _commit_intents(drafts: Sequence[Draft]) -> None:
    """Commit 1. Requests that replace a certificate take the lock of that certificate first."""
    new = [draft for draft in drafts if draft.enrollment is not None and draft.request is not None]
    if any(draft.row.replaces_id is not None for draft in new):
        with transaction.atomic():
            _lock_replaced(new)
            _write_new([draft for draft in new if draft.request is not None])
    elif new:
        _write_new(new)
    for draft in _open(drafts):
        if draft.row.state == RequestState.APPROVED:
            _write_approved(draft)


def _lock_replaced(drafts: Sequence[Draft]) -> None:
    """Admit one of several renewals of a certificate, in the caller's transaction."""
    renewals = [draft for draft in drafts if draft.row.replaces_id and not _is_refused(draft)]
    admitted: set[UUID] = set()
    # In one order everywhere, so that two callers never wait for each other.
    for draft in sorted(renewals, key=lambda one: str(one.row.replaces_id)):
        certificate_id = draft.row.replaces_id
        assert certificate_id is not None
        Certificate.objects.select_for_update().get(pk=certificate_id)
        if certificate_id in admitted or is_renewed_or_renewing(certificate_id):
            draft.request = None
            draft.outcome = AlreadyExists("This certificate has been renewed, or is being renewed.")
        admitted.add(certificate_id)


def _is_refused(draft: Draft) -> bool:
    return draft.row.state == RequestState.REJECTED


def _write_new(drafts: Sequence[Draft]) -> None:
    with writes.batch():
        for draft in drafts:
            request = draft.row
            if draft.intent is not None:
                for name, value in rows.intent_columns(draft.intent).items():
                    setattr(request, name, value)
                request.state = RequestState.SIGNING
                _reserve(draft)
            writes.insert(request)
            rows.record_decision(draft.principal, request)


def _write_approved(draft: Draft) -> None:
    """Commit the intent of an approved request; of several callers one does."""
    assert draft.intent is not None
    change = states.transition(draft.row, RequestState.SIGNING, **rows.intent_columns(draft.intent))
    with writes.batch(change) as batch:
        _reserve(draft)
    if batch.done:
        states.apply_to_instance(draft.row, change)
    else:
        draft.outcome = _found_by_others(draft)


def _reserve(draft: Draft) -> None:
    """Write the serial number into the ledger of the authority that signs, if it is one here."""
    intent, signer = draft.intent, draft.signer
    assert intent is not None
    assert signer is not None
    if signer.authority_id is not None:
        ledger.reserve_serial(
            signer.authority_id,
            intent.serial_number,
            intent.tbs_sha256,
            intent.leaf.not_after,
            request_id=draft.row.pk,
        )


def _sign(draft: Draft) -> None:
    request, signer, intent = draft.row, draft.signer, draft.intent
    assert signer is not None
    assert intent is not None
    draft.private_key_der = key_material.of_request(request)
    job = SigningJob(
        request_id=request.pk,
        intent=intent,
        csr_der=bytes(request.csr_der),
        private_key_der=draft.private_key_der,
        upstream_reference=request.upstream_reference,
    )
    try:
        signed = signer.sign(job)
        if isinstance(signed, Accepted):
            draft.outcome = _submitted(draft, signed)
            return
        finished = accept(signer, intent, signed, at=clock.now())
    except UpstreamUnavailable as error:  # the intent stands; the reconciler finishes it
        draft.outcome = error
        return
    except UpstreamRejected as error:
        give_up(request, draft.principal, error.detail)
        draft.outcome = error
        return
    draft.certificate = rows.certificate_row(request, signer, finished)
    if draft.private_key_der is not None:
        draft.certificate.sealed_private_key = key_material.seal_for_certificate(
            draft.certificate.pk, draft.private_key_der
        )


def _submitted(draft: Draft, accepted: Accepted) -> Submitted:
    """Note that an external authority works on the order; ``resume`` asks it again."""
    request = draft.row
    if request.state == RequestState.SUBMITTED:
        # The reconciler asks first about what it has not asked about for longest.
        request.save(update_fields=["updated_at"])
    else:
        with transaction.atomic():
            if states.move(
                request,
                RequestState.SUBMITTED,
                upstream_reference=accepted.upstream_reference,
            ):
                record(
                    Event.REQUEST_SUBMITTED,
                    principal=draft.principal,
                    subject=request,
                    application_id=request.application_id,
                    upstream_reference=accepted.upstream_reference,
                )
    return Submitted(request, accepted.retry_after_s)


def _commit_certificates(drafts: Sequence[Draft]) -> None:
    """Commit 2: all certificates at once or, if one of them was stored by others, one by one."""
    if not drafts:
        return
    changes = [
        states.transition(draft.row, RequestState.ISSUED, sealed_private_key=b"", tbs_der=b"")
        for draft in drafts
    ]
    # Nothing is written unless every request still is where this caller left it, and its authority
    # still issues: a revocation that was committed meanwhile is the end of what is in flight.
    where: dict[str, Any] = {
        "id": [draft.row.pk for draft in drafts],
        "state": sorted({str(draft.row.state) for draft in drafts}),
    }
    if all(draft.row.authority_id is not None for draft in drafts):
        where["authority__state"] = AuthorityState.ACTIVE.value
    all_of_them = writes.Change(CertificateRequest, set=changes[0].set, where=where)
    try:
        with writes.batch(all_of_them, expected_rows=len(drafts)):
            for draft in drafts:
                _add_certificate(draft)
    except (IntegrityError, writes.UnexpectedRowCount) as error:
        if len(drafts) > 1:
            for draft in drafts:
                _commit_certificates([draft])
        elif isinstance(error, IntegrityError):
            drafts[0].outcome = _not_storable(drafts[0])
        else:
            drafts[0].outcome = _stopped(drafts[0])
        return
    for draft, change in zip(drafts, changes, strict=True):
        assert draft.certificate is not None
        states.apply_to_instance(draft.row, change)
        draft.outcome = Issued(
            draft.row, draft.certificate, draft.private_key_der, stored_here=True
        )


def _stopped(draft: Draft) -> Issued | SealwrightError:
    """Return the outcome of a draft whose certificate was not written, nor refused by a constraint.

    Either another worker was faster, or its authority was revoked or disabled while the key was
    used. The signed certificate is then forgotten, and its serial number revoked.
    """
    outcome = _found_by_others(draft)
    if draft.row.state not in states.OPEN_STATES:
        return outcome
    try:
        signer_of_request(draft.row)
    except InvalidTransition as error:
        give_up(draft.row, draft.principal, error.detail)
        return error
    return outcome


def _add_certificate(draft: Draft) -> None:
    assert draft.certificate is not None
    writes.insert(draft.certificate)
    rows.record_issue(draft.principal, draft.row, draft.certificate)
    if draft.enrollment is not None and draft.enrollment.also is not None:
        draft.enrollment.also(draft.certificate)


def _not_storable(draft: Draft) -> Issued | SealwrightError:
    """Return the outcome of a draft whose certificate a constraint refuses.

    Either another worker has stored it meanwhile, or the inventory has the same certificate of
    another request: some external authorities return one twice. That never changes, so the request
    ends here; the reconciler would try for ever.
    """
    outcome = _found_by_others(draft)
    if draft.row.state not in states.OPEN_STATES:
        return outcome
    reason = "The signer returned a certificate that is in the inventory already."
    give_up(draft.row, draft.principal, reason)
    return UpstreamRejected(reason)


def _found_by_others(draft: Draft) -> Issued | InvalidTransition:
    """Return what another worker on the same request has made of it meanwhile."""
    request = draft.row
    request.refresh_from_db()
    if request.state != RequestState.ISSUED:
        return InvalidTransition(f"The request has become {request.state} meanwhile.")
    return Issued(request, Certificate.objects.get(request=request), draft.private_key_der)
