"""Name constraints of authorities: canonical form, JSON form, and subtrees within subtrees.

RFC 5280 section 4.2.1.10 (X-15). The types are those of alternative names. The base of a subtree
is a host name (``dns_name``), a network (``ip_address``), a mailbox, host or ``.domain``
(``email``), or a host or ``.domain`` (``uri``).
"""

import ipaddress
from collections.abc import Callable, Iterator, Sequence

from cryptography import x509

from pki import subtrees
from pki.addresses import canonical_email, canonical_host
from pki.findings import UnusableName, Violation
from pki.names import san_pair
from pki.subtrees import Subtrees
from pki.template import SAN_TYPES, NameConstraints, TypeValue


def canonical_constraints(
    constraints: NameConstraints,
) -> tuple[NameConstraints, tuple[Violation, ...]]:
    """Return the constraints in the form that is stored and encoded, and what is wrong with them."""
    violations: list[Violation] = []
    canonical: dict[str, list[TypeValue]] = {"permitted": [], "excluded": []}
    for name, given in (("permitted", constraints.permitted), ("excluded", constraints.excluded)):
        for position, (kind, base) in enumerate(given):
            where = f"name_constraints.{name}[{position}]"
            try:
                canonical[name].append((kind, _canonical_base(kind, base)))
            except UnusableName as error:
                violations += [
                    Violation(found.code, where, base, found.reason, found.hint)
                    for found in error.violations
                ]
            except ValueError as error:
                violations.append(Violation("authority.subtree", where, base, f"{error}", _HINT))
    return (
        NameConstraints(
            permitted=tuple(dict.fromkeys(canonical["permitted"])),
            excluded=tuple(dict.fromkeys(canonical["excluded"])),
        ),
        tuple(violations),
    )


def fit_violations(
    constraints: NameConstraints, ca_certificates: Sequence[x509.Certificate]
) -> tuple[Violation, ...]:
    """Return a violation for every permitted subtree that a CA certificate above does not allow.

    Verifiers take the intersection of all subtrees (RFC 5280 section 6.1.4 (g)), so a wider one
    only promises names that nobody will accept.
    """
    return tuple(
        Violation(
            code="authority.subtree_outside_parent",
            field=f"name_constraints.permitted[{position}]",
            value=f"{kind}:{base}",
            reason=f"{ca.subject.rfc4514_string()} does not allow these names.",
            hint="Only names inside the permitted and outside the excluded subtrees above.",
        )
        for position, (kind, base) in enumerate(constraints.permitted)
        for ca in ca_certificates
        if not _allowed(kind, base, subtrees.subtrees_of(ca))
    )


def constraints_of(certificate: x509.Certificate) -> NameConstraints:
    """Return the name constraints of a CA certificate; other types than ``SAN_TYPES`` are left out."""
    try:
        value = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return NameConstraints()
    return NameConstraints(
        permitted=tuple(_pairs(value.permitted_subtrees)),
        excluded=tuple(_pairs(value.excluded_subtrees)),
    )


def from_document(document: dict[str, list[list[str]]]) -> NameConstraints:
    """Return the constraints that ``Authority.name_constraints`` holds in JSON."""
    return NameConstraints(
        permitted=tuple((kind, base) for kind, base in document.get("permitted", ())),
        excluded=tuple((kind, base) for kind, base in document.get("excluded", ())),
    )


def to_document(constraints: NameConstraints) -> dict[str, list[list[str]]]:
    """Return the JSON form of ``Authority.name_constraints``; empty without subtrees."""
    if not constraints.permitted and not constraints.excluded:
        return {}
    return {
        "permitted": [list(pair) for pair in constraints.permitted],
        "excluded": [list(pair) for pair in constraints.excluded],
    }


def _allowed(kind: str, base: str, above: Subtrees | None) -> bool:
    """Tell whether a canonical subtree lies within what a CA certificate above allows."""
    if above is None:
        return True
    if kind in above.unprocessed or subtrees.ANY in above.unprocessed:
        return False
    inner = subtrees.base_of(kind, base)
    permitted = above.permitted.get(kind)
    if permitted is not None and not any(subtrees.within(kind, inner, o) for o in permitted):
        return False
    return not any(subtrees.within(kind, inner, outer) for outer in above.excluded.get(kind, ()))


def _pairs(subtrees: Sequence[x509.GeneralName] | None) -> Iterator[TypeValue]:
    for subtree in subtrees or ():
        pair = san_pair(subtree)
        if pair is not None:
            yield pair[0], pair[1] if "@" in pair[1] else pair[1].lower()


def _canonical_base(kind: str, base: str) -> str:
    if kind not in SAN_TYPES:
        raise ValueError("Names of this type cannot be constrained.")
    return _CANONICAL[kind](base)


def _canonical_network(base: str) -> str:
    try:
        return str(ipaddress.ip_network(base))
    except ValueError as error:
        raise ValueError("This is not a network, or bits are set behind its prefix.") from error


def _canonical_mail_base(base: str) -> str:
    return canonical_email(base) if "@" in base else _canonical_domain(base)


def _canonical_domain(base: str) -> str:
    """Return a host, or with a leading dot everything below a domain."""
    return f".{canonical_host(base[1:], shown=base)}" if base[:1] == "." else canonical_host(base)


_CANONICAL: dict[str, Callable[[str], str]] = {
    "dns_name": canonical_host,
    "ip_address": _canonical_network,
    "email": _canonical_mail_base,
    "uri": _canonical_domain,
}
_HINT = (
    "dns_name: example.com; ip_address: 10.0.0.0/8; email: example.com, .example.com or a mailbox; "
    "uri: host.example.com or .example.com."
)
