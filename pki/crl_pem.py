"""PEM form of certificate revocation lists, written piece by piece (RFC 7468 section 6)."""

import binascii
from collections.abc import Iterable, Iterator

_BEGIN, _END = b"-----BEGIN X509 CRL-----\n", b"-----END X509 CRL-----\n"
# 64 characters, the line of RFC 7468 section 2.
_LINE_OCTETS = 48


def size_of_pem(der_size: int) -> int:
    """Return how many octets the PEM of a CRL has.

    Args:
        der_size: octets of its DER.
    """
    characters = (der_size + 2) // 3 * 4
    lines = -(-der_size // _LINE_OCTETS)
    return len(_BEGIN) + characters + lines + len(_END)


def to_pem(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the PEM of a CRL.

    Args:
        chunks: its DER, in pieces of any size.
    """
    yield _BEGIN
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) - len(data) % _LINE_OCTETS
        yield _lines(data[:whole])
        rest = data[whole:]
    yield _lines(rest)
    yield _END


def _lines(data: bytes) -> bytes:
    starts = range(0, len(data), _LINE_OCTETS)
    return b"".join(binascii.b2a_base64(data[at : at + _LINE_OCTETS]) for at in starts)
