"""Calls into cryptography's parsers with bytes from outside: every failure becomes one error."""

from collections.abc import Callable
from typing import TypeVar

from cryptography import x509

from pki import der_guard
from pki.findings import PkiError, UnusableCertificate, Violation

MAX_CERTIFICATE_BYTES = 64 * 1024
"""A certificate with 250 alternative names and an ML-DSA key needs less than a third."""

_T = TypeVar("_T")


class ParserFailed(ValueError):
    """The library could not read the bytes; ``__cause__`` tells what it raised."""


def parsed(read: Callable[[], _T]) -> _T:
    """Return what ``read`` returns.

    Args:
        read: calls a parser of the library. Besides ``ValueError`` these raise ``TypeError``,
            ``x509.InvalidVersion``, ``x509.DuplicateExtension``, ``UnsupportedAlgorithm`` and
            others, which have no common base. A panic of the Rust code arrives as
            ``PanicException``, which derives from ``BaseException`` and cannot be imported.

    Raises:
        ParserFailed: whatever the library raised. A ``PkiError``, ``KeyboardInterrupt`` and
            ``SystemExit`` pass through.
    """
    try:
        return read()
    except PkiError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ParserFailed(f"cannot be read: {type(error).__name__}") from error


def load_certificate(data: bytes, *, max_bytes: int = MAX_CERTIFICATE_BYTES) -> x509.Certificate:
    """Return a certificate that somebody else made, whose names and times can be read.

    Its key, its extensions and its signature algorithm may still be unreadable: whoever needs them asks
    within ``parsed``.

    Args:
        data: DER. It passes ``der_guard`` before the library sees it.
        max_bytes: refuse longer input unseen.

    Raises:
        UnusableCertificate: not a certificate in DER.
    """
    try:
        der_guard.scan(data, max_bytes=max_bytes)
        return parsed(lambda: _with_readable_fields(data))
    except (PkiError, ParserFailed) as error:
        reason = "This is not a certificate."
        violation = Violation("certificate.unreadable", "certificates", "", reason)
        raise UnusableCertificate([violation]) from error


def _with_readable_fields(data: bytes) -> x509.Certificate:
    """Load a certificate and read what the library parses only when it is asked for."""
    certificate = x509.load_der_x509_certificate(data)
    _ = certificate.subject, certificate.issuer, certificate.serial_number
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate
