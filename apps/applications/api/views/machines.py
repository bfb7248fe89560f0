"""The API of machine identities: administrators run them, a machine sees itself."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import selectors, services
from apps.applications.api.filters import MachineIdentityFilter
from apps.applications.api.serializers import (
    DescriptionSerializer,
    MachineIdentitySerializer,
    NewMachineIdentitySerializer,
)
from apps.applications.models import MachineIdentity
from apps.web.callers import governor_of, reader_or_actor_of
from apps.web.openapi import problems
from apps.web.serializers import NoBody
from apps.web.viewsets import ReadViewSet


@extend_schema_view(
    list=extend_schema(
        description="List machine identities: all for those who govern, itself for a machine."
    ),
    retrieve=extend_schema(description="Read a machine identity."),
)
class MachineIdentityViewSet(ReadViewSet):
    """The machine identities in sight."""

    serializer_class = MachineIdentitySerializer
    filterset_class = MachineIdentityFilter
    governed = ("create",)
    sorts = {"name": "name"}

    def get_queryset(self) -> QuerySet[MachineIdentity]:
        """Return all to those who govern, and itself to a machine."""
        return selectors.machines_visible_to(reader_or_actor_of(self.request))

    @extend_schema(
        request=NewMachineIdentitySerializer,
        responses={201: MachineIdentitySerializer} | problems(409, 422),
    )
    def create(self, request: Request) -> Response:
        """Create a machine identity; it can do nothing until it is a member and has a token."""
        principal = governor_of(request)
        sent = NewMachineIdentitySerializer.parse(request.data)
        machine = services.create_machine_identity(principal, **sent)
        return self.created(machine, f"/api/v1/machine-identities/{machine.name}/")

    @extend_schema(
        request=DescriptionSerializer, responses={200: MachineIdentitySerializer} | problems(422)
    )
    def partial_update(self, request: Request, **_url: Any) -> Response:
        """Change a machine identity's description; its name stays."""
        machine, principal = self.get_object(), governor_of(request)
        changes = DescriptionSerializer.parse(request.data)
        if changes:
            services.update_machine_identity(principal, machine, **changes)
        return self.answer(machine)

    def destroy(self, request: Request, **_url: Any) -> Response:
        """Remove a machine identity with its tokens and memberships."""
        machine, principal = self.get_object(), governor_of(request)
        services.delete_machine_identity(principal, machine)
        return Response(status=204)

    @extend_schema(request=None, responses=MachineIdentitySerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, **_url: Any) -> Response:
        """Disable a machine identity; its tokens are refused from the next request on."""
        machine, principal = self.get_object(), governor_of(request)
        NoBody.parse(request.data)
        services.disable_machine_identity(principal, machine)
        return self.answer(machine)

    @extend_schema(request=None, responses=MachineIdentitySerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, **_url: Any) -> Response:
        """Enable a machine identity; its tokens are accepted again."""
        machine, principal = self.get_object(), governor_of(request)
        NoBody.parse(request.data)
        services.enable_machine_identity(principal, machine)
        return self.answer(machine)
