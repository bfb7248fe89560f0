"""Canonical forms of host names, IP addresses, mailboxes and URIs.

Every function takes text from a requester and returns the one canonical form, or raises
``UnusableName`` with field ``value`` (RFC 5280 section 4.2.1.6, X-16; attacks of AC-04).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import NoReturn

import idna

from pki.findings import UnusableName, Violation

MAX_NAME = 253
MAX_LABEL = 63
MAX_LOCAL_PART = 64
MAX_EMAIL = 254
MAX_URI = 2048

_LDH = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
# What resolvers and browsers read as an IPv4 address when it is the last label.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*", re.ASCII)
_URI_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::([0-9]{1,5}))?", re.ASCII)
_ENCODED_SEPARATOR = re.compile(r"%2[ef]|%5c", re.IGNORECASE | re.ASCII)
_MAX_PORT = 65535
_WILDCARD = "*."
_MIN_WILDCARD_BASE = 2

# Scripts that are commonly written together; anything else in one label is a disguise.
_WRITTEN_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
# Cyrillic and Greek letters that look like Latin ones: a label of nothing else is a disguise.
_LATIN_LOOKALIKES = frozenset("асԁеһіјӏорԛѕԝхуъьҽпгѵѡαικνορτυω")
_DOTS = re.compile("[\u3002\uff0e\uff61]")
# Internet documents forbid certificates there since 2026-03-15 (B-04).
_REVERSE_ZONES = (".in-addr.arpa", ".ip6.arpa")
_BY_ADDRESS = "List addresses as ip_address."
_SHORTER_NAME = "At most 253 characters, and 63 in each label."
_IDN_HINT = "Send the name as people write it, or its A-label as registered."

# Controls, formatting (bidirectional overrides among them), surrogates, private use, unassigned,
# line and paragraph separators: what a reader cannot see.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing, although their category says otherwise. The ranges are
# Default_Ignorable_Code_Point of Unicode (DerivedCoreProperties.txt, version 16.0).
_DEFAULT_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Mongolian soft hyphen and object replacement (RFC 4518 section 2.2 maps them to nothing), Braille
# pattern blank, Khitan filler, musical null notehead: without the property, but as blank.
_BLANK = "\u1806\u2800\ufffc\U00016fe4\U0001d159"
_IGNORABLE = re.compile(f"[{_DEFAULT_IGNORABLE}{_BLANK}]")
_SHOWN = 200
_QUOTED = 100


def refuse(code: str, value: str, reason: str, hint: str = "") -> NoReturn:
    """Raise ``UnusableName`` for one value."""
    raise UnusableName([Violation(f"name.{code}", "value", visible(value), reason, hint)])


def has_invisible(value: str) -> bool:
    """Tell whether a text has characters that a reader cannot see.

    These are the categories of ``INVISIBLE``, whatever Unicode lets programs ignore when they show
    text, and a few characters whose glyph is blank. Spaces are none of them.
    """
    if value.isprintable():
        return not value.isascii() and _IGNORABLE.search(value) is not None
    return any(_is_invisible(character) for character in value)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in INVISIBLE or _IGNORABLE.match(character) is not None


def without_ignorable(value: str) -> str:
    """Return a text without the characters that show nothing, as RFC 4518 section 2.2 compares it."""
    return value if value.isascii() else _IGNORABLE.sub("", value)


def visible(value: str) -> str:
    """Return text for a report: invisible characters escaped, cut to 200 characters."""
    if len(value) <= _SHOWN and value.isprintable() and not has_invisible(value):
        return value
    shown = "".join(
        f"\\u{ord(character):04x}" if _is_invisible(character) else character
        for character in value[:_SHOWN]
    )
    return shown if len(value) <= _SHOWN else f"{shown}..."


def quoted(value: str) -> str:
    """Return a value for a sentence: in quotes, invisible characters escaped, shortened."""
    return f"'{visible(value)[:_QUOTED]}'"


def canonical_dns_name(value: str) -> str:
    """Return lower-case A-labels without a trailing dot; ``*`` only as the whole first label."""
    _refuse_other_kinds(value)
    wildcard = value.startswith(_WILDCARD)
    base = canonical_host(value[len(_WILDCARD) :] if wildcard else value, shown=value)
    if not wildcard:
        return base
    if base.count(".") + 1 < _MIN_WILDCARD_BASE:
        refuse("wildcard", value, "The wildcard covers a whole top-level domain.", "*.example.com")
    if len(base) + len(_WILDCARD) > MAX_NAME:
        refuse("too_long", value, "The host name is longer than 253 characters.", _SHORTER_NAME)
    return _WILDCARD + base


def _refuse_other_kinds(value: str) -> None:
    """Refuse what is a host name with more, or a name of another type, and say which."""
    before, colon, rest = value.partition(":")
    if not colon or has_invisible(value):
        return
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        refuse("host_characters", value, "This is an address, not a host name.", _BY_ADDRESS)
    if before and rest.isdecimal():
        refuse("host_characters", value, "A host name has no port.", before)
    if _SCHEME.fullmatch(before):
        reason = "This looks like a URI, not like a host name."
        hint = 'Send URIs with their type: {"type": "uri", "value": "..."}.'
        refuse("host_characters", value, reason, hint)


def canonical_host(value: str, *, shown: str | None = None) -> str:
    """Return a host name without wildcard, as lower-case A-labels."""
    shown = value if shown is None else shown
    _check_host_text(value, shown)
    labels = [_canonical_label(label, shown) for label in value.lower().split(".")]
    name = ".".join(labels)
    if len(name) > MAX_NAME:
        refuse("too_long", shown, "The host name is longer than 253 characters.", _SHORTER_NAME)
    if _NUMBER.fullmatch(labels[-1]):
        refuse(
            "address_lookalike",
            shown,
            "The host name reads like an IPv4 address.",
            _BY_ADDRESS,
        )
    if name.endswith(_REVERSE_ZONES):
        refuse("reverse_zone", shown, "Names in IP reverse zones are not certified.", _BY_ADDRESS)
    if not name.isascii() or "xn--" in name:
        _check_lookalikes(labels, shown)
    return name


def _check_host_text(value: str, shown: str) -> None:
    if not value:
        refuse("empty", shown, "The host name is empty.", "www.example.com")
    if len(value) > MAX_NAME:
        refuse("too_long", shown, "The host name is longer than 253 characters.", _SHORTER_NAME)
    if has_invisible(value):
        hint = "Letters, digits, hyphens and dots; look for characters from copying."
        refuse("invisible_character", shown, "The host name has invisible characters.", hint)
    if _DOTS.search(value):
        reason = "A character other than the full stop separates labels."
        refuse("separator", shown, reason, _DOTS.sub(".", value))
    if value.endswith("."):
        refuse("trailing_dot", shown, "The host name ends with a dot.", value.rstrip("."))
    if "*" in value:
        refuse("wildcard", shown, "A wildcard must be the whole leftmost label.", "*.example.com")


def _canonical_label(label: str, shown: str) -> str:
    if not label:
        reason = "Two dots follow each other or the name begins with one."
        refuse("empty_label", shown, reason, "One dot between labels, none at the begin.")
    if not label.isascii():
        label = _a_label(label, shown)
    if len(label) > MAX_LABEL:
        refuse("label_too_long", shown, "A label is longer than 63 characters.", _SHORTER_NAME)
    if not _LDH.fullmatch(label):
        refuse(
            "host_characters",
            shown,
            "A label has characters other than letters, digits and inner hyphens.",
            _characters_hint(label),
        )
    if label[2:4] == "--":
        _check_a_label(label, shown)
    return label


def _characters_hint(label: str) -> str:
    """Return what a label with other characters, or with outer hyphens, would have to be."""
    if re.search(r"[_\s]", label):
        return "Underscores and spaces do not occur in host names."
    if label.startswith("-") or label.endswith("-"):
        return "A label begins and ends with a letter or a digit."
    return "Letters, digits and inner hyphens, as in www.example.com."


def _a_label(label: str, shown: str) -> str:
    """Return the A-label of a U-label (UTS #46, non-transitional)."""
    try:
        return idna.encode(label, uts46=True, std3_rules=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        refuse("idna", shown, "A label is no valid internationalised label (IDNA 2008).", _IDN_HINT)


def _check_a_label(label: str, shown: str) -> None:
    """Refuse reserved labels and A-labels that are not the encoding of what they decode to."""
    try:
        if label.startswith("xn--") and idna.alabel(idna.ulabel(label)).decode("ascii") == label:
            return
    except (idna.IDNAError, UnicodeError):
        pass
    refuse("idna", shown, "A label beginning with xn-- or similar is no valid A-label.", _IDN_HINT)


def _check_lookalikes(labels: list[str], shown: str) -> None:
    """Refuse labels that mix scripts or consist of Latin lookalikes only."""
    for label in labels:
        if not label.startswith("xn--"):
            continue
        text = idna.ulabel(label)
        scripts = set(_scripts(text))
        if len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER):
            refuse(
                "mixed_script", shown, f"The label {text} mixes scripts.", "Letters of one script."
            )
        letters = {character for character in text if character.isalpha()}
        if letters and letters <= _LATIN_LOOKALIKES:
            refuse(
                "lookalike", shown, f"The label {text} imitates Latin letters.", "Latin letters."
            )


def _scripts(text: str) -> Iterator[str]:
    """Yield the script of each letter: the first word of its Unicode name names it."""
    for character in text:
        if character.isalpha():
            yield unicodedata.name(character, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]


def canonical_ip(value: str) -> str:
    """Return dotted decimal or compressed lower-case hexadecimal text (RFC 5952)."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        refuse("address", value, "This is not an IP address.", "192.0.2.7 or 2001:db8::7")
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            refuse("address", value, "The address has a zone index.", value.partition("%")[0])
        if address.ipv4_mapped is not None:
            hint = str(address.ipv4_mapped)
            refuse("address", value, "The address is an IPv4 address in IPv6 form.", hint)
    return str(address)


def canonical_email(value: str) -> str:
    """Return ``local-part@a-label-domain``; the local part keeps its case (RFC 5280 4.2.1.6)."""
    local, at, domain = value.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or len(local) > MAX_LOCAL_PART:
        refuse(
            "email",
            value,
            "This is not an addr-spec with a plain ASCII local part.",
            "local-part@example.com, without display name or quotes",
        )
    mailbox = f"{local}@{canonical_host(domain, shown=value)}"
    if len(mailbox) > MAX_EMAIL:
        refuse(
            "too_long", value, "The e-mail address is longer than 254 characters.", "At most 254."
        )
    return mailbox


def canonical_uri(value: str) -> str:
    """Return an absolute URI with lower-case scheme and host, everything else as given.

    Refused beside malformed ones: credentials, fragments, an empty host, dot segments and
    encoded separators, which would make a path prefix mean something else.
    """
    if len(value) > MAX_URI:
        refuse("too_long", value, "The URI is longer than 2048 characters.", "At most 2048.")
    scheme, colon, rest = value.partition(":")
    if not colon or not rest or not _SCHEME.fullmatch(scheme) or not _URI_TEXT.fullmatch(rest):
        refuse("uri", value, "This is not an absolute URI.", "https://example.com/path")
    if "#" in rest:
        refuse("uri", value, "The URI has a fragment.", value.partition("#")[0])
    if _ENCODED_SEPARATOR.search(rest):
        refuse("uri", value, "The URI encodes a dot, slash or backslash.", "Write them as such.")
    if not rest.startswith("//"):
        return f"{scheme.lower()}:{rest}"
    authority, tail = _split_authority(rest[2:])
    if {".", ".."} & set(tail.partition("?")[0].split("/")):
        refuse(
            "uri",
            value,
            "The path of the URI has dot segments.",
            "The path without . and .. in it.",
        )
    return f"{scheme.lower()}://{_canonical_authority(authority, value)}{tail}"


def _split_authority(text: str) -> tuple[str, str]:
    end = next((at for at, character in enumerate(text) if character in "/?"), len(text))
    return text[:end], text[end:]


def _canonical_authority(authority: str, shown: str) -> str:
    if "@" in authority:
        refuse("uri", shown, "The URI has credentials.", "The URI without user name and password.")
    match = _AUTHORITY.fullmatch(authority)
    if match is None or int(match[2] or 0) > _MAX_PORT:
        refuse("uri", shown, "The URI has no host, or a malformed one.", "https://example.com/path")
    host, port = match[1], match[2]
    port = f":{port}" if port else ""
    if host.startswith("["):
        return f"[{canonical_ip(host[1:-1])}]{port}"
    try:
        return f"{ipaddress.IPv4Address(host)}{port}"
    except ValueError:
        return f"{canonical_host(host, shown=shown)}{port}"
