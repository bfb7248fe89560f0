"""Look-up of one row by what a path or body says: an identifier or a name."""

import re
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from apps.errors import NotFound

# Only this spelling is an identifier; everything else is a name.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_Row = TypeVar("_Row", bound=Model)


def id_or_name(reference: str | UUID) -> UUID | str:
    """Return an identifier as such, and everything else as the name that it is."""
    if isinstance(reference, str) and _UUID.fullmatch(reference):
        return UUID(reference)
    return reference


def by_name_or_id(reference: str | UUID, path: str = "") -> Q:
    """Return the condition that a row has this identifier or name.

    Args:
        reference: as somebody sent it.
        path: relation that leads to the row, with its underscores, e.g. ``profile__``.
    """
    value = id_or_name(reference)
    return Q(**{f"{path}{'pk' if isinstance(value, UUID) else 'name'}": value})


def first_of(rows: QuerySet[_Row]) -> _Row:
    """Return the first row, out of those in the caller's sight.

    Raises:
        NotFound: there is none; whether one exists elsewhere cannot be told.
    """
    found = rows.first()
    if found is None:
        raise NotFound
    return found


def row_named(rows: QuerySet[_Row], reference: str | UUID, path: str = "") -> _Row:
    """Return the row with this identifier or name (see ``by_name_or_id``), of those in sight.

    Raises:
        NotFound: none of ``rows``.
    """
    return first_of(rows.filter(by_name_or_id(reference, path)))
