"""What may a caller read over the API about applications? Those in sight, and their audit log."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import access, selectors
from apps.applications.api.filters import ApplicationFilter, AuditEventFilter
from apps.applications.api.schema import (
    ApplicationDetailSerializer,
    ApplicationPageSerializer,
    ApplicationSerializer,
    AuditEventPageSerializer,
    AuditEventSerializer,
    PairingSerializer,
)
from apps.applications.roles import Permission
from apps.applications.tokens import principal_of
from apps.rest.pagination import NewestFirst

_PAGING = [
    OpenApiParameter("limit", int, description="rows a page, 1 to 200"),
    OpenApiParameter("cursor", str, description="taken from `next` of the page before"),
]


class ApplicationsView(APIView):
    """The applications that the caller may see."""

    @extend_schema(
        operation_id="applications_list",
        parameters=[*_PAGING, *ApplicationFilter.parameters()],
        responses=ApplicationPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List your applications, newest first."""
        rows = selectors.applications_visible_to(principal_of(request))
        paginator = NewestFirst()
        page = paginator.paginate_queryset(ApplicationFilter.apply(request, rows), request)
        return paginator.get_paginated_response(ApplicationSerializer(page, many=True).data)


class ApplicationView(APIView):
    """One application."""

    @extend_schema(operation_id="applications_read", responses=ApplicationDetailSerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Show an application by identifier or name, with your permissions and its profiles."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        rights = access.rights_in(principal, application.pk)
        pairings = (
            selectors.pairings_of(principal, application)
            if Permission.VIEW_ENROLLMENT in rights
            else ()
        )
        return Response(
            ApplicationSerializer(application).data
            | {
                "permissions": sorted(right.value for right in rights),
                "profiles": PairingSerializer(pairings, many=True).data,
            }
        )


class AuditEventsView(APIView):
    """The audit log of the caller's applications; all of it for those who govern."""

    @extend_schema(
        operation_id="audit_events_list",
        parameters=[*_PAGING, *AuditEventFilter.parameters()],
        responses=AuditEventPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List events, newest first."""
        principal = principal_of(request)
        reference = request.query_params.get("application")
        application = (
            selectors.application_for(principal, reference) if reference is not None else None
        )
        rows = selectors.events_visible_to(principal, application=application)
        paginator = NewestFirst()
        page = paginator.paginate_queryset(AuditEventFilter.apply(request, rows), request)
        return paginator.get_paginated_response(AuditEventSerializer(page, many=True).data)
