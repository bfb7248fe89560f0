"""What a certificate request yields: ``Issued``, ``Pending`` or ``Submitted``."""

from dataclasses import dataclass

from apps.certificates.models import Certificate, CertificateRequest
from apps.errors import SealwrightError


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """A certificate.

    Attributes:
        request: as it is now.
        certificate: the row.
        private_key_der: PKCS#8, only for keys made here.
        stored_here: this very call stored the certificate, not another worker on the same request.
    """

    request: CertificateRequest
    certificate: Certificate
    private_key_der: bytes | None = None
    stored_here: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """The request waits for somebody; ask again after ``retry_after_s`` seconds."""

    request: CertificateRequest
    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Submitted(Pending):
    """The request waits for an external authority, which has accepted it."""


Outcome = Issued | Pending | SealwrightError
"""Of one of several requests: errors are values here, so that one stops none of the others."""
