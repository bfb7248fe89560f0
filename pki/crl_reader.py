"""Reader of certificate revocation lists of any size, from pieces and with constant memory.

Only what surrounds the entries goes to the library, which would turn each entry into objects: 600 MB
for a million.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509

from pki.crl import UnusableCRL
from pki.findings import Violation
from pki.parsing import ParserFailed, parsed
from pki.structures import der_header

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_INTEGER, _SEQUENCE = 0x02, 0x30
_TIMES = (0x17, 0x18)
_LONG_FORM = 0x80
_MAX_LENGTH_OCTETS = 4
# Version, algorithm, issuer and times; or extensions and signature.
_MAX_AROUND = 64 * 1024
_MAX_ENTRY = 4096


@dataclass(frozen=True, slots=True)
class CrlSummary:
    """What surrounds the entries of a CRL.

    Attributes:
        number: CRLNumber.
        this_update: aware UTC.
        next_update: aware UTC.
        scope: value of issuingDistributionPoint, DER; empty for a CRL of full scope.
    """

    number: int
    this_update: datetime
    next_update: datetime
    scope: bytes = b""


class CrlReader:
    """A CRL that is read once, from its beginning to its end: all ``serials``, then ``summary``."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._buffer = b""
        self._before = b""
        self._tbs_left = 0

    def serials(self) -> Iterator[bytes]:
        """Yield the content octets of each entry's serial number, in the order of the CRL.

        Raises:
            UnusableCRL: not a CRL.
        """
        try:
            left = self._begin()
            self._tbs_left -= left
            at = 0
            while left > 0:
                if at + _MAX_ENTRY > len(self._buffer):
                    self._fill(at, _MAX_ENTRY)
                    at = 0
                buffer = self._buffer
                body, size = _content(buffer, at)
                end = body + size
                length = buffer[body + 1]
                if (
                    buffer[at] != _SEQUENCE
                    or buffer[body] != _INTEGER
                    or end > len(buffer)
                    or not 0 < length <= size - 2
                ):
                    raise _unreadable()
                left -= end - at
                at = end
                yield buffer[body + 2 : body + 2 + length]
        except IndexError as error:
            raise _unreadable() from error
        if left:
            raise _unreadable()
        self._fill(at, _MAX_AROUND + 1)

    def summary(self) -> CrlSummary:
        """Return what surrounds the entries; reads the rest of the CRL.

        Raises:
            UnusableCRL: not a CRL; no number or nextUpdate.
        """
        rest = self._buffer
        if len(rest) > _MAX_AROUND or not 0 <= self._tbs_left <= len(rest):
            raise _unreadable()
        # The same CRL without entries, which its signature does not fit, for the library to read.
        tbs = self._before + rest[: self._tbs_left]
        signed = der_header(_SEQUENCE, len(tbs)) + tbs + rest[self._tbs_left :]
        try:
            crl = parsed(
                lambda: x509.load_der_x509_crl(der_header(_SEQUENCE, len(signed)) + signed)
            )
            found = parsed(lambda: crl.extensions)
        except ParserFailed as error:
            raise _unreadable() from error
        next_update = crl.next_update_utc
        number = _extension_value(found, x509.CRLNumber)
        if number is None or next_update is None:
            raise _unreadable("The CRL lacks its number or its nextUpdate.")
        scope = _extension_value(found, x509.IssuingDistributionPoint)
        return CrlSummary(
            number=number.crl_number,
            this_update=crl.last_update_utc,
            next_update=next_update,
            scope=b"" if scope is None else scope.public_bytes(),
        )

    def _begin(self) -> int:
        """Read up to the first entry; return how many octets the entries have."""
        self._fill(0, _MAX_AROUND)
        buffer = self._buffer
        if buffer[0] != _SEQUENCE:
            raise _unreadable()
        at, _ = _content(buffer, 0)
        if buffer[at] != _SEQUENCE:
            raise _unreadable()
        at, size = _content(buffer, at)
        first, end = at, at + size
        # version (since version 2), signature, issuer, thisUpdate, nextUpdate (optional)
        for tags, required in (
            ((_INTEGER,), False),
            ((_SEQUENCE,), True),
            ((_SEQUENCE,), True),
            (_TIMES, True),
            (_TIMES, False),
        ):
            if at < end and buffer[at] in tags:
                body, length = _content(buffer, at)
                at = body + length
            elif required:
                raise _unreadable()
        self._before, left = buffer[first:at], 0
        if at < end and buffer[at] == _SEQUENCE:
            at, left = _content(buffer, at)
        self._tbs_left = end - at
        self._buffer = buffer[at:]
        return left

    def _fill(self, at: int, wanted: int) -> None:
        """Drop what was read, and read on until so many octets are there, or the end is."""
        pieces = [self._buffer[at:]]
        have = len(pieces[0])
        while have < wanted and (piece := next(self._chunks, None)) is not None:
            pieces.append(piece)
            have += len(piece)
        self._buffer = b"".join(pieces)


def _content(buffer: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element begins and how long it is (X.690 section 8.1.3)."""
    size = buffer[at + 1]
    if size < _LONG_FORM:
        return at + 2, size
    octets = size - _LONG_FORM
    if not 0 < octets <= _MAX_LENGTH_OCTETS:
        raise _unreadable()
    body = at + 2 + octets
    return body, int.from_bytes(buffer[at + 2 : body], "big")


def _extension_value(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _unreadable(reason: str = "This is not a readable CRL.") -> UnusableCRL:
    return UnusableCRL([Violation("crl.unreadable", "crl", "", reason)])
