"""Checks that must pass before a start may write anything."""

from django.core.management.base import CommandError

from apps.keys import sealed_columns


def require_keyring() -> None:
    """Refuse before anything is written: a start would seal new secrets under a wrong key.

    Neither migrations nor the first-start set-up (which makes a keyring where there is none)
    may run on a database whose secrets need another one.

    Raises:
        CommandError: lists what cannot be opened, and says what to do.
    """
    found = sealed_columns.problems()
    if found:
        listing = "\n  - ".join(found)
        raise CommandError(
            f"Refusing to start: secrets in the database cannot be opened.\n  - {listing}\n"
            "Nothing was written. Start with the keyring that was in use when they were sealed "
            "(SEALWRIGHT_KEK_FILE or SEALWRIGHT_KEK); it is never made anew."
        )
