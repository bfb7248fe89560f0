"""Is this a certificate request of the usual kind, octet by octet, and what does it say?

Nearly all requests consist of plain texts, a key, alternative names and a signature. DER writes
all of that in one way only: such a request is recognised by comparing it with that way, which
is stricter than ``der_guard`` and leaves nothing for a parser to judge but the key. Whatever
looks different is no error here; ``csr`` reads it the long way.
"""

from typing import NamedTuple

from pki import der, der_guard, keys
from pki.algorithms import SignatureAlgorithm
from pki.der_values import algorithm_identifier, header
from pki.encoded_names import plain_alt_names_asked, plain_subject
from pki.template import TypeValue

_VERSION = b"\x02\x01\x00"
_NO_ATTRIBUTES = b"\xa0\x00"
_WHOLE_OCTETS = b"\x00"  # what a BIT STRING begins with when all its bits count
_ALGORITHMS = {
    algorithm_identifier(algorithm): algorithm
    for algorithm in SignatureAlgorithm
    if algorithm.hash is not None
}


class UsualRequest(NamedTuple):
    """A request of the usual kind as it is written (RFC 2986 section 4), and no more than that.

    Attributes:
        info: what is signed.
        subject: ordered (attribute, value) pairs.
        public_key_der: SubjectPublicKeyInfo.
        alt_names: ordered (type, value) pairs; nothing else is asked for.
        signature_algorithm: RSA or ECDSA, over a digest that counts.
        signature: over ``info``.
    """

    info: bytes
    subject: tuple[TypeValue, ...]
    public_key_der: bytes
    alt_names: tuple[TypeValue, ...]
    signature_algorithm: SignatureAlgorithm
    signature: bytes


def read_usual(data: bytes, *, max_bytes: int) -> UsualRequest | None:
    """Return what a request of the usual kind says; ``None`` for everything else.

    Args:
        data: any bytes.
        max_bytes: longer input is left unseen.
    """
    if len(data) > max_bytes:
        return None
    try:
        return _read(data)
    except (ValueError, KeyError):
        return None


def _read(data: bytes) -> UsualRequest:
    """Walk from element to element; each begins where the one before it ends.

    Raises:
        ValueError, KeyError: it is not of the usual kind.
    """
    info, end = _bounds(data, 0, der.SEQUENCE)
    version, info_end = _bounds(data, info, der.SEQUENCE)
    subject, subject_end = _bounds(data, version + len(_VERSION), der.SEQUENCE)
    _, key_end = _bounds(data, subject_end, der.SEQUENCE)
    _, algorithm_end = der.bounds(data, info_end)
    signature, signature_end = _bounds(data, algorithm_end, der.BIT_STRING, _WHOLE_OCTETS)
    if not data.startswith(_VERSION, version) or not signature_end == end == len(data):
        raise ValueError
    return UsualRequest(
        info=data[info:info_end],
        subject=_present(plain_subject(data, subject, subject_end)),
        public_key_der=_sound_key(data[subject_end:key_end]),
        alt_names=_alt_names(data, key_end, info_end),
        signature_algorithm=_ALGORITHMS[data[info_end:algorithm_end]],
        signature=data[signature:end],
    )


def _bounds(data: bytes, offset: int, tag: int, first: bytes = b"") -> tuple[int, int]:
    """Return start, after ``first``, and end of the content of the element at ``offset``.

    Raises:
        ValueError: it is another one, or not written in the one way of DER.
    """
    content, end = der.bounds(data, offset)
    if not data.startswith(header(tag, end - content) + first, offset):
        raise ValueError
    return content + len(first), end


def _alt_names(data: bytes, start: int, end: int) -> tuple[TypeValue, ...]:
    if data[start:end] == _NO_ATTRIBUTES:
        return ()
    return _present(plain_alt_names_asked(data, start, end))


def _present(pairs: tuple[TypeValue, ...] | None) -> tuple[TypeValue, ...]:
    if pairs is None:
        raise ValueError
    return pairs


def _sound_key(spki: bytes) -> bytes:
    """Return a key that is fit for a parser: a point of fixed form, or scanned as all DER is.

    Raises:
        PkiError: the scan refuses it.
    """
    if not keys.is_plain_point(spki):
        der_guard.scan(spki, max_bytes=len(spki))
    return spki
