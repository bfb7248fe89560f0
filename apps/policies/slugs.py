"""Validation of the names and descriptions of policies and profiles."""

import re

from pki.findings import Violation

MAX_SLUG = 64
MAX_DESCRIPTION = 255

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def naming_violations(name: str, description: str) -> list[Violation]:
    """Return what is wrong with the name and description of a governance object."""
    found = []
    if len(name) > MAX_SLUG or not _SLUG.fullmatch(name):
        found.append(
            Violation(
                "name.not_a_slug",
                "name",
                name[:200],
                "The name is not usable in URLs.",
                f"Lower-case letters, digits and single inner hyphens, at most {MAX_SLUG}.",
            )
        )
    found += description_violations(description)
    return found


def description_violations(description: str) -> list[Violation]:
    """Return what is wrong with a description."""
    if len(description) <= MAX_DESCRIPTION and "\0" not in description:
        return []
    return [
        Violation(
            "description.invalid",
            "description",
            description[:200],
            "The description is too long or holds a NUL.",
            f"At most {MAX_DESCRIPTION} characters.",
        )
    ]
