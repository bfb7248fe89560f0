"""The API of profiles: teams read those attached to their applications, administrators write."""

from functools import partial
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from apps.authorities import selectors as authority_selectors
from apps.policies import selectors as policy_selectors
from apps.profiles import selectors, services
from apps.profiles.api.filters import ProfileFilter
from apps.profiles.api.serializers import (
    NewProfileSerializer,
    ProfileChangesSerializer,
    ProfileSerializer,
)
from apps.profiles.models import Profile
from apps.web.callers import application_ids_in_sight, governor_of
from apps.web.openapi import problems
from apps.web.references import gathered, row_named
from apps.web.viewsets import ReadViewSet


def _resolved(given: dict[str, Any]) -> dict[str, Any]:
    """Return ``given`` with rows in place of names; the caller governs, so all are in sight.

    Raises:
        NotFound: no such authority or policy; both are listed.
    """
    resolved = {name: value for name, value in given.items() if name not in services.CSR_SETTINGS}
    resolved["csr"] = {name: given[name] for name in services.CSR_SETTINGS if name in given}
    # null says that the authority is not chosen, which is the same as saying nothing.
    if resolved.get("authority", "") is None:
        del resolved["authority"]
    rows = {"authority": authority_selectors.authorities, "policy": policy_selectors.policies}
    named = {field: resolved[field] for field in rows if field in resolved}
    return resolved | gathered(
        **{field: partial(row_named, rows[field](), name) for field, name in named.items()}
    )


@extend_schema_view(
    list=extend_schema(
        description="List the profiles attached to your applications; all, if you govern."
    ),
    retrieve=extend_schema(description="Read a profile."),
)
class ProfileViewSet(ReadViewSet):
    """The profiles in sight."""

    serializer_class = ProfileSerializer
    filterset_class = ProfileFilter
    governed = ("create",)
    sorts = {"name": "name"}

    def get_queryset(self) -> QuerySet[Profile]:
        """Return the profiles in sight: all for those who govern, else those of a team."""
        return selectors.profiles_attached_to(application_ids_in_sight(self.request))

    @extend_schema(
        request=NewProfileSerializer, responses={201: ProfileSerializer} | problems(404, 409, 422)
    )
    def create(self, request: Request) -> Response:
        """Create a profile; its defaults are checked against its policy."""
        principal = governor_of(request)
        given = _resolved(NewProfileSerializer.parse(request.data))
        profile = services.create_profile(principal, **given)
        return self.created(profile, f"/api/v1/profiles/{profile.name}/")

    @extend_schema(
        request=ProfileChangesSerializer, responses={200: ProfileSerializer} | problems(422)
    )
    def partial_update(self, request: Request, **_url: Any) -> Response:
        """Change a profile; certificates issued so far stay as they are."""
        profile, principal = self.get_object(), governor_of(request)
        given = _resolved(ProfileChangesSerializer.parse(request.data))
        return self.answer(services.update_profile(principal, profile, **given))

    @extend_schema(responses={204: None} | problems(409))
    def destroy(self, request: Request, **_url: Any) -> Response:
        """Delete a profile that nothing uses or has used."""
        profile, principal = self.get_object(), governor_of(request)
        services.delete_profile(principal, profile)
        return Response(status=204)
