"""Actions on an authority's admin page: each shows a form and then calls its service."""

from typing import Any

from django.http import HttpRequest

from apps.authorities import services
from apps.authorities.admin import forms
from apps.authorities.models import Authority, AuthorityKind, AuthorityState
from apps.principals import Principal
from apps.site.pages import Confirmation, ObjectAction
from pki.reasons import RevocationReason

_Data = dict[str, Any]
_ENDED = frozenset({AuthorityState.DISABLED, AuthorityState.REVOKED})


def _install(_: HttpRequest, principal: Principal, authority: Authority, data: _Data) -> str:
    services.install_certificate(
        principal, authority, certificate=data["certificate"], chain=data["chain"]
    )
    return f"The certificate of {authority} is installed; the authority is active."


def _enable(_: HttpRequest, principal: Principal, authority: Authority, _data: _Data) -> str:
    services.enable_authority(principal, authority)
    return f"{authority} signs certificates again."


def _disable(_: HttpRequest, principal: Principal, authority: Authority, _data: _Data) -> str:
    services.disable_authority(principal, authority)
    return f"{authority} signs no more certificates; CRL and OCSP go on."


def _renew(_: HttpRequest, principal: Principal, authority: Authority, data: _Data) -> str:
    services.renew_authority(principal, authority, data["lifetime_days"])
    return f"{authority} has a new certificate for the same key."


def _revoke(_: HttpRequest, principal: Principal, authority: Authority, data: _Data) -> str:
    reason = RevocationReason(data["reason"])
    services.revoke_authority(
        principal,
        authority,
        reason,
        serial_number=data["serial_number"] or None,  # the form's choice of all
        invalidity_date=data["invalidity_date"],
    )
    if data["serial_number"]:
        return f"The certificate {data['serial_number']} of {authority} is revoked."
    return f"{authority} is revoked and issues nothing more. What to do next stands below."


def _publish(_: HttpRequest, principal: Principal, authority: Authority, _data: _Data) -> str:
    services.request_crl(principal, authority)
    return "A new CRL will be published within seconds."


def _is(state: AuthorityState) -> Any:
    return lambda authority: authority.state == state


def has_certificate(authority: Authority) -> bool:
    """Tell whether the authority has had a certificate."""
    return authority.state != AuthorityState.PENDING_CERTIFICATE


def is_offline_signed(authority: Authority) -> bool:
    """Tell whether an offline CA certifies the authority."""
    return authority.kind == AuthorityKind.INTERMEDIATE and authority.parent_id is None


def _can_revoke(authority: Authority) -> bool:
    return authority.kind == AuthorityKind.INTERMEDIATE and authority.state in {
        AuthorityState.ACTIVE,
        AuthorityState.DISABLED,
    }


def _can_install(authority: Authority) -> bool:
    return is_offline_signed(authority) and authority.state not in _ENDED


def _can_renew(authority: Authority) -> bool:
    return not is_offline_signed(authority) and authority.state not in _ENDED


OBJECT_ACTIONS = (
    ObjectAction(
        name="install",
        label="Install certificate…",
        form=forms.InstallForm,
        run=_install,
        intro="Paste what the CA above made from this authority's CSR. "
        "It must certify the same key.",
        available=_can_install,
    ),
    ObjectAction(
        name="publish-crl",
        label="Publish CRL now",
        form=Confirmation,
        run=_publish,
        intro="A job signs and publishes a new CRL with the next number within seconds.",
        available=has_certificate,
    ),
    ObjectAction(
        name="renew",
        label="Renew…",
        form=forms.RenewForm,
        run=_renew,
        intro="A new certificate for the same key and subject. "
        "Certificates issued under the old one stay valid.",
        available=_can_renew,
    ),
    ObjectAction(
        name="disable",
        label="Disable…",
        form=Confirmation,
        run=_disable,
        danger=True,
        intro="Nothing is issued under this authority until it is enabled again. Its CRL and "
        "OCSP answers go on, and certificates already issued stay valid.",
        available=_is(AuthorityState.ACTIVE),
    ),
    ObjectAction(
        name="enable",
        label="Enable",
        form=Confirmation,
        run=_enable,
        intro="Profiles of this authority can issue again.",
        available=_is(AuthorityState.DISABLED),
    ),
    ObjectAction(
        name="revoke",
        label="Revoke…",
        form=forms.RevokeForm,
        run=_revoke,
        danger=True,
        intro="This cannot be undone. The parent's OCSP says so at once and its CRL within seconds; "
        "nothing that was issued below verifies any more. This authority and those below it stop "
        "issuing, and their CRLs and OCSP answers go on. Where the parent is outside this "
        "product, that CA has to revoke the certificate, too.",
        available=_can_revoke,
    ),
)
