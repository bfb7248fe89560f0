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


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Return the problem answers of an operation for ``extend_schema``.

    Args:
        statuses: beyond those that every operation has (400, 401, 403, 429; 404 wherever the
            path names an object, 413 with bodies).
    """
    return {(status, CONTENT_TYPE): _problem(status) for status in statuses}


class ProblemAwareSchema(AutoSchema):
    """Adds to every operation the problems that any call can meet, in their own media type."""

    def get_operation_id(self) -> str:
        """Name an operation after its resource and the action of the view set."""
        view: Any = self.view
        return f"{view.basename}_{_VERBS.get(view.action, view.action)}"

    def get_paginated_name(self, serializer_name: str) -> str:
        """Name a page after its rows."""
        return f"{serializer_name.removesuffix('Row')}Page"

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Name components after what they describe, without our suffix."""
        name: str = super().get_serializer_name(serializer, direction)
        return name.removesuffix("Schema")

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        expected = set(_EVERYWHERE)
        if "{" in self.path:
            expected.add(_BY_ID)
        if self.method in {"POST", "PATCH"}:
            expected.add(_WITH_BODY)
        for status in expected:
            if str(status) not in bodies:
                bodies[str(status)] = self._get_response_for_code(
                    _problem(status), str(status), [CONTENT_TYPE], direction
                )
        return dict(sorted(bodies.items()))


def _problem(status: int) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=_PROBLEMS[status])
