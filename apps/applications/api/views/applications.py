"""The API of applications: members read their own, administrators make and remove them."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import access, selectors, services
from apps.applications.api.filters import ApplicationFilter
from apps.applications.api.serializers import (
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
from apps.web.openapi import problems
from apps.web.viewsets import ResourceViewSet


def _detail(principal: Principal, application: Application) -> dict[str, object]:
    rights = access.rights_in(principal, application.pk)
    visible = Permission.VIEW_ENROLLMENT in rights
    pairings = selectors.pairings_of(principal, application) if visible else ()
    return ApplicationRowSerializer.of(application) | {
        "permissions": sorted(right.value for right in rights),
        "profiles": [PairingSerializer.of(row) for row in pairings],
    }


@extend_schema_view(list=extend_schema(description="List your applications."))
class ApplicationViewSet(ListModelMixin, ResourceViewSet):
    """The applications that the caller may see."""

    serializer_class = ApplicationSerializer
    row_serializer_class = ApplicationRowSerializer
    filterset_class = ApplicationFilter
    governed = ("create",)
    sorts = {"name": "name"}

    def get_queryset(self) -> QuerySet[Application]:
        """Return the applications that the caller may see."""
        return selectors.applications_visible_to(principal_of(self.request))

    @extend_schema(
        request=NewApplicationSerializer,
        responses={201: ApplicationSerializer} | problems(409, 422),
    )
    def create(self, request: Request) -> Response:
        """Create an application without members or profiles."""
        principal = governor_of(request)
        sent = NewApplicationSerializer.parse(request.data)
        application = services.create_application(principal, **sent)
        return Response(
            _detail(principal, application),
            status=201,
            headers={"Location": f"/api/v1/applications/{application.name}/"},
        )

    def retrieve(self, request: Request, reference: str) -> Response:
        """Read an application with your permissions there and its profiles."""
        principal = principal_of(request)
        return Response(_detail(principal, selectors.application_for(principal, reference)))

    @extend_schema(
        request=DescriptionSerializer, responses={200: ApplicationSerializer} | problems(422)
    )
    def partial_update(self, request: Request, reference: str) -> Response:
        """Change an application's description; its name stays."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference, scoped=False)
        access.require(principal, Permission.EDIT, application)
        changes = DescriptionSerializer.parse(request.data)
        if changes:
            services.update_application(principal, application, **changes)
        return Response(_detail(principal, application))

    @extend_schema(responses={204: None} | problems(409))
    def destroy(self, request: Request, reference: str) -> Response:
        """Delete an application that never had a certificate or a request."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference, scoped=False)
        services.delete_application(principal, application)
        return Response(status=204)
