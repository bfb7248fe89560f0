"""Payloads of newOrder and newAuthz: read, and held against EAB key and policy (RFC 8555 section 7.4).

All faults are collected, so that one answer names everything that must be mended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from apps.certificates import decision as policy_decision
from apps.enrollment.acme.auth import Account, SignedRequest
from apps.enrollment.acme.endpoint_config import EndpointConfig, pairing_of
from apps.enrollment.acme.identifiers import Identifier, outside, read_all, read_one
from apps.enrollment.acme.problems import Refusal, Subproblem, Type, refusal_of
from apps.enrollment.acme.wire import read_time
from apps.errors import InvalidTransition, Malformed, Violation
from apps.profiles.requested_content import RequestedContent
from pki.addresses import quoted

UNAVAILABLE_RETRY_AFTER_S = 60
_NOT_COVERED = "The account's external account binding key is not for this name."
_DATE_SECTIONS = frozenset({"validity", "not_before", "not_after", "ttl"})
_ONE_SECOND = timedelta(seconds=1)
_Value = TypeVar("_Value")


@dataclass(slots=True, kw_only=True)
class OrderRequest:
    """The payload of newOrder.

    Attributes:
        identifiers: the usable ones, canonical, each once.
        not_before: requested beginning of the certificate.
        not_after: requested end of the certificate.
        profile: requested profile; empty for none.
        replaces: certificate identifier of the predecessor (RFC 9773); empty for none.
        faults: everything that stands against the order.
    """

    identifiers: tuple[Identifier, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    profile: str = ""
    replaces: str = ""
    faults: list[Subproblem] = field(default_factory=list)

    def blame(self, text: str, kind: Type = Type.MALFORMED) -> None:
        """Add a fault that is not an identifier's."""
        self.faults.append((None, kind, text))

    def attempt(self, read: Callable[..., _Value], *given: Any) -> _Value | None:
        """Return what ``read`` returns; what it refuses becomes a fault."""
        try:
            return read(*given)
        except Malformed as error:
            self.blame(error.detail)
            return None


def read_order(signed: SignedRequest) -> OrderRequest:
    """Return the payload of newOrder with all its faults.

    Raises:
        Malformed: the payload is no JSON object.
        Refusal: 503, nothing can be issued at present.
    """
    payload, found = signed.payload(), OrderRequest()
    identifiers, wrong = found.attempt(read_all, payload.get("identifiers")) or ((), [])
    found.identifiers = identifiers
    found.faults += wrong
    found.not_before = found.attempt(read_time, payload.get("notBefore"), "notBefore")
    found.not_after = found.attempt(read_time, payload.get("notAfter"), "notAfter")
    _read_profile(signed.config, payload, found)
    replaces = payload.get("replaces")
    if isinstance(replaces, str):
        found.replaces = replaces
    elif replaces is not None:
        found.blame("replaces is a text (RFC 9773 section 4.1).")
    found.faults += _eab_faults(signed.signing_account(), identifiers)
    dates = (found.not_before, found.not_after)
    if None not in dates and dates[1] <= dates[0]:  # type: ignore[operator]  # both are given
        found.blame("notAfter must be later than notBefore.")
    elif identifiers:
        # Rules on the list as a whole make no sense without the names that cannot be read.
        found.faults += _policy_faults(signed.config, found, whole=not wrong)
    return found


def read_authorization(signed: SignedRequest) -> Identifier:
    """Return the identifier of newAuthz (RFC 8555 section 7.4.1).

    Raises:
        Malformed: no identifier.
        Refusal: unusable, a wildcard, or refused by EAB key or policy; 503 when nothing can be
            issued at present.
    """
    identifier = read_one(signed.payload().get("identifier"))
    if identifier.wildcard:
        raise Malformed("Wildcards are authorized by orders only (RFC 8555 section 7.4.1).")
    found = OrderRequest(identifiers=(identifier,))
    faults = _eab_faults(signed.signing_account(), found.identifiers)
    faults += _policy_faults(signed.config, found, whole=False, dates=False)
    if faults:
        raise refusal_of(faults)
    return identifier


def unavailable(error: InvalidTransition) -> Refusal:
    """Return the problem for an authority that does not sign at present."""
    return Refusal(
        Type.SERVER_INTERNAL,
        f"No certificates can be issued here at present: {error.detail}",
        status=503,
        headers={"Retry-After": str(UNAVAILABLE_RETRY_AFTER_S)},
    )


def _read_profile(config: EndpointConfig, payload: dict[str, Any], found: OrderRequest) -> None:
    profile = payload.get("profile")
    if profile is None:
        return
    if profile == config.profile_name:
        found.profile = config.profile_name
    else:
        found.blame(
            f"The only profile here is {quoted(config.profile_name)}.", Type.INVALID_PROFILE
        )


def _eab_faults(account: Account, identifiers: Sequence[Identifier]) -> list[Subproblem]:
    """Return the names outside the list of the account's EAB key."""
    if not account.eab_identifiers:
        return []
    foreign = outside(identifiers, account.eab_identifiers)
    return [(item.as_dict(), Type.REJECTED_IDENTIFIER, _NOT_COVERED) for item in foreign]


def _policy_faults(
    config: EndpointConfig, wanted: OrderRequest, *, whole: bool, dates: bool = True
) -> list[Subproblem]:
    """Evaluate names and dates against policy before the client proves control of the names.

    Keys and usages are known only with the CSR; the pipeline evaluates everything at finalize.

    Args:
        config: the endpoint.
        wanted: names and dates.
        whole: whether rules on the list of names as a whole count.
        dates: whether dates count.

    Raises:
        Refusal: 503, nothing can be issued at present.
    """
    requested = RequestedContent(
        subject_alt_names=tuple(identifier.san for identifier in wanted.identifiers),
        not_before=wanted.not_before,
        not_after=wanted.not_after,
    )
    try:
        decision = policy_decision.decide(pairing_of(config), None, requested)
    except InvalidTransition as error:
        raise unavailable(error) from error
    faults = [
        fault
        for violation in decision.violations
        if (fault := _fault_of(violation, wanted.identifiers, whole=whole, dates=dates))
    ]
    cut = wanted.not_after not in (None, decision.leaf.not_after)
    if dates and cut and not faults:
        end = f"{decision.leaf.not_after:%Y-%m-%d}"
        faults.append(
            (None, Type.MALFORMED, f"notAfter lies beyond the authority's own end, {end}.")
        )
    start = wanted.not_before
    # A period of exactly the maximum begins one second later (``profiles.lifetime``).
    if dates and start and not faults and decision.leaf.not_before - start > _ONE_SECOND:
        begin = f"{decision.leaf.not_before:%Y-%m-%d %H:%M:%S} UTC"
        faults.append(
            (None, Type.MALFORMED, f"notBefore lies before the authority's own start, {begin}.")
        )
    return faults


def _fault_of(
    violation: Violation, identifiers: Sequence[Identifier], *, whole: bool, dates: bool
) -> Subproblem | None:
    """Return a violation of names or dates; others are left to the evaluation at finalize."""
    section, _, rest = violation.field.partition("[")
    text = f"{violation.reason} {violation.hint}".strip()
    if section == "subject_alt_names":
        index = rest.partition("]")[0]
        if index.isdigit():
            return identifiers[int(index)].as_dict(), Type.REJECTED_IDENTIFIER, text
        return (None, Type.REJECTED_IDENTIFIER, text) if whole else None
    if dates and section.partition(".")[0] in _DATE_SECTIONS:
        return None, Type.MALFORMED, text
    return None
