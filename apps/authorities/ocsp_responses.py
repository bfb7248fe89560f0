"""OCSP responses of authorities: kept ones where there are any, else signed (RFC 6960, RFC 5019).

A response without a nonce about one certificate is signed once and kept (``ocsp_answers``); all
others are signed for each request from the ledger.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Subquery

from apps import clock
from apps.authorities import ledger, ocsp_answers, ocsp_responders, signing
from apps.authorities.ledger import UNKNOWN, Status
from apps.authorities.models import AuthorityCertificate, OcspResponder
from apps.authorities.ocsp_answers import KeptAnswer, SignedAnswer
from apps.authorities.ocsp_responders import SigningResponder
from apps.errors import NotFound, SealwrightError
from pki import ocsp, serials
from pki.findings import PkiError
from pki.ocsp import CertId, OcspRequest, SingleStatus

logger = logging.getLogger(__name__)

_MAX_ISSUERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An OCSP response with what an HTTP cache must know about it.

    Attributes:
        der: OCSPResponse.
        this_update: ``None`` for errors.
        next_update: ``None`` for errors.
        cacheable: no error, no nonce, every status known.
        is_final: nothing in it can change any more: all certificates are revoked for good.
    """

    der: bytes
    this_update: datetime | None = None
    next_update: datetime | None = None
    cacheable: bool = False
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The authority that answers under a name, and its newest responder."""

    authority_id: UUID
    certificate_id: UUID
    responder_id: UUID | None
    ocsp_enabled: bool


def answer(name: str, request_der: bytes) -> Answer:
    """Return the OCSP response of an authority; a bad request is answered, not raised.

    A CertID (RFC 6960 section 4.1.1) counts only when both issuer hashes are those of this
    authority (O-03): the same serial number may exist under another one.

    Args:
        name: of the authority, from the URL.
        request_der: as received, of any size.

    Raises:
        NotFound: no such authority, or it has no certificate yet.
    """
    try:
        request = ocsp.parse_request(request_der)
    except ocsp.MalformedRequest:
        request = None
    kept = _kept(name, request)
    if kept is not None and kept.is_fresh(clock.now()):
        return _of_kept(kept)
    source = source_of(name)
    if request is None and source.ocsp_enabled:
        return Answer(der=ocsp.error_response("malformed_request"))
    own = [_is_issued_by(source, cert_id) for cert_id in request.cert_ids] if request else []
    if request is None or not source.ocsp_enabled or not any(own):
        # RFC 5019 section 2.2.3: not an authoritative responder for these certificates.
        return Answer(der=ocsp.error_response("unauthorized"))
    try:
        responder = ocsp_responders.signing_responder(source.authority_id, source.responder_id)
        return _signed(source, responder, request, own)
    except (SealwrightError, PkiError) as error:
        logger.warning("OCSP responder of %s cannot answer: %s", name, error)
        # Read again: the status may have changed while the key backend was tried.
        kept = _kept(name, request)
        if kept is not None and kept.is_valid(clock.now()):
            return _of_kept(kept)
        return Answer(der=ocsp.error_response("try_later"))


def source_of(name: str) -> Source:
    """Return who answers under a name.

    Raises:
        NotFound: no such authority, or it has no certificate yet.
    """
    valid = OcspResponder.objects.filter(
        authority_id=OuterRef("authority_id"), not_before__lte=clock.now()
    )
    newest = valid.order_by("-id")
    row = (
        AuthorityCertificate.objects.filter(authority__name=name, is_current=True)
        .values_list(
            "authority_id", "pk", Subquery(newest.values("pk")[:1]), "authority__ocsp_enabled"
        )
        .first()
    )
    if row is None:
        raise NotFound("No such OCSP responder.")
    return Source(*row)


def sign(
    responder: SigningResponder, statuses: Sequence[SingleStatus], nonce: bytes | None = None
) -> Answer:
    """Return a response signed now.

    Raises:
        PkiError: the responder's certificate is not valid now.
        UpstreamRejected, UpstreamUnavailable: the key backend refuses or does not answer.
    """
    now = clock.now_s()
    lifetime = timedelta(hours=settings.SEALWRIGHT["OCSP_LIFETIME_HOURS"])
    next_update = min(now + lifetime, responder.not_after)
    der = ocsp.build_response(
        statuses=statuses,
        responder_certificate=responder.certificate,
        private_key=responder.private_key,
        signature_algorithm=responder.signature_algorithm,
        this_update=now,
        next_update=next_update,
        produced_at=now,
        nonce=nonce,
    )
    known = nonce is None and all(single.status != "unknown" for single in statuses)
    return Answer(
        der=der,
        this_update=now,
        next_update=next_update,
        cacheable=known,
        is_final=known and all(ocsp_answers.is_final(_status(single)) for single in statuses),
    )


def to_keep(made: Answer, cert_id: CertId, status: Status, *, asked_at: datetime) -> SignedAnswer:
    """Return an answer about one certificate as ``ocsp_answers`` stores it."""
    assert made.this_update is not None
    assert made.next_update is not None
    return SignedAnswer(
        serial_hex=serials.serial_hex(cert_id.serial_number),
        cert_id=cert_id,
        status=status,
        der=made.der,
        this_update=made.this_update,
        next_update=made.next_update,
        asked_at=asked_at,
    )


def single_status(cert_id: CertId, status: Status) -> SingleStatus:
    """Return what a response says about one CertID."""
    return SingleStatus(cert_id, status.status, status.revoked_at, status.reason)


_issuer_hashes: dict[UUID, dict[str, tuple[bytes, bytes]]] = {}


def issuer_hashes(source: Source) -> dict[str, tuple[bytes, bytes]]:
    """Return ``{hash algorithm: (issuerNameHash, issuerKeyHash)}`` of an authority."""
    hashes = _issuer_hashes.get(source.certificate_id)
    if hashes is None:
        if len(_issuer_hashes) >= _MAX_ISSUERS:
            _issuer_hashes.clear()
        handle = signing.status_issuer_of(source.authority_id)
        hashes = ocsp.issuer_hashes(handle.issuer.certificate)
        _issuer_hashes[source.certificate_id] = hashes
    return hashes


def _is_issued_by(source: Source, cert_id: CertId) -> bool:
    expected = issuer_hashes(source).get(cert_id.hash_algorithm)
    return expected == (cert_id.issuer_name_hash, cert_id.issuer_key_hash)


def _kept(name: str, request: OcspRequest | None) -> KeptAnswer | None:
    if request is None or request.nonce is not None or len(request.cert_ids) != 1:
        return None
    return ocsp_answers.find(name, request.cert_ids[0])


def _of_kept(kept: KeptAnswer) -> Answer:
    return Answer(
        der=kept.der,
        this_update=kept.this_update,
        next_update=kept.next_update,
        cacheable=True,
        is_final=kept.is_final,
    )


def _signed(
    source: Source, responder: SigningResponder, request: OcspRequest, own: list[bool]
) -> Answer:
    asked = {
        serials.serial_hex(cert_id.serial_number)
        for cert_id, is_own in zip(request.cert_ids, own, strict=True)
        if is_own and cert_id.serial_number > 0
    }
    known: defaultdict[str, Status] = defaultdict(lambda: UNKNOWN)
    known.update(ledger.statuses_of(source.authority_id, asked))
    statuses = [
        single_status(
            cert_id, known[serials.serial_hex(cert_id.serial_number)] if is_own else UNKNOWN
        )
        for cert_id, is_own in zip(request.cert_ids, own, strict=True)
    ]
    answer = sign(responder, statuses, request.nonce)
    if answer.cacheable and len(statuses) == 1:
        _keep(source, responder, statuses[0], answer)
    return answer


def _keep(source: Source, responder: SigningResponder, single: SingleStatus, made: Answer) -> None:
    status = _status(single)
    if not ocsp_answers.can_be_kept(single.cert_id, status):
        return
    signed = to_keep(made, single.cert_id, status, asked_at=clock.now())
    ocsp_answers.keep_if_possible(source.authority_id, responder.id, signed)


def _status(single: SingleStatus) -> Status:
    return Status(single.status, single.revoked_at, single.reason)
