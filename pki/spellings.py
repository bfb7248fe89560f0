"""Spellings of serial numbers, digests and names that people paste, and the stored form of each."""

import ipaddress
import re
import unicodedata

import idna

# As OpenSSL, browsers, Windows and people write before the digits.
_LABEL = re.compile(
    r"(?:serial(?: ?number)?|sha-?256(?: fingerprint)?|fingerprint|thumbprint)\s*[:=]?\s*",
    re.IGNORECASE,
)
# ``openssl x509 -text`` writes small serial numbers like this.
_DECIMAL_AND_HEX = re.compile(r"\d+\s*\((0x[0-9a-f]+)\)", re.IGNORECASE | re.ASCII)
_SEPARATORS = str.maketrans("", "", ": -._\t\r\n\N{NO-BREAK SPACE}")
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_A_LABEL = "xn--"


def hex_digits(text: str) -> str:
    """Return the digits of a number or digest however it is spelled: lower-case hex.

    Read are labels as OpenSSL and browsers print them (``serial=``, ``Serial Number:``, ``sha256
    Fingerprint=``), ``0x``, both cases, and digits in groups by colons, blanks, hyphens or dots;
    invisible characters, which Windows adds to what one copies, are dropped.

    Returns:
        The digits with their leading zeros; empty when the text is no hexadecimal number.
    """
    bare = "".join(c for c in text if unicodedata.category(c) != "Cf").strip()
    found = _LABEL.match(bare)
    bare = bare[found.end() :] if found else bare
    both = _DECIMAL_AND_HEX.fullmatch(bare)
    digits = (both[1] if both else bare).translate(_SEPARATORS).lower().removeprefix("0x")
    return digits if _HEX.fullmatch(digits) else ""


def serial_number(text: str) -> str:
    """Return a serial number in the form of ``serials.serial_hex``, however it is spelled.

    Returns:
        The number without leading zeros; empty when the text is none.
    """
    digits = hex_digits(text)
    return digits.lstrip("0") or digits[:1]


def of_name(text: str) -> tuple[str, ...]:
    """Return the spellings under which a name, or a part of one, may be stored; at least one.

    Host names are stored in lower case, as A-labels and without a dot at the end, addresses in
    the form of RFC 5952; a common name may be stored as it was sent, so that what was written is
    looked for as well.

    Args:
        text: as somebody typed it.
    """
    written = text.strip().lower()
    bare = written.removesuffix(".") or written
    labels = bare.split(".")
    ascii_form = ".".join(_encoded(label) for label in labels)
    shown_form = ".".join(_decoded(label) for label in labels)
    return tuple(dict.fromkeys([bare, _address(bare), ascii_form, shown_form]))


def _encoded(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.IDNAError:
        return label


def _decoded(label: str) -> str:
    if not label.startswith(_A_LABEL):
        return label
    try:
        return idna.decode(label)
    except idna.IDNAError:
        return label


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return text
