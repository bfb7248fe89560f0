"""Certification of an intermediate by an offline CA: its CSR, and checks of what comes back.

An administrator takes the CSR to the other CA and brings back a certificate and its chain. Both
are untrusted until the whole path is verified (RFC 5280 section 6.1); URLs in them are never
fetched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apps.authorities import name_constraints
from apps.authorities.models import Authority, AuthorityKind, AuthorityState
from apps.errors import InvalidInput, InvalidTransition
from apps.keys.backends import backend_of
from pki import bundles, csr, keys
from pki import chain as pki_chain
from pki.algorithms import KeyAlgorithm, default_signature_algorithm
from pki.constraints import is_self_issued, path_length_of
from pki.findings import PkiError, Violation
from pki.names import read_subject
from pki.parsing import ParserFailed, load_certificate, parsed
from pki.template import NameConstraints

_MAX_BYTES = 256 * 1024
_MAX_CERTIFICATES = 10
_BROKEN_DIGESTS = frozenset({"md5", "sha1"})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReceivedCertificate:
    """A certificate from an offline CA that passed every check.

    Attributes:
        der: the certificate, DER.
        above: its issuers, nearest first.
        path_length: ``pathLenConstraint``; ``None`` for no limit.
        name_constraints: its own name constraints.
    """

    der: bytes
    above: tuple[x509.Certificate, ...]
    path_length: int | None
    name_constraints: NameConstraints


def require_outside_issuer(authority: Authority) -> None:
    """Refuse authorities whose certificate this product issues, and revoked ones.

    Raises:
        InvalidTransition: it is a root or revoked, or its parent is an authority of this product.
    """
    if authority.kind == AuthorityKind.ROOT:
        raise InvalidTransition("A root signs its own certificate: renew it instead.")
    if authority.parent_id is not None:
        raise InvalidTransition("Its parent is here: renew it instead.")
    if authority.state == AuthorityState.REVOKED:
        raise InvalidTransition(
            f"The authority {authority.name} has been revoked, and its key must not be certified "
            "again. Create a new authority."
        )


def csr_pem(authority: Authority) -> bytes:
    """Return a PKCS#10 request signed by the authority's key, PEM.

    Raises:
        RuntimeError: called inside a transaction.
        UpstreamUnavailable: the key backend does not answer.
    """
    key = authority.key
    algorithm = default_signature_algorithm(KeyAlgorithm(key.algorithm))
    backend = backend_of(key.backend)
    private_key = keys.delegated_private_key(
        keys.load_public_key(bytes(key.public_key_der)),
        lambda data: backend.sign(key, data, algorithm),
    )
    request = csr.build_csr(
        subject=tuple((attribute, value) for attribute, value in authority.subject),
        subject_alt_names=(),
        private_key=private_key,
        algorithm=algorithm,
    )
    return x509.load_der_x509_csr(request).public_bytes(Encoding.PEM)


def received_certificate(
    authority: Authority, certificate: bytes, chain: bytes, *, at: datetime
) -> ReceivedCertificate:
    """Parse and verify a certificate that an offline CA issued for the authority's key.

    Args:
        authority: whose key it must certify.
        certificate: PEM or DER; PEM may hold the chain, too.
        chain: PEM or DER, may be empty.
        at: aware UTC; the whole path must be valid then.

    Raises:
        InvalidInput: everything that is wrong.
    """
    own, *more = _certificates(certificate, "certificate")
    above = _certificates(chain, "chain") if chain.strip() else []
    violations = list(_own_violations(authority, own))
    if violations:
        raise InvalidInput(violations)
    try:
        path = pki_chain.order_chain([own, *more, *above])
    except PkiError as error:
        raise InvalidInput(error.violations) from error
    violations = list(_path_violations(own, path, at))
    if violations:
        raise InvalidInput(violations)
    return ReceivedCertificate(
        der=own.public_bytes(Encoding.DER),
        above=tuple(path[1:]),
        path_length=path_length_of(own),
        name_constraints=name_constraints.constraints_of(own),
    )


def _certificates(data: bytes, field: str) -> list[x509.Certificate]:
    if len(data) > _MAX_BYTES:
        raise InvalidInput([_unreadable(field, f"More than {_MAX_BYTES} bytes were sent.")])
    try:
        if data.lstrip()[:1] == b"\x30":
            ders = [data]
        else:
            ders = bundles.from_pem(data.decode("ascii", "replace"), _MAX_CERTIFICATES)
        return [load_certificate(der) for der in ders]
    except PkiError as error:
        raise InvalidInput(
            [Violation(v.code, field, v.value, v.reason, v.hint) for v in error.violations]
        ) from error


def _unreadable(field: str, reason: str) -> Violation:
    return Violation("certificate.unreadable", field, "", reason, "PEM or DER.")


def _own_violations(authority: Authority, own: x509.Certificate) -> Iterator[Violation]:
    """Yield what shows that this is no certificate of this authority."""
    try:
        public_key_der = parsed(lambda: keys.public_key_to_der(own.public_key()))
        extensions = parsed(lambda: own.extensions)
        digest = parsed(lambda: own.signature_hash_algorithm)
    except ParserFailed:
        reason = "Its key, its extensions or its signature algorithm cannot be read."
        yield _unreadable("certificate", reason)
        return
    if public_key_der != bytes(authority.key.public_key_der):
        reason = "The certificate is for another key than this authority's."
        yield _wrong("other_key", "public_key", reason, "The one issued for its request (CSR).")
    subject, unreadable = read_subject(own.subject)
    yield from unreadable
    if not unreadable and [list(pair) for pair in subject] != authority.subject:
        reason = "The subject is not the one that was asked for."
        yield _wrong("other_subject", "subject", reason, "The subject of its request, in order.")
    if is_self_issued(own):
        yield _wrong("self_issued", "issuer", "The certificate is self-issued.", "")
    if digest is not None and digest.name in _BROKEN_DIGESTS:
        yield _wrong(
            "weak_signature", "signature_algorithm", f"It is signed with {digest.name}.", ""
        )
    yield from _usage_violations(extensions)


def _usage_violations(extensions: x509.Extensions) -> Iterator[Violation]:
    try:
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        yield _wrong(
            "not_a_ca", "basic_constraints", "The certificate is not one of a CA.", "CA:TRUE"
        )
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        can_sign = usage.key_cert_sign and usage.crl_sign
    except x509.ExtensionNotFound:
        can_sign = True  # a key usage that is absent limits nothing (RFC 5280 section 6.1.4 (n))
    if not can_sign:
        reason = "The key may not sign both certificates and CRLs."
        yield _wrong("key_usage", "key_usage", reason, "keyCertSign and cRLSign.")


def _wrong(code: str, field: str, reason: str, hint: str) -> Violation:
    return Violation(f"authority.{code}", f"certificate.{field}", "", reason, hint)


def _path_violations(
    own: x509.Certificate, path: Sequence[x509.Certificate], at: datetime
) -> Iterator[Violation]:
    if len(path) == 1:
        reason = "The certificate of its issuer is missing."
        yield Violation("authority.chain_missing", "chain", "", reason, "Add the chain above it.")
    if path[0] != own:
        reason = "The chain holds certificates that are not above this one."
        yield Violation("authority.chain", "chain", "", reason, "Only the issuers above it.")
    yield from pki_chain.verify_path(path, at=at)
