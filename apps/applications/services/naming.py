"""Validation of the names of applications and machine identities, which appear in URLs."""

import re
from uuid import UUID

from apps.errors import InvalidInput
from pki.addresses import visible
from pki.findings import Violation

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_MAX_DESCRIPTION = 255


def check(name: str, description: str) -> None:
    """Validate a name and a description, and report all violations.

    Names are lower case, so that each object has one spelling; a name that is a UUID would be
    taken for an identifier.

    Raises:
        InvalidInput: name or description is unusable.
    """
    violations = [*_of_name(name), *of_text("description", description, _MAX_DESCRIPTION)]
    if violations:
        raise InvalidInput(violations)


def of_text(field: str, text: str, limit: int) -> list[Violation]:
    """Return the violations of a one-line text: too long, or control characters."""
    if len(text) > limit:
        reason = f"The {field} is longer than {limit} characters."
        return [Violation(f"{field}.too_long", field, text[:limit], reason)]
    if not text.isprintable():
        reason = f"The {field} holds characters that cannot be printed."
        return [Violation(f"{field}.not_printable", field, visible(text), reason)]
    return []


def _of_name(name: str) -> list[Violation]:
    hint = "1 to 64 lower-case letters, digits and inner hyphens"
    if not _NAME.fullmatch(name):
        return [Violation("name.malformed", "name", name[:200], "The name is unusable.", hint)]
    if _reads_as_uuid(name):
        reason = "The name reads as an identifier."
        return [Violation("name.is_identifier", "name", name, reason, hint)]
    return []


def _reads_as_uuid(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
