"""Actions on an authority's admin page: each shows a form and then calls its service."""

from typing import Any

from django.http import HttpRequest

from apps.authorities import publication, services
from apps.authorities.admin import forms
from apps.authorities.models import Authority, AuthorityKind, AuthorityState
from apps.principals import Principal
from apps.site.pages import Confirmation, ObjectAction

_Data = dict[str, Any]


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


def _publish(_: HttpRequest, principal: Principal, authority: Authority, _data: _Data) -> str:
    principal.require_governance()
    crl = publication.publish_crl(authority.pk)
    return f"CRL {crl.number} with {crl.entry_count} entries is published."


def _is(state: AuthorityState) -> Any:
    return lambda authority: authority.state == state


def has_certificate(authority: Authority) -> bool:
    """Tell whether the authority has had a certificate."""
    return authority.state != AuthorityState.PENDING_CERTIFICATE


def is_offline_signed(authority: Authority) -> bool:
    """Tell whether an offline CA certifies the authority."""
    return authority.kind == AuthorityKind.INTERMEDIATE and authority.parent_id is None


def _can_install(authority: Authority) -> bool:
    return is_offline_signed(authority) and authority.state != AuthorityState.DISABLED


def _can_renew(authority: Authority) -> bool:
    return not is_offline_signed(authority) and authority.state != AuthorityState.DISABLED


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
        intro="A new CRL with the next number is signed and published at once.",
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
)
