"""Look-up of one row by what a path or body says: an identifier or a name."""

import re
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from apps.errors import NotFound

# Only this spelling is an identifier; everything else is a name.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_Row = TypeVar("_Row", bound=Model)


def by_name_or_id(reference: str, path: str = "") -> Q:
    """Return the condition that a row has this identifier or name.

    Args:
        reference: as somebody sent it.
        path: relation that leads to the row, with its underscores, e.g. ``profile__``.
    """
    column = "pk" if _UUID.fullmatch(reference) else "name"
    return Q(**{f"{path}{column}": reference})


def first_of(rows: QuerySet[_Row]) -> _Row:
    """Return the first row, out of those in the caller's sight.

    Raises:
        NotFound: there is none; whether one exists elsewhere cannot be told.
    """
    found = rows.first()
    if found is None:
        raise NotFound
    return found


def row_named(rows: QuerySet[_Row], reference: str) -> _Row:
    """Return the row with this identifier or name, out of those in the caller's sight.

    Raises:
        NotFound: none of ``rows``.
    """
    return first_of(rows.filter(by_name_or_id(reference)))
