"""ACME renewal information and replacement of certificates (RFC 9773)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps import clock
from apps.applications.models import Pairing
from apps.authorities.models import Authority, AuthorityState
from apps.certificates.decision import decide, evaluate_leaf
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
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
from apps.profiles.requested_content import RequestedContent
from pki.keys import key_identifier
from pki.serials import serial_hex
from pki.template import Leaf

# Renewal is suggested after two thirds of the lifetime, spread over a twelfth of it. Clients ask
# once in such a twelfth, so that none misses the whole window.
_START_AT, _SPREAD = 2 / 3, 1 / 12
_LONGEST_PAUSE, _SHORTEST_PAUSE = timedelta(hours=6), timedelta(minutes=1)
_ONE_SECOND = timedelta(seconds=1)
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


@dataclass(frozen=True, slots=True)
class RenewalInfo:
    """When a certificate should be renewed.

    Attributes:
        start: beginning of the suggested window.
        end: its end, always later.
        retry_after_s: after how many seconds to ask again.
    """

    start: datetime
    end: datetime
    retry_after_s: int

    def as_dict(self) -> dict[str, Any]:
        """Return the RenewalInfo object (section 4.2)."""
        return {"suggestedWindow": {"start": time_text(self.start), "end": time_text(self.end)}}


def renewal_info(config: EndpointConfig, text: str) -> RenewalInfo:
    """Return the suggested window for one certificate of this endpoint (section 4.2).

    Raises:
        Malformed: no certificate id.
        NotFound: not a certificate of this application and profile.
    """
    certificate = _find(config, parse(text))
    start, end = _window(config, certificate)
    pause = _lifetime(certificate) * _SPREAD
    pause = max(_SHORTEST_PAUSE, min(_LONGEST_PAUSE, pause))
    return RenewalInfo(start, end, int(pause.total_seconds()))


def replaceable(
    config: EndpointConfig, account: Account, text: str, names: set[tuple[str, str]]
) -> Certificate | None:
    """Return the certificate that a new order replaces (RFC 9773 section 5).

    ``None`` when an order of the same account for the same names replaces it already and waits for
    an approval: the new order joins that one (``waiting``).

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
    successor = successors.exclude(status=OrderStatus.INVALID).first()
    if successor is not None and _waits_for(successor, account, names):
        return None
    if successor is not None:
        raise already_replaced()
    if is_renewed_or_renewing(certificate.pk):
        raise already_replaced()
    return certificate


def _waits_for(order: AcmeOrder, account: Account, names: set[tuple[str, str]]) -> bool:
    """Tell whether an order is the account's, for the same names, and waits for an approval."""
    return (
        order.account_id == account.id
        and order.status == OrderStatus.PROCESSING
        and names == {(item["type"], item["value"]) for item in order.identifiers}
        and CertificateRequest.objects.filter(
            pk=order.request_id,
            state__in=[RequestState.PENDING_APPROVAL, RequestState.APPROVED],
        ).exists()
    )


def already_replaced() -> Refusal:
    """Return the problem for a predecessor that has its successor."""
    return Refusal(Type.ALREADY_REPLACED, "The certificate has been replaced by another order.")


def reason_to_renew_now(config: EndpointConfig, certificate: Certificate) -> str:
    """Return why a certificate should be replaced right now; empty when there is no reason.

    None counts while the profile's authority issues nothing: every client would be sent into
    refusals.
    """
    pairing = pairing_of(config)
    issuer = Authority.objects.filter(profiles=pairing.profile)
    if issuer.exclude(state=AuthorityState.ACTIVE).exists():
        return ""
    if certificate.state in (CertificateState.REVOKED, CertificateState.HELD):
        return "revoked"
    if certificate.authority_id != pairing.profile.authority_id:
        return "the profile has moved to another authority"
    if _violates_policy(pairing, certificate) and _could_be_renewed(pairing, certificate):
        return "policy was tightened"
    return ""


def _window(config: EndpointConfig, certificate: Certificate) -> tuple[datetime, datetime]:
    """Return a window that is over when there is a reason to renew now.

    It never begins before the certificate does: clients take such a window for a mistake.
    """
    begin = certificate.not_before
    if reason_to_renew_now(config, certificate):
        now = clock.now_s()
        start = max(begin, now - timedelta(hours=2))
        return start, max(start + _ONE_SECOND, now - timedelta(hours=1))
    lifetime = _lifetime(certificate)
    start = begin + lifetime * _START_AT
    return start, start + max(lifetime * _SPREAD, 2 * _ONE_SECOND)


def _lifetime(certificate: Certificate) -> timedelta:
    return certificate.not_after - certificate.not_before


def _violates_policy(pairing: Pairing, certificate: Certificate) -> bool:
    """Evaluate the issued content against the present rules, if they have changed since."""
    version = pairing.profile.policy.current_version
    request = certificate.request
    if version is None or request is None or certificate.policy_version_id == version.pk:
        return False
    leaf = Leaf.from_dict(request.leaf)
    return bool(violations_of(evaluate_leaf(policy_selectors.rules_of(version), leaf, None)))


def _could_be_renewed(pairing: Pairing, certificate: Certificate) -> bool:
    """Tell whether the policy would issue for these names today.

    Otherwise "renew now" would send every client into the same refusal, again and again. Key and
    lifetime count for nothing: the client brings another key, and the profile's default lifetime
    is made to fit.
    """
    request = certificate.request
    assert request is not None
    leaf = Leaf.from_dict(request.leaf)
    requested = RequestedContent(
        subject=leaf.subject or None,
        subject_alt_names=leaf.subject_alt_names,
        csr_key_only=True,
    )
    return not decide(pairing, None, requested).violations


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
