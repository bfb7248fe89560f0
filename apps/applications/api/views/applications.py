"""The API of applications: members read their own, administrators make and remove them."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import access, selectors, services
from apps.applications.api.filters import ApplicationFilter
from apps.applications.api.serializers import (
    ApplicationPageSerializer,
    ApplicationRowSerializer,
    ApplicationSerializer,
    DescriptionSerializer,
    NewApplicationSerializer,
    PairingSerializer,
)
from apps.applications.models import Application
from apps.applications.roles import Permission
from apps.principals import Principal
from apps.web.callers import governor_of, principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of

_SORTS = {"name": "name"}


def _detail(principal: Principal, application: Application) -> dict[str, object]:
    rights = access.rights_in(principal, application.pk)
    visible = Permission.VIEW_ENROLLMENT in rights
    pairings = selectors.pairings_of(principal, application) if visible else ()
    return ApplicationRowSerializer.of(application) | {
        "permissions": sorted(right.value for right in rights),
        "profiles": [PairingSerializer.of(row) for row in pairings],
    }


class ApplicationsView(APIView):
    """The applications that the caller may see."""

    @extend_schema(
        operation_id="applications_list",
        parameters=[*paging(*_SORTS), *ApplicationFilter.parameters()],
        responses=ApplicationPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List your applications."""
        rows = selectors.applications_visible_to(principal_of(request))
        rows = ApplicationFilter.apply(request, rows)
        return page_of(request, rows, ApplicationRowSerializer.of, sorts=_SORTS)

    @extend_schema(
        operation_id="applications_create",
        request=NewApplicationSerializer,
        responses={201: ApplicationSerializer} | problems(409, 422),
    )
    def post(self, request: Request) -> Response:
        """Create an application without members or profiles."""
        principal = governor_of(request)
        application = services.create_application(
            principal, **NewApplicationSerializer.parse(request.data)
        )
        return Response(
            _detail(principal, application),
            status=201,
            headers={"Location": f"/api/v1/applications/{application.name}/"},
        )


class ApplicationView(APIView):
    """One application."""

    @extend_schema(operation_id="applications_read", responses=ApplicationSerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Show an application by identifier or name, with your permissions and its profiles."""
        principal = principal_of(request)
        return Response(_detail(principal, selectors.application_for(principal, reference)))

    @extend_schema(
        operation_id="applications_update",
        request=DescriptionSerializer,
        responses={200: ApplicationSerializer} | problems(422),
    )
    def patch(self, request: Request, reference: str) -> Response:
        """Change the description."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference, scoped=False)
        access.require(principal, Permission.EDIT, application)
        changes = DescriptionSerializer.parse(request.data)
        if changes:
            services.update_application(principal, application, **changes)
        return Response(_detail(principal, application))

    @extend_schema(operation_id="applications_delete", responses={204: None} | problems(409))
    def delete(self, request: Request, reference: str) -> Response:
        """Delete an application that never had a certificate or a request."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference, scoped=False)
        services.delete_application(principal, application)
        return Response(status=204)
