"""The API of the audit log: each team reads the events of its applications."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.audit.api.filters import AuditEventFilter
from apps.audit.api.serializers import AuditEventPageSerializer, AuditEventSerializer
from apps.errors import NotFound
from apps.web.callers import audit_events_in_sight, principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of

_MAX_ID = 2**63 - 1


class AuditEventsView(APIView):
    """The audit log of the caller's applications; all of it for those who govern."""

    @extend_schema(
        operation_id="audit_events_list",
        parameters=[*paging(), *AuditEventFilter.parameters()],
        responses={200: AuditEventPageSerializer} | problems(404),
    )
    def get(self, request: Request) -> Response:
        """List events."""
        application = request.query_params.get("application")
        rows = audit_events_in_sight(principal_of(request), application)
        return page_of(request, AuditEventFilter.apply(request, rows), AuditEventSerializer.of)


class AuditEventView(APIView):
    """One event."""

    @extend_schema(operation_id="audit_events_read", responses=AuditEventSerializer)
    def get(self, request: Request, event_id: int) -> Response:
        """Read an event."""
        rows = audit_events_in_sight(principal_of(request), None)
        found = rows.filter(pk=event_id).first() if event_id <= _MAX_ID else None
        if found is None:
            raise NotFound
        return Response(AuditEventSerializer.of(found))
