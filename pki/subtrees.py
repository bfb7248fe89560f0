"""Subtrees of name constraints: read from CA certificates, and matched against names.

RFC 5280 section 4.2.1.10. The one processor of name constraints here: path validation, issuing and
the constraints of authorities all ask it. Whatever cannot be processed counts against the name: a
name that cannot be read is outside every permitted subtree and inside every excluded one, and a
subtree that cannot be read refuses every name of its type.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

import idna
from cryptography import x509
from cryptography.hazmat import asn1

from pki import structures
from pki.parsing import ParserFailed, parsed

# An RDN sequence in the form that is compared (RFC 5280 section 7.1).
Rdns = tuple[frozenset[tuple[str, str]], ...]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Local part, empty for a host or domain; and the host, with a leading dot for what is below it.
Mailbox = tuple[str, str]

DNS, IP, EMAIL, URI = "dns_name", "ip_address", "email", "uri"
DIRECTORY = "directory_name"
REGISTERED_ID = "registered_id"
ANY = "any"
"""Stands in ``Subtrees.unprocessed`` when the extension as a whole cannot be read."""

_CACHED = 512
_WILDCARD = "*."
_MAX_HOST = 253
# Names of hosts as they occur, underscores among them; what is registered is narrower.
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_URI_TEXT = re.compile(r"[!#-;=?-\[\]_a-z~]+", re.ASCII | re.IGNORECASE)
_ATOMS = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+", re.ASCII)
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"', re.ASCII)
_SMTP_UTF8_MAILBOX = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")  # RFC 9598 section 3


_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: DNS,
    x509.RFC822Name: EMAIL,
    x509.UniformResourceIdentifier: URI,
    x509.IPAddress: IP,
}


@dataclass(frozen=True, slots=True)
class Subtrees:
    """Name constraints of one CA certificate; the keys are types of names.

    Attributes:
        permitted: bases by type; a type that is absent is not limited.
        excluded: bases by type.
        unprocessed: types of which no name is accepted, because a subtree of that type cannot be
            processed; ``ANY`` for every type.
    """

    permitted: dict[str, tuple[Any, ...]]
    excluded: dict[str, tuple[Any, ...]]
    unprocessed: frozenset[str] = frozenset()


@asn1.sequence
class _GeneralSubtree:
    base: asn1.TLV
    minimum: Annotated[int | None, asn1.Implicit(0)]
    maximum: Annotated[int | None, asn1.Implicit(1)]


@asn1.sequence
class _NameConstraints:
    permitted: Annotated[list[_GeneralSubtree] | None, asn1.Implicit(0)]
    excluded: Annotated[list[_GeneralSubtree] | None, asn1.Implicit(1)]


@lru_cache(maxsize=_CACHED)
def subtrees_of(ca: x509.Certificate) -> Subtrees | None:
    """Return the name constraints of a CA certificate, ``None`` where it has none."""
    try:
        value = _extension_of(ca)
        if value is None:
            return None
        read = _raw_constraints(ca)
        pairs = [
            *(("permitted", *pair) for pair in _pairs(value.permitted_subtrees, read.permitted)),
            *(("excluded", *pair) for pair in _pairs(value.excluded_subtrees, read.excluded)),
        ]
    except (ParserFailed, ValueError):
        return Subtrees({}, {}, frozenset({ANY}))
    found: dict[str, dict[str, tuple[Any, ...]]] = {"permitted": {}, "excluded": {}}
    unprocessed = set()
    for side, name, whole in pairs:
        kind, text = kind_of(name)
        try:
            base = base_of(kind, text) if whole else None
        except ValueError:
            base = None
        if base is None:
            unprocessed.add(kind)
            continue
        found[side][kind] = (*found[side].get(kind, ()), base)
    return Subtrees(found["permitted"], found["excluded"], frozenset(unprocessed))


def _extension_of(ca: x509.Certificate) -> x509.NameConstraints | None:
    extensions = parsed(lambda: ca.extensions)
    try:
        return extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _raw_constraints(ca: x509.Certificate) -> _NameConstraints:
    """Return the extension as encoded: the library does not tell ``minimum`` and ``maximum``."""
    for element in structures.tbs_certificate(ca).extensions or ():
        extension = element.parse(structures.Extension)
        if extension.extension_id == x509.NameConstraints.oid:
            return structures.decode(_NameConstraints, extension.value)
    raise ValueError("no name constraints")


def _pairs(
    names: Sequence[x509.GeneralName] | None, raw: Sequence[_GeneralSubtree] | None
) -> Iterator[tuple[x509.GeneralName, bool]]:
    """Yield each base, and whether it is a whole subtree: minimum 0 and no maximum."""
    for name, subtree in zip(names or (), raw or (), strict=True):
        yield name, not subtree.minimum and subtree.maximum is None


def kind_of(name: x509.GeneralName) -> tuple[str, Any]:
    """Return the type of a name as constraints know it, and its value.

    Each type of otherName is a form of its own (X.509 section 9.3.2.3); SmtpUTF8Mailbox is bound by
    the subtrees of e-mail addresses (RFC 9598 section 6).
    """
    kind = _KINDS.get(type(name))
    if kind is not None:
        return kind, name.value
    if isinstance(name, x509.DirectoryName):
        return DIRECTORY, rdns_of(name.value)
    if isinstance(name, x509.RegisteredID):
        return REGISTERED_ID, name.value.dotted_string
    assert isinstance(name, x509.OtherName)
    if name.type_id == _SMTP_UTF8_MAILBOX:
        return EMAIL, name
    return f"other_name:{name.type_id.dotted_string}", name.value.hex()


def base_of(kind: str, value: Any) -> Any:
    """Return the base of a subtree in the form that is compared.

    Raises:
        ValueError: subtrees of this type are not processed, or the base cannot be read.
    """
    if kind not in _FORMS:
        raise ValueError("subtrees of this type are not processed")
    return _FORMS[kind].base(value)


def comparable(kind: str, value: Any) -> Any:
    """Return a name in the form that is compared with bases; once for each name, as this costs most.

    Raises:
        ValueError: the name cannot be read.
    """
    return _FORMS[kind].name(value) if kind in _FORMS else value


def holds(kind: str, name: Any, base: Any, *, excluding: bool) -> bool:
    """Tell whether a subtree holds a name, both in the form that is compared.

    Args:
        kind: their type.
        name: from ``comparable``.
        base: from ``base_of``.
        excluding: the subtree is an excluded one, where doubt counts the other way.
    """
    return _FORMS[kind].holds(name, base, excluding)


def within(kind: str, inner: Any, outer: Any) -> bool:
    """Tell whether every name under the base ``inner`` is also under ``outer``."""
    return _FORMS[kind].within(inner, outer)


def rdns_of(name: x509.Name) -> Rdns:
    """Return a distinguished name in the form that is compared."""
    return tuple(
        frozenset(comparable_attribute(a.oid.dotted_string, str(a.value)) for a in rdn)
        for rdn in name.rdns
    )


def comparable_attribute(oid: str, value: str) -> tuple[str, str]:
    """Return an attribute as caseIgnoreMatch prepares it (RFC 5280 section 7.1, RFC 4518)."""
    text = unicodedata.normalize("NFKC", value)
    # RFC 4518 section 2.2: soft hyphens, joiners and other formatting are mapped to nothing.
    text = "".join(c for c in text if c.isprintable() or unicodedata.category(c) != "Cf")
    return oid, " ".join(unicodedata.normalize("NFKC", text.casefold()).split())


def is_host(text: str) -> bool:
    """Tell whether verifiers take a text, such as a common name, for the name of a host."""
    try:
        return "." in _dns_name(text)
    except ValueError:
        return False


# --- host names -------------------------------------------------------------------------------


def _host(text: str) -> str:
    host = text.lower()
    if len(host) > _MAX_HOST or not _HOST.fullmatch(host):
        raise ValueError("not the name of a host")
    return host


def _domain(text: str) -> str:
    """Return a host, or with a leading dot everything below a domain."""
    return f".{_host(text[1:])}" if text[:1] == "." else _host(text)


def _dns_name(text: str) -> str:
    if text.startswith(_WILDCARD):
        return _WILDCARD + _host(text[len(_WILDCARD) :])
    return _host(text)


def _dns_base(text: str) -> str:
    return _domain(text) if text else ""  # every name adds labels to the empty one


def _dns_holds(name: str, base: str, excluding: bool) -> bool:
    """Match a host and any added left labels; a wildcard is excluded if one of its names is."""
    if not base or name == base:
        return True
    if name.endswith(base if base[0] == "." else f".{base}"):
        return True
    if not excluding or not name.startswith(_WILDCARD):
        return False
    return name[len(_WILDCARD) :] == base.lstrip(".").partition(".")[2]


def _dns_within(inner: str, outer: str) -> bool:
    if not outer or inner == outer:
        return True
    return inner.endswith(outer if outer[0] == "." else f".{outer}")


def _host_within(inner: str, outer: str) -> bool:
    return inner == outer or (outer[0] == "." and inner.endswith(outer))


# --- addresses --------------------------------------------------------------------------------


def _address(value: Any) -> Any:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        raise ValueError("a network is no address")  # noqa: TRY004 - the form of every refusal here
    return ipaddress.ip_address(value)


def _network_within(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network):
        return isinstance(outer, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, ipaddress.IPv6Network) and inner.subnet_of(outer)


# --- mailboxes --------------------------------------------------------------------------------


def _mailbox(value: Any) -> Mailbox:
    if isinstance(value, x509.OtherName):
        return _utf8_mailbox(value)
    local, _, host = value.rpartition("@")
    if _QUOTED.fullmatch(local):
        # The quotes are not part of the mailbox (RFC 5321 section 4.1.2).
        return re.sub(r"\\(.)", r"\1", local[1:-1]), _host(host)
    if not _ATOMS.fullmatch(local):
        raise ValueError("not a mailbox")
    return local, _host(host)


def _utf8_mailbox(name: x509.OtherName) -> Mailbox:
    """Return an SmtpUTF8Mailbox: a UTF8String; its domain is compared as A-labels (RFC 9598)."""
    local, _, host = structures.decode(str, name.value).rpartition("@")
    if not local:
        raise ValueError("not a mailbox")
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    return local, _host(host)


def _mail_base(text: Any) -> Mailbox:
    if not isinstance(text, str):
        raise ValueError("no subtree of e-mail addresses")  # noqa: TRY004 - as above
    return _mailbox(text) if "@" in text else ("", _domain(text))


def _mail_holds(name: Mailbox, base: Mailbox, excluding: bool) -> bool:
    local, host = base
    if local:
        # Who excludes a mailbox means it in any case; most mail systems ignore the case.
        same = name[0].casefold() == local.casefold() if excluding else name[0] == local
        return same and name[1] == host
    return _host_within(name[1], host)


def _mail_within(inner: Mailbox, outer: Mailbox) -> bool:
    if outer[0]:
        return inner == outer
    return _host_within(inner[1], outer[1])


# --- URIs -------------------------------------------------------------------------------------


def _uri_host(text: str) -> str:
    """Return the host of a URI; constraints apply to URIs with a host name only."""
    if not _URI_TEXT.fullmatch(text):
        raise ValueError("characters that readers of URIs treat differently")
    host = _host(urlsplit(text).hostname or "")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise ValueError("an address is no host name")
    return host


# --- all of them ------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class _Form:
    """How names of one type are read and compared."""

    name: Callable[[Any], Any]
    base: Callable[[Any], Any]
    holds: Callable[[Any, Any, bool], bool]
    within: Callable[[Any, Any], bool]


_FORMS = {
    DNS: _Form(_dns_name, _dns_base, _dns_holds, _dns_within),
    IP: _Form(
        _address,
        ipaddress.ip_network,
        lambda name, base, _: name in base,
        _network_within,
    ),
    EMAIL: _Form(_mailbox, _mail_base, _mail_holds, _mail_within),
    URI: _Form(_uri_host, _domain, lambda name, base, _: _host_within(name, base), _host_within),
    DIRECTORY: _Form(
        _same,
        _same,
        lambda name, base, _: name[: len(base)] == base,
        lambda inner, outer: inner[: len(outer)] == outer,
    ),
}
