"""Search in admin lists that finds serial numbers, digests and names in any spelling."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from pki import spellings


class SpelledSearch:
    """Mixin before Django's ``ModelAdmin``: what it finds, and other spellings of the term.

    Attributes:
        serial_columns: columns with serial numbers.
        digest_columns: columns with digests in hex.
        name_columns: columns that hold names in lower case, perhaps several.
    """

    serial_columns: ClassVar[Sequence[str]] = ()
    digest_columns: ClassVar[Sequence[str]] = ()
    name_columns: ClassVar[Sequence[str]] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows found, and whether some may occur twice."""
        base: Any = super()
        found, may_repeat = base.get_search_results(request, queryset, search_term)
        wanted = self._spelled(search_term)
        if not wanted:
            return found, may_repeat
        # By key: the two queries may join different tables.
        return queryset.filter(Q(pk__in=found.values("pk")) | wanted), True

    def _spelled(self, term: str) -> Q:
        """Return the condition that a column has the term in its stored form."""
        wanted = Q()
        serial, digits = spellings.serial_number(term), spellings.hex_digits(term)
        if serial:
            for column in self.serial_columns:
                wanted |= Q(**{column: serial})
        if digits:
            for column in self.digest_columns:
                wanted |= Q(**{column: digits})
        for spelling in spellings.of_name(term) if term.strip() else ():
            if spelling != term:  # which Django has looked for
                for column in self.name_columns:
                    wanted |= Q(**{f"{column}__contains": spelling})
        return wanted
