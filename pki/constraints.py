"""Name constraints and path lengths of CA certificates, applied to what is issued below them.

RFC 5280 sections 4.2.1.9 (path length, X-14) and 4.2.1.10 (name constraints, X-15). A name must
satisfy each CA certificate above it; ``pki.subtrees`` reads and compares.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from pki import subtrees
from pki.addresses import visible
from pki.findings import Violation
from pki.names import attribute_oid
from pki.parsing import ParserFailed, parsed
from pki.subtrees import Subtrees
from pki.template import TypeValue

# 250 names below 400 subtrees. Go stops a path at 250 000, where one comparison costs a tenth.
MAX_COMPARISONS = 100_000
_BASES_SHOWN = 10


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
    """Return every name that a CA certificate above forbids, for content that is to be signed.

    Args:
        subject: ordered (attribute, value) pairs.
        subject_alt_names: ordered (type, value) pairs, canonical.
        ca_certificates: all CA certificates above, in any order.

    An e-mail address in the subject counts when there is no rfc822Name: verifiers treat it so. A
    common name that is a host name always counts: some programs read it first, and people do.
    """
    constrained = _constrained(ca_certificates)
    if not constrained:
        return ()
    oids = [(attribute_oid(attribute), value) for attribute, value in subject]
    rdns = tuple(frozenset({subtrees.comparable_attribute(*pair)}) for pair in oids)
    alt_names = [
        _Named(kind, value, f"subject_alt_names[{position}].value", value)
        for position, (kind, value) in enumerate(subject_alt_names)
    ]
    where = [f"subject[{position}].{name}" for position, (name, _) in enumerate(subject)]
    return tuple(_judged([*_of_subject(rdns, oids, where, alt_names), *alt_names], constrained))


def certificate_names_violations(
    certificate: x509.Certificate, ca_certificates: Sequence[x509.Certificate]
) -> Iterator[Violation]:
    """Yield every name of a certificate that a CA certificate above forbids; names of every type.

    Args:
        certificate: its extensions can be read.
        ca_certificates: all CA certificates above, in any order.
    """
    constrained = _constrained(ca_certificates)
    if not constrained:
        return
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        general_names = list(extension.value)
    except x509.ExtensionNotFound:
        general_names = []
    alt_names = [
        _Named(*subtrees.kind_of(name), f"subject_alt_names[{position}].value", _text(name))
        for position, name in enumerate(general_names)
    ]
    attributes = [a for rdn in certificate.subject.rdns for a in rdn]
    oids = [(a.oid.dotted_string, str(a.value)) for a in attributes]
    where = [f"subject[{position}]" for position in range(len(oids))]
    of_subject = _of_subject(subtrees.rdns_of(certificate.subject), oids, where, alt_names)
    yield from _judged([*of_subject, *alt_names], constrained)


def constrain_names(ca_certificates: Iterable[x509.Certificate]) -> bool:
    """Tell whether any of these CA certificates forbids any name."""
    return bool(_constrained(ca_certificates))


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
        extensions = parsed(lambda: certificate.extensions)
        extension = extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return None
    except ParserFailed:
        return 0  # nothing is known about it, so nothing may be below
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


_Constrained = Sequence[tuple[x509.Certificate, Subtrees]]


def _constrained(ca_certificates: Iterable[x509.Certificate]) -> _Constrained:
    return [(ca, found) for ca in ca_certificates if (found := subtrees.subtrees_of(ca))]


def _of_subject(
    rdns: subtrees.Rdns,
    attributes: Sequence[tuple[str, str]],
    fields: Sequence[str],
    alt_names: Sequence[_Named],
) -> Iterator[_Named]:
    """Yield the names of a subject: itself, and the addresses in it that verifiers look at."""
    kinds = {name.kind for name in alt_names}
    listed = {name.value.lower() for name in alt_names if name.kind == subtrees.DNS}
    if rdns:
        shown = ", ".join(value for _, value in attributes)
        yield _Named(subtrees.DIRECTORY, rdns, "subject", shown)
    for (oid, value), field in zip(attributes, fields, strict=True):
        if oid == _EMAIL_ADDRESS and subtrees.EMAIL not in kinds:
            yield _Named(subtrees.EMAIL, value, field, value)
        if oid == _COMMON_NAME and value.lower() not in listed and subtrees.is_host(value):
            yield _Named(subtrees.DNS, value, field, value)


_EMAIL_ADDRESS, _COMMON_NAME = attribute_oid("email_address"), attribute_oid("common_name")


def _judged(names: Sequence[_Named], constrained: _Constrained) -> Iterator[Violation]:
    """Hold every name against every CA certificate, unless that is more work than makes sense."""
    counts = Counter(name.kind for name in names)
    work = sum(
        counts[kind] * _cost(bases)
        for _, found in constrained
        for side in (found.permitted, found.excluded)
        for kind, bases in side.items()
    )
    if work > MAX_COMPARISONS:
        yield Violation(
            code="certificate.name_constraints_work",
            field="subject_alt_names",
            value=str(len(names)),
            reason="So many names under so many name constraints are not compared.",
            hint=f"At most {MAX_COMPARISONS} comparisons.",
        )
        return
    for name in names:
        for ca, found in constrained:
            yield from _judge(name, found, ca)


def _cost(bases: Sequence[Any]) -> int:
    """Return how many comparisons a name costs; each RDN of a distinguished name is one."""
    return sum(len(base) + 1 if isinstance(base, tuple) else 1 for base in bases)


def _judge(name: _Named, found: Subtrees, ca: x509.Certificate) -> Iterator[Violation]:
    if name.kind in found.unprocessed or subtrees.ANY in found.unprocessed:
        yield _violation(
            "name_constraints",
            name,
            ca,
            "limits names of this type in a way that is not understood here.",
        )
        return
    permitted, excluded = found.permitted.get(name.kind), found.excluded.get(name.kind, ())
    if permitted is None and not excluded:
        return
    try:
        value = subtrees.comparable(name.kind, name.value)
    except ValueError:  # UnicodeError and idna's errors are among them
        value = None
    if permitted is not None and (
        value is None
        or not any(subtrees.holds(name.kind, value, base, excluding=False) for base in permitted)
    ):
        hint = ", ".join(_shown(base) for base in permitted[:_BASES_SHOWN])
        yield _violation("name_not_permitted", name, ca, "may not certify this name.", hint)
    for base in excluded:
        if value is None or subtrees.holds(name.kind, value, base, excluding=True):
            yield _violation(
                "name_excluded", name, ca, f"must not certify names inside {_shown(base)}."
            )
            return


def _violation(
    code: str, name: _Named, ca: x509.Certificate, predicate: str, hint: str = ""
) -> Violation:
    authority = visible(ca.subject.rfc4514_string())
    return Violation(
        code=f"certificate.{code}",
        field=name.field,
        value=visible(name.shown),
        reason=f"{authority} {predicate}",
        hint=hint,
    )


def _text(name: x509.GeneralName) -> str:
    """Return a name of any type as a report shows it."""
    if isinstance(name, x509.DirectoryName):
        return name.value.rfc4514_string()
    if isinstance(name, x509.RegisteredID):
        return name.value.dotted_string
    if isinstance(name, x509.OtherName):
        return f"otherName {name.type_id.dotted_string}"
    return str(name.value)


def _shown(base: Any) -> str:
    """Return a base as a report shows it."""
    if not isinstance(base, tuple):
        return str(base)
    if base and isinstance(base[0], str):  # a mailbox
        local, host = base
        return f"{local}@{host}" if local else host
    return ", ".join(value for rdn in base for _, value in sorted(rdn))
