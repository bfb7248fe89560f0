"""Finalization of ACME orders: the CSR becomes a certificate request (RFC 8555 section 7.4).

The certificate request takes the order's own primary key. So the database admits one request
for an order, under parallel requests and crashes alike, and the request of a process that died is
found again by the order alone.
"""

import logging
from datetime import datetime

from django.db import IntegrityError

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record_sampled
from apps.certificates import issuance
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, CertificateRequest, EnrollmentMethod
from apps.certificates.outcomes import Issued, Pending
from apps.certificates.pipeline import is_renewed_or_renewing
from apps.enrollment.acme import jws
from apps.enrollment.acme.auth import SignedRequest
from apps.enrollment.acme.endpoint_config import pairing_of
from apps.enrollment.acme.identifiers import Identifier
from apps.enrollment.acme.models import AcmeAccount, AcmeOrder, AcmeOrderAuthorization
from apps.enrollment.acme.problems import Refusal, Type, document
from apps.enrollment.acme.services import authorizations, order_request, orders, waiting
from apps.enrollment.acme.states import AuthorizationStatus, OrderStatus
from apps.enrollment.acme.validation import caa_recheck
from apps.errors import AlreadyExists, BadCSR, InvalidTransition, Malformed, UpstreamUnavailable
from apps.profiles.csr_content import without_subject_faults
from apps.profiles.requested_content import RequestedContent
from apps.profiles.selectors import csr_settings
from apps.statements.lookups import KEY, TEXT, Lookup
from pki.addresses import quoted
from pki.csr import ParsedCSR, parse_csr
from pki.findings import UnusableCSR, UnusableName
from pki.names import canonical_san
from pki.template import TypeValue

_logger = logging.getLogger(__name__)
_NAME_TYPES = {"dns_name": "dns", "ip_address": "ip"}
_MAX_COMMON_NAME = 64

_AUTHORIZATIONS_OF = Lookup(
    lambda order: (
        AcmeOrderAuthorization.objects.filter(order_id=order)
        .order_by()
        .values_list(
            "authorization__identifier_value",
            "authorization__status",
            "authorization__expires_at",
            "authorization__created_at",
            authorizations.proven("authorization_id"),
        )
    ),
    order=KEY,
)
_REQUEST = Lookup(
    lambda request: CertificateRequest.objects.filter(pk=request).order_by().values_list("pk"),
    request=KEY,
)
_ACCOUNT_WITH_KEY = Lookup(
    lambda thumbprint: (
        AcmeAccount.objects.filter(thumbprint=thumbprint).order_by().values_list("pk")[:1]
    ),
    thumbprint=TEXT,
)


def finalize(signed: SignedRequest, url_id: str) -> AcmeOrder:
    """Submit an order's CSR to the pipeline.

    Returns:
        The order: ``valid`` with its certificate, or ``processing`` while an approval or the
        signature is outstanding.

    Raises:
        NotFound: no such order, or another account's.
        Refusal: the order is not ready, an authorization has expired, or CAA records forbid to
            issue by now.
        BadCSR, PolicyViolation: the CSR is not for these names, or breaks the policy; the
            order stays ready for a better one.
        Malformed: the payload has no CSR.
        UpstreamUnavailable: the key backend did not answer before anything was decided.
    """
    order = _ready_order(signed, url_id)
    text = signed.payload().get("csr")
    if not isinstance(text, str):
        raise Malformed("The payload has the base64url member csr.")
    pairing = pairing_of(signed.config)
    identifiers = tuple(Identifier(i["type"], i["value"]) for i in order.identifiers)
    try:
        parsed = without_subject_faults(_parsed(jws.decode(text)), csr_settings(pairing.profile))
        common_name = _require_names(parsed, identifiers)
        _require_own_key(parsed)
    except BadCSR as error:
        _record_refusal(signed, order, error)
        raise
    _require_profile(signed, order)
    _require_no_request(order)
    oldest = _require_valid_authorizations(signed, order)
    if (
        signed.config.check_caa
        and caa_recheck.is_due(oldest)
        and caa_recheck.require_permission(order)
    ):
        # The look-ups may take seconds, in which the order may have changed.
        order = _ready_order(signed, url_id)
        _require_no_request(order)
        _require_valid_authorizations(signed, order)
    enrollment = Enrollment(
        principal=signed.principal(),
        pairing=pairing,
        method=EnrollmentMethod.ACME,
        csr=parsed,
        requested=RequestedContent(
            subject=(("common_name", common_name),) if common_name else None,
            subject_alt_names=tuple(identifier.san for identifier in identifiers),
            not_before=order.not_before,
            not_after=order.not_after,
            csr_key_only=True,
        ),
        replaces=_predecessor(order),
        request_id=order.pk,
        also=lambda certificate: orders.mark_valid(order, certificate),
    )
    return _submit(order, enrollment)


