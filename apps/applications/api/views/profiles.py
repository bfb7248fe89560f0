"""The API of attached profiles: which an application may use, and under which conditions."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import access, selectors, services
from apps.applications.api.filters import PairingFilter
from apps.applications.api.serializers import (
    NewPairingSerializer,
    PairingPageSerializer,
    PairingSerializer,
    SwitchesSerializer,
)
from apps.applications.models import Application, Pairing
from apps.applications.roles import Permission
from apps.principals import Principal
from apps.profiles import selectors as profile_selectors
from apps.web.callers import principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import by_name_or_id, first_of, row_named


def _pairing_of(application: Application, reference: str) -> Pairing:
    """Return the pair of an application in sight and a profile, by the profile's reference."""
    rows = application.pairings.select_related("application", "profile")
    return first_of(rows.filter(by_name_or_id(reference, "profile__")))


def _found(principal: Principal, application: str, profile: str) -> Pairing:
    """Return a pair on the way to an act that checks its own rights."""
    row = selectors.application_for(principal, application, scoped=False)
    return _pairing_of(row, profile)


class AttachedProfilesView(APIView):
    """The profiles of an application."""

    @extend_schema(
        operation_id="applications_profiles_list",
        parameters=[*paging(), *PairingFilter.parameters()],
        responses=PairingPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the profiles that the application may use."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        rows = PairingFilter.apply(request, selectors.pairings_of(principal, application))
        return page_of(request, rows, PairingSerializer.of)

    @extend_schema(
        operation_id="applications_profiles_attach",
        request=NewPairingSerializer,
        responses={201: PairingSerializer} | problems(409),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Let the application use a profile: an act of product administrators."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference, scoped=False)
        principal.require_governance()
        switches = NewPairingSerializer.parse(request.data)
        profile = row_named(profile_selectors.profiles(), switches.pop("profile"))
        pairing = services.attach_profile(principal, application, profile, **switches)
        return Response(
            PairingSerializer.of(pairing),
            status=201,
            headers={
                "Location": f"/api/v1/applications/{application.name}/profiles/{profile.name}/"
            },
        )


class AttachedProfileView(APIView):
    """One attached profile."""

    @extend_schema(operation_id="applications_profiles_read", responses=PairingSerializer)
    def get(self, request: Request, reference: str, profile: str) -> Response:
        """Read under which conditions the application uses a profile."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        access.require(principal, Permission.VIEW_ENROLLMENT, application)
        return Response(PairingSerializer.of(_pairing_of(application, profile)))

    @extend_schema(
        operation_id="applications_profiles_update",
        request=SwitchesSerializer,
        responses=PairingSerializer,
    )
    def patch(self, request: Request, reference: str, profile: str) -> Response:
        """Allow or refuse requests by the API, or require approvals."""
        principal = principal_of(request)
        pairing = _found(principal, reference, profile)
        switches = SwitchesSerializer.parse(request.data)
        return Response(
            PairingSerializer.of(services.update_pairing(principal, pairing, **switches))
        )

    @extend_schema(operation_id="applications_profiles_detach", responses={204: None})
    def delete(self, request: Request, reference: str, profile: str) -> Response:
        """Stop the application from using a profile; certificates stay valid."""
        principal = principal_of(request)
        services.detach_profile(principal, _found(principal, reference, profile))
        return Response(status=204)
