"""What a certificate request carries beside key, proof of possession and names: extras."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat import asn1

from pki.addresses import visible
from pki.csr_frame import shown_hex
from pki.findings import Note, Violation
from pki.parsing import ParserFailed, parsed

MAX_EXTRAS = 30
"""Bounds what one request can put on record; the last one tells how many more there were."""

_LABELS = {
    "extension": "The extension",
    "attribute": "The attribute",
    "subject_attribute": "The subject attribute",
    "usage": "The usage",
}
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1E: "utf-16-be"}
_TEXT_LENGTH = 100
_HEADER = 2  # octets of tag and length of a short value
# A serial number has 20; a number of thousands of digits is no text for people.
_INTEGER_OCTETS = 21


@dataclass(frozen=True, slots=True)
class Extra:
    """An element that decides nothing about the certificate.

    Attributes:
        kind: ``extension``, ``attribute``, ``subject_attribute`` or ``usage``.
        element: its name and object identifier.
        value: for people, may be empty.
        why: why it decides nothing, one sentence.
        field: path for a violation.
        critical: marked so, which a reader of the certificate would have had to heed.
    """

    kind: str
    element: str
    value: str
    why: str
    field: str
    critical: bool = False

    def note(self) -> Note:
        """Return the note that it was ignored."""
        return Note(f"csr.{self.kind}_ignored", f"{self._said} was ignored.", self.why)

    def violation(self) -> Violation:
        """Return the refusal of a profile that takes no extras."""
        return Violation(
            code=f"csr.{self.kind}_not_allowed",
            field=self.field,
            value=f"{self.element} {self.value}".strip(),
            reason=f"{self._said} is an extra, and the profile refuses extras.",
            hint="Leave it out of the request, or set csr_extras of the profile to ignore.",
        )

    @property
    def _said(self) -> str:
        value = f" = {self.value}" if self.value else ""
        label = "The critical extension" if self.critical else _LABELS[self.kind]
        return f"{label} {self.element}{value}"


def bounded(extras: Sequence[Extra]) -> tuple[Extra, ...]:
    """Return at most ``MAX_EXTRAS``; the last one counts those that are left out."""
    if len(extras) <= MAX_EXTRAS:
        return tuple(extras)
    kept, last = extras[: MAX_EXTRAS - 1], extras[MAX_EXTRAS - 1]
    more = len(extras) - MAX_EXTRAS
    return (*kept, replace(last, why=f"{last.why} {more} more like it are not listed."))


def shown(der: bytes) -> str:
    """Return a DER value for people: text and numbers as such, everything else in hexadecimal."""
    if len(der) > _HEADER and der[0] in _TEXTS and der[1] == len(der) - _HEADER:
        try:
            return visible(der[_HEADER:].decode(_TEXTS[der[0]]))[:_TEXT_LENGTH]
        except UnicodeDecodeError:
            return shown_hex(der)
    if der[:1] == b"\x02" and len(der) <= _HEADER + _INTEGER_OCTETS:
        try:
            return str(parsed(lambda: asn1.decode_der(int, der)))
        except ParserFailed:
            pass
    return shown_hex(der)
