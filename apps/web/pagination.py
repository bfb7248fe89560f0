"""Keyset pagination: newest first unless sorted, without a count of all rows."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Field, Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from apps.errors import Malformed
from pki.findings import Violation

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
PAGING_PARAMETERS = ("limit", "cursor", "sort")
NEWEST = "-created_at"
_SALT = "apps.web.pagination"


class NewestFirst(BasePagination):
    """Keyset paging: ``?limit=1..200&cursor=&sort=``.

    Without ``sort`` rows come by falling key: identifiers rise with time, so a page costs the
    same at any depth, and rows that appear meanwhile shift nothing. A sorted list goes by
    value and key, so that equal values neither repeat nor get lost between pages. The cursor
    is signed and bound to its list and order: it comes from us or it is refused.

    A view has ``sorts``, public names to columns that are never NULL (``created_at`` is always
    there, by the key), and ``sort_key``, a unique column that rises with time.
    """

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,
        view: Any = None,
    ) -> list[Any]:
        """Return one page of ``queryset``, a Django queryset in any order.

        Raises:
            Malformed: ``limit`` is no number from 1 to 200, the list cannot be sorted like
                this, or the cursor is not one of this list in this order.
        """
        self._url = request.build_absolute_uri()
        key, sorts = view.sort_key, _sorts_of(view)
        limit = _limit(request.query_params.get("limit"))
        sort = _sort(sorts, request.query_params.get("sort", NEWEST))
        column, down = sorts[sort.removeprefix("-")], sort.startswith("-")
        columns = [column] if column == key else [column, key]
        rows = queryset.order_by(*(f"-{name}" if down else name for name in columns))
        signer = Signer(salt=f"{_SALT}.{queryset.model._meta.label_lower}.{sort}")  # noqa: SLF001 - Django's documented Meta API
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            rows = rows.filter(_beyond(columns, _last(queryset, columns, signer, cursor), down))
        page = list(rows[: limit + 1])
        self._next = _cursor(page[limit - 1], columns, signer) if len(page) > limit else None
        return page[:limit]

    def get_paginated_response(self, data: Any) -> Any:
        """Wrap a page: ``{"results": [...], "next": URL or null}``."""
        following = replace_query_param(self._url, "cursor", self._next) if self._next else None
        return Response({"results": data, "next": following})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the envelope for OpenAPI."""
        return _envelope(schema)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe the query parameters for OpenAPI."""
        orders = [order for name in _sorts_of(view) for order in (name, f"-{name}")]
        limits = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            _parameter("limit", limits, "rows a page"),
            _parameter(
                "cursor",
                {"type": "string", "minLength": 1},
                "taken from `next` of the page before",
            ),
            _parameter(
                "sort",
                {"type": "string", "enum": orders, "default": NEWEST},
                "order of the list; a minus sign means falling",
            ),
        ]


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema, "description": description}


class OnePage(BasePagination):
    """The envelope of lists that are always given as a whole."""

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,  # noqa: ARG002 - DRF's signature
        view: Any = None,  # noqa: ARG002 - DRF's signature
    ) -> list[Any]:
        """Return all rows."""
        return list(queryset)

    def get_paginated_response(self, data: Any) -> Response:
        """Wrap the rows as the one page that there is."""
        return Response({"results": data, "next": None})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the envelope for OpenAPI."""
        return _envelope(schema)


def _envelope(rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "One page of a list.",
        "properties": {
            "results": rows,
            "next": {
                "type": ["string", "null"],
                "format": "uri",
                "description": "address of the following page; null on the last",
            },
        },
        "required": ["next", "results"],
    }


def _sorts_of(view: Any) -> dict[str, str]:
    """Return the columns that the list of a view can be sorted by, by their public names."""
    return {"created_at": view.sort_key, **view.sorts}


def _sort(sorts: Mapping[str, str], wanted: str) -> str:
    if wanted.removeprefix("-") in sorts:
        return wanted
    names = ", ".join(f"{name}, -{name}" for name in sorts)
    raise _refusal("sort", wanted, "The list cannot be sorted like this.", f"Use: {names}.")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    # isdecimal() alone lets other scripts' digits through; int() would take signs and spaces.
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LIMIT)):
        limit = int(text)
        if 1 <= limit <= MAX_LIMIT:
            return limit
    raise _refusal("limit", text, f"The limit must be a number from 1 to {MAX_LIMIT}.")


def _beyond(columns: list[str], last: list[Any], down: bool) -> Q:
    """Return the condition that rows come after ``last``; its first half can use an index."""
    step = "lt" if down else "gt"
    if len(columns) == 1:
        return Q(**{f"{columns[0]}__{step}": last[0]})
    column, key = columns
    return Q(**{f"{column}__{step}e": last[0]}) & (
        Q(**{f"{column}__{step}": last[0]}) | Q(**{f"{key}__{step}": last[1]})
    )


def _cursor(row: Model, columns: list[str], signer: Signer) -> str:
    values = [_field(type(row), name).value_to_string(row) for name in columns]
    return signer.sign(json.dumps(values))


def _last(queryset: QuerySet[Any], columns: list[str], signer: Signer, cursor: str) -> list[Any]:
    try:
        values = json.loads(signer.unsign(cursor))
        pairs = zip(columns, values, strict=True)
        return [_field(queryset.model, name).to_python(value) for name, value in pairs]
    except (BadSignature, ValidationError, ValueError) as exc:
        raise _refusal("cursor", cursor, "The cursor is not one that this list gave out.") from exc


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    meta = model._meta  # noqa: SLF001 - Django's documented Meta API
    found = meta.pk if name == "pk" else meta.get_field(name)
    if not isinstance(found, Field):
        raise FieldDoesNotExist(name)
    return found


def _refusal(field: str, value: str, reason: str, hint: str = "") -> Malformed:
    return Malformed(violations=[Violation(f"page.{field}", field, value[:200], reason, hint)])
