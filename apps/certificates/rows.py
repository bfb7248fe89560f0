"""Rows of requests and certificates as the pipeline writes them, with their audit events."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from apps import clock, ids
from apps.audit.events import Event
from apps.audit.record import record
from apps.certificates.decision import Decision
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
from apps.certificates.signers.acceptance import Finished
from apps.certificates.signers.base import Intent, Signer
from apps.principals import Principal
from pki import keys, names
from pki.csr import ParsedCSR
from pki.csr_pem import holds_private_key
from pki.findings import Violation, storable
from pki.template import Leaf, TypeValue

_MAX_STORED_CSR = 32 * 1024
_LABEL_LENGTH = 200


def accepted_request(
    enrollment: Enrollment, decision: Decision, state: RequestState
) -> CertificateRequest:
    """Return the row of an enrollment that policy accepts, not written yet."""
    assert decision.leaf is not None
    return CertificateRequest(
        id=enrollment.request_id or ids.uuid7(),
        **_common(enrollment, decision),
        state=state,
        csr_der=decision.csr.der if decision.csr else b"",
        leaf=decision.leaf.as_dict(),
        search_text=_asked_text(enrollment, decision.leaf),
        notes=[note.as_dict() for note in decision.notes],
        replaces=enrollment.replaces,
        created_at=clock.now(),
    )


def refused_request(
    enrollment: Enrollment, violations: Sequence[Violation], decision: Decision | None
) -> CertificateRequest:
    """Return the row that tells who asked for what, and every reason why not; not written yet.

    ``decision`` is ``None`` when the CSR could not be read.
    """
    leaf = _shown(decision.leaf) if decision is not None else None
    return CertificateRequest(
        **_common(enrollment, decision),
        state=RequestState.REJECTED,
        csr_der=_csr_on_record(enrollment, decision),
        leaf=leaf.as_dict() if leaf is not None else {},
        search_text=_asked_text(enrollment, leaf),
        violations=[violation.as_dict() for violation in violations],
        notes=[note.as_dict() for note in decision.notes] if decision is not None else [],
    )


def _shown(leaf: Leaf) -> Leaf:
    """Return refused content as it can be stored: its names may hold NUL, which databases refuse."""
    return replace(
        leaf,
        subject=tuple((kind, storable(value)) for kind, value in leaf.subject),
        subject_alt_names=tuple((kind, storable(value)) for kind, value in leaf.subject_alt_names),
    )


def _csr_on_record(enrollment: Enrollment, decision: Decision | None) -> bytes:
    """Return the CSR of a refused request, as far as it may be kept."""
    csr = decision.csr if decision is not None and decision.csr is not None else enrollment.csr
    if isinstance(csr, ParsedCSR):
        return csr.der
    sent = csr or b""
    # Somebody may have sent the key with the request: it is nowhere written down.
    return b"" if len(sent) > _MAX_STORED_CSR or holds_private_key(sent) else sent


def _common(enrollment: Enrollment, decision: Decision | None) -> dict[str, Any]:
    pairing, profile = enrollment.pairing, enrollment.pairing.profile
    return {
        "application": pairing.application,
        "profile": profile,
        "profile_revision": profile.revision,
        "policy_version": decision.policy_version
        if decision is not None
        else profile.policy.current_version,
        "issuer_type": profile.issuer_type,
        "authority_id": profile.authority_id,
        "method": enrollment.method,
        "requested_by": enrollment.principal.actor,
        "requester_label": enrollment.principal.label[:_LABEL_LENGTH],
    }


def _asked_text(enrollment: Enrollment, leaf: Leaf | None) -> str:
    """Return what the list of requests is searched by: the names asked for, and who asked."""
    asked = search_text(_common_name(leaf), leaf.subject_alt_names) if leaf else ""
    return f"{asked} {enrollment.principal.label.lower()[:_LABEL_LENGTH]}".strip()


def intent_columns(intent: Intent) -> dict[str, Any]:
    """Return the columns of a request whose intent is committed."""
    return {
        "serial_number": intent.serial_number,
        "tbs_der": intent.tbs_der,
        "tbs_sha256": intent.tbs_sha256,
        "leaf": intent.leaf.as_dict(),
        "signing_since": clock.now(),
    }


def certificate_row(request: CertificateRequest, signer: Signer, finished: Finished) -> Certificate:
    """Return the row of a finished certificate, not written yet."""
    leaf = finished.leaf
    common_name = _common_name(leaf)
    identifier = ids.uuid7()
    return Certificate(
        id=identifier,
        request=request,
        application=request.application,
        profile=request.profile,
        policy_version=request.policy_version,
        authority_id=signer.authority_id,
        issuer_certificate_id=signer.issuer_certificate_id,
        state=CertificateState.ACTIVE,
        der=finished.der,
        fingerprint_sha256=hashlib.sha256(finished.der).hexdigest(),
        serial_number=finished.serial_number,
        subject=names.rfc4514(leaf.subject),
        issuer=finished.issuer,
        common_name=common_name,
        subject_alt_names=[*map(list, leaf.subject_alt_names)],
        search_text=search_text(common_name, leaf.subject_alt_names),
        key_algorithm=leaf.key_algorithm,
        signature_algorithm=leaf.signature_algorithm,
        spki_sha256=keys.spki_sha256(leaf.public_key_der),
        not_before=leaf.not_before,
        not_after=leaf.not_after,
        replaces_id=request.replaces_id,
        lineage_id=request.replaces.lineage_id if request.replaces else identifier,
    )


def _common_name(leaf: Leaf) -> str:
    """Return the first of several common names, as browsers of old took it; empty without any."""
    return dict(reversed(leaf.subject)).get("common_name", "")


def search_text(common_name: str, subject_alt_names: Sequence[TypeValue]) -> str:
    """Return what the inventory searches: every name once, lower case, space-separated."""
    every = {common_name.lower(): None} | {value.lower(): None for _, value in subject_alt_names}
    every.pop("", None)
    return " ".join(every)


def record_decision(principal: Principal, request: CertificateRequest) -> None:
    """Record in the caller's transaction that a new request was refused, waits, or is approved."""
    if request.state == RequestState.REJECTED:
        record(
            Event.REQUEST_REJECTED,
            principal=principal,
            subject=request,
            application_id=request.application_id,
            violations=request.violations,
        )
        return
    waits = request.state == RequestState.PENDING_APPROVAL
    record(
        Event.REQUEST_PENDING_APPROVAL if waits else Event.REQUEST_APPROVED,
        principal=principal,
        subject=request,
        application_id=request.application_id,
        profile=str(request.profile_id),
        profile_revision=request.profile_revision,
        policy_version=str(request.policy_version_id),
        method=str(request.method),
        **({"notes": request.notes} if request.notes else {}),
        **({} if waits else {"serial_number": request.serial_number}),
    )


def record_issue(principal: Principal, request: CertificateRequest, row: Certificate) -> None:
    """Record in the caller's transaction that a certificate was issued or renewed."""
    record(
        Event.CERTIFICATE_RENEWED if request.replaces_id else Event.CERTIFICATE_ISSUED,
        principal=principal,
        subject=row,
        application_id=row.application_id,
        request=str(request.id),
        requested_by=request.requested_by,
        profile=str(row.profile_id),
        serial_number=row.serial_number,
        fingerprint_sha256=row.fingerprint_sha256,
        subject_alt_names=row.subject_alt_names,
        not_after=row.not_after.isoformat(),
        replaces=str(request.replaces_id or ""),
    )
