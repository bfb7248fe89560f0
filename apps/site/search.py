"""Search in admin lists by indexes; serial numbers, digests and names are found in any spelling."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.statements.alternatives import matching_any
from apps.statements.text_index import MIN_LENGTH
from pki import spellings


class IndexedSearch:
    """Mixin before Django's ``ModelAdmin``: each condition is answered by an index of its own.

    ``search_fields`` are whole look-ups such as ``name__icontains``: what Django makes of its short
    forms is answered by no index.

    Attributes:
        serial_columns: columns with serial numbers.
        digest_columns: columns with digests in hex.
        name_columns: columns of a ``TextIndex`` that hold names in lower case, perhaps several.
    """

    serial_columns: ClassVar[Sequence[str]] = ()
    digest_columns: ClassVar[Sequence[str]] = ()
    name_columns: ClassVar[Sequence[str]] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows in which every word is found, and that none occurs twice.

        A number or digest may be written with blanks, so the term as a whole counts, too.
        """
        words = search_term.split()
        if not words:
            return queryset, False
        whole = self._numbers(search_term) if len(words) > 1 else []
        if self.name_columns and not whole and any(len(word) < MIN_LENGTH for word in words):
            text = f"Parts of names are found by {MIN_LENGTH} characters or more."
            messages.info(request, text)
        found = queryset
        for word in words:
            found = matching_any(found, self.search_conditions(word))
        if whole:
            found = matching_any(queryset, [Q(pk__in=found.values("pk")), *whole])
        return found, False

    def search_conditions(self, word: str) -> list[Q]:
        """Return the conditions of which a row that is found by ``word`` meets one."""
        admin: Any = self
        long_enough = len(word) >= MIN_LENGTH
        found = [
            Q(**{lookup: word})
            for lookup in admin.search_fields
            if long_enough or not lookup.endswith("contains_text")
        ]
        if long_enough:
            found += [
                Q(**{f"{column}__contains_text": spelling})
                for spelling in spellings.of_name(word)
                for column in self.name_columns
            ]
        return found + self._numbers(word)

    def _numbers(self, term: str) -> list[Q]:
        """Return the conditions that a column has the term as number or digest."""
        serial, digits = spellings.serial_number(term), spellings.hex_digits(term)
        found = [Q(**{column: serial}) for column in self.serial_columns if serial]
        return found + [Q(**{column: digits}) for column in self.digest_columns if digits]
