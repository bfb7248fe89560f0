"""The API of ACME: endpoints and EAB keys to set up, clients and orders to look into."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import selectors as applications
from apps.applications.models import Application, Pairing
from apps.applications.tokens import principal_of
from apps.enrollment.acme import selectors
from apps.enrollment.acme.api import present, schema, wire
from apps.enrollment.acme.api.filters import (
    AcmeAccountFilter,
    AcmeEndpointFilter,
    AcmeOrderFilter,
    EabKeyFilter,
)
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, EabKey
from apps.enrollment.acme.services import endpoints as services
from apps.errors import NotFound
from apps.principals import Principal
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.reader import refuse_fields
from apps.web.references import named

_SECRET = {"Cache-Control": "no-store"}


def _application(principal: Principal, reference: str, *, scoped: bool = True) -> Application:
    return applications.application_for(principal, reference, scoped=scoped)


def _pairing(application: Application, profile: str) -> Pairing:
    """Return the pair of an application in sight and a profile."""
    rows = application.pairings.select_related("application", "profile")
    found: Pairing | None = rows.filter(named(profile, "profile__")).first()
    if found is None:
        raise NotFound
    return found


def _seen(principal: Principal, reference: str, profile: str) -> AcmeEndpoint:
    """Return an endpoint to read."""
    rows = selectors.endpoints_of(principal, _application(principal, reference))
    found = rows.filter(named(profile, "pairing__profile__")).first()
    if found is None:
        raise NotFound
    return found


def _acted_on(principal: Principal, reference: str, profile: str) -> AcmeEndpoint:
    """Return an endpoint on the way to an act that checks its own rights."""
    return selectors.endpoint_of(
        _pairing(_application(principal, reference, scoped=False), profile)
    )


def _key(principal: Principal, reference: str, profile: str, key_id: UUID) -> EabKey:
    """Return an EAB key on the way to an act that checks its own rights."""
    return selectors.eab_key_for(_acted_on(principal, reference, profile), key_id)


def _address(endpoint: AcmeEndpoint, *more: str) -> str:
    pairing = endpoint.pairing
    base = f"/api/v1/applications/{pairing.application.name}/acme/endpoints/{pairing.profile.name}/"
    return base + "".join(f"{part}/" for part in more)


class AcmeEndpointsView(APIView):
    """The ACME endpoints of an application."""

    @extend_schema(
        operation_id="acme_endpoints_list",
        parameters=paging(),
        responses=schema.AcmeEndpointPageSchema,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the profiles that clients can use by ACME."""
        principal = principal_of(request)
        rows = selectors.endpoints_of(principal, _application(principal, reference))
        return page_of(request, AcmeEndpointFilter.apply(request, rows), present.endpoint)

    @extend_schema(
        operation_id="acme_endpoints_create",
        request=schema.NewAcmeEndpointSchema,
        responses={201: schema.AcmeEndpointSchema} | problems(409, 422),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Open the ACME door of an attached profile."""
        principal = principal_of(request)
        application = _application(principal, reference, scoped=False)
        profile, settings = wire.read_endpoint(request.data)
        made = services.enable_acme(principal, _pairing(application, profile), **settings)
        return Response(present.endpoint(made), status=201, headers={"Location": _address(made)})


class AcmeEndpointView(APIView):
    """One endpoint."""

    @extend_schema(operation_id="acme_endpoints_read", responses=schema.AcmeEndpointSchema)
    def get(self, request: Request, reference: str, profile: str) -> Response:
        """Read directory URL and settings."""
        return Response(present.endpoint(_seen(principal_of(request), reference, profile)))

    @extend_schema(
        operation_id="acme_endpoints_update",
        request=schema.AcmeSettingsSchema,
        responses={200: schema.AcmeEndpointSchema} | problems(422),
    )
    def patch(self, request: Request, reference: str, profile: str) -> Response:
        """Change settings; ``{"enabled": false}`` closes the door at once."""
        principal = principal_of(request)
        endpoint = _acted_on(principal, reference, profile)
        settings = wire.read_settings(request.data)
        return Response(present.endpoint(services.update_acme(principal, endpoint, **settings)))


class EabKeysView(APIView):
    """The EAB keys of an endpoint."""

    @extend_schema(
        operation_id="acme_eab_keys_list",
        parameters=paging(),
        responses=schema.EabKeyPageSchema,
    )
    def get(self, request: Request, reference: str, profile: str) -> Response:
        """List the keys, without their secrets."""
        principal = principal_of(request)
        endpoint = _seen(principal, reference, profile)
        rows = services.eab_keys_of(principal, endpoint)
        return page_of(request, EabKeyFilter.apply(request, rows), present.eab_key)

    @extend_schema(
        operation_id="acme_eab_keys_create",
        request=schema.NewEabKeySchema,
        responses={201: schema.EabKeySchema} | problems(422),
    )
    def post(self, request: Request, reference: str, profile: str) -> Response:
        """Make a key; ``reveal/`` shows its secret, once."""
        principal = principal_of(request)
        endpoint = _acted_on(principal, reference, profile)
        key = services.create_eab_key(principal, endpoint, **wire.read_eab_key(request.data))
        address = _address(endpoint, "eab-keys", str(key.pk))
        return Response(present.eab_key(key), status=201, headers={"Location": address})


class EabKeyView(APIView):
    """One EAB key."""

    @extend_schema(operation_id="acme_eab_keys_read", responses=schema.EabKeySchema)
    def get(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Read what may be shown of a key."""
        endpoint = _seen(principal_of(request), reference, profile)
        return Response(present.eab_key(selectors.eab_key_for(endpoint, key_id)))


class RevealEabKeyView(APIView):
    """A secret, once."""

    @extend_schema(
        operation_id="acme_eab_keys_reveal",
        request=None,
        responses={200: schema.EabSecretSchema} | problems(409),
    )
    def post(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Show the secret of a key; a second time is refused."""
        principal = principal_of(request)
        key = _key(principal, reference, profile, key_id)
        refuse_fields(request.data)
        secret = services.reveal_eab_key(principal, key)
        return Response({"kid": key.kid, "hmac_key": secret}, headers=_SECRET)


class RotateEabKeyView(APIView):
    """Another secret."""

    @extend_schema(
        operation_id="acme_eab_keys_rotate",
        request=None,
        responses={200: schema.EabSecretSchema} | problems(409),
    )
    def post(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Replace the secret of a key and show the new one; its accounts stay."""
        principal = principal_of(request)
        key = _key(principal, reference, profile, key_id)
        refuse_fields(request.data)
        secret = services.rotate_eab_key(principal, key)
        return Response({"kid": key.kid, "hmac_key": secret}, headers=_SECRET)


class RevokeEabKeyView(APIView):
    """The end of a key."""

    @extend_schema(
        operation_id="acme_eab_keys_revoke",
        request=schema.EabRevocationSchema,
        responses={200: schema.EabKeySchema} | problems(409),
    )
    def post(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Let nobody register with a key any more; on request its accounts end, too."""
        principal = principal_of(request)
        key = _key(principal, reference, profile, key_id)
        accounts = wire.read_eab_revocation(request.data)
        return Response(present.eab_key(services.revoke_eab_key(principal, key, accounts=accounts)))


def _account(principal: Principal, application: Application, account_id: UUID) -> AcmeAccount:
    found = selectors.accounts_of(principal, application).filter(pk=account_id).first()
    if found is None:
        raise NotFound
    return found


class AcmeAccountsView(APIView):
    """The clients of an application."""

    @extend_schema(
        operation_id="acme_accounts_list",
        parameters=[*paging(), *AcmeAccountFilter.parameters()],
        responses=schema.AcmeAccountPageSchema,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List ACME accounts."""
        principal = principal_of(request)
        rows = selectors.accounts_of(principal, _application(principal, reference))
        return page_of(request, AcmeAccountFilter.apply(request, rows), present.account)


class AcmeAccountView(APIView):
    """One client."""

    @extend_schema(operation_id="acme_accounts_read", responses=schema.AcmeAccountSchema)
    def get(self, request: Request, reference: str, account_id: UUID) -> Response:
        """Read an ACME account."""
        principal = principal_of(request)
        application = _application(principal, reference)
        return Response(present.account(_account(principal, application, account_id)))


class RevokeAcmeAccountView(APIView):
    """The end of a client."""

    @extend_schema(
        operation_id="acme_accounts_revoke",
        request=None,
        responses={200: schema.AcmeAccountSchema} | problems(409),
    )
    def post(self, request: Request, reference: str, account_id: UUID) -> Response:
        """End an account for good; its certificates stay valid."""
        principal = principal_of(request)
        application = _application(principal, reference, scoped=False)
        rows = selectors.accounts().filter(endpoint__pairing__application=application)
        found = rows.filter(pk=account_id).first()
        if found is None:
            raise NotFound
        refuse_fields(request.data)
        services.revoke_account(principal, found)
        return Response(present.account(rows.get(pk=account_id)))


class AcmeOrdersView(APIView):
    """The orders of an application."""

    @extend_schema(
        operation_id="acme_orders_list",
        parameters=[*paging(), *AcmeOrderFilter.parameters()],
        responses=schema.AcmeOrderPageSchema,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List ACME orders."""
        principal = principal_of(request)
        rows = selectors.orders_of(principal, _application(principal, reference))
        return page_of(request, AcmeOrderFilter.apply(request, rows), present.order)


class AcmeOrderView(APIView):
    """One order."""

    @extend_schema(operation_id="acme_orders_read", responses=schema.AcmeOrderSchema)
    def get(self, request: Request, reference: str, order_id: UUID) -> Response:
        """Read an order with each challenge and what each attempt saw: why is it not valid?"""
        principal = principal_of(request)
        rows = selectors.orders_of(principal, _application(principal, reference))
        found = selectors.with_challenges(rows).filter(pk=order_id).first()
        if found is None:
            raise NotFound
        return Response(present.order_detail(found))


class FailingClientsView(APIView):
    """Clients in trouble."""

    @extend_schema(operation_id="acme_failing_list", responses=schema.FailingClientPageSchema)
    def get(self, request: Request, reference: str) -> Response:
        """List the clients whose validations failed within a week, the latest first."""
        principal = principal_of(request)
        found = selectors.failing_clients_of(principal, _application(principal, reference))
        return Response({"results": [present.failing(item) for item in found], "next": None})
