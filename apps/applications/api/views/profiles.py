"""The API of attached profiles: which an application may use, and under which conditions."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import selectors, services
from apps.applications.api.filters import PairingFilter
from apps.applications.api.serializers import (
    NewPairingSerializer,
    PairingSerializer,
    SwitchesSerializer,
)
from apps.applications.models import Pairing
from apps.principals import Principal
from apps.profiles import selectors as profile_selectors
from apps.web.callers import principal_of
from apps.web.openapi import problems
from apps.web.references import row_named
from apps.web.viewsets import ReadViewSet


def _found(principal: Principal, application: str, profile: str) -> Pairing:
    """Return a pair for a service that checks the rights itself."""
    row = selectors.application_for(principal, application, scoped=False)
    return selectors.pairing_of(row, profile)


@extend_schema_view(
    list=extend_schema(
        description="List the profiles attached to an application, with the conditions of their use."
    ),
    retrieve=extend_schema(
        description="Read the conditions under which an application uses a profile."
    ),
)
class AttachedProfileViewSet(ReadViewSet):
    """The profiles of an application."""

    serializer_class = PairingSerializer
    filterset_class = PairingFilter
    lookup_url_kwarg = "profile"

    def get_queryset(self) -> QuerySet[Pairing]:
        """Return the pairs of the application, to those who may see its enrollment settings."""
        principal = principal_of(self.request)
        application = selectors.application_for(principal, self.kwargs["reference"])
        return selectors.pairings_of(principal, application)

    def get_object(self) -> Pairing:
        """Return the pair of the application and a profile."""
        principal = principal_of(self.request)
        application = selectors.application_for(principal, self.kwargs["reference"])
        rows = selectors.pairings_of(principal, application)
        return selectors.attached(rows, application, self.kwargs["profile"])

    @extend_schema(
        operation_id="applications_profiles_attach",
        request=NewPairingSerializer,
        responses={201: PairingSerializer} | problems(409),
    )
    def create(self, request: Request, reference: str) -> Response:
        """Attach a profile to an application; only product administrators may."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference, scoped=False)
        principal.require_governance()
        switches = NewPairingSerializer.parse(request.data)
        profile = row_named(profile_selectors.profiles(), switches.pop("profile"))
        pairing = services.attach_profile(principal, application, profile, **switches)
        location = f"/api/v1/applications/{application.name}/profiles/{profile.name}/"
        return self.created(pairing, location)

    @extend_schema(request=SwitchesSerializer, responses=PairingSerializer)
    def partial_update(self, request: Request, reference: str, profile: str) -> Response:
        """Change the conditions of an attached profile; requests by the API, and approvals."""
        principal = principal_of(request)
        pairing = _found(principal, reference, profile)
        switches = SwitchesSerializer.parse(request.data)
        return self.answer(services.update_pairing(principal, pairing, **switches))

    @extend_schema(operation_id="applications_profiles_detach", responses={204: None})
    def destroy(self, request: Request, reference: str, profile: str) -> Response:
        """Detach a profile from an application; certificates stay valid."""
        principal = principal_of(request)
        services.detach_profile(principal, _found(principal, reference, profile))
        return Response(status=204)
