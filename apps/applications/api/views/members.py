"""The API of members: who works on an application, and in which role."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import AccountKind, User
from apps.applications import access, selectors, services
from apps.applications.api.filters import MemberFilter
from apps.applications.api.serializers import (
    BulkMembersSerializer,
    BulkResultSerializer,
    MemberPageSerializer,
    MemberSerializer,
    NewMemberSerializer,
    RoleChangeSerializer,
)
from apps.applications.models import Application, MachineIdentity, Membership
from apps.applications.roles import Permission, Role
from apps.errors import NotFound
from apps.principals import Principal
from apps.web.callers import principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import first_of, row_named


def _managed(principal: Principal, reference: str) -> Application:
    """Return an application whose members the principal may change."""
    application = selectors.application_for(principal, reference, scoped=False)
    access.require(principal, Permission.MANAGE_MEMBERS, application)
    return application


def _member_of(application: Application, member_id: UUID) -> Membership:
    rows = application.memberships.select_related("application", "user", "group")
    return first_of(rows.filter(pk=member_id))


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
        found: Any = Group.objects.filter(name=reference).first()
    else:
        people = User.objects.filter(kind=AccountKind.PERSON)
        found = people.filter(username=reference).first()
    if found is None:
        raise NotFound
    return {kind: found}


class MembersView(APIView):
    """The members of an application."""

    @extend_schema(
        operation_id="applications_members_list",
        parameters=[*paging(), *MemberFilter.parameters()],
        responses=MemberPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the members of an application."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        rows = MemberFilter.apply(request, selectors.members_of(principal, application))
        return page_of(request, rows, MemberSerializer.of)

    @extend_schema(
        operation_id="applications_members_add",
        request=NewMemberSerializer,
        responses={201: MemberSerializer} | problems(409),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Give a person, a group or a machine identity a role."""
        principal = principal_of(request)
        application = _managed(principal, reference)
        sent = NewMemberSerializer.parse(request.data)
        role = Role(sent.pop("role"))
        member = services.add_member(principal, application, role=role, **_resolved(sent))
        return Response(
            MemberSerializer.of(member),
            status=201,
            headers={"Location": f"/api/v1/applications/{application.name}/members/{member.pk}/"},
        )


class BulkMembersView(APIView):
    """Many members at once."""

    @extend_schema(
        operation_id="applications_members_bulk_add",
        request=BulkMembersSerializer,
        responses={200: BulkResultSerializer},
    )
    def post(self, request: Request, reference: str) -> Response:
        """Add people and machine identities by name; one that fails does not stop the others."""
        principal = principal_of(request)
        application = _managed(principal, reference)
        sent = BulkMembersSerializer.parse(request.data)
        result = services.bulk_add(
            principal, application, names=sent["names"], role=Role(sent["role"])
        )
        return Response(BulkResultSerializer.of(result))


class MemberView(APIView):
    """One member."""

    @extend_schema(operation_id="applications_members_read", responses=MemberSerializer)
    def get(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Read a member's role."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        access.require(principal, Permission.VIEW_MEMBERS, application)
        return Response(MemberSerializer.of(_member_of(application, member_id)))

    @extend_schema(
        operation_id="applications_members_update",
        request=RoleChangeSerializer,
        responses=MemberSerializer,
    )
    def patch(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Give a member another role; nobody changes their own."""
        principal = principal_of(request)
        member = _member_of(_managed(principal, reference), member_id)
        role = Role(RoleChangeSerializer.parse(request.data)["role"])
        return Response(MemberSerializer.of(services.change_role(principal, member, role)))

    @extend_schema(operation_id="applications_members_remove", responses={204: None})
    def delete(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Take a member's role away."""
        principal = principal_of(request)
        services.remove_member(principal, _member_of(_managed(principal, reference), member_id))
        return Response(status=204)
