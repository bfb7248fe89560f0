"""How is an accepted request signed exactly once? Intent first, signature outside transactions.

Commit 1 writes the serial number and the exact bytes to be signed, or at least their digest;
commit 2 the certificate. Whatever happens between the two, the reconciler finds the intent and
finishes the same bytes, or ends it where nobody could have seen a signature (``abandoned``):
one request never yields two different certificates. Where the key is in this very process,
commit 1 does not wait for the database's disk: commit 2 does, for both, before anybody else
sees the signature; a database that loses the one loses the other.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from apps import clock, ids
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger
from apps.authorities import signing as authority_signing
from apps.authorities.signing import IssuerHandle
from apps.certificates import key_material, states
from apps.certificates.decision import Decision
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
from apps.errors import AlreadyRevoked, InvalidTransition, PolicyViolation
from apps.principals import Principal
from apps.statements import writes
from apps.statements.rows import fresh
from pki import build, keys, lint, names, serials
from pki.algorithms import SignatureAlgorithm
from pki.reasons import RevocationReason
from pki.template import Leaf


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be signed, and by whom; ``issuer`` is ``None`` for self-signed."""

    leaf: Leaf
    serial_number: int
    tbs_der: bytes
    issuer: IssuerHandle | None

    @property
    def must_be_durable(self) -> bool:
        """Tell whether it has to be on disk before the key is used: somebody else will sign it."""
        return self.issuer is not None and not authority_signing.signs_in_process(self.issuer)


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """The outcome of a signed request.

    Attributes:
        request: as it is now.
        certificate: what it yielded.
        private_key_der: only for keys made here.
        stored_here: this very call stored the certificate, not another worker on the same request.
    """

    request: CertificateRequest
    certificate: Certificate
    private_key_der: bytes | None = None
    stored_here: bool = False


WithCertificate = Callable[[Certificate], None]
"""Further rows that belong into the commit of a certificate, written by ``statements.writes``."""


def prepare(request: CertificateRequest, decision: Decision) -> Intent:
    """Choose a serial number, encode the content and lint it, before any key is touched.

    The lint runs on the very bytes that are reserved and signed afterwards, so that nothing can
    be signed that was not linted.

    Raises:
        PolicyViolation: the encoded certificate breaks RFC 5280.
    """
    leaf, issuer = decision.leaf, decision.issuer
    assert leaf is not None
    serial_number = serials.new_serial()
    if issuer is None:
        tbs_der = build.self_signed_leaf_tbs(leaf, serial_number=serial_number)
    else:
        tbs_der = build.leaf_tbs(leaf, serial_number=serial_number, issuer=issuer.issuer)
    issuer_certificate = issuer.issuer.certificate if issuer is not None else None
    findings = lint.lint_tbs(tbs_der, leaf.signature_algorithm, issuer=issuer_certificate)
    if findings:
        raise PolicyViolation(findings, request_id=str(request.pk))
    return Intent(leaf, serial_number, tbs_der, issuer)


def reserve(request: CertificateRequest, intent: Intent) -> None:
    """Put the intent on record, in the caller's transaction (commit 1); does not save the request."""
    digest = hashlib.sha256(intent.tbs_der).hexdigest()
    request.serial_number = serials.serial_hex(intent.serial_number)
    request.tbs_der = intent.tbs_der
    request.tbs_sha256 = digest
    request.leaf = intent.leaf.as_dict()
    request.state = RequestState.SIGNING
    request.signing_since = clock.now()
    if intent.issuer is not None:
        ledger.reserve_serial(
            intent.issuer.authority_id,
            request.serial_number,
            digest,
            intent.leaf.not_after,
            request_id=request.id,
        )


def sign(
    request: CertificateRequest,
    intent: Intent,
    principal: Principal,
    also: WithCertificate | None = None,
) -> Issued:
    """Sign the reserved bytes and store the certificate (commit 2).

    Args:
        request: reserved for signing.
        intent: what was reserved.
        principal: who asked, for the audit log.
        also: what is written together with the certificate.

    Raises:
        UpstreamUnavailable: the key backend did not answer; the request stays ``signing``.
    """
    private_key_der = key_material.of_request(request)
    certificate = signed_row(request, intent, private_key_der)
    return _store(request, certificate, private_key_der, principal, also)


