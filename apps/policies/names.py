"""Patterns for names, compared label by label and without regular expressions from users.

Every pattern has two methods, so that in doubt a request is refused:

``covers(value)``
    for allowed and required patterns: everything that the value stands for matches the pattern.
    A value that cannot be parsed as a name of its type is never covered.
``overlaps(value)``
    for denied patterns: something that the value stands for, in any spelling, matches the
    pattern. A value that cannot be parsed always overlaps.

Values are expected in the canonical form of ``pki.names`` (lower-case A-labels and so on).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

import idna

from pki.addresses import quoted, without_ignorable

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_PATTERN_LABEL = re.compile(r"[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_DNS_NAME = 253
_ANY_ADDRESS = "*"


class PatternError(ValueError):
    """A pattern that could never match, or is ambiguous."""

    def __init__(self, reason: str, hint: str = "") -> None:
        self.reason = reason
        self.hint = hint
        super().__init__(reason)


def glob_matches(pattern: str, value: str) -> bool:
    """Tell whether the whole of ``value`` fits; ``*`` stands for any run of characters.

    Linear time: there is no backtracking.
    """
    if pattern == "*":
        return True
    first, *others = pattern.split("*")
    if not others:
        return value == pattern
    *middle, last = others
    if not value.startswith(first) or not value.endswith(last):
        return False
    position, end = len(first), len(value) - len(last)
    if position > end:
        return False
    for piece in middle:
        found = value.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def is_host_name(name: str) -> bool:
    """Tell whether ``name`` is a canonical host name, or a wildcard over one.

    Browsers read a name that ends in a number as an IPv4 address, so it is not a host name.
    """
    if len(name) > _MAX_DNS_NAME or not _DNS_NAME.fullmatch(name):
        return False
    return not _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2])


def folded(text: str) -> str:
    """Return ``text`` as X.520 compares it: compatibility forms, case and runs of spaces ignored."""
    return _plain(unicodedata.normalize("NFKC", text))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _forms(text: str) -> tuple[str, ...]:
    """Return every form in which a denied text is looked for, as written first.

    NFKC joins a mark to the character before it: "<" and U+0338 become one character that is no
    "<" any more, while the certificate holds both. So characters are also folded one by one.
    """
    if text.isascii():
        return text, _plain(text)
    apart = "".join(unicodedata.normalize("NFKC", character) for character in text)
    return text, folded(text), _plain(apart)


@dataclass(frozen=True, slots=True)
class DeniedText:
    """Text that is looked for in every form of a value; ``*`` stands for any run of characters."""

    forms: tuple[str, ...]

    @classmethod
    def compile(cls, text: str) -> "DeniedText":
        """Return the text in its forms."""
        return cls(tuple(dict.fromkeys(_forms(text))))

    def within(self, value: str) -> bool:
        """Tell whether a value fits as written, or spelled with other case, width or spacing.

        Characters that show nothing are left out of the value, never of the pattern: a pattern
        of nothing else would fit every value.
        """
        shown = without_ignorable(value)
        spellings = {*_forms(value)} if shown == value else {*_forms(value), *_forms(shown)}
        return any(glob_matches(form, spelling) for form in self.forms for spelling in spellings)


@dataclass(frozen=True, slots=True)
class TextPattern:
    """Free text: anchored and case-sensitive; denied text is compared as X.520 does."""

    text: str
    _denied: DeniedText = field(compare=False, repr=False)

    @classmethod
    def compile(cls, text: str) -> "TextPattern":
        """Return the pattern."""
        return cls(text, DeniedText.compile(text))

    def covers(self, value: str) -> bool:
        """Compare exactly, ``*`` as any run of characters."""
        return glob_matches(self.text, value)

    def overlaps(self, value: str) -> bool:
        """Compare without regard to case, width and spacing, so that another spelling does not help."""
        return self._denied.within(value)


@dataclass(frozen=True, slots=True)
class DnsPattern:
    """Host names, label by label. A wildcard name stands for every name one label below."""

    text: str
    _labels: tuple[str, ...] = field(compare=False, repr=False)
    _open: bool = field(compare=False, repr=False)  # a leading ** takes one or more labels

    @classmethod
    def compile(cls, text: str) -> "DnsPattern":
        """Return the pattern; upper case, a final dot and U-labels are canonicalised.

        Raises:
            PatternError: no canonical host name could ever match.
        """
        labels = tuple(
            _pattern_label(label, text) for label in text.lower().removesuffix(".").split(".")
        )
        if "**" in labels[1:]:
            raise PatternError(f"{quoted(text)}: ** may only be the first label.")
        if _NUMERIC_LABEL.fullmatch(labels[-1]):
            raise PatternError(
                f"{quoted(text)} ends like an IP address, which is no host name.",
                "Put addresses and CIDR blocks under ip_address.",
            )
        canonical = ".".join(labels)
        if len(canonical) > _MAX_DNS_NAME:
            raise PatternError(f"A host name has at most {_MAX_DNS_NAME} characters.")
        is_open = labels[0] == "**"
        return cls(canonical, labels[1:] if is_open else labels, is_open)

    def covers(self, value: str) -> bool:
        """Compare label by label; a wildcard label is only covered by ``*`` or ``**``."""
        return is_host_name(value) and self._match(value, _label_covered)

    def overlaps(self, value: str) -> bool:
        """Compare label by label; a wildcard label may stand for any label."""
        name = value.lower().removesuffix(".")
        return not is_host_name(name) or self._match(name, _label_touched)

    def _match(self, name: str, same: Callable[[str, str], bool]) -> bool:
        want, have = self._labels, name.split(".")
        surplus = len(have) - len(want)
        if surplus < 1 if self._open else surplus != 0:
            return False
        return all(map(same, want, have[surplus:]))


@dataclass(frozen=True, slots=True)
class CommonNamePattern:
    """A common name that looks like a host name: compared by labels, ignoring case."""

    text: str
    _dns: DnsPattern = field(compare=False, repr=False)
    _free: TextPattern = field(compare=False, repr=False)

    @classmethod
    def compile(cls, text: str) -> "CommonNamePattern":
        """Return the pattern.

        Raises:
            PatternError: not written like a host name.
        """
        dns = DnsPattern.compile(text)
        return cls(dns.text, dns, TextPattern.compile(dns.text))

    def covers(self, value: str) -> bool:
        """Compare as host names."""
        return self._dns.covers(value.lower())

    def overlaps(self, value: str) -> bool:
        """Compare as host names; names of people and machines are compared as text."""
        if is_host_name(value.lower().removesuffix(".")):
            return self._dns.overlaps(value)
        return self._free.overlaps(value)


@dataclass(frozen=True, slots=True)
class AddressPattern:
    """An address, a CIDR block, or ``*`` for any address."""

    text: str
    _network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = field(
        compare=False, repr=False
    )

    @classmethod
    def compile(cls, text: str) -> "AddressPattern":
        """Return the pattern; addresses are canonicalised, blocks must name their network.

        Raises:
            PatternError: neither address nor block, or a block with host bits set.
        """
        if text == _ANY_ADDRESS:
            return cls(text, None)
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise PatternError(
                f"{quoted(text)} is neither an IP address nor a CIDR block.",
                "Examples: 10.1.2.3, 10.0.0.0/8, 2001:db8::/32, or * for any address.",
            ) from None
        address, slash, _ = text.partition("/")
        if slash and ipaddress.ip_address(address) != network.network_address:
            raise PatternError(
                f"{quoted(text)} has bits set beyond its prefix length.",
                f"Write {network} for the block or {address} for the one address.",
            )
        return cls(str(network if slash else network.network_address), network)

    def covers(self, value: str) -> bool:
        """Tell whether the address lies in the block."""
        address = address_of(value)
        return address is not None and (self._network is None or address in self._network)

    def overlaps(self, value: str) -> bool:
        """Tell the same; an IPv4-mapped IPv6 address also counts as the IPv4 address."""
        address = address_of(value)
        if address is None or self._network is None:
            return True
        inner = getattr(address, "ipv4_mapped", None)
        return address in self._network or (inner is not None and inner in self._network)


@dataclass(frozen=True, slots=True)
class EmailPattern:
    """Mailboxes: ``*`` in the local part is any run, the domain is compared by labels."""

    text: str
    _local: str = field(compare=False, repr=False)
    _domain: DnsPattern = field(compare=False, repr=False)

    @classmethod
    def compile(cls, text: str) -> "EmailPattern":
        """Return the pattern; ``*`` alone means any mailbox.

        Raises:
            PatternError: not of the form local@domain.
        """
        local, at, domain = ("*", "@", "**") if text == "*" else text.rpartition("@")
        if not at or not local or not domain or "@" in local or any(map(str.isspace, local)):
            raise PatternError(
                f"{quoted(text)} is no mailbox pattern.",
                "Examples: *@example.com, *@**.example.com, ops@example.com.",
            )
        compiled = DnsPattern.compile(domain)
        return cls(f"{local}@{compiled.text}", local, compiled)

    def covers(self, value: str) -> bool:
        """Compare local part exactly and domain by labels."""
        local, _, domain = value.rpartition("@")
        plain = bool(local) and "@" not in local and not domain.startswith("*")
        return plain and glob_matches(self._local, local) and self._domain.covers(domain.lower())

    def overlaps(self, value: str) -> bool:
        """Compare without regard to case: most mail systems deliver both to one person."""
        local, _, domain = value.rpartition("@")
        if not local or "@" in local:
            return True
        return DeniedText.compile(self._local).within(local) and self._domain.overlaps(domain)


def _pattern_label(label: str, pattern: str) -> str:
    """Return one canonical label of a DNS pattern."""
    where = "" if label == pattern else f" in {quoted(pattern)}"
    if label in ("*", "**"):
        return label
    if not label.isascii() and "*" not in label:
        try:
            label = idna.encode(label, uts46=True).decode()
        except idna.IDNAError:
            raise PatternError(
                f"{quoted(label)}{where} is no internationalised label (IDNA 2008)."
            ) from None
    if "**" in label or not _PATTERN_LABEL.fullmatch(label):
        raise PatternError(
            f"{quoted(label)}{where} is no label of a host name.",
            "Labels have 1 to 63 letters, digits and inner hyphens; * stands for a label or a part of one.",
        )
    return label


def _label_covered(want: str, have: str) -> bool:
    if want in ("*", have):
        return True
    # A part of an A-label has no meaning (RFC 9525 section 6.3), and * must not split a wildcard.
    return "*" in want and have != "*" and not have.startswith("xn--") and glob_matches(want, have)


def _label_touched(want: str, have: str) -> bool:
    return have == "*" or glob_matches(want, have)


def address_of(value: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a text stands for, ``None`` when it is none."""
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        return None
