"""The one PKCS#10 request in bytes from outside: DER, or a PEM block with text around it (RFC 7468)."""

import binascii
import re

from pki.csr_frame import shown_hex
from pki.csr_violations import csr_violation
from pki.findings import UnusableCSR, Violation

MAX_BYTES = 32 * 1024
"""Of DER; the largest keys and 250 names need less than half."""
MAX_PEM_BYTES = 64 * 1024
"""With the text that OpenSSL and certtool print before the block."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_LABELS = frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})
# Boundaries stand at the begin of a line (RFC 7468 section 2), which pasted text may have indented.
_BEGIN = re.compile(rb"^[ \t]*-----BEGIN ([^\r\n-]{0,64})-----", re.MULTILINE)
_WHITE = b" \t\r\n\v\f"
_SEQUENCE = 0x30
_LONG_FORM = 0x80
_PRINTABLE = range(0x20, 0x7F)


def request_der(data: bytes) -> bytes:
    """Return the DER of the one request in ``data``, without white space after it.

    Raises:
        UnusableCSR: too long, no request, several blocks, a block of another kind, or bytes
            after the end of the DER.
    """
    if len(data) > MAX_PEM_BYTES:
        reason = f"The request is {len(data)} bytes long; at most {MAX_BYTES} of DER are read."
        raise UnusableCSR([csr_violation("too_large", reason)])
    if _is_der(data):
        return _without_white_space(data)
    return _without_white_space(_decoded(_block(data.removeprefix(_BYTE_ORDER_MARK))))


def holds_private_key(data: bytes) -> bool:
    """Tell whether text holds a private key: such bytes are neither kept nor shown."""
    return b"PRIVATE KEY-----" in data


def _is_der(data: bytes) -> bool:
    # 0x30 is also the digit 0, with which the text before a block may begin.
    if data[:1] != bytes([_SEQUENCE]):
        return False
    return len(data) == 1 or data[1] not in _PRINTABLE or _BEGIN.search(data) is None


def _block(text: bytes) -> bytes:
    """Return what stands between the boundaries of the one block."""
    begins = list(_BEGIN.finditer(text))
    if holds_private_key(text):
        reason = "The text holds a private key. Whoever saw this request may have the key now."
        raise UnusableCSR(
            [csr_violation("private_key", reason, "Make a new key; send only the request.")]
        )
    if not begins:
        raise UnusableCSR([_no_block(text)])
    labels = [begin[1].decode("ascii", "replace") for begin in begins]
    if len(begins) > 1:
        reason = f"There is more than one PEM block: {', '.join(labels[:5])}."
        hint = "Exactly one block CERTIFICATE REQUEST; text around it is fine."
        raise UnusableCSR([csr_violation("several_pem_blocks", reason, hint)])
    if labels[0] not in _LABELS:
        reason = f"The PEM block is labelled {labels[0]}."
        hint = "CERTIFICATE REQUEST or NEW CERTIFICATE REQUEST."
        raise UnusableCSR([csr_violation("pem_label", reason, hint)])
    body, end, _ = text[begins[0].end() :].partition(b"-----END %s-----" % begins[0][1])
    if not end:
        reason = f"The PEM block has no line -----END {labels[0]}-----."
        raise UnusableCSR([csr_violation("pem_end", reason, "Send the whole block.")])
    return body


def _no_block(text: bytes) -> Violation:
    if text.startswith(_UTF16_MARKS):
        reason = "The text is in UTF-16."
        return csr_violation("unreadable", reason, "Save it as ASCII or UTF-8.")
    reason = "This is not a PKCS#10 certificate request: neither DER nor a PEM block."
    return csr_violation("unreadable", reason, "DER, or a PEM block CERTIFICATE REQUEST.")


def _decoded(body: bytes) -> bytes:
    head, _, rest = body.replace(b"\r\n", b"\n").partition(b"\n\n")
    # Headers as in RFC 1421 end with an empty line; RFC 7468 forbids to write them.
    if b":" in head:
        body = rest
    try:
        return binascii.a2b_base64(body.translate(None, _WHITE), strict_mode=True)
    except binascii.Error:
        reason = "The PEM block is not valid base64."
        raise UnusableCSR([csr_violation("base64", reason)]) from None


def _without_white_space(der: bytes) -> bytes:
    """Return the element that ``der`` begins with, if nothing but white space follows it."""
    end = _end_of_element(der)
    rest = der[end:]
    if not rest.strip(_WHITE):
        return der[:end]
    many = f"{len(rest)} bytes follow" if len(rest) > 1 else "1 byte follows"
    reason = f"{many} the end of the request: {shown_hex(rest)}."
    hint = "Nothing, or white space."
    raise UnusableCSR([Violation("der.trailing_bytes", "csr", str(len(rest)), reason, hint)])


def _end_of_element(der: bytes) -> int:
    """Return where the first element ends; the end of the input where that cannot be told."""
    if len(der) < 2:  # noqa: PLR2004 - tag and length
        return len(der)
    length, content = der[1], 2
    if length >= _LONG_FORM:
        content += length - _LONG_FORM
        length = int.from_bytes(der[2:content], "big")
    return min(content + length, len(der))
