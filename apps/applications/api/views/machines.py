"""The API of machine identities: administrators run them, a machine sees itself."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import selectors, services
from apps.applications.api.filters import MachineIdentityFilter
from apps.applications.api.serializers import (
    DescriptionSerializer,
    MachineIdentityPageSerializer,
    MachineIdentitySerializer,
    NewMachineIdentitySerializer,
)
from apps.applications.models import MachineIdentity
from apps.principals import Principal
from apps.web.callers import governor_of, principal_of, reader_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import row_named
from apps.web.serializers import NoBody

_SORTS = {"name": "name"}


def _found(principal: Principal, reference: str) -> MachineIdentity:
    found: MachineIdentity = row_named(selectors.machines_visible_to(principal), reference)
    return found


class MachineIdentitiesView(APIView):
    """The machine identities in sight."""

    @extend_schema(
        operation_id="machine_identities_list",
        parameters=[*paging(*_SORTS), *MachineIdentityFilter.parameters()],
        responses=MachineIdentityPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List machine identities: all for those who govern, itself for a machine."""
        rows = selectors.machines_visible_to(reader_of(request))
        rows = MachineIdentityFilter.apply(request, rows)
        return page_of(request, rows, MachineIdentitySerializer.of, sorts=_SORTS)

    @extend_schema(
        operation_id="machine_identities_create",
        request=NewMachineIdentitySerializer,
        responses={201: MachineIdentitySerializer} | problems(409, 422),
    )
    def post(self, request: Request) -> Response:
        """Create a machine identity; it can do nothing until it is a member and has a token."""
        principal = governor_of(request)
        machine = services.create_machine_identity(
            principal, **NewMachineIdentitySerializer.parse(request.data)
        )
        return Response(
            MachineIdentitySerializer.of(machine),
            status=201,
            headers={"Location": f"/api/v1/machine-identities/{machine.name}/"},
        )


class MachineIdentityView(APIView):
    """One machine identity."""

    @extend_schema(operation_id="machine_identities_read", responses=MachineIdentitySerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Read a machine identity."""
        return Response(MachineIdentitySerializer.of(_found(reader_of(request), reference)))

    @extend_schema(
        operation_id="machine_identities_update",
        request=DescriptionSerializer,
        responses={200: MachineIdentitySerializer} | problems(422),
    )
    def patch(self, request: Request, reference: str) -> Response:
        """Change the description."""
        machine, principal = _found(principal_of(request), reference), governor_of(request)
        changes = DescriptionSerializer.parse(request.data)
        if changes:
            services.update_machine_identity(principal, machine, **changes)
        return Response(MachineIdentitySerializer.of(machine))

    @extend_schema(operation_id="machine_identities_delete", responses={204: None})
    def delete(self, request: Request, reference: str) -> Response:
        """Remove a machine identity with its tokens and memberships."""
        machine, principal = _found(principal_of(request), reference), governor_of(request)
        services.delete_machine_identity(principal, machine)
        return Response(status=204)


class DisableMachineIdentityView(APIView):
    """Stop."""

    @extend_schema(
        operation_id="machine_identities_disable", request=None, responses=MachineIdentitySerializer
    )
    def post(self, request: Request, reference: str) -> Response:
        """Refuse the machine's tokens from the next request on."""
        machine, principal = _found(principal_of(request), reference), governor_of(request)
        NoBody.parse(request.data)
        services.disable_machine_identity(principal, machine)
        return Response(MachineIdentitySerializer.of(machine))


class EnableMachineIdentityView(APIView):
    """Go on."""

    @extend_schema(
        operation_id="machine_identities_enable", request=None, responses=MachineIdentitySerializer
    )
    def post(self, request: Request, reference: str) -> Response:
        """Accept the machine's tokens again."""
        machine, principal = _found(principal_of(request), reference), governor_of(request)
        NoBody.parse(request.data)
        services.enable_machine_identity(principal, machine)
        return Response(MachineIdentitySerializer.of(machine))
