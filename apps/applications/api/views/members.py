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
from apps.applications.api import present, wire
from apps.applications.api.filters import MemberFilter
from apps.applications.api.schema import (
    BulkMembersSchema,
    BulkResultSchema,
    MemberPageSchema,
    MemberSchema,
    NewMemberSchema,
    RoleChangeSchema,
)
from apps.applications.models import Application, MachineIdentity, Membership
from apps.applications.roles import Permission
from apps.applications.tokens import principal_of
from apps.errors import NotFound
from apps.principals import Principal
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import one


def _managed(principal: Principal, reference: str) -> Application:
    """Return an application whose members the principal may change."""
    application = selectors.application_for(principal, reference, scoped=False)
    access.require(principal, Permission.MANAGE_MEMBERS, application)
    return application


def _member_of(application: Application, member_id: UUID) -> Membership:
    rows = application.memberships.select_related("application", "user", "group")
    found: Membership | None = rows.filter(pk=member_id).first()
    if found is None:
        raise NotFound
    return found


def _resolved(wanted: wire.NewMember) -> dict[str, Any]:
    """Return who is meant. Whoever manages members may name anybody in the product.

    Raises:
        NotFound: nobody bears the name.
    """
    if wanted.kind == "machine_identity":
        machines = MachineIdentity.objects.select_related("user")
        return {"machine": one(machines, wanted.reference)}
    if wanted.kind == "group":
        found: Any = Group.objects.filter(name=wanted.reference).first()
    else:
        people = User.objects.filter(kind=AccountKind.PERSON)
        found = people.filter(username=wanted.reference).first()
    if found is None:
        raise NotFound
    return {wanted.kind: found}


class MembersView(APIView):
    """The members of an application."""

    @extend_schema(
        operation_id="applications_members_list",
        parameters=[*paging(), *MemberFilter.parameters()],
        responses=MemberPageSchema,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the members of an application."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        rows = MemberFilter.apply(request, selectors.members_of(principal, application))
        return page_of(request, rows, present.member)

    @extend_schema(
        operation_id="applications_members_add",
        request=NewMemberSchema,
        responses={201: MemberSchema} | problems(409),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Give a person, a group or a machine identity a role."""
        principal = principal_of(request)
        application = _managed(principal, reference)
        wanted = wire.read_member(request.data)
        member = services.add_member(principal, application, role=wanted.role, **_resolved(wanted))
        return Response(
            present.member(member),
            status=201,
            headers={"Location": f"/api/v1/applications/{application.name}/members/{member.pk}/"},
        )


class BulkMembersView(APIView):
    """Many members at once."""

    @extend_schema(
        operation_id="applications_members_bulk_add",
        request=BulkMembersSchema,
        responses={200: BulkResultSchema},
    )
    def post(self, request: Request, reference: str) -> Response:
        """Add people and machine identities by name; one that fails does not stop the others."""
        principal = principal_of(request)
        application = _managed(principal, reference)
        role, names = wire.read_bulk(request.data)
        return Response(
            present.bulk(services.bulk_add(principal, application, names=names, role=role))
        )


class MemberView(APIView):
    """One member."""

    @extend_schema(operation_id="applications_members_read", responses=MemberSchema)
    def get(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Read a member's role."""
        principal = principal_of(request)
        application = selectors.application_for(principal, reference)
        access.require(principal, Permission.VIEW_MEMBERS, application)
        return Response(present.member(_member_of(application, member_id)))

    @extend_schema(
        operation_id="applications_members_update",
        request=RoleChangeSchema,
        responses=MemberSchema,
    )
    def patch(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Give a member another role; nobody changes their own."""
        principal = principal_of(request)
        member = _member_of(_managed(principal, reference), member_id)
        role = wire.read_role(request.data)
        return Response(present.member(services.change_role(principal, member, role)))

    @extend_schema(operation_id="applications_members_remove", responses={204: None})
    def delete(self, request: Request, reference: str, member_id: UUID) -> Response:
        """Take a member's role away."""
        principal = principal_of(request)
        services.remove_member(principal, _member_of(_managed(principal, reference), member_id))
        return Response(status=204)