def _record_refusal(signed: SignedRequest, order: AcmeOrder, error: BadCSR) -> None:
    """Put a CSR that never becomes a certificate request on record, with the order's story."""
    record_sampled(
        Event.REQUEST_REJECTED,
        principal=signed.principal(),
        subject=order,
        application_id=signed.config.application_id,
        detail=error.detail,
        violations=[violation.as_dict() for violation in error.violations],
    )


def _ready_order(signed: SignedRequest, url_id: str) -> AcmeOrder:
    order = orders.get_stored(signed, url_id)
    if order.status != OrderStatus.READY or order.expires_at <= clock.now():
        raise _not_ready(orders.sync_with_request(order))
    return order


def _not_ready(order: AcmeOrder) -> Refusal:
    return Refusal(Type.ORDER_NOT_READY, f"The order is {order.status}, not ready.")


def _submit(order: AcmeOrder, enrollment: Enrollment) -> AcmeOrder:
    try:
        if enrollment.pairing.requires_approval:
            joined = waiting.join(order, enrollment)
            if joined is not None:
                return joined
        outcome = issuance.submit(enrollment)
    except InvalidTransition as error:
        raise order_request.unavailable(error) from error
    except (IntegrityError, AlreadyExists) as error:
        # A parallel request finalized the same order, or renewed the same certificate.
        if orders.sync_with_request(order).status == OrderStatus.READY:
            raise
        raise _not_ready(order) from error
    except UpstreamUnavailable:
        # The request is stored but not signed: the reconciler will sign it (certificates.sweeps).
        if orders.sync_with_request(order).status == OrderStatus.READY:
            raise
        return order
    _log_notes(order, outcome.request)
    if isinstance(outcome, Pending):
        return orders.transition_order(
            order, OrderStatus.PROCESSING, certificate_request_id=order.pk
        )
    assert isinstance(outcome, Issued)
    if outcome.stored_here:
        return order
    return orders.transition_order(
        order,
        OrderStatus.PROCESSING,
        OrderStatus.VALID,
        certificate_request_id=order.pk,
        certificate_id=outcome.certificate.pk,
    )


def _log_notes(order: AcmeOrder, request: CertificateRequest) -> None:
    """Log what of the CSR was changed or left out: an order has no member for it (RFC 8555)."""
    for note in request.notes:
        _logger.info("order %s: %s %s (%s)", order.url_id, note["what"], note["why"], note["code"])


def _parsed(csr_der: bytes) -> ParsedCSR:
    if csr_der[:1] != b"\x30":
        raise BadCSR("The CSR is base64url of DER, without PEM armour.")
    try:
        return parse_csr(csr_der)
    except UnusableCSR as error:
        raise BadCSR(violations=error.violations) from error


