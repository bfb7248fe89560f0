"""Export of certificates as PEM, DER, PKCS#7 and PKCS#12, with or without the private key."""

import logging
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.db import DatabaseError, transaction

from apps import costly
from apps.applications import access
from apps.applications.roles import Permission
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import selectors as authority_selectors
from apps.certificates import key_material
from apps.certificates.models import Certificate
from apps.errors import Malformed, UnsupportedFormat
from apps.principals import Principal
from apps.statements import faults
from apps.web import throttle
from pki import bundles, keys
from pki.findings import UnsupportedBundle, Violation

_logger = logging.getLogger(__name__)


class ExportFormat(StrEnum):
    """Every format on offer."""

    PEM = "pem"
    CHAIN = "chain"
    FULL_CHAIN = "fullchain"
    DER = "der"
    P7B = "p7b"
    PKCS12 = "pkcs12"
    PRIVATE_KEY = "private-key"
    JKS = "jks"


PUBLIC_FORMATS = (
    ExportFormat.PEM,
    ExportFormat.CHAIN,
    ExportFormat.FULL_CHAIN,
    ExportFormat.DER,
    ExportFormat.P7B,
)


@dataclass(frozen=True, slots=True, repr=False)
class ExportedFile:
    """A file to hand out.

    Attributes:
        name: safe to stand in Content-Disposition.
        content_type: media type.
        content: the file.
        notes: ASCII sentences for whoever receives it.
    """

    name: str
    content_type: str
    content: bytes
    notes: tuple[str, ...] = ()


def parse_format(text: str) -> ExportFormat:
    """Return the format that a text names.

    Raises:
        UnsupportedFormat: unknown; the answer lists the known ones.
    """
    try:
        return ExportFormat(text)
    except ValueError as error:
        known = ", ".join(item.value for item in ExportFormat if item != ExportFormat.JKS)
        raise UnsupportedFormat(f"'{text:.100}' is not a format; use one of: {known}.") from error


def export_public(
    principal: Principal, certificate: Certificate, form: ExportFormat
) -> ExportedFile:
    """Return the certificate or its chain in a form that holds no key.

    Raises:
        UnsupportedFormat: the form carries a key (use ``export_with_key``) or is not offered.
    """
    access.require(principal, Permission.VIEW_CERTIFICATES, certificate.application)
    der = bytes(certificate.der)
    match form:
        case ExportFormat.PEM:
            content, kind, suffix = bundles.to_pem([der]).encode(), "application/x-pem-file", "pem"
        case ExportFormat.CHAIN:
            chain = chain_ders(certificate)
            content, kind, suffix = (
                bundles.to_pem(chain).encode(),
                "application/x-pem-file",
                "chain.pem",
            )
        case ExportFormat.FULL_CHAIN:
            every = [der, *chain_ders(certificate)]
            content, kind, suffix = (
                bundles.to_pem(every).encode(),
                "application/x-pem-file",
                "fullchain.pem",
            )
        case ExportFormat.DER:
            content, kind, suffix = der, "application/pkix-cert", "cer"
        case ExportFormat.P7B:
            content = bundles.to_p7b([der, *chain_ders(certificate)])
            kind, suffix = "application/x-pkcs7-certificates", "p7b"
        case ExportFormat.JKS:
            raise UnsupportedFormat(bundles.JKS_REFUSAL)
        case _:
            raise UnsupportedFormat(f"{form.value} carries a private key: POST to export instead.")
    try:
        with transaction.atomic():
            _record(principal, certificate, Event.CERTIFICATE_EXPORTED, form)
    except DatabaseError as error:
        # What is public is handed out all the same: its holder needs it most during an outage.
        if faults.unavailability(error) is None:
            raise
        _logger.warning("the export of %s is not on record: %s", certificate.pk, error)
    return ExportedFile(f"{_stem(certificate)}.{suffix}", kind, content)


