"""How is a certificate renewed? The same names through the same pipeline, linked to the old one."""

from enum import StrEnum


from apps.applications import selectors as application_selectors
from apps.certificates import issuance, key_material
from apps.certificates.issuance import Enrollment, Pending
from apps.certificates.models import Certificate, CertificateState, EnrollmentMethod
from apps.certificates.signing import Issued
from apps.errors import AlreadyExists, InvalidTransition, Malformed, Violation
from apps.principals import Principal
from apps.profiles.defaults import Wish
from pki import csr, keys
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.template import Leaf


class KeySource(StrEnum):
    """Which key the renewed certificate certifies (RFC 3647: renew keeps it, rekey does not)."""

    NEW = "new"
    REUSE = "reuse"
    CSR = "csr"


def renew(
    principal: Principal,
    certificate: Certificate,
    *,
    key_source: KeySource,
    csr_bytes: bytes | None = None,
    method: EnrollmentMethod = EnrollmentMethod.API,
) -> Issued | Pending:
    """Issue a successor: same subject, names and usages, today's policy and profile.

    Args:
        principal: needs the right to request in the certificate's application.
        certificate: what to renew; it stays valid and is not revoked.
        key_source: ``new`` and ``reuse`` only where the key is kept here; ``csr`` brings one.
        csr_bytes: PKCS#10 for ``csr``; its names must be those of the certificate.
        method: the door.

    Raises:
        AlreadyExists: it has been renewed, or is being renewed right now.
        InvalidTransition: revoked, without an application, or its key is not kept here.
        PolicyViolation: today's policy refuses the content.
    """
    if certificate.application is None or certificate.profile is None:
        raise InvalidTransition("The certificate belongs to no application; it cannot be renewed.")
    if certificate.state in {CertificateState.REVOKED, CertificateState.HELD}:
        raise InvalidTransition("A revoked certificate is not renewed; request a new one.")
    if Certificate.objects.filter(replaces=certificate).exists():
        raise AlreadyExists("This certificate has been renewed already.")
    pairing = application_selectors.pairing_for(
        principal, str(certificate.application_id), str(certificate.profile_id)
    )
    request = certificate.request
    if request is None:
        raise InvalidTransition("The certificate was not issued here; request a new one.")
    leaf = Leaf.from_dict(request.leaf)
    if (key_source == KeySource.CSR) != (csr_bytes is not None):
        raise Malformed(violations=[_KEY_SOURCE_AND_CSR])
    if key_source == KeySource.REUSE:
        csr_bytes = _csr_of_kept_key(certificate, leaf)
    enrollment = Enrollment(
        principal=principal,
        pairing=pairing,
        method=method,
        csr=csr_bytes,
        wish=_same_again(leaf, with_names=csr_bytes is None),
        replaces=certificate,
    )
    return issuance.submit(enrollment)


def _same_again(leaf: Leaf, *, with_names: bool) -> Wish:
    """Return the wish for the same content; a CSR brings the names itself."""
    return Wish(
        subject=leaf.subject if with_names else None,
        subject_alt_names=leaf.subject_alt_names if with_names else None,
        key_algorithm=leaf.key_algorithm if with_names else None,
        key_usages=tuple(sorted(leaf.key_usage)),
        extended_key_usages=leaf.extended_key_usage,
        ttl=leaf.not_after - leaf.not_before,
        is_ca=leaf.is_ca or None,
        path_length=leaf.path_length,
    )


def _csr_of_kept_key(certificate: Certificate, leaf: Leaf) -> bytes:
    """Return a CSR made with the key kept here, so that reuse passes the same checks."""
    key = keys.private_key_from_pkcs8(key_material.of_certificate(certificate), trusted=True)
    return csr.build_csr(
        subject=leaf.subject,
        subject_alt_names=leaf.subject_alt_names,
        private_key=key,
        algorithm=default_signature_algorithm(KeyAlgorithm(certificate.key_algorithm)),
    )


_KEY_SOURCE_AND_CSR = Violation(
    code="request.key_source",
    field="csr",
    value="",
    reason="A CSR goes with key source 'csr', and only with it.",
    hint="Send a csr, or name the key source 'new' or 'reuse'.",
)
