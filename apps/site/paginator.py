"""Paginator that stops counting after 10,000 rows."""

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property


class BoundedPaginator(Paginator):
    """Stops counting at ``limit`` rows: ``COUNT(*)`` over millions of certificates takes seconds.

    Rows beyond the limit are found by filters and search.
    """

    limit = 10_000

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most ``limit``."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.limit].count())