def export_with_key(
    principal: Principal,
    certificate: Certificate,
    form: ExportFormat,
    *,
    password: str,
    legacy: bool = False,
) -> ExportedFile:
    """Return the private key kept here, alone (PKCS#8 PEM) or in a PKCS#12 file.

    Args:
        principal: needs ``read private keys`` in the application.
        certificate: one whose key was made here.
        form: ``pkcs12`` or ``private-key``.
        password: protects the file; required for PKCS#12, optional for PKCS#8.
        legacy: PKCS#12 as old devices need it, with triple DES and SHA-1.

    Raises:
        NotFound: the key is not kept here.
        UnsupportedFormat: the form cannot carry the key (PKCS#12 and ML-DSA).
        RateLimited: many PKCS#12 files were made for the application within a minute.
        Busy: too much costly work is being done.
    """
    access.require(principal, Permission.READ_PRIVATE_KEYS, certificate.application)
    if form == ExportFormat.JKS:
        raise UnsupportedFormat(bundles.JKS_REFUSAL)
    if form not in {ExportFormat.PKCS12, ExportFormat.PRIVATE_KEY}:
        raise UnsupportedFormat(f"{form.value} carries no private key: download it instead.")
    if form == ExportFormat.PKCS12 and not password:
        raise Malformed(violations=[_PASSWORD_MISSING])
    if legacy and form != ExportFormat.PKCS12:
        raise Malformed(violations=[_LEGACY_UNUSED])
    notes: tuple[str, ...] = ()
    key = keys.private_key_from_pkcs8(key_material.of_certificate(certificate), trusted=True)
    if form == ExportFormat.PKCS12:
        try:
            content = _pkcs12(key, certificate, password, legacy=legacy)
        except UnsupportedBundle as error:
            raise UnsupportedFormat(str(error)) from error
        kind, suffix, notes = "application/x-pkcs12", "p12", bundles.pkcs12_notes(password)
    else:
        content = keys.private_key_to_pem(key, password.encode() if password else None)
        kind, suffix = "application/x-pem-file", "key.pem"
    with transaction.atomic():
        _record(
            principal,
            certificate,
            Event.CERTIFICATE_KEY_EXPORTED,
            form,
            **({"legacy": True} if legacy else {}),
        )
    return ExportedFile(f"{_stem(certificate)}.{suffix}", kind, content, notes)


def _pkcs12(
    key: PrivateKeyTypes, certificate: Certificate, password: str, *, legacy: bool
) -> bytes:
    """Return the file; its key derivation keeps a core busy, and holds up the process's threads.

    Not at a lower priority: the library holds the interpreter's lock meanwhile.
    """
    chain = chain_ders(certificate)
    with costly.turn():
        throttle.charge_pkcs12(certificate.application_id)
        return bundles.to_pkcs12(
            key,
            bytes(certificate.der),
            chain,
            password.encode(),
            certificate.name,
            legacy=legacy,
        )


def chain_ders(certificate: Certificate) -> list[bytes]:
    """Return the issuers above a certificate, nearest first, without the root (DER)."""
    if certificate.issuer_certificate_id is None:
        return []
    return authority_selectors.chain_without_root(certificate.issuer_certificate_id)


def _record(
    principal: Principal, certificate: Certificate, event: Event, form: ExportFormat, **more: bool
) -> None:
    record(
        event,
        principal=principal,
        subject=certificate,
        application_id=certificate.application_id,
        format=form.value,
        serial_number=certificate.serial_number,
        **more,
    )


def _stem(certificate: Certificate) -> str:
    """Return a file name made of letters, digits, dots and dashes only."""
    name = certificate.name.replace("*", "wildcard")
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in name)[:80].strip(
            ".-"
        )
        or "certificate"
    )


_PASSWORD_MISSING = Violation(
    code="request.field_missing",
    field="password",
    value="",
    reason="A PKCS#12 file needs a password.",
    hint="Send 'password' in the body; it never belongs into a URL.",
)
_LEGACY_UNUSED = Violation(
    code="request.field_unused",
    field="legacy",
    value="true",
    reason="Only PKCS#12 files have a legacy protection.",
    hint="Leave it out.",
)
