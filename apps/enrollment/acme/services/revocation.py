"""Revocation of certificates over ACME (RFC 8555 section 7.6)."""

import hashlib
from typing import Any

from cryptography import x509

from apps import clock
from apps.certificates import revocation
from apps.certificates.models import Certificate
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import Account, SignedRequest
from apps.enrollment.acme.models import AcmeAuthorization, AcmeOrder
from apps.enrollment.acme.services import authorizations
from apps.enrollment.acme.states import AuthorizationStatus
from apps.errors import AccessDenied, BadRevocationReason, Malformed, NotFound
from pki.reasons import RevocationReason

_MAX_CERTIFICATE = 64 * 1024
# Reasons that a subscriber can know; the others are the authority's (RFC 5280 section 5.3.1).
_REASONS = {
    0: RevocationReason.UNSPECIFIED,
    1: RevocationReason.KEY_COMPROMISE,
    3: RevocationReason.AFFILIATION_CHANGED,
    4: RevocationReason.SUPERSEDED,
    5: RevocationReason.CESSATION_OF_OPERATION,
}
_ACME_TYPES = {"dns_name": "dns", "ip_address": "ip"}


def revoke(signed: SignedRequest) -> None:
    """Revoke a certificate of this endpoint.

    Allowed are the account that ordered it, an account that has valid authorizations for all its
    names, and the holder of its key.

    Raises:
        Malformed: no certificate in the payload.
        NotFound: no certificate of this application and profile.
        AccessDenied: the signer is none of these.
        BadRevocationReason, AlreadyRevoked, InvalidTransition: as ``certificates.revocation``.
    """
    payload = signed.payload()
    text = payload.get("certificate")
    if not isinstance(text, str) or len(text) > _MAX_CERTIFICATE:
        raise Malformed("The payload has the base64url member certificate.")
    der = jws.decode(text)
    certificate = _find(signed, der)
    if not _is_allowed(signed, certificate):
        raise AccessDenied("Neither the account nor the key may revoke this certificate.")
    # Checked last, so that the order of errors tells strangers nothing about the certificate.
    reason = read_reason(payload.get("reason"))
    revocation.revoke(signed.principal(), certificate, reason)


def read_reason(code: Any) -> RevocationReason:
    """Return the reason of a payload; ``None`` is unspecified.

    Raises:
        BadRevocationReason: not one that subscribers may give.
    """
    if code is None:
        return RevocationReason.UNSPECIFIED
    if type(code) is not int or code not in _REASONS:
        known = ", ".join(f"{number} ({reason})" for number, reason in _REASONS.items())
        raise BadRevocationReason(f"The reason is one of {known}.")
    return _REASONS[code]


def _find(signed: SignedRequest, der: bytes) -> Certificate:
    """Find the certificate by the digest of all its bytes: names and serial numbers can be forged."""
    found = (
        Certificate.objects.select_related("application")
        .filter(
            fingerprint_sha256=hashlib.sha256(der).hexdigest(),
            application_id=signed.config.application_id,
            profile_id=signed.config.profile_id,
        )
        .first()
    )
    if found is None:
        raise NotFound("This endpoint issued no such certificate.")
    return found


def _is_allowed(signed: SignedRequest, certificate: Certificate) -> bool:
    if signed.account is None:
        assert signed.jwk is not None
        key = x509.load_der_x509_certificate(bytes(certificate.der)).public_key()
        return jws.thumbprint_of(key) == jws.thumbprint(signed.jwk)
    return _ordered(signed.account, certificate) or _authorized(signed, certificate)


def _ordered(account: Account, certificate: Certificate) -> bool:
    return AcmeOrder.objects.filter(certificate=certificate, account_id=account.id).exists()


def _authorized(signed: SignedRequest, certificate: Certificate) -> bool:
    """Tell whether the account has a valid authorization for each name in the certificate."""
    wanted = {_as_authorized(kind, value) for kind, value in certificate.subject_alt_names}
    account = signed.signing_account()
    held = AcmeAuthorization.objects.filter(
        account_id=account.id, status=AuthorizationStatus.VALID, expires_at__gt=clock.now()
    )
    if not authorizations.trusts(signed.config, account):
        held = held.filter(authorizations.proven())
    names = held.values_list("identifier_type", "identifier_value", "wildcard")
    return bool(wanted) and wanted <= set(names)


def _as_authorized(kind: str, value: str) -> tuple[str, str, bool]:
    return _ACME_TYPES.get(kind, kind), value.removeprefix("*."), value.startswith("*.")
