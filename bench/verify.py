"""Checks that every participant did all of the same work, for each sample.

A participant that answers without issuing, or issues without storing, would seem fast. A failed
check ends the run with an error instead of a figure.
"""

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp


class UnequalWorkError(Exception):
    """The answers or the stored rows are not the work that was requested."""


def certificates(report: dict[str, Any], authorities: Sequence[bytes], ops: int) -> None:
    """Check that each request got a certificate: its key, its name, from one of the authorities.

    Args:
        report: what a driver printed: names, keys and certificates in the same order.
        authorities: certificates (DER) that may have issued; those above them, too.
        ops: how many there must be.

    Raises:
        UnequalWorkError: with the first difference.
    """
    if report["failures"]:
        raise UnequalWorkError(f"a request failed: {report['failures'][0]}")
    issued = [bytes.fromhex(text) for text in report["certificates"]]
    if len(issued) != ops:
        raise UnequalWorkError(f"{len(issued)} certificates for {ops} requests")
    above = [x509.load_der_x509_certificate(der) for der in authorities]
    by_name = {ca.subject: ca for ca in above}
    serials = set()
    for der, name, spki in zip(issued, report["names"], report["spkis"], strict=True):
        certificate = x509.load_der_x509_certificate(der)
        _one(certificate, name, bytes.fromhex(spki), by_name)
        serials.add(certificate.serial_number)
    if len(serials) != ops:
        raise UnequalWorkError("serial numbers repeat")


def _one(
    certificate: x509.Certificate, name: str, spki: bytes, above: dict[x509.Name, x509.Certificate]
) -> None:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key != spki:
        raise UnequalWorkError(f"the certificate for {name} has another key")
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    if alternative.value.get_values_for_type(x509.DNSName) != [name]:
        raise UnequalWorkError(f"the certificate for {name} names {alternative.value}")
    issuer = above.get(certificate.issuer)
    if issuer is None:
        raise UnequalWorkError(f"the issuer of {name} is unknown: {certificate.issuer}")
    certificate.verify_directly_issued_by(issuer)  # raises when it is not so
    while issuer.issuer != issuer.subject:
        higher = above.get(issuer.issuer)
        if higher is None:
            raise UnequalWorkError(f"the chain of {name} ends at {issuer.subject}")
        issuer.verify_directly_issued_by(higher)
        issuer = higher


def ocsp_answers(report: dict[str, Any], authorities: Sequence[bytes], ops: int) -> None:
    """Check that each question got a signed answer: its certificate, its status, its nonce.

    Raises:
        UnequalWorkError: with the first difference.
    """
    if report["failures"]:
        raise UnequalWorkError(f"a request failed: {report['failures'][0]}")
    answers = [bytes.fromhex(text) for text in report["answers"]]
    if len(answers) != ops:
        raise UnequalWorkError(f"{len(answers)} answers to {ops} questions")
    issuer = x509.load_der_x509_certificate(authorities[0])
    verified: set[bytes] = set()
    for der, sent, status in zip(answers, report["requests"], report["statuses"], strict=True):
        request = ocsp.load_der_ocsp_request(bytes.fromhex(sent))
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise UnequalWorkError(f"an OCSP error: {answer.response_status.name}")
        told = answer.certificate_status.name.lower()
        if (answer.serial_number, told) != (request.serial_number, status):
            raise UnequalWorkError(f"{request.serial_number:x} is {status}, not {told}")
        if list(request.extensions) != list(answer.extensions):
            raise UnequalWorkError("the nonce is not echoed")
        if der not in verified:
            (responder,) = answer.certificates
            responder.verify_directly_issued_by(issuer)
            key, algorithm = responder.public_key(), answer.signature_hash_algorithm
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert algorithm is not None
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
            verified.add(der)


def stored(before: dict[str, int], after: dict[str, int], expected: dict[str, int]) -> None:
    """Check that tables have grown by exactly so many rows.

    Raises:
        UnequalWorkError: one has not.
    """
    for table, growth in expected.items():
        if after[table] - before[table] != growth:
            found = after[table] - before[table]
            raise UnequalWorkError(f"{table} grew by {found} rows, not {growth}")