def sign_at_once(request: CertificateRequest, intent: Intent, principal: Principal) -> Issued:
    """Sign what was reserved for a request that is not written yet, and store both (commit 2).

    A process that dies in between takes request and signature with it: nobody has seen either.
    What stays is the reserved serial number, which the reconciler ends (``abandoned``).

    Args:
        request: reserved for signing by a key of this very process.
        intent: what was reserved.
        principal: who asked, for the audit log.

    Raises:
        UpstreamUnavailable: the key cannot be used; the request is ``signing``, and the
            reconciler's to finish.
        InvalidTransition: this took so long that the reconciler has ended it, or what it belongs
            to is gone.
    """
    try:
        certificate = signed_row(request, intent)
    except Exception:
        writes.insert(request)
        raise
    states.take_over(request, states.edge(request, RequestState.ISSUED, tbs_der=b""))
    try:
        with writes.together():
            writes.insert(request, certificate)
            _record_issue(certificate, request, principal)
    except IntegrityError as error:
        raise InvalidTransition(
            "Meanwhile the request was given up, or what it belongs to removed; ask again."
        ) from error
    return Issued(request, certificate, stored_here=True)


def signed_row(
    request: CertificateRequest, intent: Intent, private_key_der: bytes | None = None
) -> Certificate:
    """Sign the reserved bytes; return the certificate's row, not stored yet.

    Raises:
        UpstreamUnavailable: the key backend did not answer; the request stays ``signing``.
    """
    certificate = _certificate_row(request, intent, _signed(intent, private_key_der))
    if private_key_der is not None:
        certificate.sealed_private_key = key_material.seal_for_certificate(
            certificate.pk, private_key_der
        )
    return certificate


def store_many(
    pairs: Sequence[tuple[CertificateRequest, Certificate]], principal: Principal
) -> list[Issued]:
    """Store certificates of requests that are ``signing``: all in one commit, or else one by one.

    One by one is for the rare case that another worker has finished one of them meanwhile.
    """
    changes = [
        states.edge(request, RequestState.ISSUED, sealed_private_key=b"", tbs_der=b"")
        for request, _ in pairs
    ]
    together = writes.Change(
        CertificateRequest,
        set=changes[0].set,
        where={"id": [request.pk for request, _ in pairs], "state": RequestState.SIGNING.value},
    )
    try:
        with writes.together(only_if=together, touching=len(pairs)):
            for request, certificate in pairs:
                writes.insert(certificate)
                _record_issue(certificate, request, principal)
    except (IntegrityError, writes.NotAllTouched):
        return [_store(request, found, None, principal, None) for request, found in pairs]
    for (request, _), change in zip(pairs, changes, strict=True):
        states.take_over(request, change)
    return [Issued(request, found, stored_here=True) for request, found in pairs]


def resume(request: CertificateRequest, principal: Principal) -> Issued | None:
    """Finish a request that was left ``signing``: same serial number, same bytes.

    Returns:
        The outcome, or ``None`` when the request had to be given up (it is then ``failed``,
        and its serial number revoked because a signature may exist).

    Raises:
        UpstreamUnavailable: try again later.
    """
    leaf = Leaf.from_dict(request.leaf)
    issuer = None
    if request.authority_id is not None:
        try:
            issuer = authority_signing.issuer_of(request.authority_id)
        except InvalidTransition as error:
            give_up(request, principal, error.detail)
            return None
    if leaf.not_after <= clock.now():
        give_up(request, principal, "The validity ended before the request could be signed.")
        return None
    intent = Intent(leaf, int(request.serial_number, 16), bytes(request.tbs_der), issuer)
    return sign(request, intent, principal)


def give_up(request: CertificateRequest, principal: Principal, reason: str) -> None:
    """End a ``signing`` request as failed and revoke its serial number.

    A signature may exist that nobody stored; the authority must not call it good.
    """
    with transaction.atomic():
        if not states.move(request, RequestState.FAILED, failure=reason, sealed_private_key=b""):
            return
        write_off(request, principal, Leaf.from_dict(request.leaf).not_after)


