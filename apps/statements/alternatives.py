"""Search by several conditions of which one suffices, each answered by an index of its own."""

from collections.abc import Iterable
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

_Row = TypeVar("_Row", bound=Model)


def matching_any(rows: QuerySet[_Row], conditions: Iterable[Q]) -> QuerySet[_Row]:
    """Return the rows that meet one of the conditions; none when no row can.

    A plain OR across tables makes databases read a table as a whole, however good the index for
    each part is. Here each condition is a query of its own, and their primary keys are united.
    """
    queries = []
    for condition in conditions:
        every = rows.model._default_manager.order_by()  # noqa: SLF001 - Django's documented API
        try:
            queries.append(every.filter(condition).values("pk"))
        except (ValueError, ValidationError):  # a text that is no value of the column
            continue
    if not queries:
        return rows.none()
    first, *others = queries
    return rows.filter(pk__in=first.union(*others) if others else first)
