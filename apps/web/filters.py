"""Filter sets of lists: known query parameters only; an unknown one is refused, not ignored."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django import forms
from django.db.models import Model, Q, QuerySet
from django_filters import rest_framework as filters
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from apps.errors import Malformed
from apps.statements.alternatives import matching_any
from apps.statements.text_index import MIN_LENGTH
from apps.web.pagination import PAGING_PARAMETERS
from apps.web.references import by_name_or_id
from pki import spellings
from pki.findings import Violation

_Row = TypeVar("_Row", bound=Model)
_MAX_VALUE = 100


class SearchFilter(filters.CharFilter):
    """Finds rows in which one of several columns holds the text, in whatever case."""

    def __init__(self, *columns: str, is_indexed: bool = False) -> None:
        """Take the columns to look into.

        Args:
            columns: names of text columns.
            is_indexed: whether a ``TextIndex`` has them, as long tables need it.
        """
        words = ", ".join(column.replace("__", " ").replace("_", " ") for column in columns)
        bounds = {"min_length": MIN_LENGTH} if is_indexed else {}
        super().__init__(label=f"part of: {words}", **bounds)
        self._columns = columns
        self._lookup = "contains_text" if is_indexed else "icontains"

    def filter(self, rows: Any, value: str) -> Any:
        """Return the rows that hold ``value``; all of them when there is none."""
        if not value:
            return rows
        return matching_any(
            rows, [Q(**{f"{column}__{self._lookup}": value}) for column in self._columns]
        )


class _SerialNumberField(forms.CharField):
    """A serial number in any spelling, read as lower-case hex without leading zeros."""

    def clean(self, value: Any) -> str:
        """Return the stored form; empty for no value."""
        text = super().clean(value)
        return _digits(text, spellings.serial_number(text))


class _DigestField(forms.CharField):
    """A digest in any spelling, read as lower-case hex."""

    def clean(self, value: Any) -> str:
        """Return the stored form; empty for no value."""
        text = super().clean(value)
        return _digits(text, spellings.hex_digits(text))


def _digits(text: str, found: str) -> str:
    if text and not found:
        raise forms.ValidationError("This is no hexadecimal number.")
    return found


class SerialNumberFilter(filters.CharFilter):
    """Finds a serial number as OpenSSL, browsers or people spell it."""

    field_class = _SerialNumberField
    hint = "Hexadecimal digits, also with 0x, colons, blanks or leading zeros."


class DigestFilter(filters.CharFilter):
    """Finds a SHA-256 digest as OpenSSL, browsers or people spell it."""

    field_class = _DigestField
    hint = "64 hexadecimal digits, also with colons or blanks."


class NameFilter(filters.CharFilter):
    """Finds names: host names in either form and case, with or without the last dot, addresses."""

    def filter(self, rows: Any, value: str) -> Any:
        """Return the rows whose column has one of the spellings, as ``lookup_expr`` says."""
        if not value:
            return rows
        return matching_any(
            rows,
            [
                Q(**{f"{self.field_name}__{self.lookup_expr}": spelling})
                for spelling in spellings.of_name(value)
            ],
        )


class ReferenceFilter(filters.CharFilter):
    """Finds what belongs to an object that is given by its name or its identifier.

    The object is found first, so that the database goes by the index of the reference instead of
    joining, and knows how many rows to expect.
    """

    def filter(self, rows: Any, value: str) -> Any:
        """Return the rows that belong to it; all when none is given."""
        if not value:
            return rows
        model = rows.model
        for name in self.field_name.split("__"):
            model = model._meta.get_field(name).related_model  # noqa: SLF001 - Django's documented Meta API
        named = model._default_manager.filter(by_name_or_id(value)).order_by()  # noqa: SLF001 - see above
        key = named.values_list("pk", flat=True).first()
        return rows.none() if key is None else rows.filter(**{self.field_name: key})


class StrictFilterSet(filters.FilterSet):
    """A filter set that refuses parameters it does not know, naming each."""

    @classmethod
    def apply(cls, request: Request, rows: QuerySet[_Row]) -> QuerySet[_Row]:
        """Return the narrowed rows.

        Raises:
            Malformed: unknown or repeated parameters or unusable values, all of them.
        """
        query: Any = request.query_params
        violations = [
            violation
            for name, values in query.lists()
            if (violation := cls._refusal(name, values)) is not None
        ]
        found = cls(data=query, queryset=rows, request=request)
        if not found.is_valid():
            violations += [
                Violation(
                    "request.parameter_invalid",
                    name,
                    query.get(name, "")[:_MAX_VALUE],
                    text,
                    _hint(cls.base_filters[name]),
                )
                for name, texts in found.errors.items()
                for text in map(str, texts)
            ]
        else:
            violations += _unstorable_times(found.form.cleaned_data)
        if violations:
            raise Malformed(violations=violations)
        narrowed: QuerySet[_Row] = found.qs
        return narrowed

    @classmethod
    def _refusal(cls, name: str, values: list[str]) -> Violation | None:
        shown = name[:_MAX_VALUE]
        if name not in cls.base_filters and name not in PAGING_PARAMETERS:
            return _unknown(name, [*cls.base_filters, *PAGING_PARAMETERS])
        if not values[-1] and name not in PAGING_PARAMETERS:
            reason = f"The parameter '{shown}' is empty: leave it out instead."
            return Violation("request.parameter_empty", shown, "", reason)
        if len(values) > 1:
            reason = f"The parameter '{shown}' is given more than once."
            return Violation("request.parameter_repeated", shown, "", reason)
        return None


def refuse_unknown_parameters(request: Request, known: Sequence[str]) -> None:
    """Refuse query parameters that an action other than a list does not take.

    Raises:
        Malformed: lists all of them.
    """
    violations = [_unknown(name, known) for name in request.query_params if name not in known]
    if violations:
        raise Malformed(violations=violations)


def _unknown(name: str, known: Sequence[str]) -> Violation:
    shown = name[:_MAX_VALUE]
    hint = f"Known: {', '.join(known)}." if known else "This URL takes no query parameters."
    reason = f"There is no parameter '{shown}' here."
    return Violation("request.parameter_unknown", shown, "", reason, hint)


class StrictFilterBackend(BaseFilterBackend):
    """Narrows the list of a view by its ``filterset_class``."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        """Return the narrowed rows; see ``StrictFilterSet.apply``."""
        return view.filterset_class.apply(request, queryset)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the query parameters for OpenAPI."""
        return [
            {"in": "query", "name": name, "schema": _schema_of(item)}
            | ({"description": str(item.label)} if item.label else {})
            for name, item in view.filterset_class.base_filters.items()
        ]


