"""References to objects in paths and bodies: an identifier or a name."""

import re
from typing import Any

from django.db.models import Q, QuerySet

from apps.errors import NotFound

# Only this spelling is an identifier; everything else is a name.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def named(reference: str, path: str = "") -> Q:
    """Return the condition that a row has this identifier or name.

    Args:
        reference: as somebody sent it.
        path: relation that leads to the row, with its underscores, e.g. ``profile__``.
    """
    column = "pk" if _UUID.fullmatch(reference) else "name"
    return Q(**{f"{path}{column}": reference})


def one(rows: QuerySet[Any], reference: str, path: str = "") -> Any:
    """Return the row with this identifier or name (see ``named``), out of those in sight.

    Raises:
        NotFound: none of ``rows``; whether it exists elsewhere cannot be told.
    """
    return first(rows.filter(named(reference, path)))


def first(rows: QuerySet[Any]) -> Any:
    """Return the first row.

    Raises:
        NotFound: there is none in sight.
    """
    found = rows.first()
    if found is None:
        raise NotFound
    return found
