"""The API of policies: teams read those behind their profiles, administrators write them."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.errors import NotFound
from apps.policies import selectors, services
from apps.policies.api.filters import PolicyFilter, PolicyVersionFilter
from apps.policies.api.serializers import (
    NewPolicySerializer,
    PolicyChangesSerializer,
    PolicyPageSerializer,
    PolicyPresetPageSerializer,
    PolicyPresetSerializer,
    PolicyRowSerializer,
    PolicySerializer,
    PolicyVersionPageSerializer,
    PolicyVersionSerializer,
)
from apps.policies.models import Policy
from apps.policies.presets import PRESETS
from apps.principals import Principal
from apps.web.callers import application_ids_in_sight, governor_of, principal_of, reader_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import row_named

_SORTS = {"name": "name"}


def _found(principal: Principal, reference: str) -> Policy:
    """Return a policy in sight: any for those who govern, else one that a team's profile uses."""
    in_sight = None if principal.governs else application_ids_in_sight(principal)
    found: Policy = row_named(selectors.policies_used_by(in_sight), reference)
    return found


class PoliciesView(APIView):
    """The policies in sight."""

    @extend_schema(
        operation_id="policies_list",
        parameters=[*paging(*_SORTS), *PolicyFilter.parameters()],
        responses=PolicyPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List the policies behind your applications' profiles; all, if you govern."""
        in_sight = application_ids_in_sight(reader_of(request))
        rows = PolicyFilter.apply(request, selectors.policies_used_by(in_sight))
        return page_of(request, rows, PolicyRowSerializer.of, sorts=_SORTS)

    @extend_schema(
        operation_id="policies_create",
        request=NewPolicySerializer,
        responses={201: PolicySerializer} | problems(409, 422),
    )
    def post(self, request: Request) -> Response:
        """Create a policy."""
        principal = governor_of(request)
        policy = services.create_policy(principal, **NewPolicySerializer.parse(request.data))
        return Response(
            PolicySerializer.of(policy),
            status=201,
            headers={"Location": f"/api/v1/policies/{policy.name}/"},
        )


class PolicyView(APIView):
    """One policy."""

    @extend_schema(operation_id="policies_read", responses=PolicySerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Read a policy with the rules in force."""
        return Response(PolicySerializer.of(_found(reader_of(request), reference)))

    @extend_schema(
        operation_id="policies_update",
        request=PolicyChangesSerializer,
        responses={200: PolicySerializer} | problems(422),
    )
    def patch(self, request: Request, reference: str) -> Response:
        """Change a policy; other rules become a new version, in force at once."""
        policy, principal = _found(principal_of(request), reference), governor_of(request)
        changed = services.update_policy(
            principal, policy, **PolicyChangesSerializer.parse(request.data)
        )
        return Response(PolicySerializer.of(changed))

    @extend_schema(operation_id="policies_delete", responses={204: None} | problems(409))
    def delete(self, request: Request, reference: str) -> Response:
        """Delete a policy that nothing uses or has used."""
        policy, principal = _found(principal_of(request), reference), governor_of(request)
        services.delete_policy(principal, policy)
        return Response(status=204)


class PolicyVersionsView(APIView):
    """The history of a policy."""

    @extend_schema(
        operation_id="policies_versions_list",
        parameters=[*paging(), *PolicyVersionFilter.parameters()],
        responses=PolicyVersionPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the versions of a policy."""
        policy = _found(reader_of(request), reference)
        rows = PolicyVersionFilter.apply(request, policy.versions.all())
        return page_of(request, rows, PolicyVersionSerializer.of)


class PolicyVersionView(APIView):
    """One version."""

    @extend_schema(operation_id="policies_versions_read", responses=PolicyVersionSerializer)
    def get(self, request: Request, reference: str, number: int) -> Response:
        """Read the rules as they stood in one version."""
        policy = _found(reader_of(request), reference)
        # Numbers beyond what the column can hold are no versions either.
        found = policy.versions.filter(number=number).first() if number < 2**31 else None
        if found is None:
            raise NotFound
        return Response(PolicyVersionSerializer.of(found))


class PolicyPresetsView(APIView):
    """Starting points."""

    @extend_schema(operation_id="policy_presets_list", responses=PolicyPresetPageSerializer)
    def get(self, request: Request) -> Response:
        """List the presets, each with rules for a policy and defaults for its profile."""
        reader_of(request)
        return Response(
            {
                "results": [PolicyPresetSerializer.of(preset) for preset in PRESETS.values()],
                "next": None,
            }
        )
