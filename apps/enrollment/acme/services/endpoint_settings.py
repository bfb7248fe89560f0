"""Checks of an ACME endpoint's settings."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.services import limits
from apps.enrollment.acme.states import ChallengeType
from apps.enrollment.acme.validation import persistent_records
from apps.errors import InvalidInput, Violation
from apps.profiles.models import IssuerType
from pki.findings import shown

_MAX_PORT = 65535
_MAX_HOURS = 24 * 366
SETTINGS = (
    "enabled",
    "require_eab",
    "skip_validation",
    "challenge_types",
    "http_port",
    "tls_port",
    "resolvers",
    "allowed_networks",
    "check_caa",
    "caa_identities",
    "terms_of_service",
    "website",
    "order_lifetime_h",
    "authz_lifetime_h",
    "limits",
)


def apply_settings(endpoint: AcmeEndpoint, settings: Mapping[str, Any]) -> None:
    """Put settings on the row, unsaved.

    Raises:
        InvalidInput: lists everything that is wrong, alone or together.
    """
    wrong = [
        violation(name, "", "There is no such setting.")
        for name in settings
        if name not in SETTINGS
    ]
    for name in SETTINGS:
        if name in settings:
            setattr(endpoint, name, settings[name])
    wrong += _violations(endpoint)
    try:
        endpoint.limits = limits.parse(endpoint.limits)
    except InvalidInput as error:
        wrong += error.violations
    if wrong:
        raise InvalidInput(wrong)


def _violations(endpoint: AcmeEndpoint) -> list[Violation]:
    wrong = []
    if endpoint.skip_validation and not endpoint.require_eab:
        text = "Skipping both validation and external account binding would admit everyone."
        wrong.append(violation("skip_validation", "", text))
    if endpoint.pairing.profile.issuer_type == IssuerType.SELF_SIGNED:
        wrong.append(violation("profile", "", "A self-signed profile issues to no ACME client."))
    known = list(ChallengeType)
    types = endpoint.challenge_types
    if not types or len(set(types)) != len(types) or not set(types) <= set(known):
        text = f"One or more of {', '.join(known)}, each once."
        wrong.append(violation("challenge_types", types, text))
    wrong += _issuer_violations(endpoint)
    wrong += [
        violation(name, getattr(endpoint, name), "This is not a port.")
        for name in ("http_port", "tls_port")
        if not 0 < getattr(endpoint, name) <= _MAX_PORT
    ]
    for name, low in (("order_lifetime_h", 1), ("authz_lifetime_h", 0)):
        if not low <= getattr(endpoint, name) <= _MAX_HOURS:
            text = f"From {low} to {_MAX_HOURS} hours."
            wrong.append(violation(name, getattr(endpoint, name), text))
    for name in ("terms_of_service", "website"):
        url = getattr(endpoint, name)
        if url and (not url.startswith(("https://", "http://")) or any(c in url for c in ' <>"')):
            wrong.append(violation(name, url, "This is not an http(s) URL."))
    wrong += network_violations("allowed_networks", endpoint.allowed_networks)
    wrong += [
        violation(f"resolvers[{index}]", text, "This is not address or address:port.")
        for index, text in enumerate(endpoint.resolvers)
        if not _is_server(text)
    ]
    return wrong


def _issuer_violations(endpoint: AcmeEndpoint) -> list[Violation]:
    """Check the issuer names of dns-persist-01: one to ten domain names (draft section 3.1)."""
    if ChallengeType.DNS_PERSIST_01 not in endpoint.challenge_types:
        return []
    listed = endpoint.caa_identities
    wrong = [
        violation(f"caa_identities[{index}]", name, "This is not a domain name.")
        for index, name in enumerate(listed)
        if not persistent_records.normalized(name)
    ]
    if not 0 < len(listed) <= persistent_records.MAX_ISSUERS:
        text = f"dns-persist-01 needs 1 to {persistent_records.MAX_ISSUERS} names of the authority."
        wrong.append(violation("caa_identities", listed, text))
    return wrong


def _is_server(text: str) -> bool:
    """Tell whether a text is an address, or an address and a port (``[::1]:53`` for IPv6)."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if colon and (bracketed or ":" not in host):
        if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= _MAX_PORT):
            return False
        text = host[1:-1] if bracketed else host
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def network_violations(name: str, networks: Sequence[str]) -> list[Violation]:
    """Return a violation for each text that is not a network (CIDR)."""
    wrong = []
    for index, text in enumerate(networks):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            wrong.append(violation(f"{name}[{index}]", text, f"This is not a network: {error}."))
    return wrong


def violation(field: str, value: object, reason: str) -> Violation:
    """Return the violation of a setting; the code is that of its column."""
    code = f"acme.{field.partition('[')[0]}"
    return Violation(code, field, shown(value)[:200], reason)
