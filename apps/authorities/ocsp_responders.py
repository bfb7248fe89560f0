"""OCSP responder keys and certificates of authorities: made, renewed and opened for signing.

Responses are signed by a delegated responder (RFC 6960 section 4.2.2.2). The authority's own key
may be slow or remote, and anybody on the network may cause a signature.
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

from apps import clock, principals
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger, selectors, signing
from apps.authorities.models import Authority, AuthorityCertificate, OcspResponder
from apps.authorities.signing import IssuerHandle
from apps.errors import InvalidTransition, SealwrightError
from apps.keys.backends import backend_of
from apps.keys.models import Key
from apps.keys.services import destroy_unused_keys, generate_key
from pki import build, keys, lint, serials
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm
from pki.build import ResponderCertificate
from pki.findings import PkiError
from pki.reasons import RevocationReason
from pki.validity import validity_window

logger = logging.getLogger(__name__)

RENEW_JOB = "ocsp.renew_responders"
_LIFETIME = timedelta(days=30)
_RESERVE = timedelta(hours=2)
_CACHE_SECONDS = 300.0
_CACHE_SIZE = 256
_MAX_COMMON_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SigningResponder:
    """A responder whose private key signs through its backend."""

    id: UUID
    certificate: x509.Certificate
    private_key: PrivateKeyTypes
    signature_algorithm: SignatureAlgorithm
    not_after: datetime


def ensure_responder(authority_id: UUID) -> OcspResponder:
    """Return a responder in the first half of its validity; make one if there is none.

    When two processes make one at the same time, the one stored first is kept.

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
        return newest  # a new one could not be valid for longer than the authority
    return _new_responder(handle)


def renew_job() -> str:
    """Renew responders past half of their validity, delete expired ones, destroy unused keys."""
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


_responders: dict[UUID, tuple[float, SigningResponder]] = {}
_making: defaultdict[UUID, threading.Lock] = defaultdict(threading.Lock)


def signing_responder(authority_id: UUID, responder_id: UUID | None) -> SigningResponder:
    """Return a responder that is valid for two hours more, ready to sign; make one if need be.

    Args:
        authority_id: whose responses are to be signed.
        responder_id: its newest responder, if there is one.

    Raises:
        InvalidTransition: the authority has no certificate, or that is not valid now.
        UpstreamUnavailable: a key backend does not answer.
    """
    now = clock.now()
    if responder_id is not None:
        cached = _responders.get(responder_id)
        if cached is None or time.monotonic() - cached[0] > _CACHE_SECONDS:
            cached = _cached(OcspResponder.objects.select_related("key").get(pk=responder_id))
        if cached[1].not_after - now > _RESERVE:
            return cached[1]
    # Only the first request of this process makes the responder; the others wait for it.
    with _making[authority_id]:
        return _cached(ensure_responder(authority_id))[1]


def _cached(row: OcspResponder) -> tuple[float, SigningResponder]:
    if len(_responders) >= _CACHE_SIZE:
        _responders.clear()
    _responders[row.pk] = (time.monotonic(), _opened(row))
    return _responders[row.pk]


def _opened(row: OcspResponder) -> SigningResponder:
    certificate = x509.load_der_x509_certificate(bytes(row.certificate_der))
    algorithm = default_signature_algorithm(KeyAlgorithm(row.key.algorithm))
    backend, key = backend_of(row.key.backend), row.key
    return SigningResponder(
        id=row.pk,
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
    """Return P-256 below RSA and ECDSA, which every client supports; else the authority's own."""
    if authority.is_rsa or authority.value.startswith("ec-"):
        return KeyAlgorithm.EC_P256
    return authority


def _new_responder(handle: IssuerHandle) -> OcspResponder:
    """Make key and certificate: reserve the serial number, sign, then store the rows."""
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
    return _stored(row)


def _stored(row: OcspResponder) -> OcspResponder:
    """Store the responder; if another process was first, revoke this one and return the other."""
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
        # With its predecessor's flag all answers that one has signed stop being served.
        OcspResponder.objects.filter(authority=authority, is_current=True).update(is_current=False)
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
        clock.now_s(),
        _LIFETIME,
        issuer_not_after=handle.not_after,
        issuer_not_before=handle.not_before,
    )
    return ResponderCertificate(
        subject=(("common_name", f"OCSP {handle.name}"[:_MAX_COMMON_NAME].rstrip()),),
        public_key_der=bytes(key.public_key_der),
        signature_algorithm=default_signature_algorithm(handle.key_algorithm),
        not_before=not_before,
        not_after=not_after,
    )


def _lint(handle: IssuerHandle, tbs_der: bytes, algorithm: SignatureAlgorithm) -> None:
    findings = lint.lint_tbs(tbs_der, algorithm, issuer=handle.issuer.certificate)
    if findings:
        raise PkiError(findings)
