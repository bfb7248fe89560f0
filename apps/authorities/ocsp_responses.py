"""OCSP responses of authorities, made for each request from the ledger (RFC 6960, RFC 5019).

A response is made when it is asked for, so a revocation is visible at the next request.
"""

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import OuterRef, Subquery

from apps import clock
from apps.authorities import ledger, ocsp_responders, signing
from apps.authorities.ledger import UNKNOWN, Status
from apps.authorities.models import AuthorityCertificate, OcspResponder
from apps.authorities.ocsp_responders import SigningResponder
from apps.errors import NotFound, SealwrightError
from pki import ocsp, serials
from pki.findings import PkiError
from pki.ocsp import CertId, SingleStatus

logger = logging.getLogger(__name__)

# A response can be replayed until nextUpdate; O-09 allows a day, an hour suffices online.
ANSWER_LIFETIME = timedelta(hours=1)
_MAX_ISSUERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An OCSP response with what an HTTP cache must know about it.

    Attributes:
        der: OCSPResponse.
        this_update: ``None`` for errors.
        next_update: ``None`` for errors.
        cacheable: no error, no nonce, every status known.
    """

    der: bytes
    this_update: datetime | None = None
    next_update: datetime | None = None
    cacheable: bool = False


@dataclass(frozen=True, slots=True)
class _Source:
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
    source = _source_of(name)
    if not source.ocsp_enabled:
        return Answer(der=ocsp.error_response("unauthorized"))
    try:
        request = ocsp.parse_request(request_der)
    except ocsp.MalformedRequest:
        return Answer(der=ocsp.error_response("malformed_request"))
    own = [_is_issued_by(source, cert_id) for cert_id in request.cert_ids]
    if not any(own):
        # RFC 5019 section 2.2.3: not an authoritative responder for these certificates.
        return Answer(der=ocsp.error_response("unauthorized"))
    try:
        responder = ocsp_responders.signing_responder(source.authority_id, source.responder_id)
        return _answered(source, responder, request, own)
    except (SealwrightError, PkiError) as error:
        logger.warning("OCSP responder of %s cannot answer: %s", name, error)
        return Answer(der=ocsp.error_response("try_later"))


def _source_of(name: str) -> _Source:
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
    return _Source(*row)


_issuer_hashes: dict[UUID, dict[str, tuple[bytes, bytes]]] = {}


def _is_issued_by(source: _Source, cert_id: CertId) -> bool:
    hashes = _issuer_hashes.get(source.certificate_id)
    if hashes is None:
        if len(_issuer_hashes) >= _MAX_ISSUERS:
            _issuer_hashes.clear()
        handle = signing.status_issuer_of(source.authority_id)
        hashes = ocsp.issuer_hashes(handle.issuer.certificate)
        _issuer_hashes[source.certificate_id] = hashes
    expected = hashes.get(cert_id.hash_algorithm)
    return expected == (cert_id.issuer_name_hash, cert_id.issuer_key_hash)


def _answered(
    source: _Source, responder: SigningResponder, request: ocsp.OcspRequest, own: list[bool]
) -> Answer:
    asked = {
        serials.serial_hex(cert_id.serial_number)
        for cert_id, is_own in zip(request.cert_ids, own, strict=True)
        if is_own and cert_id.serial_number > 0
    }
    known: defaultdict[str, Status] = defaultdict(lambda: UNKNOWN)
    known.update(ledger.statuses_of(source.authority_id, asked))
    statuses = [
        _single_status(
            cert_id, known[serials.serial_hex(cert_id.serial_number)] if is_own else UNKNOWN
        )
        for cert_id, is_own in zip(request.cert_ids, own, strict=True)
    ]
    now = clock.now_s()
    next_update = min(now + ANSWER_LIFETIME, responder.not_after)
    der = ocsp.build_response(
        statuses=statuses,
        responder_certificate=responder.certificate,
        private_key=responder.private_key,
        signature_algorithm=responder.signature_algorithm,
        this_update=now,
        next_update=next_update,
        produced_at=now,
        nonce=request.nonce,
    )
    return Answer(
        der=der,
        this_update=now,
        next_update=next_update,
        cacheable=request.nonce is None and all(s.status != "unknown" for s in statuses),
    )


def _single_status(cert_id: CertId, status: Status) -> SingleStatus:
    return SingleStatus(cert_id, status.status, status.revoked_at, status.reason)
