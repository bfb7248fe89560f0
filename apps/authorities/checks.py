"""System check of the public address of CRLs, OCSP and CA certificates."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004 - Django's name


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
