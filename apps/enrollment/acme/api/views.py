"""Management API of ACME: endpoints, EAB keys, accounts and orders."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import selectors as applications
from apps.applications.models import Application, Pairing
from apps.enrollment.acme import selectors
from apps.enrollment.acme.api import serializers
from apps.enrollment.acme.api.filters import (
    AcmeAccountFilter,
    AcmeEndpointFilter,
    AcmeOrderFilter,
    EabKeyFilter,
)
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, EabKey
from apps.enrollment.acme.services import endpoints as services
from apps.principals import Principal
from apps.web.callers import principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import by_name_or_id, first_of
from apps.web.serializers import NoBody

_SECRET = {"Cache-Control": "no-store"}


def _application(principal: Principal, reference: str, *, scoped: bool = True) -> Application:
    return applications.application_for(principal, reference, scoped=scoped)


def _pairing(application: Application, profile: str) -> Pairing:
    """Return the pair of an application in sight and a profile."""
    rows = application.pairings.select_related("application", "profile")
    return first_of(rows.filter(by_name_or_id(profile, "profile__")))


def _seen(principal: Principal, reference: str, profile: str) -> AcmeEndpoint:
    """Return an endpoint to read."""
    rows = selectors.endpoints_of(principal, _application(principal, reference))
    return first_of(rows.filter(by_name_or_id(profile, "pairing__profile__")))


def _acted_on(principal: Principal, reference: str, profile: str) -> AcmeEndpoint:
    """Return an endpoint for a service that checks the rights itself."""
    return selectors.endpoint_of(
        _pairing(_application(principal, reference, scoped=False), profile)
    )


def _key(principal: Principal, reference: str, profile: str, key_id: UUID) -> EabKey:
    """Return an EAB key for a service that checks the rights itself."""
    return selectors.eab_key_for(_acted_on(principal, reference, profile), key_id)


def _with_lists(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with lists for JSON columns in place of tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()
    }


def _address(endpoint: AcmeEndpoint, *more: str) -> str:
    pairing = endpoint.pairing
    base = f"/api/v1/applications/{pairing.application.name}/acme/endpoints/{pairing.profile.name}/"
    return base + "".join(f"{part}/" for part in more)


class AcmeEndpointsView(APIView):
    """The ACME endpoints of an application."""

    @extend_schema(
        operation_id="acme_endpoints_list",
        parameters=paging(),
        responses=serializers.AcmeEndpointPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the profiles that clients can use by ACME."""
        principal = principal_of(request)
        rows = selectors.endpoints_of(principal, _application(principal, reference))
        return page_of(
            request, AcmeEndpointFilter.apply(request, rows), serializers.AcmeEndpointSerializer.of
        )

    @extend_schema(
        operation_id="acme_endpoints_create",
        request=serializers.NewAcmeEndpointSerializer,
        responses={201: serializers.AcmeEndpointSerializer} | problems(409, 422),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Set ACME up for an attached profile."""
        principal = principal_of(request)
        application = _application(principal, reference, scoped=False)
        settings = serializers.NewAcmeEndpointSerializer.parse(request.data)
        pairing = _pairing(application, settings.pop("profile"))
        made = services.enable_acme(principal, pairing, **_with_lists(settings))
        return Response(
            serializers.AcmeEndpointSerializer.of(made),
            status=201,
            headers={"Location": _address(made)},
        )


class AcmeEndpointView(APIView):
    """One endpoint."""

    @extend_schema(operation_id="acme_endpoints_read", responses=serializers.AcmeEndpointSerializer)
    def get(self, request: Request, reference: str, profile: str) -> Response:
        """Read directory URL and settings."""
        return Response(
            serializers.AcmeEndpointSerializer.of(_seen(principal_of(request), reference, profile))
        )

    @extend_schema(
        operation_id="acme_endpoints_update",
        request=serializers.AcmeSettingsSerializer,
        responses={200: serializers.AcmeEndpointSerializer} | problems(422),
    )
    def patch(self, request: Request, reference: str, profile: str) -> Response:
        """Change settings; ``{"enabled": false}`` closes the endpoint at once."""
        principal = principal_of(request)
        endpoint = _acted_on(principal, reference, profile)
        settings = _with_lists(serializers.AcmeSettingsSerializer.parse(request.data))
        services.update_acme(principal, endpoint, **settings)
        return Response(serializers.AcmeEndpointSerializer.of(endpoint))


class EabKeysView(APIView):
    """The EAB keys of an endpoint."""

    @extend_schema(
        operation_id="acme_eab_keys_list",
        parameters=paging(),
        responses=serializers.EabKeyPageSerializer,
    )
    def get(self, request: Request, reference: str, profile: str) -> Response:
        """List the keys, without their secrets."""
        principal = principal_of(request)
        endpoint = _seen(principal, reference, profile)
        rows = services.eab_keys_of(principal, endpoint)
        return page_of(request, EabKeyFilter.apply(request, rows), serializers.EabKeySerializer.of)

    @extend_schema(
        operation_id="acme_eab_keys_create",
        request=serializers.NewEabKeySerializer,
        responses={201: serializers.EabKeySerializer} | problems(422),
    )
    def post(self, request: Request, reference: str, profile: str) -> Response:
        """Make a key; ``reveal/`` shows its secret, once."""
        principal = principal_of(request)
        endpoint = _acted_on(principal, reference, profile)
        terms = serializers.NewEabKeySerializer.parse(request.data)
        terms["restrict_to"] = terms.pop("identifiers", ())
        key = services.create_eab_key(principal, endpoint, **terms)
        address = _address(endpoint, "eab-keys", str(key.pk))
        return Response(
            serializers.EabKeySerializer.of(key), status=201, headers={"Location": address}
        )


class EabKeyView(APIView):
    """One EAB key."""

    @extend_schema(operation_id="acme_eab_keys_read", responses=serializers.EabKeySerializer)
    def get(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Read what may be shown of a key."""
        endpoint = _seen(principal_of(request), reference, profile)
        return Response(serializers.EabKeySerializer.of(selectors.eab_key_for(endpoint, key_id)))


class RevealEabKeyView(APIView):
    """The secret of an EAB key, shown once."""

    @extend_schema(
        operation_id="acme_eab_keys_reveal",
        request=None,
        responses={200: serializers.EabSecretSerializer} | problems(409),
    )
    def post(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Show the secret of a key; a second time is refused."""
        principal = principal_of(request)
        key = _key(principal, reference, profile, key_id)
        NoBody.parse(request.data)
        secret = services.reveal_eab_key(principal, key)
        return Response({"kid": key.kid, "hmac_key": secret}, headers=_SECRET)


class RotateEabKeyView(APIView):
    """A new secret of an EAB key."""

    @extend_schema(
        operation_id="acme_eab_keys_rotate",
        request=None,
        responses={200: serializers.EabSecretSerializer} | problems(409),
    )
    def post(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Replace the secret of a key and show the new one; its accounts stay."""
        principal = principal_of(request)
        key = _key(principal, reference, profile, key_id)
        NoBody.parse(request.data)
        secret = services.rotate_eab_key(principal, key)
        return Response({"kid": key.kid, "hmac_key": secret}, headers=_SECRET)


class RevokeEabKeyView(APIView):
    """Revocation of an EAB key."""

    @extend_schema(
        operation_id="acme_eab_keys_revoke",
        request=serializers.EabRevocationSerializer,
        responses={200: serializers.EabKeySerializer} | problems(409),
    )
    def post(self, request: Request, reference: str, profile: str, key_id: UUID) -> Response:
        """Revoke a key; on request, its accounts as well."""
        principal = principal_of(request)
        key = _key(principal, reference, profile, key_id)
        body = serializers.EabRevocationSerializer.parse(request.data)
        accounts = body.get("accounts", False)
        return Response(
            serializers.EabKeySerializer.of(
                services.revoke_eab_key(principal, key, accounts=accounts)
            )
        )


def _account(principal: Principal, application: Application, account_id: UUID) -> AcmeAccount:
    return first_of(selectors.accounts_of(principal, application).filter(pk=account_id))


class AcmeAccountsView(APIView):
    """The accounts of an application."""

    @extend_schema(
        operation_id="acme_accounts_list",
        parameters=[*paging(), *AcmeAccountFilter.parameters()],
        responses=serializers.AcmeAccountPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List ACME accounts."""
        principal = principal_of(request)
        rows = selectors.accounts_of(principal, _application(principal, reference))
        return page_of(
            request, AcmeAccountFilter.apply(request, rows), serializers.AcmeAccountSerializer.of
        )


class AcmeAccountView(APIView):
    """One account."""

    @extend_schema(operation_id="acme_accounts_read", responses=serializers.AcmeAccountSerializer)
    def get(self, request: Request, reference: str, account_id: UUID) -> Response:
        """Read an ACME account."""
        principal = principal_of(request)
        application = _application(principal, reference)
        return Response(
            serializers.AcmeAccountSerializer.of(_account(principal, application, account_id))
        )


class RevokeAcmeAccountView(APIView):
    """Revocation of an account."""

    @extend_schema(
        operation_id="acme_accounts_revoke",
        request=None,
        responses={200: serializers.AcmeAccountSerializer} | problems(409),
    )
    def post(self, request: Request, reference: str, account_id: UUID) -> Response:
        """Revoke an account; its certificates stay valid."""
        principal = principal_of(request)
        application = _application(principal, reference, scoped=False)
        rows = selectors.accounts().filter(endpoint__pairing__application=application)
        found = first_of(rows.filter(pk=account_id))
        NoBody.parse(request.data)
        services.revoke_account(principal, found)
        return Response(serializers.AcmeAccountSerializer.of(rows.get(pk=account_id)))


class AcmeOrdersView(APIView):
    """The orders of an application."""

    @extend_schema(
        operation_id="acme_orders_list",
        parameters=[*paging(), *AcmeOrderFilter.parameters()],
        responses=serializers.AcmeOrderPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List ACME orders."""
        principal = principal_of(request)
        rows = selectors.orders_of(principal, _application(principal, reference))
        return page_of(
            request, AcmeOrderFilter.apply(request, rows), serializers.AcmeOrderRowSerializer.of
        )


class AcmeOrderView(APIView):
    """One order."""

    @extend_schema(operation_id="acme_orders_read", responses=serializers.AcmeOrderSerializer)
    def get(self, request: Request, reference: str, order_id: UUID) -> Response:
        """Read an order with its challenges, and what each validation attempt saw."""
        principal = principal_of(request)
        rows = selectors.orders_of(principal, _application(principal, reference))
        found = first_of(selectors.with_challenges(rows).filter(pk=order_id))
        return Response(serializers.AcmeOrderSerializer.of(found))


class FailingClientsView(APIView):
    """Accounts whose validations fail."""

    @extend_schema(
        operation_id="acme_failing_list", responses=serializers.FailingClientPageSerializer
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the clients whose validations failed within a week, the latest first."""
        principal = principal_of(request)
        found = selectors.failing_clients_of(principal, _application(principal, reference))
        return Response(
            {
                "results": [serializers.FailingClientSerializer.of(item) for item in found],
                "next": None,
            }
        )
