"""The API of policies: teams read those behind their profiles, administrators write them."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.policies import selectors, services
from apps.policies.api.filters import PolicyFilter, PolicyVersionFilter
from apps.policies.api.serializers import (
    NewPolicySerializer,
    PolicyChangesSerializer,
    PolicyPresetSerializer,
    PolicyRowSerializer,
    PolicySerializer,
    PolicyVersionSerializer,
    SavedPolicySerializer,
)
from apps.policies.models import Policy, PolicyVersion
from apps.policies.presets import PRESETS
from apps.web.callers import application_ids_in_sight, governor_of, reader_of
from apps.web.openapi import problems
from apps.web.pagination import OnePage
from apps.web.references import row_named
from apps.web.viewsets import ReadViewSet, ResourceViewSet


def _in_sight(request: Request) -> QuerySet[Policy]:
    """Return the policies in sight: all for those who govern, else those of a team's profiles."""
    return selectors.policies_used_by(application_ids_in_sight(request))


@extend_schema_view(
    list=extend_schema(
        description="List the policies behind your applications' profiles; all, if you govern."
    ),
    retrieve=extend_schema(description="Read a policy with the rules in force."),
)
class PolicyViewSet(ReadViewSet):
    """The policies in sight."""

    serializer_class = PolicySerializer
    row_serializer_class = PolicyRowSerializer
    filterset_class = PolicyFilter
    governed = ("create",)
    sorts = {"name": "name"}

    def get_queryset(self) -> QuerySet[Policy]:
        """Return the policies in sight."""
        return _in_sight(self.request)

    @extend_schema(
        request=NewPolicySerializer, responses={201: PolicySerializer} | problems(409, 422)
    )
    def create(self, request: Request) -> Response:
        """Create a policy."""
        principal = governor_of(request)
        policy = services.create_policy(principal, **NewPolicySerializer.parse(request.data))
        return self.created(policy, f"/api/v1/policies/{policy.name}/")

    @extend_schema(
        request=PolicyChangesSerializer, responses={200: SavedPolicySerializer} | problems(422)
    )
    def partial_update(self, request: Request, **_url: Any) -> Response:
        """Change a policy; other rules become a new version, in force at once.

        `warnings` lists the profiles whose defaults the rules no longer allow.
        """
        policy, principal = self.get_object(), governor_of(request)
        changes = PolicyChangesSerializer.parse(request.data)
        saved = services.update_policy(principal, policy, **changes)
        return Response(SavedPolicySerializer.of(saved))

    @extend_schema(responses={204: None} | problems(409))
    def destroy(self, request: Request, **_url: Any) -> Response:
        """Delete a policy that nothing uses or has used."""
        policy, principal = self.get_object(), governor_of(request)
        services.delete_policy(principal, policy)
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(description="List the versions of a policy."),
    retrieve=extend_schema(description="Read the rules as they stood in one version."),
)
class PolicyVersionViewSet(ReadViewSet):
    """The history of a policy."""

    serializer_class = PolicyVersionSerializer
    filterset_class = PolicyVersionFilter
    lookup_field = "number"
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[PolicyVersion]:
        """Return the versions of a policy in sight."""
        policy: Policy = row_named(_in_sight(self.request), self.kwargs["reference"])
        return policy.versions.all()


@extend_schema_view(
    list=extend_schema(
        description="List the presets, each with rules for a policy and defaults for its profile."
    )
)
class PolicyPresetViewSet(ListModelMixin, ResourceViewSet):
    """Starting points."""

    serializer_class = PolicyPresetSerializer
    pagination_class = OnePage
    filter_backends = ()

    def get_queryset(self) -> Any:
        """Return all presets."""
        reader_of(self.request)
        return PRESETS.values()
