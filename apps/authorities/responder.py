"""What does an authority answer when somebody asks whether a certificate is revoked?

Answers are made on demand from the ledger, so a revocation shows with the next question. They
are signed by a delegated responder key (RFC 6960 section 4.2.2.2): the authority's own key is
slow or far away, and does not belong where anonymous strangers cause its use.
"""

import hashlib
import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.db import transaction
from django.db.models import OuterRef, Subquery

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger, selectors, signing
from apps.authorities.ledger import UNKNOWN, Status
from apps.authorities.models import Authority, AuthorityCertificate, OcspResponder
from apps.authorities.signing import IssuerHandle
from apps.errors import InvalidTransition, NotFound, SealwrightError
from apps.keys.backends import backend_of
from apps.keys.models import Key
from apps.keys.services import destroy_unused_keys, generate_key
from pki import build, keys, lint, ocsp, serials
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm
from pki.build import ResponderCertificate
from pki.findings import PkiError
from pki.ocsp import CertId, SingleStatus
from pki.reasons import RevocationReason
from pki.validity import validity_window

logger = logging.getLogger(__name__)

RENEW_JOB = "ocsp.renew_responders"
# An answer can be replayed until nextUpdate; O-09 allows a day, an hour is plenty inside a house.
ANSWER_LIFETIME = timedelta(hours=1)
_LIFETIME = timedelta(days=30)
_RESERVE = timedelta(hours=2)
_CACHE_SECONDS = 300.0
_CACHE_SIZE = 256
_MAX_COMMON_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An OCSP response and what a cache must know about it.

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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Responder:
    """A responder as a process keeps it."""

    certificate: x509.Certificate
    private_key: PrivateKeyTypes
    signature_algorithm: SignatureAlgorithm
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Source:
    """Which authority answers under a name, with which responder."""

    authority_id: UUID
    certificate_id: UUID
    responder_id: UUID | None
    ocsp_enabled: bool


def answer(name: str, request_der: bytes) -> Answer:
    """Return the answer of the named authority's responder; never raises for bad requests.

    A CertID counts only when both issuer hashes are those of this authority (O-03): the same
    serial number may exist under another one.

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
    ours = [_is_issued_by(source, cert_id) for cert_id in request.cert_ids]
    if not any(ours):
        # RFC 5019 section 2.2.3: not an authoritative responder for these certificates.
        return Answer(der=ocsp.error_response("unauthorized"))
    try:
        responder = _responder_for(source)
        return _answered(source, responder, request, ours)
    except (SealwrightError, PkiError) as error:
        logger.warning("OCSP responder of %s cannot answer: %s", name, error)
        return Answer(der=ocsp.error_response("try_later"))


def ensure_responder(authority_id: UUID) -> OcspResponder:
    """Return a responder that is in the first half of its life, made now if need be.

    Two processes may make one at the same time: both work, the first one stored is kept.

    Raises:
        InvalidTransition: the authority has no certificate, or that is not valid now.
        UpstreamUnavailable: a key backend does not answer.
    """
    newest = selectors.latest_responder(authority_id)
    if newest is not None and _is_fresh(newest):
        return newest
    handle, now = signing.status_issuer_of(authority_id), clock.now()
    if handle.not_after <= now:
        raise InvalidTransition(f"The certificate of {handle.name} has expired.")
    if handle.issuer.certificate.not_valid_before_utc > now:
        raise InvalidTransition(f"The certificate of {handle.name} is not valid yet.")
    if newest is not None and newest.not_after >= handle.not_after:
        return newest  # it lives as long as the authority: there is no better one
    return _made(handle)


def renew_job() -> str:
    """Renew responders past half of their life, drop expired ones and destroy unused keys."""
    principal = principals.system("responder")
    now, renewed = clock.now(), 0
    certified = AuthorityCertificate.objects.filter(is_current=True, not_after__gt=now)
    for authority in Authority.objects.filter(
        ocsp_enabled=True, pk__in=certified.values("authority_id")
    ):
        newest = selectors.latest_responder(authority.pk)
        try:
            renewed += ensure_responder(authority.pk) != newest
        except SealwrightError as error:
            logger.warning("OCSP responder of %s not renewed: %s", authority.name, error)
    OcspResponder.objects.filter(not_after__lt=now - timedelta(days=1)).delete()
    return f"renewed {renewed}, keys destroyed {destroy_unused_keys(principal)}"


# --- answering --------------------------------------------------------------------------------


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
        if len(_issuer_hashes) >= _CACHE_SIZE:
            _issuer_hashes.clear()
        handle = signing.status_issuer_of(source.authority_id)
        hashes = ocsp.issuer_hashes(handle.issuer.certificate)
        _issuer_hashes[source.certificate_id] = hashes
    expected = hashes.get(cert_id.hash_algorithm)
    return expected == (cert_id.issuer_name_hash, cert_id.issuer_key_hash)


def _answered(
    source: _Source, responder: _Responder, request: ocsp.OcspRequest, ours: list[bool]
) -> Answer:
    asked = {
        serials.serial_hex(cert_id.serial_number)
        for cert_id, own in zip(request.cert_ids, ours, strict=True)
        if own and cert_id.serial_number > 0
    }
    known: defaultdict[str, Status] = defaultdict(lambda: UNKNOWN)
    known.update(ledger.statuses_of(source.authority_id, asked))
    statuses = [
        _single(cert_id, known[serials.serial_hex(cert_id.serial_number)] if own else UNKNOWN)
        for cert_id, own in zip(request.cert_ids, ours, strict=True)
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


def _single(cert_id: CertId, status: Status) -> SingleStatus:
    return SingleStatus(cert_id, status.status, status.revoked_at, status.reason)


# --- the responder's own key and certificate --------------------------------------------------

_responders: dict[UUID, tuple[float, _Responder]] = {}
_making: defaultdict[UUID, threading.Lock] = defaultdict(threading.Lock)


def _responder_for(source: _Source) -> _Responder:
    """Return the responder to answer with; one is made when there is none or it is about to end."""
    now = clock.now()
    if source.responder_id is not None:
        cached = _responders.get(source.responder_id)
        if cached is None or time.monotonic() - cached[0] > _CACHE_SECONDS:
            row = OcspResponder.objects.select_related("key").get(pk=source.responder_id)
            cached = _remembered(row)
        if cached[1].not_after - now > _RESERVE:
            return cached[1]
    # Within one process the first question makes the responder, the others wait for it.
    with _making[source.authority_id]:
        return _remembered(ensure_responder(source.authority_id))[1]


def _remembered(row: OcspResponder) -> tuple[float, _Responder]:
    if len(_responders) >= _CACHE_SIZE:
        _responders.clear()
    _responders[row.pk] = (time.monotonic(), _opened(row))
    return _responders[row.pk]


def _opened(row: OcspResponder) -> _Responder:
    certificate = x509.load_der_x509_certificate(bytes(row.certificate_der))
    algorithm = default_signature_algorithm(KeyAlgorithm(row.key.algorithm))
    backend, key = backend_of(row.key.backend), row.key
    return _Responder(
        certificate=certificate,
        private_key=keys.delegated_private_key(
            certificate.public_key(), lambda data: backend.sign(key, data, algorithm)
        ),
        signature_algorithm=algorithm,
        not_after=row.not_after,
    )


def _is_fresh(row: OcspResponder) -> bool:
    return clock.now() < row.not_before + (row.not_after - row.not_before) / 2


def _key_algorithm_for(authority: KeyAlgorithm) -> KeyAlgorithm:
    """Return P-256 below RSA and ECDSA, which every client knows; else the authority's own."""
    if authority.is_rsa or authority.value.startswith("ec-"):
        return KeyAlgorithm.EC_P256
    return authority


