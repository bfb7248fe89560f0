"""System check of the public address of CRLs, OCSP and CA certificates."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 - Django's name

from apps import origins


@register(Tags.security)
def public_addresses_need_no_tls(**_: Any) -> list[CheckMessage]:
    """Warn of ``https``: checking that connection may need the CRL behind it (RFC 5280 section 8)."""
    if settings.SEALWRIGHT["PKI_URL"].startswith("http://"):
        return []
    return [
        Warning(
            "PKI_URL is not an http:// address.",
            hint="CRLs, OCSP answers and CA certificates are signed and belong on plain http.",
            id="authorities.W002",
        )
    ]


@register(Tags.security)
def public_addresses_are_known_to_others(**_: Any) -> list[CheckMessage]:
    """Warn of a host that only this machine knows, where other machines are served."""
    url, bind = settings.SEALWRIGHT["PKI_URL"], settings.SEALWRIGHT["BIND"]
    local = bind in {"127.0.0.1", "::1"} and not settings.SEALWRIGHT["PROXY_BIND"]
    if local or origins.is_everywhere(url):
        return []
    return [
        Warning(
            f"PKI_URL is {url}, which other machines cannot use or do not know.",
            hint="Certificates carry it: set SEALWRIGHT_PKI_URL to a fully qualified name. On a "
            "trial machine this is fine.",
            id="authorities.W003",
        )
    ]
