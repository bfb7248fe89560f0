"""The API of the audit log: each team reads its applications' events."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import selectors
from apps.applications.api import present
from apps.applications.api.filters import AuditEventFilter
from apps.applications.api.schema import AuditEventPageSchema, AuditEventSchema
from apps.applications.tokens import principal_of
from apps.errors import NotFound
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of

_MAX_ID = 2**63 - 1


class AuditEventsView(APIView):
    """The audit log of the caller's applications; all of it for those who govern."""

    @extend_schema(
        operation_id="audit_events_list",
        parameters=[*paging(), *AuditEventFilter.parameters()],
        responses={200: AuditEventPageSchema} | problems(404),
    )
    def get(self, request: Request) -> Response:
        """List events."""
        principal = principal_of(request)
        reference = request.query_params.get("application")
        application = (
            selectors.application_for(principal, reference) if reference is not None else None
        )
        rows = selectors.events_visible_to(principal, application=application)
        return page_of(request, AuditEventFilter.apply(request, rows), present.event)


class AuditEventView(APIView):
    """One event."""

    @extend_schema(operation_id="audit_events_read", responses=AuditEventSchema)
    def get(self, request: Request, event_id: int) -> Response:
        """Read an event."""
        rows = selectors.events_visible_to(principal_of(request))
        found = rows.filter(pk=event_id).first() if event_id <= _MAX_ID else None
        if found is None:
            raise NotFound
        return Response(present.event(found))
