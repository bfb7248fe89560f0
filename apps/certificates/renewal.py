"""Renewal: the same names through the same pipeline, linked to the certificate before."""

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from apps.applications import access, pairings
from apps.applications.roles import Permission
from apps.certificates import issuance, key_material
from apps.certificates.enrollment import Enrollment, require_open_method
from apps.certificates.models import Certificate, CertificateState, EnrollmentMethod
from apps.certificates.outcomes import Issued, Pending
from apps.certificates.pipeline import is_renewed_or_renewing
from apps.errors import (
    AlreadyExists,
    BadCSR,
    InvalidTransition,
    Malformed,
    PolicyViolation,
)
from apps.policies import fixed_rules
from apps.principals import Principal
from apps.profiles.models import Profile
from apps.profiles.requested_content import DEFAULT_TTL, RequestedContent
from apps.profiles.selectors import defaults_of
from pki import csr, keys, names
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.findings import UnusableCSR, Violation
from pki.template import Leaf

# Both ends of a validity count (RFC 5280 section 4.1.2.5).
_ONE_SECOND = timedelta(seconds=1)


class KeySource(StrEnum):
    """Which key the new certificate certifies (RFC 3647: renewal keeps it, re-key does not)."""

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
    request_id: UUID | None = None,
) -> Issued | Pending:
    """Issue a successor: same subject, names and usages, today's policy and profile.

    Args:
        principal: needs the right to request in the certificate's application.
        certificate: what to renew; it stays valid and is not revoked.
        key_source: ``new`` and ``reuse`` only where the key is kept here; ``csr`` brings one.
        csr_bytes: PKCS#10 for ``csr``; its names must be those of the certificate.
        method: how the request came in.
        request_id: as in ``Enrollment``.

    Raises:
        AccessDenied: the method is closed for the pair.
        AlreadyExists: it has been renewed, or is being renewed right now.
        InvalidTransition: revoked, without an application, or its key is not kept here.
        PolicyViolation: today's policy refuses the content.
    """
    if certificate.application is None or certificate.profile is None:
        raise InvalidTransition("The certificate belongs to no application; it cannot be renewed.")
    # First of all: what follows tells about the certificate, and may use its key.
    access.require(principal, Permission.REQUEST_CERTIFICATES, certificate.application)
    if certificate.state in {CertificateState.REVOKED, CertificateState.HELD}:
        raise InvalidTransition("A revoked certificate is not renewed; request a new one.")
    if is_renewed_or_renewing(certificate.pk):
        raise AlreadyExists("This certificate has been renewed, or is being renewed.")
    pairing = pairings.pairing_for(
        certificate.application.pk, certificate.profile.pk, version=principal.governance_version
    )
    require_open_method(pairing, method)
    request = certificate.request
    if request is None:
        raise InvalidTransition("The certificate was not issued here; request a new one.")
    leaf = Leaf.from_dict(request.leaf)
    if (key_source == KeySource.CSR) != (csr_bytes is not None):
        raise Malformed(violations=[_KEY_SOURCE_AND_CSR])
    if key_source == KeySource.REUSE:
        csr_bytes = _csr_of_stored_key(certificate, leaf)
    algorithm = leaf.key_algorithm
    if csr_bytes is not None and key_source == KeySource.CSR:
        algorithm = _algorithm_of(csr_bytes, leaf)
    enrollment = Enrollment(
        principal=principal,
        pairing=pairing,
        method=method,
        csr=csr_bytes,
        requested=_same_again(certificate, leaf, algorithm, pairing.profile),
        replaces=certificate,
        request_id=request_id,
    )
    return issuance.submit(enrollment)


def _same_again(
    certificate: Certificate, leaf: Leaf, algorithm: KeyAlgorithm, profile: Profile
) -> RequestedContent:
    """Return the requested content for the same content, less what a key of ``algorithm`` cannot serve.

    How the issuer signs is the issuer's to say: the profile first, then as before.
    """
    defaults = defaults_of(profile)
    signature_algorithm = defaults.signature_algorithm
    if signature_algorithm is None and certificate.authority_id == profile.authority_id:
        signature_algorithm = leaf.signature_algorithm if certificate.authority_id else None
    lifetime = leaf.not_after - leaf.not_before + _ONE_SECOND
    return RequestedContent(
        subject=leaf.subject,
        subject_alt_names=leaf.subject_alt_names,
        key_algorithm=algorithm,
        key_usages=tuple(sorted(leaf.key_usage & fixed_rules.usages_of(algorithm))),
        extended_key_usages=leaf.extended_key_usage,
        signature_algorithm=signature_algorithm,
        ttl=(defaults.ttl or DEFAULT_TTL) if _was_cut(certificate) else lifetime,
        is_ca=leaf.is_ca or None,
        path_length=leaf.path_length,
        must_staple=leaf.must_staple,
        fill_in=False,
    )


def _was_cut(certificate: Certificate) -> bool:
    """Tell whether the end was the issuer's own: successors must not stay as short for ever."""
    issuer = certificate.issuer_certificate
    return issuer is not None and certificate.not_after >= issuer.not_after


def _algorithm_of(csr_bytes: bytes, leaf: Leaf) -> KeyAlgorithm:
    """Return the key algorithm of a CSR whose names, if any, are those being renewed.

    Raises:
        BadCSR: it cannot be read.
        PolicyViolation: it asks for another subject or other names.
    """
    try:
        parsed = csr.parse_csr(csr_bytes)
    except UnusableCSR as error:
        raise BadCSR(violations=error.violations) from error
    found = []
    # A mail address may have become an alternative name, or have been left out.
    subject = {pair for pair in parsed.subject if pair[0] != "email_address"}
    mailboxes = {("email", value) for kind, value in parsed.subject if kind == "email_address"}
    # The profile's defaults may have completed the subject of the first request.
    if not subject <= set(leaf.subject):
        found.append(_differs("subject", names.rfc4514(parsed.subject)))
    wanted, certified = set(parsed.subject_alt_names), set(leaf.subject_alt_names)
    if wanted and wanted - mailboxes != certified - mailboxes:
        found.append(_differs("subject_alt_names", " ".join(sorted(v for _, v in wanted))))
    if found:
        raise PolicyViolation(found)
    return parsed.key_algorithm


def _differs(field: str, value: str) -> Violation:
    return Violation(
        code="renewal.names_differ",
        field=field,
        value=value[:200],
        reason="The CSR asks for another name than the certificate being renewed has.",
        hint="Request a new certificate to change names.",
    )


def _csr_of_stored_key(certificate: Certificate, leaf: Leaf) -> bytes:
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