def _require_names(parsed: ParsedCSR, identifiers: tuple[Identifier, ...]) -> str:
    """Refuse a CSR whose names are not exactly the order's (RFC 8555 section 7.4).

    Names count in the common name and in subjectAltName alike.

    Returns:
        The common name to certify, in canonical form; empty when the CSR has none.

    Raises:
        BadCSR: other or fewer names, names of other types, a request for a CA certificate, or
            anything no profile could allow.
    """
    if parsed.violations:
        raise BadCSR(violations=parsed.violations)
    if parsed.is_ca:
        raise BadCSR("The CSR asks for a CA certificate.")
    names: set[TypeValue] = set(parsed.subject_alt_names)
    foreign = sorted({kind for kind, _ in names} - set(_NAME_TYPES))
    if foreign:
        shown = ", ".join(f"{kind} {value}" for kind, value in sorted(names) if kind in foreign)
        raise BadCSR(f"The CSR has names of types that no order covers: {shown[:500]}.")
    common_name = ""
    # Other attributes are ignored or taken when the content is decided (profiles.csr_content).
    for attribute, value in parsed.subject:
        if attribute == "common_name":
            kind, common_name = _as_alternative_name(value)
            names.add((kind, common_name))
    wanted = {identifier.san for identifier in identifiers}
    if names != wanted:
        raise BadCSR(_difference(names, wanted))
    return common_name if len(common_name) <= _MAX_COMMON_NAME else ""


def _as_alternative_name(common_name: str) -> TypeValue:
    """Return a common name as the alternative name (type, value) with the same meaning."""
    for kind in ("ip_address", "dns_name"):
        try:
            return kind, canonical_san(kind, common_name)
        except UnusableName:
            continue
    raise BadCSR("The CSR's common name is neither a host name nor an address.")


def _difference(names: set[TypeValue], wanted: set[TypeValue]) -> str:
    extra = ", ".join(sorted(value for _, value in names - wanted))
    missing = ", ".join(sorted(value for _, value in wanted - names))
    found = [f"it adds {extra}"] if extra else []
    found += [f"it lacks {missing}"] if missing else []
    return f"The names of the CSR are not those of the order: {' and '.join(found)}."[:1000]


def _require_profile(signed: SignedRequest, order: AcmeOrder) -> None:
    if order.profile and order.profile != signed.config.profile_name:
        raise Refusal(Type.INVALID_PROFILE, f"The profile {quoted(order.profile)} was withdrawn.")


def _require_no_request(order: AcmeOrder) -> None:
    """Refuse an order whose request exists: an earlier finalize did not come to its end."""
    if _REQUEST.first(order.pk) is not None:
        raise _not_ready(orders.sync_with_request(order))


def _require_own_key(parsed: ParsedCSR) -> None:
    """Refuse a CSR with the key of an account (RFC 8555 section 11.1).

    Raises:
        BadCSR: the key is an account's, at any endpoint.
    """
    if _ACCOUNT_WITH_KEY.first(jws.thumbprint_of(parsed.public_key)) is not None:
        raise BadCSR("The CSR's key is an account key; a certificate needs a key of its own.")


def _require_valid_authorizations(signed: SignedRequest, order: AcmeOrder) -> datetime:
    """Refuse an order that has lost an authorization since it became ready; it becomes invalid.

    A name that was trusted without proof counts only while the endpoint trusts the account.

    Returns:
        When the oldest authorization was created: no proof is older.
    """
    now = clock.now()
    rows = _AUTHORIZATIONS_OF.all(order.pk)
    trusts = authorizations.trusts(signed.config, signed.signing_account())
    lost = [
        name
        for name, status, expires_at, _, proven in rows
        if status != AuthorizationStatus.VALID or expires_at <= now or not (proven or trusts)
    ]
    if lost:
        detail = f"The authorization for {lost[0]} is no longer valid."
        error = document(Type.UNAUTHORIZED, detail)
        orders.transition_order(order, OrderStatus.INVALID, error=error)
        raise Refusal(Type.UNAUTHORIZED, detail)
    oldest: datetime = min(created_at for *_, created_at, _ in rows)
    return oldest


def _predecessor(order: AcmeOrder) -> Certificate | None:
    """Return the certificate that this order renews, unless another request was faster."""
    if order.replaces_certificate_id is None or is_renewed_or_renewing(
        order.replaces_certificate_id
    ):
        return None
    return order.replaces_certificate
