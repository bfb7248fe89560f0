"""Requests whose clients come for the approved certificate themselves, perhaps with another key.

Clients of such a method (ACME) give up waiting long before a person approves, and many make a new
key for each run. So an approval is a permission: it covers names, profile and account. It is used
once, when the client comes for the certificate, and for the key that the client proves then.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.certificates import approvals, states
from apps.certificates.decision import Decision, decide
from apps.certificates.enrollment import Enrollment, authorise
from apps.certificates.models import CertificateRequest, RequestState
from apps.principals import Principal
from pki import keys
from pki.findings import Note
from pki.template import Leaf, TypeValue

APPROVAL_LIFETIME = timedelta(days=7)
"""How long an approved certificate may be fetched."""


def take_over(
    request_id: UUID, enrollment: Enrollment, may_join: Callable[[], bool]
) -> CertificateRequest | None:
    """Let a client that asks again continue its waiting request, in the caller's transaction.

    The CSR replaces the former one; names, usages and the time of the request stay as they are
    shown to the approver. The request's row is locked.

    Args:
        request_id: a request of the same requester.
        enrollment: what the client asks for now.
        may_join: called under the lock of the row; whether the caller still has to join.

    Returns:
        The request; ``None`` when it waits for nobody any more, or is for other content: then
        the enrollment is a request of its own.

    Raises:
        AccessDenied, NotFound: the principal may not request here.
        BadCSR: the CSR cannot be read.
        InvalidTransition: the authority is not active.
    """
    authorise(enrollment)
    decision = decide(enrollment.pairing, enrollment.csr, enrollment.requested)
    if decision.violations or decision.csr is None:
        return None
    request = _locked(request_id)
    if request is None or not _waits(request):
        return None
    if request.requested_by != enrollment.principal.actor or not may_join():
        return None
    leaf = Leaf.from_dict(request.leaf)
    if not _is_same(leaf, decision.leaf):
        return None
    if leaf.public_key_der != decision.leaf.public_key_der:
        _replace_key(enrollment.principal, request, leaf, decision)
        request.csr_der = decision.csr.der
        request.save(update_fields=["csr_der", "leaf", "notes", "updated_at"])
    return request


def claim(request_id: UUID, owns: Callable[[], bool]) -> CertificateRequest | None:
    """Take an approved request for signing, so that no other call lets a client take it over.

    A crash afterwards leaves it to the reconciler, which signs it for the key that it has.

    Args:
        request_id: of the request.
        owns: called under the lock of its row; whether the caller may have it still.

    Returns:
        The request; ``None`` when it is not for a client, or not for this one.
    """
    with transaction.atomic():
        request = _locked(request_id)
        if request is None or not approvals.is_for_client(request) or not owns():
            return None
        request.awaits_client = False
        request.save(update_fields=["awaits_client", "updated_at"])
    return request


def give_up_uncollected(principal: Principal) -> int:
    """End approved requests that nobody came for; return how many."""
    ended = 0
    before = clock.now() - APPROVAL_LIFETIME
    for request in CertificateRequest.objects.filter(
        state=RequestState.APPROVED, awaits_client=True, approved_at__lt=before
    ).select_related("application"):
        with transaction.atomic():
            reason = f"Nobody came for the certificate within {APPROVAL_LIFETIME.days} days."
            if states.move(request, RequestState.CANCELLED, failure=reason):
                ended += 1
                record(
                    Event.REQUEST_CANCELLED,
                    principal=principal,
                    subject=request,
                    application_id=request.application_id,
                    comment=reason,
                )
    return ended


def _locked(request_id: UUID) -> CertificateRequest | None:
    return (
        CertificateRequest.objects.select_for_update(of=("self",))
        .select_related("application", "profile__policy__current_version", "authority", "replaces")
        .filter(pk=request_id)
        .first()
    )


def _waits(request: CertificateRequest) -> bool:
    return request.state == RequestState.PENDING_APPROVAL or approvals.is_for_client(request)


def _is_same(approved: Leaf, asked: Leaf) -> bool:
    """Tell whether two contents differ in key, and what depends on it, and validity only.

    Which of the names is the common name does not matter: it stays the one that was approved.
    """
    return (
        _rest_of_subject(approved) == _rest_of_subject(asked)
        and set(approved.subject_alt_names) == set(asked.subject_alt_names)
        and approved.extended_key_usage == asked.extended_key_usage
        and (approved.is_ca, approved.path_length) == (asked.is_ca, asked.path_length)
        and approved.must_staple == asked.must_staple
    )


def _rest_of_subject(leaf: Leaf) -> list[TypeValue]:
    """Return the subject without a common name that is one of the alternative names."""
    names = {value for _, value in leaf.subject_alt_names}
    return [pair for pair in leaf.subject if pair[0] != "common_name" or pair[1] not in names]


def _replace_key(
    principal: Principal, request: CertificateRequest, leaf: Leaf, decision: Decision
) -> None:
    """Put the new key into the request, with a note and an audit event; the caller saves it."""
    asked = decision.leaf
    request.leaf = replace(
        leaf,
        public_key_der=asked.public_key_der,
        key_algorithm=asked.key_algorithm,
        signature_algorithm=asked.signature_algorithm,
        key_usage=asked.key_usage,
    ).as_dict()
    note = Note(
        "request.key_replaced",
        f"The client came back with another key, {asked.key_algorithm.label}.",
        "An approval covers names, profile and account; the client proves its key.",
    )
    request.notes = [one.as_dict() for one in (*decision.notes, note)]
    record(
        Event.REQUEST_KEY_REPLACED,
        principal=principal,
        subject=request,
        application_id=request.application_id,
        spki_sha256=keys.spki_sha256(asked.public_key_der),
        replaced_spki_sha256=keys.spki_sha256(leaf.public_key_der),
    )