def write_off(request: CertificateRequest, principal: Principal, not_after: datetime) -> None:
    """Revoke the serial number of a failed request and record that, in the caller's transaction.

    Args:
        request: failed, with the reason.
        principal: who gives it up.
        not_after: end of what was to be signed.
    """
    if request.authority is not None:
        with suppress(AlreadyRevoked):
            ledger.revoke_serial(
                request.authority,
                request.serial_number,
                reason=RevocationReason.UNSPECIFIED,
                revoked_at=clock.now_s(),
                not_after=not_after,
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


def _signed(intent: Intent, private_key_der: bytes | None) -> bytes:
    if intent.issuer is not None:
        return authority_signing.sign_tbs(
            intent.issuer, intent.tbs_der, intent.leaf.signature_algorithm
        )
    assert private_key_der is not None
    key = keys.private_key_from_pkcs8(private_key_der, trusted=True)
    algorithm = SignatureAlgorithm(intent.leaf.signature_algorithm)
    return build.assemble(intent.tbs_der, algorithm, keys.sign(key, intent.tbs_der, algorithm))


def _store(
    request: CertificateRequest,
    certificate: Certificate,
    private_key_der: bytes | None,
    principal: Principal,
    also: WithCertificate | None,
) -> Issued:
    change = states.edge(request, RequestState.ISSUED, sealed_private_key=b"", tbs_der=b"")
    try:
        with writes.together(only_if=change) as batch:
            writes.insert(certificate)
            _record_issue(certificate, request, principal)
            if also is not None:
                also(certificate)
    except IntegrityError:
        # Two workers signed the same bytes; the row that is there is the certificate.
        moved = False
    else:
        moved = batch.done
    if moved:
        states.take_over(request, change)
    else:
        request.refresh_from_db()
        if request.state != RequestState.ISSUED:
            raise InvalidTransition(f"The request has become {request.state} meanwhile.")
        certificate = Certificate.objects.get(request=request)
    return Issued(request, certificate, private_key_der, stored_here=moved)


def _certificate_row(request: CertificateRequest, intent: Intent, der: bytes) -> Certificate:
    leaf, issuer = intent.leaf, intent.issuer
    # Of several the first counts.
    common_name = dict(reversed(leaf.subject)).get("common_name", "")
    subject = names.rfc4514(leaf.subject)
    identifier = ids.uuid7()
    return fresh(
        Certificate,
        related={
            "request": request,
            "application": request.application,
            "profile": request.profile,
            "policy_version": request.policy_version,
        },
        id=identifier,
        authority_id=request.authority_id,
        issuer_certificate_id=issuer.authority_certificate_id if issuer else None,
        state=CertificateState.ACTIVE,
        der=der,
        fingerprint_sha256=hashlib.sha256(der).hexdigest(),
        serial_number=request.serial_number,
        subject=subject,
        issuer=issuer.subject_text if issuer else subject,
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


def search_text(common_name: str, subject_alt_names: tuple[tuple[str, str], ...]) -> str:
    """Return what the inventory searches: every name once, lower case, space-separated."""
    every = {common_name.lower(): None} | {value.lower(): None for _, value in subject_alt_names}
    every.pop("", None)
    return " ".join(every)


def _record_issue(
    certificate: Certificate, request: CertificateRequest, principal: Principal
) -> None:
    record(
        Event.CERTIFICATE_RENEWED if request.replaces_id else Event.CERTIFICATE_ISSUED,
        principal=principal,
        subject=certificate,
        application_id=certificate.application_id,
        request=str(request.id),
        requested_by=request.requested_by,
        profile=str(certificate.profile_id),
        serial_number=certificate.serial_number,
        fingerprint_sha256=certificate.fingerprint_sha256,
        subject_alt_names=certificate.subject_alt_names,
        not_after=certificate.not_after.isoformat(),
        replaces=str(request.replaces_id or ""),
    )
