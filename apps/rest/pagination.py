"""How are long lists cut into pages? By key, newest first, without counting."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from apps.errors import Malformed
from pki.findings import Violation

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
PAGING_PARAMETERS = frozenset({"limit", "cursor"})
_SALT = "apps.rest.pagination"


class NewestFirst(BasePagination):
    """Keyset paging by falling primary key: ``?limit=1..200&cursor=``.

    Identifiers rise with time, so a page costs the same at any depth, and rows that appear
    meanwhile shift nothing. The cursor is signed: it comes from us or it is refused.
    """

    def paginate_queryset(
        self,
        queryset: Any,
        request: Request,
        view: Any = None,  # noqa: ARG002 - DRF's signature
    ) -> list[Any]:
        """Return one page of ``queryset``, a Django queryset in any order.

        Raises:
            Malformed: ``limit`` is no number from 1 to 200, or the cursor is not one of ours.
        """
        self._url = request.build_absolute_uri()
        limit = _limit(request.query_params.get("limit"))
        rows = queryset.order_by("-pk")
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            rows = rows.filter(pk__lt=_last_key(queryset, cursor))
        page = list(rows[: limit + 1])
        self._next = _cursor(page[limit - 1]) if len(page) > limit else None
        return page[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        """Wrap a page: ``{"results": [...], "next": URL or null}``."""
        following = replace_query_param(self._url, "cursor", self._next) if self._next else None
        return Response({"results": data, "next": following})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the envelope for OpenAPI."""
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:  # noqa: ARG002 - DRF's signature
        """Describe the two query parameters for OpenAPI."""
        return [
            {
                "name": "limit",
                "in": "query",
                "description": "rows per page",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                },
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "where to go on, taken from `next`",
                "schema": {"type": "string"},
            },
        ]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    # isdecimal() alone lets other scripts' digits through; int() would take signs and spaces.
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LIMIT)):
        limit = int(text)
        if 1 <= limit <= MAX_LIMIT:
            return limit
    raise _refusal("limit", text, f"The limit must be a number from 1 to {MAX_LIMIT}.")


def _cursor(row: Model) -> str:
    # The label keeps a cursor of one list from being used in another.
    return Signer(salt=f"{_SALT}.{row._meta.label_lower}").sign(str(row.pk))  # noqa: SLF001 - Django's documented Meta API


def _last_key(queryset: QuerySet[Any], cursor: str) -> Any:
    meta = queryset.model._meta  # noqa: SLF001 - Django's documented Meta API
    try:
        key = Signer(salt=f"{_SALT}.{meta.label_lower}").unsign(cursor)
        return meta.pk.to_python(key)
    except (BadSignature, ValidationError) as exc:
        raise _refusal("cursor", cursor, "The cursor is not one that this list gave out.") from exc


def _refusal(field: str, value: str, reason: str) -> Malformed:
    return Malformed(violations=[Violation(f"page.{field}", field, value[:200], reason)])
