"""System check of the public address of CRLs, OCSP and CA certificates."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 - Django's name

from apps import origins


@register(Tags.security)
def public_addresses_are_usable(**_: Any) -> list[CheckMessage]:
    """Warn of an address that relying parties cannot use."""
    return warnings_about(settings.SEALWRIGHT["PKI_URL"])


def warnings_about(url: str) -> list[CheckMessage]:
    """Return what speaks against an address that certificates are to carry.

    Not ``https``: checking that connection may need the CRL behind it (RFC 5280 section 8). The
    host is a fully qualified name or an address (section 4.2.1.6), which other machines can reach
    where this one serves them.

    Args:
        url: an origin, as ``SEALWRIGHT_PKI_URL`` gives it.
    """
    found: list[CheckMessage] = []
    if not url.startswith("http://"):
        found.append(
            Warning(
                f"PKI_URL is {url}, which is not an http:// address.",
                hint="CRLs, OCSP answers and CA certificates are signed and belong on plain http.",
                id="authorities.W002",
            )
        )
    bind = settings.SEALWRIGHT["BIND"]
    is_local = bind in {"127.0.0.1", "::1"} and not settings.SEALWRIGHT["PROXY_BIND"]
    if origins.is_everywhere(url) or (is_local and origins.is_address(url)):
        return found
    found.append(
        Warning(
            f"PKI_URL is {url}, which other machines cannot use or do not know.",
            hint="Certificates carry it, and need a fully qualified name or an address there: set "
            "SEALWRIGHT_PKI_URL to one. localhost and 127.0.0.1 are for trials on this machine "
            "only.",
            id="authorities.W003",
        )
    )
    return found