def _made(handle: IssuerHandle) -> OcspResponder:
    """Make key and certificate: intent first, then the signature, then the rows."""
    key = generate_key(_key_algorithm_for(handle.key_algorithm))
    content = _content(handle, key)
    serial_number = serials.new_serial()
    tbs_der = build.responder_tbs(content, serial_number=serial_number, issuer=handle.issuer)
    _lint(handle, tbs_der, content.signature_algorithm)
    with transaction.atomic():
        ledger.reserve_serial(
            handle.authority_id,
            serials.serial_hex(serial_number),
            hashlib.sha256(tbs_der).hexdigest(),
            content.not_after,
        )
    der = signing.sign_tbs(handle, tbs_der, content.signature_algorithm)
    row = OcspResponder(
        authority_id=handle.authority_id,
        key=key,
        certificate_der=der,
        serial_number=serials.serial_hex(serial_number),
        not_before=content.not_before,
        not_after=content.not_after,
    )
    return _kept(row)


def _kept(row: OcspResponder) -> OcspResponder:
    """Store the responder, unless another process was first: then revoke this one and use that."""
    with transaction.atomic():
        authority = selectors.locked(row.authority_id)
        newest = selectors.latest_responder(authority.pk)
        if newest is not None and _is_fresh(newest):
            ledger.revoke_serial(
                authority,
                row.serial_number,
                reason=RevocationReason.SUPERSEDED,
                revoked_at=clock.now_s(),
                not_after=row.not_after,
            )
            return newest
        row.key.save(force_insert=True)
        row.save(force_insert=True)
        record(
            Event.RESPONDER_RENEWED,
            principal=principals.system("responder"),
            subject=authority,
            serial_number=row.serial_number,
            not_after=row.not_after.isoformat(),
        )
    return row


def _content(handle: IssuerHandle, key: Key) -> ResponderCertificate:
    not_before, not_after = validity_window(
        clock.now_s(), _LIFETIME, issuer_not_after=handle.not_after
    )
    return ResponderCertificate(
        subject=(("common_name", f"OCSP {handle.name}"[:_MAX_COMMON_NAME].rstrip()),),
        public_key_der=bytes(key.public_key_der),
        signature_algorithm=default_signature_algorithm(handle.key_algorithm),
        not_before=max(not_before, handle.issuer.certificate.not_valid_before_utc),
        not_after=not_after,
    )


def _lint(handle: IssuerHandle, tbs_der: bytes, algorithm: SignatureAlgorithm) -> None:
    findings = lint.lint_tbs(tbs_der, algorithm, issuer=handle.issuer.certificate)
    if findings:
        raise PkiError(findings)
