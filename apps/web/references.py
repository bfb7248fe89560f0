"""Look-up of one row by what a path or body says: an identifier or a name."""

import re
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from apps.errors import NotFound
from pki.findings import Violation

# Only this spelling is an identifier; everything else is a name.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_MAX_SHOWN = 200
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


def not_found(
    noun: str, reference: Any, *, field: str = "", hint: str = "", reason: str = ""
) -> NotFound:
    """Return the refusal of a reference that leads to nothing in the caller's sight.

    It says the same of what does not exist and of what is another team's, and repeats only what
    the caller sent.

    Args:
        noun: what was looked for, e.g. ``machine identity``.
        reference: as somebody sent it.
        field: name of the member or the part of the path that held it; derived from ``noun``.
        hint: where to look.
        reason: the sentence, with ``{}`` for the quoted reference; by default that there is none
            in sight.
    """
    shown = str(reference)[:_MAX_SHOWN]
    reason = (reason or f"There is no {noun} {{}} that you may see.").replace("{}", f"'{shown}'")
    where = field or noun.replace(" ", "_").lower()
    return NotFound(violations=[Violation("reference.not_found", where, shown, reason, hint)])


def noun_of(rows: QuerySet[Any]) -> str:
    """Return what one of the rows is called."""
    return str(rows.model._meta.verbose_name)  # noqa: SLF001 - Django's documented Meta API


def first_of(rows: QuerySet[_Row]) -> _Row:
    """Return the first row, out of those in the caller's sight.

    Raises:
        NotFound: there is none; whether one exists elsewhere cannot be told.
    """
    found = rows.first()
    if found is None:
        raise NotFound(f"There is no such {noun_of(rows)} that you may see.")
    return found


def row_with(rows: QuerySet[_Row], column: str, value: Any, *, field: str = "") -> _Row:
    """Return the row that has a value in a column, of those in sight.

    Args:
        rows: those in sight.
        column: unique among them.
        value: as somebody sent it.
        field: see ``not_found``.

    Raises:
        NotFound: none of ``rows``.
    """
    found = rows.filter(**{column: value}).first()
    if found is None:
        raise not_found(noun_of(rows), value, field=field)
    return found


def gathered(**lookups: Callable[[], Any]) -> dict[str, Any]:
    """Return what each look-up finds, by its keyword.

    Raises:
        NotFound: some find nothing; the error lists all of those.
    """
    found: dict[str, Any] = {}
    missing: list[Violation] = []
    for name, look_up in lookups.items():
        try:
            found[name] = look_up()
        except NotFound as error:
            missing += error.violations
    if missing:
        raise NotFound(violations=missing)
    return found


def row_named(
    rows: QuerySet[_Row], reference: str | UUID, path: str = "", *, noun: str = "", field: str = ""
) -> _Row:
    """Return the row with this identifier or name (see ``by_name_or_id``), of those in sight.

    Args:
        rows: those in sight.
        reference: as somebody sent it.
        path: see ``by_name_or_id``.
        noun: what the reference names, where that is not what the rows are.
        field: see ``not_found``.

    Raises:
        NotFound: none of ``rows``.
    """
    found = rows.filter(by_name_or_id(reference, path)).first()
    if found is None:
        raise not_found(noun or noun_of(rows), reference, field=field)
    return found
