"""ACME renewal information and replacement of certificates (RFC 9773)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps import clock
from apps.applications.models import Pairing
from apps.authorities.models import Authority, AuthorityState
from apps.certificates.decision import evaluate_leaf
from apps.certificates.models import Certificate, CertificateState
from apps.certificates.pipeline import is_renewed_or_renewing
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import Account
from apps.enrollment.acme.endpoint_config import EndpointConfig, pairing_of
from apps.enrollment.acme.models import AcmeOrder
from apps.enrollment.acme.problems import Refusal, Type
from apps.enrollment.acme.states import OrderStatus
from apps.enrollment.acme.wire import time_text
from apps.errors import Malformed, NotFound
from apps.policies import selectors as policy_selectors
from apps.policies.evaluation import violations_of
from pki.keys import key_identifier
from pki.serials import serial_hex
from pki.template import Leaf

RETRY_AFTER_S = 6 * 3600
# Renewal is suggested after two thirds of the lifetime, spread over a twelfth of it.
_START_AT, _SPREAD = 2 / 3, 1 / 12
_MAX_SERIAL_OCTETS = 20
_SIGN_BIT = 0x80
_UNKNOWN = "This endpoint issued no such certificate."


@dataclass(frozen=True, slots=True)
class CertificateId:
    """A certificate identifier of a client (RFC 9773 section 4.1).

    Attributes:
        issuer_key_id: keyIdentifier of the certificate's authorityKeyIdentifier.
        serial_number: lower-case hex, as everywhere.
    """

    issuer_key_id: bytes
    serial_number: str


def parse(text: str) -> CertificateId:
    """Return the certificate that ``base64url(AKI).base64url(serial)`` names.

    Raises:
        Malformed: another form; the serial is the content of a positive, minimal DER INTEGER.
    """
    first, dot, second = text.partition(".")
    if not dot:
        raise Malformed("A certificate id is base64url(AKI).base64url(serial).")
    issuer_key_id, serial = jws.decode(first), jws.decode(second)
    minimal = len(serial) == 1 or bool(serial[:1] != b"\0" or serial[1] & _SIGN_BIT)
    if not issuer_key_id or not 0 < len(serial) <= _MAX_SERIAL_OCTETS + 1 or not minimal:
        raise Malformed("The serial number is not a DER INTEGER's content.")
    if serial[0] & _SIGN_BIT:
        raise Malformed("The serial number is negative.")
    return CertificateId(issuer_key_id, serial_hex(int.from_bytes(serial, "big")))


def certificate_id(issuer_key_id: bytes, serial_number: int) -> str:
    """Return the text by which clients name a certificate."""
    serial = serial_number.to_bytes(serial_number.bit_length() // 8 + 1, "big")
    return f"{jws.encode(issuer_key_id)}.{jws.encode(serial)}"


def renewal_info(config: EndpointConfig, text: str) -> dict[str, Any]:
    """Return the suggested window for one certificate of this endpoint (section 4.2).

    Raises:
        Malformed: no certificate id.
        NotFound: not a certificate of this application and profile.
    """
    certificate = _find(config, parse(text))
    start, end = _window(config, certificate)
    return {"suggestedWindow": {"start": time_text(start), "end": time_text(end)}}


def replaceable(
    config: EndpointConfig, account: Account, text: str, names: set[tuple[str, str]]
) -> Certificate:
    """Return the certificate that a new order replaces (RFC 9773 section 5).

    Args:
        config: the endpoint.
        account: who orders; it must have ordered the predecessor as well.
        text: the certificate id.
        names: identifiers of the new order, of which the predecessor has at least one.

    Raises:
        Malformed: no certificate id.
        Refusal: not this account's, no name in common, or replaced already.
    """
    certificate = _find(config, parse(text))
    order = AcmeOrder.objects.filter(certificate=certificate, account_id=account.id).first()
    if order is None:
        raise Refusal(Type.UNAUTHORIZED, "The certificate to replace is not this account's.")
    if not names & {(item["type"], item["value"]) for item in order.identifiers}:
        raise Refusal(Type.MALFORMED, "The certificate to replace has none of these names.")
    successors = AcmeOrder.objects.filter(replaces_certificate=certificate)
    if successors.exclude(status=OrderStatus.INVALID).exists():
        raise already_replaced()
    if is_renewed_or_renewing(certificate.pk):
        raise already_replaced()
    return certificate


def already_replaced() -> Refusal:
    """Return the problem for a predecessor that has its successor."""
    return Refusal(Type.ALREADY_REPLACED, "The certificate has been replaced by another order.")


def reason_to_renew_now(config: EndpointConfig, certificate: Certificate) -> str:
    """Return why a certificate should be replaced right now; empty when there is no reason."""
    if certificate.state in (CertificateState.REVOKED, CertificateState.HELD):
        return "revoked"
    pairing = pairing_of(config)
    if certificate.authority_id != pairing.profile.authority_id:
        return "the profile has moved to another authority"
    authority = certificate.authority
    if authority is not None and authority.state != AuthorityState.ACTIVE:
        return "the authority is disabled"
    return "policy was tightened" if _violates_policy(pairing, certificate) else ""


def _window(config: EndpointConfig, certificate: Certificate) -> tuple[datetime, datetime]:
    now = clock.now_s()
    if reason_to_renew_now(config, certificate):
        return now - timedelta(hours=2), now - timedelta(hours=1)
    lifetime = certificate.not_after - certificate.not_before
    start = certificate.not_before + lifetime * _START_AT
    return start, start + max(lifetime * _SPREAD, timedelta(seconds=2))


def _violates_policy(pairing: Pairing, certificate: Certificate) -> bool:
    """Evaluate the issued content against the present rules, if they have changed since."""
    version = pairing.profile.policy.current_version
    request = certificate.request
    if version is None or request is None or certificate.policy_version_id == version.pk:
        return False
    leaf = Leaf.from_dict(request.leaf)
    return bool(violations_of(evaluate_leaf(policy_selectors.rules_of(version), leaf, None)))


def _find(config: EndpointConfig, wanted: CertificateId) -> Certificate:
    authority_id = _authority_with(wanted.issuer_key_id)
    found = (
        Certificate.objects.select_related("authority", "request")
        .filter(
            authority_id=authority_id,
            serial_number=wanted.serial_number,
            application_id=config.application_id,
            profile_id=config.profile_id,
        )
        .first()
        if authority_id is not None
        else None
    )
    if found is None:
        raise NotFound(_UNKNOWN)
    return found


_authority_by_key_id: dict[bytes, UUID] = {}


def _authority_with(issuer_key_id: bytes) -> UUID | None:
    """Return the authority with this key identifier; cached, as keys of authorities never change."""
    found = _authority_by_key_id.get(issuer_key_id)
    if found is None:
        for pk, spki in Authority.objects.values_list("pk", "key__public_key_der"):
            _authority_by_key_id[key_identifier(bytes(spki))] = pk
        found = _authority_by_key_id.get(issuer_key_id)
    return found
