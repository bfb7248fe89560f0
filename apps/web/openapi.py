"""OpenAPI document: problem answers and paging parameters, described once for all operations."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

from apps.web.problems import CONTENT_TYPE
from apps.web.serializers import ProblemSerializer

_PROBLEMS: dict[int, str] = {
    400: "The request cannot be read; every unusable part is listed.",
    401: "No valid token.",
    403: "Visible, but the right is missing.",
    404: "No such object, or another team's.",
    409: "The state of the object, or of another one, does not allow it.",
    413: "The body is too large.",
    422: "A rule is broken; every broken rule is listed.",
    429: "Too many requests; Retry-After says when to come back.",
    503: "A key backend or another service does not answer.",
}
# What any call can meet: unknown parameters, no token, a narrow one, the rate limit.
_EVERYWHERE = (400, 401, 403, 429)
_BY_ID = 404
_WITH_BODY = 413
_VERBS = {"retrieve": "read", "partial_update": "update", "destroy": "delete"}
# Named by operations with further problems, so that the document has it.
_COMPONENT = "Problem"


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Return the problem answers of an operation for ``extend_schema``.

    Args:
        statuses: beyond those that every operation has (400, 401, 403, 429; 404 wherever the
            path names an object, 413 with bodies).
    """
    return {(status, CONTENT_TYPE): _problem(status) for status in statuses}


class ResourceSchema(AutoSchema):
    """Names operations and pages after the resource that a view set serves."""

    def get_operation_id(self) -> str:
        """Name an operation after its resource and the action of the view set."""
        view: Any = self.view
        return f"{view.basename}_{_VERBS.get(view.action, view.action)}"

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name a page after its rows."""
        return f"{serializer_name.removesuffix('Row')}Page"


def add_common_problems(
    result: dict[str, Any],
    generator: Any,  # noqa: ARG001 - drf-spectacular's signature
    request: Any,  # noqa: ARG001
    public: bool,  # noqa: ARG001
) -> dict[str, Any]:
    """Add to every operation the problems that any call can meet, in their own media type.

    A hook of drf-spectacular (``POSTPROCESSING_HOOKS``), called with the finished document.
    """
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            expected = set(_EVERYWHERE)
            if "{" in path:
                expected.add(_BY_ID)
            if method in {"post", "patch"}:
                expected.add(_WITH_BODY)
            common = {str(status): _common_problem(status) for status in expected}
            operation["responses"] = dict(sorted((common | operation["responses"]).items()))
    return result


def _common_problem(status: int) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{_COMPONENT}"}}
    return {"content": {CONTENT_TYPE: content}, "description": _PROBLEMS[status]}


def _problem(status: int) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=_PROBLEMS[status])
