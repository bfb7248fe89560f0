"""Issuance of an authority's own certificate: by itself, by its parent, or received from outside.

The order is that of every certificate: serial number and digest of the content are committed
first, then the key is used outside any transaction, then the certificate is stored.
"""

import base64
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger, name_constraints, publication, selectors, signing
from apps.authorities.models import Authority, AuthorityCertificate, AuthorityState
from apps.authorities.signing import IssuerHandle
from apps.errors import InvalidInput, InvalidTransition, SealwrightError, UpstreamUnavailable
from apps.keys.backends import backend_of
from apps.principals import Principal
from pki import build, chain, lint, serials
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm, default_signature_algorithm
from pki.build import CaCertificate
from pki.findings import PkiError
from pki.reasons import RevocationReason
from pki.validity import validity_window

logger = logging.getLogger(__name__)

_SIGNS_NO_MORE = frozenset({AuthorityState.DISABLED, AuthorityState.REVOKED})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlannedCertificate:
    """A CA certificate that passed the lint and is not signed yet.

    Attributes:
        content: what it will say.
        serial_number: at most 20 octets (RFC 5280 section 4.1.2.2).
        tbs_der: TBSCertificate, DER.
        issuer: the parent; ``None`` for a self-signed certificate.
    """

    content: CaCertificate
    serial_number: int
    tbs_der: bytes
    issuer: IssuerHandle | None


def plan(
    authority: Authority, *, lifetime_days: int, issuer: IssuerHandle | None
) -> PlannedCertificate:
    """Build and lint an authority's certificate before any key is used.

    Args:
        authority: with its key; saved or not.
        lifetime_days: cut to the end of the issuer's certificate.
        issuer: the parent; ``None`` for a self-signed certificate.

    Raises:
        InvalidInput: the certificate would break RFC 5280.
    """
    key_algorithm = KeyAlgorithm(authority.key.algorithm)
    signer = issuer.key_algorithm if issuer else key_algorithm
    not_before, not_after = validity_window(
        clock.now_s(),
        timedelta(days=lifetime_days),
        issuer_not_after=issuer.not_after if issuer else None,
        issuer_not_before=issuer.not_before if issuer else None,
    )
    content = CaCertificate(
        subject=tuple((attribute, value) for attribute, value in authority.subject),
        public_key_der=bytes(authority.key.public_key_der),
        signature_algorithm=default_signature_algorithm(signer),
        not_before=not_before,
        not_after=not_after,
        path_length=authority.path_length,
        name_constraints=name_constraints.from_document(authority.name_constraints),
    )
    serial_number = serials.new_serial()
    try:
        tbs_der = build.ca_tbs(
            content, serial_number=serial_number, issuer=issuer.issuer if issuer else None
        )
    except PkiError as error:
        raise InvalidInput(error.violations) from error
    issuer_certificate = issuer.issuer.certificate if issuer else None
    findings = lint.lint_tbs(tbs_der, content.signature_algorithm, issuer=issuer_certificate)
    if findings:
        raise InvalidInput(findings)
    return PlannedCertificate(
        content=content, serial_number=serial_number, tbs_der=tbs_der, issuer=issuer
    )


def reserve(authority: Authority, planned: PlannedCertificate) -> None:
    """Reserve the serial number in the caller's transaction, before the signature (commit 1)."""
    ledger.reserve_serial(
        planned.issuer.authority_id if planned.issuer else authority.pk,
        serials.serial_hex(planned.serial_number),
        hashlib.sha256(planned.tbs_der).hexdigest(),
        planned.content.not_after,
    )


def certify(
    principal: Principal, authority: Authority, planned: PlannedCertificate, event: Event
) -> None:
    """Sign the planned certificate, install it (commit 2) and publish the first CRL.

    Raises:
        UpstreamUnavailable: the key backend does not answer; nothing has changed.
    """
    algorithm = planned.content.signature_algorithm
    if planned.issuer is not None:
        der = signing.sign_tbs(planned.issuer, planned.tbs_der, algorithm)
    else:
        der = _self_signed(authority, planned.tbs_der, algorithm)
    try:
        install(principal, authority, der, event=event, above=())
    except InvalidTransition:
        _disown(planned)
        raise


def _disown(planned: PlannedCertificate) -> None:
    """Revoke a certificate that was signed but must not be installed any more."""
    if planned.issuer is None:
        return
    with transaction.atomic():
        issuer = selectors.locked(planned.issuer.authority_id)
        ledger.revoke_serial(
            issuer,
            serials.serial_hex(planned.serial_number),
            reason=RevocationReason.CESSATION_OF_OPERATION,
            revoked_at=clock.now_s(),
            not_after=planned.content.not_after,
        )
        publication.request_crl(issuer)


def install(
    principal: Principal,
    authority: Authority,
    der: bytes,
    *,
    event: Event,
    above: Sequence[x509.Certificate],
) -> None:
    """Make ``der`` the authority's current certificate; a pending authority becomes active.

    Args:
        principal: who acts, for the audit log.
        authority: changed in place.
        der: certificate of its key, verified by the caller.
        event: name of this act in the audit log.
        above: issuers outside this product, nearest first.

    Raises:
        IntegrityError: this very certificate was installed before.
        InvalidTransition: the authority is disabled or revoked, or its parent has become so.
        NotFound: it has been deleted meanwhile.
    """
    certificate = x509.load_der_x509_certificate(der)
    with transaction.atomic():
        # From the top down, as a revocation locks them: its end is awaited, and no deadlock.
        parent = selectors.locked(authority.parent_id) if authority.parent_id else None
        locked = selectors.locked(authority.pk)
        for one in (locked, *((parent,) if parent is not None else ())):
            if one.state in _SIGNS_NO_MORE:
                raise InvalidTransition(f"The authority {one.name} is {one.state}.")
        AuthorityCertificate.objects.filter(authority=locked, is_current=True).update(
            is_current=False
        )
        row = AuthorityCertificate.objects.create(
            authority=locked,
            der=der,
            chain_der=[_base64(issuer) for issuer in above],
            serial_number=serials.serial_hex(certificate.serial_number),
            fingerprint_sha256=hashlib.sha256(der).hexdigest(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
        locked.state = AuthorityState.ACTIVE
        locked.path_length = authority.path_length
        locked.name_constraints = authority.name_constraints
        locked.save(update_fields=["state", "path_length", "name_constraints"])
        record(
            event,
            principal=principal,
            subject=locked,
            serial_number=row.serial_number,
            fingerprint_sha256=row.fingerprint_sha256,
            not_after=row.not_after.isoformat(),
        )
    authority.refresh_from_db()
    _publish_first_crl(authority)


def _publish_first_crl(authority: Authority) -> None:
    """Publish the first CRL at once, because verifiers ask for it; the sweep repeats a failure."""
    if authority.crls.exists():
        return
    try:
        publication.publish_crl(authority.pk)
    except SealwrightError as error:
        logger.warning("first CRL of %s is left to the sweep: %s", authority.name, error)


def _self_signed(authority: Authority, tbs_der: bytes, algorithm: SignatureAlgorithm) -> bytes:
    key = authority.key
    signature = backend_of(key.backend).sign(key, tbs_der, algorithm)
    certificate = _assembled(tbs_der, algorithm, signature)
    try:
        chain.verify_issued(certificate, certificate)
    except PkiError as error:
        raise UpstreamUnavailable("The signature made by the authority's key is wrong.") from error
    return certificate.public_bytes(Encoding.DER)


def _assembled(tbs_der: bytes, algorithm: SignatureAlgorithm, signature: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(build.assemble(tbs_der, algorithm, signature))


def _base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
