"""Checks on a certificate that a signer returned, before it is stored and delivered.

Where the signer was given the TBSCertificate, the certificate has to be made of those bytes.
Anything else was written by somebody else, and is believed only after these checks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apps.certificates.signers.base import Intent, Signed, Signer
from apps.errors import UpstreamRejected
from pki import chain, keys, names, serials
from pki.algorithms import SignatureAlgorithm, key_algorithm_of, signature_algorithms_of
from pki.findings import PkiError
from pki.parsing import ParserFailed, load_certificate, parsed
from pki.template import Leaf

_MAX_CHAIN = 9


@dataclass(frozen=True, slots=True)
class Finished:
    """A certificate that passed the checks.

    Attributes:
        der: the certificate.
        leaf: its content; validity and signature algorithm as they were signed.
        serial_number: lower-case hex.
        issuer: its issuer, RFC 4514 text.
    """

    der: bytes
    leaf: Leaf
    serial_number: str
    issuer: str


def accept(signer: Signer, intent: Intent, signed: Signed, *, at: datetime) -> Finished:
    """Return the certificate of an intent, checked.

    Args:
        signer: who returned it.
        intent: what was to be signed.
        signed: what came back.
        at: now, aware UTC.

    Raises:
        UpstreamRejected: it is not the certificate that was asked for.
    """
    leaf = intent.leaf
    try:
        # Bytes that were put together here need no guard against hostile ones.
        certificate = (
            parsed(lambda: x509.load_der_x509_certificate(signed.der))
            if intent.tbs_der
            else load_certificate(signed.der)
        )
    except (PkiError, ParserFailed) as error:
        raise UpstreamRejected("What the signer returned is no certificate.") from error
    if not intent.tbs_der:
        leaf = _written_elsewhere(signer, leaf, certificate, signed.chain_ders, at)
        serial_number = serials.serial_hex(certificate.serial_number)
        issuer = _issuer_text(certificate)
        return Finished(signed.der, leaf, serial_number, issuer)
    if certificate.tbs_certificate_bytes != intent.tbs_der:
        raise UpstreamRejected("The signer returned another certificate than was committed.")
    return Finished(signed.der, leaf, intent.serial_number, signed.issuer)


def _issuer_text(certificate: x509.Certificate) -> str:
    """Return the issuer as ours are written, or as the library does where it has other attributes."""
    pairs, foreign = names.read_subject(certificate.issuer)
    return certificate.issuer.rfc4514_string() if foreign else names.rfc4514(pairs)


def _written_elsewhere(
    signer: Signer,
    leaf: Leaf,
    certificate: x509.Certificate,
    chain_ders: Sequence[bytes],
    at: datetime,
) -> Leaf:
    """Return the content as signed, if it is what was decided and its chain holds."""
    try:
        above = [load_certificate(one) for one in chain_ders[: _MAX_CHAIN + 1]]
        wrong = parsed(lambda: list(_differences(leaf, certificate)))
        wrong += [item.reason for item in chain.verify_path([certificate, *above], at=at)]
        algorithm = parsed(lambda: _signature_algorithm(certificate, above[0])) if above else None
    except (PkiError, ParserFailed) as error:
        raise UpstreamRejected("The certificate or its chain cannot be read.") from error
    if not 0 < len(above) <= _MAX_CHAIN or (
        above[-1].public_bytes(Encoding.DER) not in {*signer.trust_anchors}
    ):
        wrong.append("Its chain does not end at a trust anchor of the signer.")
    if algorithm is None:
        wrong.append("It is signed with an algorithm that is not used here.")
    if wrong or algorithm is None:
        raise UpstreamRejected(f"The certificate is not what was asked for. {' '.join(wrong)}")
    return replace(
        leaf,
        signature_algorithm=algorithm,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _differences(leaf: Leaf, certificate: x509.Certificate) -> Iterator[str]:
    """Yield where a certificate gives more, or other things, than was decided."""
    if keys.public_key_to_der(certificate.public_key()) != leaf.public_key_der:
        yield "It certifies another key."
    if set(names.subject_pairs(certificate.subject)) != set(leaf.subject):
        yield "It has another subject."
    if _alt_names(certificate) != set(leaf.subject_alt_names):
        yield "It has other alternative names."
    if certificate.not_valid_after_utc > leaf.not_after:
        yield "It is valid for longer."
    if _is_ca(certificate) and not leaf.is_ca:
        yield "It is one of a CA."


def _alt_names(certificate: x509.Certificate) -> set[tuple[str, str] | None]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    # A name of a kind that is not used here is None, which is in no decided content.
    return {names.san_pair(name) for name in extension.value}


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signature_algorithm(
    certificate: x509.Certificate, issuer: x509.Certificate
) -> SignatureAlgorithm | None:
    key_algorithm = key_algorithm_of(issuer.public_key())
    if key_algorithm is None:
        return None
    digest = certificate.signature_hash_algorithm
    for algorithm in signature_algorithms_of(key_algorithm):
        name = algorithm.hash.name if algorithm.hash else None
        if name == (digest.name if digest else None):
            return algorithm
    return None
