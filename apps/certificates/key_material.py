"""Private keys made by the server: sealed at rest, bound to the row that holds them."""

from dataclasses import dataclass
from uuid import UUID

from apps import sealing
from apps.certificates.models import Certificate, CertificateRequest
from apps.errors import NotFound
from apps.keys import generation
from apps.web import throttle
from pki import keys
from pki.algorithms import KeyAlgorithm

_REQUEST_CONTEXT = "certificates.CertificateRequest.sealed_private_key"
_CERTIFICATE_CONTEXT = "certificates.Certificate.sealed_private_key"


@dataclass(frozen=True, slots=True, repr=False)
class MadeKey:
    """A fresh key pair; its representation shows nothing."""

    public_key_der: bytes
    pkcs8_der: bytes


def make(algorithm: KeyAlgorithm, application_id: UUID) -> MadeKey:
    """Return a new key pair. RSA takes 50-300 ms, and longer while others are made.

    Raises:
        RateLimited: the application has had many RSA keys made within a minute.
        Busy: too many RSA keys are being made.
    """
    private_key = generation.generate(algorithm, admit=lambda: throttle.charge_key(application_id))
    return MadeKey(
        public_key_der=keys.public_key_to_der(private_key.public_key()),
        pkcs8_der=keys.private_key_to_pkcs8(private_key),
    )


def seal_for_request(request: CertificateRequest, key: MadeKey) -> bytes:
    """Return the key sealed for the request's row."""
    return sealing.seal(key.pkcs8_der, context=f"{_REQUEST_CONTEXT}:{request.pk}")


def of_request(request: CertificateRequest) -> bytes | None:
    """Return the PKCS#8 DER kept with a request, ``None`` when the requester has the key."""
    if not request.sealed_private_key:
        return None
    return sealing.unseal(
        bytes(request.sealed_private_key), context=f"{_REQUEST_CONTEXT}:{request.pk}"
    )


def seal_for_certificate(certificate_id: UUID, pkcs8_der: bytes) -> bytes:
    """Return the key sealed for a certificate's row."""
    return sealing.seal(pkcs8_der, context=f"{_CERTIFICATE_CONTEXT}:{certificate_id}")


def of_certificate(certificate: Certificate) -> bytes:
    """Return the PKCS#8 DER kept with a certificate.

    Raises:
        NotFound: the key was made elsewhere and never came here.
    """
    if not certificate.sealed_private_key:
        raise NotFound("Sealwright does not hold the private key of this certificate.")
    return sealing.unseal(
        bytes(certificate.sealed_private_key), context=f"{_CERTIFICATE_CONTEXT}:{certificate.pk}"
    )
