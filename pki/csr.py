"""PKCS#10 certificate requests: parser with proof of possession, and builder (RFC 2986).

A request contributes its key, the proof of possession, and the names and usages that survive
checks; nothing of it is copied into a certificate. Hostile bytes pass these checks in order: size,
PEM label, DER scan, structure, key, proof of possession, names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PrivateKeyTypes,
    PublicKeyTypes,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID

from pki import der_guard, keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.csr_extensions import read_extensions
from pki.csr_extras import MAX_EXTRAS, Extra, bounded, shown
from pki.csr_frame import EXTENSION_REQUESTS, Attribute, read_frame
from pki.csr_pem import MAX_BYTES, request_der
from pki.csr_proof import read_key
from pki.csr_subject import read_subject
from pki.csr_violations import Findings, csr_violation
from pki.findings import Note, PkiError, UnusableCSR, Violation
from pki.names import general_names, x509_name
from pki.oid_names import named
from pki.parsing import ParserFailed, parsed
from pki.template import TypeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCSR:
    """A readable request with a proven key.

    Attributes:
        der: the request, DER as sent.
        public_key: its key.
        public_key_der: SubjectPublicKeyInfo in our own encoding, DER.
        key_algorithm: algorithm of that key.
        subject: ordered (attribute, value) pairs, one for each attribute that certificates here
            can have; repaired, see ``notes``.
        subject_alt_names: ordered (type, value) pairs, canonical, without repetitions.
        name_positions: the place of each of these in the list as sent, for reports.
        key_usage: asked for; ``None`` when the request is silent.
        extended_key_usage: asked for, in order; ``None`` when the request is silent.
        is_ca: asked for; ``None`` when the request is silent.
        path_length: asked for; ``None`` when the request is silent.
        must_staple: the TLS feature status_request is asked for (RFC 7633).
        challenge_password: RFC 2985 section 5.4.1.
        violations: everything that no profile could allow; empty for a sound request.
        extras: what it carries beside; at most ``MAX_EXTRAS``.
        notes: repairs of its names.
    """

    der: bytes
    public_key: PublicKeyTypes
    public_key_der: bytes
    key_algorithm: KeyAlgorithm
    subject: tuple[TypeValue, ...] = ()
    subject_alt_names: tuple[TypeValue, ...] = ()
    name_positions: tuple[int, ...] = ()
    key_usage: frozenset[str] | None = None
    extended_key_usage: tuple[str, ...] | None = None
    is_ca: bool | None = None
    path_length: int | None = None
    must_staple: bool = False
    challenge_password: str | None = None
    violations: tuple[Violation, ...] = ()
    extras: tuple[Extra, ...] = ()
    notes: tuple[Note, ...] = ()


def parse_csr(data: bytes) -> ParsedCSR:
    """Read a request, check its proof of possession and collect what is wrong with it.

    Args:
        data: DER, or one PEM block with or without text around it; at most 32 KiB of DER.

    Raises:
        UnusableCSR: unreadable, an unsupported key, or no valid proof of possession; lists
            everything that was found. No bytes cause another exception.
    """
    try:
        der = request_der(data)
        der_guard.scan(der, max_bytes=MAX_BYTES)
        return parsed(lambda: _read(der))
    except UnusableCSR:
        raise
    except PkiError as error:
        raise UnusableCSR([replace(v, field="csr") for v in error.violations]) from error
    except ParserFailed as error:
        reason = "The request holds a value that cannot be read."
        raise UnusableCSR([csr_violation("unreadable", reason)]) from error


def build_csr(
    *,
    subject: Sequence[TypeValue],
    subject_alt_names: Sequence[TypeValue],
    private_key: PrivateKeyTypes,
    algorithm: SignatureAlgorithm,
) -> bytes:
    """Return a signed request, DER; the key may be a delegated one.

    Raises:
        UnusableName: the subject cannot be encoded.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509_name(subject))
    if subject_alt_names:
        names = x509.SubjectAlternativeName(general_names(subject_alt_names))
        builder = builder.add_extension(names, critical=False)
    signer = cast("CertificateIssuerPrivateKeyTypes", private_key)
    return builder.sign(signer, cast("Any", algorithm.hash)).public_bytes(Encoding.DER)


def _read(der: bytes) -> ParsedCSR:
    frame = read_frame(der)
    findings = Findings()
    key, algorithm = read_key(frame, findings)
    subject = read_subject(frame.subject_der)
    findings.violations += subject.violations
    findings.extras += subject.extras
    asked = read_extensions(frame.attributes, findings)
    password = _read_attributes(frame.attributes, findings)
    if findings.fatal or key is None or algorithm is None:
        raise UnusableCSR(findings.violations)
    return ParsedCSR(
        der=der,
        public_key=key,
        public_key_der=keys.public_key_to_der(key),
        key_algorithm=algorithm,
        subject=tuple(subject.pairs),
        subject_alt_names=tuple(asked.subject_alt_names),
        name_positions=tuple(asked.subject_alt_names.values()),
        key_usage=asked.key_usage,
        extended_key_usage=asked.extended_key_usage,
        is_ca=asked.is_ca,
        path_length=asked.path_length,
        must_staple=asked.must_staple,
        challenge_password=password,
        violations=tuple(findings.violations),
        extras=bounded(findings.extras),
        notes=(*_version_note(frame.version), *subject.notes[:MAX_EXTRAS]),
    )


def _version_note(version: int) -> tuple[Note, ...]:
    if version == 0:
        return ()
    what = f"The version number {shown(asn1.encode_der(version))} was ignored."
    return (Note("csr.version_ignored", what, "RFC 2986 section 4.1 knows version 0 only."),)


def _read_attributes(attributes: Sequence[Attribute], findings: Findings) -> str | None:
    """Return the challenge password; every attribute without extensions is an extra."""
    password = None
    for attribute in attributes:
        if attribute.oid in EXTENSION_REQUESTS:
            continue
        value = ", ".join(shown(der) for der in attribute.values[:3])
        why = "Attributes of requests decide nothing."
        if attribute.oid == AttributeOID.CHALLENGE_PASSWORD.dotted_string:
            password, value = _text_of(attribute), ""  # a secret: told nowhere
        findings.extras.append(Extra("attribute", named(attribute.oid), value, why, "attributes"))
    return password


def _text_of(attribute: Attribute) -> str | None:
    """Return the single text of an attribute, ``None`` for anything else."""
    if len(attribute.values) != 1:
        return None
    try:
        return bytes(parsed(lambda: asn1.decode_der(asn1.TLV, attribute.values[0])).data).decode()
    except (ParserFailed, UnicodeDecodeError):
        return None
