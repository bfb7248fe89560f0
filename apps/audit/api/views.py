"""The API of the audit log: each team reads the events of its applications."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view

from apps.audit.api.filters import AuditEventFilter
from apps.audit.api.serializers import AuditEventSerializer
from apps.audit.models import AuditEvent
from apps.web.callers import audit_events_in_sight, principal_of
from apps.web.openapi import problems
from apps.web.viewsets import ReadViewSet


@extend_schema_view(
    list=extend_schema(
        description="List audit events, newest first; those of your applications, all if you govern.",
        responses={200: AuditEventSerializer(many=True)} | problems(404),
    ),
    retrieve=extend_schema(description="Read an audit event with its details."),
)
class AuditEventViewSet(ReadViewSet):
    """The audit log of the caller's applications; all of it for those who govern."""

    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilter
    lookup_field = "pk"
    lookup_url_kwarg = "event_id"
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[AuditEvent]:
        """Return the events in sight; the list can be of one application."""
        application = self.request.query_params.get("application")
        return audit_events_in_sight(
            principal_of(self.request), application if self.action == "list" else None
        )
