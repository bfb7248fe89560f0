"""Name constraints and path lengths of CA certificates, applied to what is issued below them.

RFC 5280 sections 4.2.1.9 (path length, X-14) and 4.2.1.10 (name constraints, X-15). A name must
satisfy each CA certificate above it. A name that cannot be understood counts as outside every
permitted subtree and inside every excluded one.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from pki.addresses import canonical_dns_name, visible
from pki.findings import UnusableName, Violation
from pki.names import attribute_oid, san_pair
from pki.template import TypeValue

# An RDN sequence in the form that is compared (RFC 5280 section 7.1).
Rdns = tuple[frozenset[tuple[str, str]], ...]

_CACHED = 512
_WILDCARD = "*."
_DIRECTORY = "directory_name"


@dataclass(frozen=True, slots=True)
class _Subtrees:
    """Subtree bases of one CA certificate by name type."""

    permitted: dict[str, tuple[Any, ...]]
    excluded: dict[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Named:
    """One name that constraints apply to, and where a report finds it."""

    kind: str
    value: Any
    field: str
    shown: str


def name_constraints_violations(
    subject: Sequence[TypeValue],
    subject_alt_names: Sequence[TypeValue],
    ca_certificates: Sequence[x509.Certificate],
) -> tuple[Violation, ...]:
    """Return every name that a CA certificate above forbids.

    Args:
        subject: ordered (attribute, value) pairs.
        subject_alt_names: ordered (type, value) pairs, canonical.
        ca_certificates: all CA certificates above, in any order.

    An e-mail address in the subject counts when there is no rfc822Name, a common name that is
    a host name when there is no dNSName: verifiers treat them so.
    """
    constrained = [(ca, found) for ca in ca_certificates if (found := _subtrees_of(ca))]
    if not constrained:
        return ()
    names = list(_names_of(subject, subject_alt_names))
    return tuple(
        violation
        for ca, subtrees in constrained
        for name in names
        for violation in _judge(name, subtrees, ca)
    )


def constrain_names(ca_certificates: Iterable[x509.Certificate]) -> bool:
    """Tell whether any of these CA certificates forbids any name."""
    return any(_subtrees_of(ca) is not None for ca in ca_certificates)


def path_length_violations(
    path_length: int | None, ca_certificates: Sequence[x509.Certificate]
) -> tuple[Violation, ...]:
    """Return every reason not to issue a CA certificate below ``ca_certificates``.

    Args:
        path_length: pathLenConstraint wanted for the new CA, ``None`` for none.
        ca_certificates: the issuer's own certificate first, the root last.

    Self-issued certificates do not count (RFC 5280 section 6.1.4 (l)).
    """
    found: list[Violation] = []
    between = 0
    for ca in ca_certificates:
        limit = path_length_of(ca)
        if limit is not None:
            found += _length_violations(path_length, limit - between - 1, ca)
        between += not is_self_issued(ca)
    return tuple(found)


def path_length_of(certificate: x509.Certificate) -> int | None:
    """Return the pathLenConstraint, ``None`` when there is no limit."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return None
    return extension.value.path_length


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Tell whether issuer and subject are the same name."""
    return certificate.issuer == certificate.subject


def _length_violations(
    path_length: int | None, allowed: int, ca: x509.Certificate
) -> Iterator[Violation]:
    shown = "unlimited" if path_length is None else str(path_length)
    if allowed < 0:
        hint = "Choose an authority with a larger path length."
    elif path_length is None or path_length > allowed:
        hint = f"At most {allowed}."
    else:
        return
    yield Violation(
        code="certificate.path_length",
        field="path_length",
        value=shown,
        reason=f"The path length of {visible(ca.subject.rfc4514_string())} leaves no room for this.",
        hint=hint,
    )


@lru_cache(maxsize=_CACHED)
def _subtrees_of(ca: x509.Certificate) -> _Subtrees | None:
    try:
        value = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    return _Subtrees(
        permitted=_by_type(value.permitted_subtrees), excluded=_by_type(value.excluded_subtrees)
    )


def _by_type(subtrees: Sequence[x509.GeneralName] | None) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for subtree in subtrees or ():
        kind, base = _base_of(subtree)
        found[kind] = (*found.get(kind, ()), base)
    return found


def _base_of(subtree: x509.GeneralName) -> tuple[str, Any]:
    """Return type and comparable base; types that we never certify match nothing."""
    if isinstance(subtree, x509.DirectoryName):
        return _DIRECTORY, _rdns_of(subtree.value)
    if isinstance(subtree, x509.IPAddress):
        return "ip_address", subtree.value
    kind, text = san_pair(subtree) or ("other", "")
    return kind, text if "@" in text else text.lower()


def _names_of(subject: Sequence[TypeValue], alt_names: Sequence[TypeValue]) -> Iterator[_Named]:
    types = {kind for kind, _ in alt_names}
    if subject:
        shown = ", ".join(value for _, value in subject)
        rdns = tuple(frozenset({_comparable(attribute_oid(a), v)}) for a, v in subject)
        yield _Named(_DIRECTORY, rdns, "subject", shown)
    for position, (attribute, value) in enumerate(subject):
        where = f"subject[{position}].{attribute}"
        if attribute == "email_address" and "email" not in types:
            yield _Named("email", value, where, value)
        if attribute == "common_name" and "dns_name" not in types and _is_host(value):
            yield _Named("dns_name", value.lower(), where, value)
    for position, (kind, value) in enumerate(alt_names):
        yield _Named(kind, value, f"subject_alt_names[{position}].value", value)


def _is_host(text: str) -> bool:
    try:
        canonical_dns_name(text)
    except UnusableName:
        return False
    return "." in text


def _rdns_of(name: x509.Name) -> Rdns:
    return tuple(
        frozenset(_comparable(a.oid.dotted_string, str(a.value)) for a in rdn) for rdn in name.rdns
    )


def _comparable(oid: str, value: str) -> tuple[str, str]:
    """Fold case and inner space, as caseIgnoreMatch does (RFC 5280 section 7.1)."""
    return oid, " ".join(value.casefold().split())


def _judge(name: _Named, subtrees: _Subtrees, ca: x509.Certificate) -> Iterator[Violation]:
    authority = visible(ca.subject.rfc4514_string())
    permitted = subtrees.permitted.get(name.kind)
    within = _MATCHERS.get(name.kind, _never)
    if permitted is not None and not any(_holds(within, name.value, b, False) for b in permitted):
        yield Violation(
            code="certificate.name_not_permitted",
            field=name.field,
            value=visible(name.shown),
            reason=f"The name is outside what {authority} may certify.",
            hint=", ".join(_shown(base) for base in permitted),
        )
    for base in subtrees.excluded.get(name.kind, ()):
        if _holds(within, name.value, base, True):
            yield Violation(
                code="certificate.name_excluded",
                field=name.field,
                value=visible(name.shown),
                reason=f"The name is inside what {authority} must not certify: {_shown(base)}.",
            )


def _shown(base: Any) -> str:
    if isinstance(base, tuple):
        return ", ".join(value for rdn in base for _, value in sorted(rdn))
    return str(base)


def _holds(
    within: Callable[[Any, Any, bool], bool], value: Any, base: Any, otherwise: bool
) -> bool:
    """Ask a matcher; return ``otherwise``, the cautious answer, for values it cannot read."""
    try:
        return within(value, base, otherwise)
    except ValueError:
        return otherwise


def _never(_value: Any, _base: Any, excluding: bool) -> bool:
    return excluding


def _dns_within(name: str, base: str, excluding: bool) -> bool:
    """Match a host and any added left labels; a wildcard is excluded if one of its names is."""
    if not base or name == base:
        return True
    if name.endswith(base if base.startswith(".") else f".{base}"):
        return True
    below = base.lstrip(".").partition(".")[2]
    return excluding and name.startswith(_WILDCARD) and name[len(_WILDCARD) :] == below


def _email_within(mailbox: str, base: str, _excluding: bool) -> bool:
    local, _, domain = mailbox.rpartition("@")
    wanted_local, at, wanted = base.rpartition("@")
    if at:
        return local == wanted_local and domain.lower() == wanted.lower()
    if base.startswith("."):
        return domain.lower().endswith(base)
    return domain.lower() == base


def _uri_within(uri: str, base: str, _excluding: bool) -> bool:
    host = urlsplit(uri).hostname
    if host is None or _is_address(host):
        raise ValueError("constraints apply to URIs with a host name")
    return host.endswith(base) if base.startswith(".") else host == base


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ip_within(
    address: str, base: ipaddress.IPv4Network | ipaddress.IPv6Network, _excluding: bool
) -> bool:
    return ipaddress.ip_address(address) in base


def _directory_within(rdns: Rdns, base: Rdns, _excluding: bool) -> bool:
    return rdns[: len(base)] == base


_MATCHERS: dict[str, Callable[[Any, Any, bool], bool]] = {
    "dns_name": _dns_within,
    "email": _email_within,
    "uri": _uri_within,
    "ip_address": _ip_within,
    _DIRECTORY: _directory_within,
}
