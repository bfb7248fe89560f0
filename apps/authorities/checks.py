"""Is this installation fit to hold keys, and are its public addresses usable?"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.db import DatabaseError

from apps import sealing
from apps.authorities import sealed_rows


@register(Tags.security)
def keyring_is_usable(**_: Any) -> list[CheckMessage]:
    """A keyring that exists must be readable by us alone; none is fine before the first start."""
    found: list[CheckMessage] = []
    if sealing.comes_from_environment():
        found.append(
            Warning(
                "The key-encryption key comes from SEALWRIGHT_KEK.",
                hint="For trials only: every process of this user can read it. Use a keyring file.",
                id="authorities.W001",
            )
        )
    elif not settings.SEALWRIGHT["KEK_FILE"].exists():
        return found
    try:
        sealing.load_keyring()
    except sealing.KeyringMissing as error:
        found.append(
            Error(
                error.detail,
                hint="Restore the keyring from where it is kept; it is never made anew.",
                id="authorities.E001",
            )
        )
    return found


@register(Tags.database)
def sealed_values_can_be_opened(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Secrets that the keyring cannot open: refuse to start rather than to fail one by one."""
    if not databases:
        return []
    try:
        found = sealed_rows.problems()
    except DatabaseError:
        return []  # before the first migration there is nothing to open
    return [
        Error(
            problem,
            hint="Start with the keyring that was in use when these values were sealed.",
            id="authorities.E002",
        )
        for problem in found
    ]


@register(Tags.security)
def public_addresses_need_no_tls(**_: Any) -> list[CheckMessage]:
    """A CRL behind https can need the very CRL that it is (RFC 5280 section 8, X-18)."""
    if settings.SEALWRIGHT["PKI_URL"].startswith("http://"):
        return []
    return [
        Warning(
            "PKI_URL is not an http:// address.",
            hint="CRLs, OCSP answers and CA certificates are signed and belong on plain http.",
            id="authorities.W002",
        )
    ]