def _unstorable_times(values: dict[str, Any]) -> list[Violation]:
    """Refuse times that leave the calendar once they are counted in UTC."""
    found = []
    for name, value in values.items():
        if not isinstance(value, datetime):
            continue
        try:
            value.astimezone(UTC)
        except OverflowError:
            reason = "The time is outside the years 1 to 9999 in UTC."
            found.append(Violation("request.parameter_invalid", name, str(value), reason))
    return found


def _hint(item: filters.Filter) -> str:
    """Return what a parameter accepts, for people."""
    if isinstance(item, filters.ChoiceFilter):
        return f"Use: {', '.join(str(value) for value, _ in item.extra['choices'])}."
    if isinstance(item, filters.UUIDFilter):
        return "Example: 0190a000-0000-7000-8000-000000000000."
    if isinstance(item, filters.IsoDateTimeFilter):
        return "Example: 2027-01-31T12:00:00Z. In a URL, a plus sign is written %2B."
    return str(getattr(item, "hint", ""))


def _schema_of(item: filters.Filter) -> dict[str, Any]:
    """Return what a parameter accepts, as JSON Schema."""
    if isinstance(item, filters.ChoiceFilter):
        return {"type": "string", "enum": [value for value, _ in item.extra["choices"]]}
    if isinstance(item, filters.UUIDFilter):
        return {"type": "string", "format": "uuid"}
    if isinstance(item, filters.IsoDateTimeFilter):
        return {"type": "string", "format": "date-time"}
    return {"type": "string", "minLength": item.extra.get("min_length", 1)}
