"""The API of members: who works on an application, and in which role."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.models import AccountKind, User
from apps.applications import access, selectors, services
from apps.applications.api.filters import MemberFilter
from apps.applications.api.serializers import (
    BulkMembersSerializer,
    BulkResultSerializer,
    MemberSerializer,
    NewMemberSerializer,
    RoleChangeSerializer,
)
from apps.applications.models import Application, MachineIdentity, Membership
from apps.applications.roles import Permission, Role
from apps.principals import Principal
from apps.web.callers import principal_of
from apps.web.openapi import problems
from apps.web.references import row_named, row_with
from apps.web.viewsets import ReadViewSet


def _managed(principal: Principal, reference: str) -> Application:
    """Return an application whose members the principal may change."""
    application = selectors.application_for(principal, reference, scoped=False)
    access.require(principal, Permission.MANAGE_MEMBERS, application)
    return application


def _member_of(application: Application, member_id: UUID) -> Membership:
    rows = application.memberships.select_related("application", "user", "group")
    return row_with(rows, "pk", member_id, field="member")


def _resolved(sent: dict[str, str]) -> dict[str, Any]:
    """Return the account or group that ``sent`` names by its kind. Whoever manages members may name anybody in the product.

    Raises:
        NotFound: nobody bears the name.
    """
    ((kind, reference),) = sent.items()
    if kind == "machine_identity":
        machines = MachineIdentity.objects.select_related("user")
        return {"machine": row_named(machines, reference)}
    if kind == "group":
        return {kind: row_with(Group.objects.all(), "name", reference)}
    people = User.objects.filter(kind=AccountKind.PERSON)
    return {kind: row_with(people, "username", reference)}


@extend_schema_view(
    list=extend_schema(description="List the members of an application."),
    retrieve=extend_schema(description="Read a member's role."),
)
class MemberViewSet(ReadViewSet):
    """The members of an application."""

    serializer_class = MemberSerializer
    filterset_class = MemberFilter
    lookup_field = "pk"
    lookup_url_kwarg = "member_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Membership]:
        """Return the members of an application, to those who may see them."""
        principal = principal_of(self.request)
        application = selectors.application_for(principal, self.kwargs["reference"])
        return selectors.members_of(principal, application)

    @extend_schema(
        operation_id="applications_members_add",
        request=NewMemberSerializer,
        responses={201: MemberSerializer} | problems(409),
    )
    def create(self, request: Request, reference: str) -> Response:
        """Add a member; a person, a group or a machine identity gets a role."""
        principal = principal_of(request)
        application = _managed(principal, reference)
        sent = NewMemberSerializer.parse(request.data)
        role = Role(sent.pop("role"))
        member = services.add_member(principal, application, role=role, **_resolved(sent))
        location = f"/api/v1/applications/{application.name}/members/{member.pk}/"
        return self.created(member, location)

    @extend_schema(request=BulkMembersSerializer, responses={200: BulkResultSerializer})
    @action(detail=False, methods=["post"], url_path="bulk")
    def bulk_add(self, request: Request, reference: str) -> Response:
        """Add many members by name; one that fails does not stop the others."""
        principal = principal_of(request)
        application = _managed(principal, reference)
        sent = BulkMembersSerializer.parse(request.data)
        result = services.bulk_add(
            principal, application, names=sent["names"], role=Role(sent["role"])
        )
        return Response(BulkResultSerializer.of(result))

    @extend_schema(request=RoleChangeSerializer, responses=MemberSerializer)
    def partial_update(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Change a member's role; nobody changes their own."""
        principal = principal_of(request)
        member = _member_of(_managed(principal, reference), member_id)
        role = Role(RoleChangeSerializer.parse(request.data)["role"])
        return self.answer(services.change_role(principal, member, role))

    @extend_schema(operation_id="applications_members_remove", responses={204: None})
    def destroy(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Remove a member; what it issued stays."""
        principal = principal_of(request)
        services.remove_member(principal, _member_of(_managed(principal, reference), member_id))
        return Response(status=204)
