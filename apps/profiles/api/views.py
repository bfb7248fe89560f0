"""The API of profiles: teams read those attached to their applications, administrators write."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.authorities import selectors as authority_selectors
from apps.policies import selectors as policy_selectors
from apps.principals import Principal
from apps.profiles import selectors, services
from apps.profiles.api.filters import ProfileFilter
from apps.profiles.api.serializers import (
    NewProfileSerializer,
    ProfileChangesSerializer,
    ProfilePageSerializer,
    ProfileSerializer,
)
from apps.profiles.models import Profile
from apps.web.callers import application_ids_in_sight, governor_of, principal_of, reader_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import row_named

_SORTS = {"name": "name"}


def _found(principal: Principal, reference: str) -> Profile:
    """Return a profile in sight: any for those who govern, else one attached to a team's own."""
    in_sight = None if principal.governs else application_ids_in_sight(principal)
    found: Profile = row_named(selectors.profiles_attached_to(in_sight), reference)
    return found


def _resolved(given: dict[str, Any]) -> dict[str, Any]:
    """Return ``given`` with rows in place of names; the caller governs, so all are in sight.

    Raises:
        NotFound: no such authority or policy.
    """
    resolved = dict(given)
    # null says that the authority is not chosen, which is the same as saying nothing.
    if resolved.get("authority", "") is None:
        del resolved["authority"]
    if "authority" in resolved:
        resolved["authority"] = row_named(authority_selectors.authorities(), given["authority"])
    if "policy" in given:
        resolved["policy"] = row_named(policy_selectors.policies(), given["policy"])
    return resolved


class ProfilesView(APIView):
    """The profiles in sight."""

    @extend_schema(
        operation_id="profiles_list",
        parameters=[*paging(*_SORTS), *ProfileFilter.parameters()],
        responses=ProfilePageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List the profiles attached to your applications; all, if you govern."""
        in_sight = application_ids_in_sight(reader_of(request))
        rows = ProfileFilter.apply(request, selectors.profiles_attached_to(in_sight))
        return page_of(request, rows, ProfileSerializer.of, sorts=_SORTS)

    @extend_schema(
        operation_id="profiles_create",
        request=NewProfileSerializer,
        responses={201: ProfileSerializer} | problems(404, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """Create a profile; its defaults are checked against its policy."""
        principal = governor_of(request)
        given = _resolved(NewProfileSerializer.parse(request.data))
        profile = services.create_profile(principal, **given)
        return Response(
            ProfileSerializer.of(profile),
            status=201,
            headers={"Location": f"/api/v1/profiles/{profile.name}/"},
        )


class ProfileView(APIView):
    """One profile."""

    @extend_schema(operation_id="profiles_read", responses=ProfileSerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Read a profile."""
        return Response(ProfileSerializer.of(_found(reader_of(request), reference)))

    @extend_schema(
        operation_id="profiles_update",
        request=ProfileChangesSerializer,
        responses={200: ProfileSerializer} | problems(422),
    )
    def patch(self, request: Request, reference: str) -> Response:
        """Change a profile; certificates issued so far stay as they are."""
        profile, principal = _found(principal_of(request), reference), governor_of(request)
        given = _resolved(ProfileChangesSerializer.parse(request.data))
        return Response(ProfileSerializer.of(services.update_profile(principal, profile, **given)))

    @extend_schema(operation_id="profiles_delete", responses={204: None} | problems(409))
    def delete(self, request: Request, reference: str) -> Response:
        """Delete a profile that nothing uses or has used."""
        profile, principal = _found(principal_of(request), reference), governor_of(request)
        services.delete_profile(principal, profile)
        return Response(status=204)
