"""System checks of the keyring and of the sealed values that it has to open."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.db import DatabaseError

from apps import keyring
from apps.keys import sealed_columns


@register(Tags.security)
def keyring_is_usable(**_: Any) -> list[CheckMessage]:
    """Report a keyring that exists and cannot be used, or one that comes from the environment.

    No keyring at all is fine before the first start.
    """
    found: list[CheckMessage] = []
    if keyring.comes_from_environment():
        found.append(
            Warning(
                "The key-encryption key comes from SEALWRIGHT_KEK.",
                hint="For trials only: every process of this user can read it. Use a keyring file.",
                id="keys.W001",
            )
        )
    elif not settings.SEALWRIGHT["KEK_FILE"].exists():
        return found
    try:
        keyring.load_keyring()
    except keyring.KeyringMissing as error:
        found.append(
            Error(
                error.detail,
                hint="Restore the keyring from where it is kept; it is never made anew.",
                id="keys.E001",
            )
        )
    return found


@register(Tags.database)
def sealed_values_can_be_opened(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Report secrets that the keyring cannot open, so that a start fails and not each use."""
    if not databases:
        return []
    try:
        found = sealed_columns.problems()
    except DatabaseError:
        return []  # before the first migration there is nothing to open
    return [
        Error(
            problem,
            hint="Start with the keyring that was in use when these values were sealed.",
            id="keys.E002",
        )
        for problem in found
    ]
