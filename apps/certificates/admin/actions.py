"""Actions on a certificate by hand in the admin: revoke, put on hold, release from hold."""

from typing import Any

from django import forms
from django.http import HttpRequest

from apps.certificates import revocation
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


def _revocable(certificate: Certificate) -> bool:
    return certificate.authority_id is not None and certificate.state != CertificateState.REVOKED


OBJECT_ACTIONS = (
    ObjectAction(
        name="revoke",
        label="Revoke…",
        form=RevokeForm,
        run=revoke,
        danger=True,
        intro="This cannot be undone. Whoever checks will refuse the certificate: "
        "OCSP at once, the CRL within a minute.",
        available=_revocable,
    ),
    ObjectAction(
        name="hold",
        label="Put on hold…",
        form=Confirmation,
        run=_hold,
        danger=True,
        intro="Whoever checks will refuse the certificate until it is released.",
        available=lambda certificate: (
            _revocable(certificate) and certificate.state == CertificateState.ACTIVE
        ),
    ),
    ObjectAction(
        name="release",
        label="Release",
        form=Confirmation,
        run=_release,
        intro="The certificate is good again: for OCSP at once, in the CRL within a minute.",
        available=lambda certificate: certificate.state == CertificateState.HELD,
    ),
)
