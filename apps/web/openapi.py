"""OpenAPI document: summaries, scopes, problem answers and paging, described once for all."""

import re
from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.permissions import SAFE_METHODS

from apps.principals import Scope
from apps.web import openapi_examples
from apps.web.problems import CONTENT_TYPE
from apps.web.serializers import Body, ProblemSerializer
from apps.web.viewsets import StrictViewSet, scopes_of

_PROBLEMS: dict[int, str] = {
    400: "The request cannot be read; every unusable part is listed.",
    401: "No valid token; `WWW-Authenticate` says what is wrong with the one that was sent.",
    403: "Visible, but the right or the token's scope is missing.",
    404: "No such object, or another team's; `errors` names the reference.",
    406: "The client accepts no type of answer that there is.",
    409: "The state of the object, or of another one, does not allow it.",
    413: "The body is too large.",
    415: "The body has another type than `application/json`.",
    422: "A rule is broken; every broken rule is listed.",
    429: "Too many requests; Retry-After says when to come back.",
    503: "A key backend or another service does not answer.",
}
# What any call can meet: unknown parameters, no token, a narrow one, other types, the rate limit.
_EVERYWHERE = (400, 401, 403, 406, 429)
_BY_ID = 404
_WITH_BODY = (413, 415)
_VERBS = {"retrieve": "read", "partial_update": "update", "destroy": "delete"}
_CLAUSE_END = re.compile(r"[.:;](?:\s|$)")
# Named by operations with further problems, so that the document has it.
_COMPONENT = "Problem"


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Return the problem answers of an operation for ``extend_schema``.

    Args:
        statuses: beyond those that every operation has (400, 401, 403, 406, 429; 404 wherever
            the path names an object, 413 and 415 with bodies).
    """
    return {(status, CONTENT_TYPE): _problem(status) for status in statuses}


class ResourceSchema(AutoSchema):
    """Names and describes operations and pages after the resource that a view set serves."""

    def get_operation_id(self) -> str:
        """Name an operation after its resource and the action of the view set."""
        view: Any = self.view
        return f"{view.basename}_{_VERBS.get(view.action, view.action)}"

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name a page after its rows."""
        return f"{serializer_name.removesuffix('Row')}Page"

    def get_summary(self) -> str | None:
        """Return the first clause of the description, which says more."""
        first, *_ = _CLAUSE_END.split(" ".join(self.get_description().split()), maxsplit=1)
        return first or None

    def get_tags(self) -> list[str]:
        """Return the view set's own tag, or the collection that the path begins with."""
        tag: str = getattr(self.view, "tag", "")
        return [tag] if tag else super().get_tags()

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the schemes with the scope that a token needs for the action.

        OpenAPI 3.1 lets every kind of scheme name what it must carry, not only OAuth.
        """
        named = [scope.value for scope in self._scopes()]
        return [
            {name: [*needed, *named] for name, needed in one.items()} for one in super().get_auth()
        ]

    def get_examples(self) -> list[OpenApiExample]:
        """Return the example of the body that the operation takes."""
        if self.method in SAFE_METHODS:
            return []
        kind: Any = self.get_request_serializer()
        kind = kind if isinstance(kind, type) else type(kind)
        if not issubclass(kind, Body) or not kind.example:
            return []
        return [OpenApiExample("Example", value=dict(kind.example), request_only=True)]

    def _scopes(self) -> tuple[Scope, ...]:
        view: Any = self.view
        if not isinstance(view, StrictViewSet):
            return ()
        return scopes_of(view, str(view.action), self.method)


def complete(
    result: dict[str, Any],
    generator: Any,  # noqa: ARG001 - drf-spectacular's signature
    request: Any,  # noqa: ARG001
    public: bool,  # noqa: ARG001
) -> dict[str, Any]:
    """Add to every operation its scope in words, common problems, and examples of all answers.

    A hook of drf-spectacular (``POSTPROCESSING_HOOKS``), called with the finished document.
    """
    schemas = result["components"]["schemas"]
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _describe_scope(operation)
            expected = set(_EVERYWHERE)
            if "{" in path:
                expected.add(_BY_ID)
            if method in {"post", "patch"}:
                expected.update(_WITH_BODY)
            openapi_examples.add(operation, schemas)
            known = operation["responses"]
            expected |= {status for status in map(int, known) if status in _PROBLEMS}
            refused = {str(status): {"$ref": _reference(status)} for status in expected}
            operation["responses"] = dict(sorted((known | refused).items()))
    # Said once: an operation only refers to the answers that it shares with others.
    result["components"]["responses"] = {
        _name(status): _common_problem(status, schemas) for status in _PROBLEMS
    }
    return result


def _describe_scope(operation: dict[str, Any]) -> None:
    """Say in the description which scope a token needs: pages do not show it elsewhere."""
    needed = [
        scope for scheme in operation.get("security", []) for scope in scheme.get("bearer", [])
    ]
    if needed:
        text = operation["description"].rstrip()
        operation["description"] = f"{text}\n\nScope of the token: `{'`, `'.join(needed)}`."


def _name(status: int) -> str:
    """Return the name of a shared answer, e.g. ``NotFound``."""
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _reference(status: int) -> str:
    return f"#/components/responses/{_name(status)}"


def _common_problem(status: int, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{_COMPONENT}"}
    example = openapi_examples.of_problem(status, schema, schemas)
    content = {CONTENT_TYPE: {"schema": schema, "example": example}}
    return {"description": _PROBLEMS[status], "content": content}


def _problem(status: int) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=_PROBLEMS[status])
