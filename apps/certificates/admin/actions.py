"""Actions on a certificate by hand in the admin: revoke, put on hold, release from hold."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from apps.applications import access
from apps.applications.roles import Permission
from apps.certificates import export, revocation
from apps.certificates.export import ExportFormat
from apps.certificates.models import Certificate, CertificateState
from apps.principals import Principal
from apps.site.pages import Confirmation, ObjectAction, ObjectForm
from pki.reasons import RevocationReason

_Data = dict[str, Any]
_REASONS = [
    (RevocationReason.UNSPECIFIED, "Unspecified"),
    (RevocationReason.KEY_COMPROMISE, "Key compromise: somebody else may have the private key"),
    (RevocationReason.CA_COMPROMISE, "CA compromise: the issuing authority was broken into"),
    (RevocationReason.AFFILIATION_CHANGED, "Affiliation changed: the names no longer fit"),
    (RevocationReason.SUPERSEDED, "Superseded: another certificate has taken its place"),
    (RevocationReason.CESSATION_OF_OPERATION, "Cessation of operation: no longer needed"),
    (
        RevocationReason.PRIVILEGE_WITHDRAWN,
        "Privilege withdrawn: the holder may not use it any more",
    ),
    (RevocationReason.AA_COMPROMISE, "Attribute authority compromise"),
]
_REASON_CHOICES = [(reason.value, text) for reason, text in _REASONS]


class RevokeForm(ObjectForm):
    """Why, and since when."""

    reason = forms.ChoiceField(
        choices=_REASON_CHOICES, help_text="Goes into CRL and OCSP (RFC 5280)."
    )
    invalidity_date = forms.DateTimeField(
        required=False,
        help_text="Since when the key is believed to be unsafe, in UTC, such as 2026-11-23 14:00; "
        "empty if unknown.",
    )
    allow_expired = forms.BooleanField(
        required=False,
        label="Also if expired",
        help_text="Nobody accepts an expired certificate, but signatures that it made earlier are "
        "judged by its revocation.",
    )


def revoke(_: HttpRequest, principal: Principal, certificate: Certificate, data: _Data) -> str:
    """Revoke for good, for the reason chosen."""
    revocation.revoke(
        principal,
        certificate,
        RevocationReason(data["reason"]),
        invalidity_date=data["invalidity_date"],
        allow_expired=data["allow_expired"],
    )
    return f"{certificate} is revoked: OCSP says so now, the CRL within a minute."


def _hold(_: HttpRequest, principal: Principal, certificate: Certificate, _data: _Data) -> str:
    revocation.revoke(principal, certificate, RevocationReason.CERTIFICATE_HOLD)
    return f"{certificate} is on hold until it is released or revoked."


def _release(_: HttpRequest, principal: Principal, certificate: Certificate, _data: _Data) -> str:
    revocation.remove_hold(principal, certificate)
    return f"{certificate} is good again; the next CRL no longer lists it."


class ExportKeyForm(ObjectForm):
    """In which form the key kept here leaves."""

    format = forms.ChoiceField(
        choices=[
            (ExportFormat.PKCS12.value, "PKCS#12, with certificate and chain"),
            (ExportFormat.PRIVATE_KEY.value, "Private key alone (PKCS#8, PEM)"),
        ]
    )
    password = forms.CharField(
        required=False,
        max_length=256,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Protects the file; PKCS#12 needs one. Java reads printable ASCII only.",
    )
    legacy = forms.BooleanField(
        required=False,
        label="Legacy protection",
        help_text="PKCS#12 with triple DES and SHA-1, for devices that read nothing else. Its "
        "password can be guessed a hundred times as fast.",
    )


def _export_key(
    request: HttpRequest, principal: Principal, certificate: Certificate, data: _Data
) -> HttpResponse:
    """Return the file; notes on it are shown on the next page."""
    file = export.export_with_key(
        principal,
        certificate,
        ExportFormat(data["format"]),
        password=data["password"],
        legacy=data["legacy"],
    )
    for note in file.notes:
        messages.warning(request, note)
    response = HttpResponse(file.content, content_type=file.content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def keeps_key(certificate: Certificate) -> bool:
    """Tell whether the private key is kept here; no page loads it for that."""
    return Certificate.objects.filter(pk=certificate.pk).exclude(sealed_private_key=b"").exists()


def _revocable(certificate: Certificate) -> bool:
    return certificate.authority_id is not None and certificate.state != CertificateState.REVOKED


def _lacking(permission: Permission) -> Callable[[Principal, Certificate], str]:
    return lambda principal, certificate: access.why_not(
        principal, certificate.application, permission
    )


_refused_to_revoke = _lacking(Permission.REVOKE_CERTIFICATES)

OBJECT_ACTIONS = (
    ObjectAction(
        name="export-key",
        label="Export key…",
        form=ExportKeyForm,
        run=_export_key,
        intro="The private key that is kept here leaves in a file. Only members of the application "
        "who may read private keys can do this; the audit log remembers it.",
        available=keeps_key,
        refusal=_lacking(Permission.READ_PRIVATE_KEYS),
    ),
    ObjectAction(
        name="revoke",
        label="Revoke…",
        form=RevokeForm,
        run=revoke,
        danger=True,
        intro="This cannot be undone. Whoever checks will refuse the certificate: "
        "OCSP at once, the CRL within a minute.",
        available=_revocable,
        refusal=_refused_to_revoke,
    ),
    ObjectAction(
        name="hold",
        label="Put on hold…",
        form=Confirmation,
        run=_hold,
        danger=True,
        intro="Whoever checks will refuse the certificate until it is released.",
        available=lambda certificate: (
            _revocable(certificate) and certificate.current_state == CertificateState.ACTIVE
        ),
        refusal=_refused_to_revoke,
    ),
    ObjectAction(
        name="release",
        label="Release",
        form=Confirmation,
        run=_release,
        intro="The certificate is good again: for OCSP at once, in the CRL within a minute.",
        available=lambda certificate: certificate.state == CertificateState.HELD,
        refusal=_refused_to_revoke,
    ),
)
