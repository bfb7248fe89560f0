"""Management API of ACME: endpoints, EAB keys, accounts and orders."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import selectors as applications
from apps.applications.models import Application
from apps.enrollment.acme import selectors
from apps.enrollment.acme.api import serializers
from apps.enrollment.acme.api.filters import AcmeAccountFilter, AcmeOrderFilter
from apps.enrollment.acme.models import AcmeAccount, AcmeEndpoint, AcmeOrder, EabKey
from apps.enrollment.acme.services import account_revocation, eab_keys
from apps.enrollment.acme.services import endpoints as services
from apps.principals import Scope
from apps.web.callers import principal_of
from apps.web.openapi import problems
from apps.web.pagination import OnePage
from apps.web.references import row_named, row_with
from apps.web.serializers import NoBody
from apps.web.viewsets import ReadViewSet, ResourceViewSet


def _application(request: Request, reference: str, *, scoped: bool = True) -> Application:
    return applications.application_for(principal_of(request), reference, scoped=scoped)


def _seen(request: Request, reference: str) -> QuerySet[AcmeEndpoint]:
    """Return the endpoints of an application to read."""
    return selectors.endpoints_of(principal_of(request), _application(request, reference))


def _endpoint_among(rows: QuerySet[AcmeEndpoint], profile: str) -> AcmeEndpoint:
    """Return the endpoint of a profile, by the profile's reference."""
    noun = selectors.ENDPOINT_OF_PROFILE
    return row_named(rows, profile, "pairing__profile__", noun=noun, field="profile")


def _acted_on(request: Request, reference: str, profile: str) -> AcmeEndpoint:
    """Return an endpoint for a service that checks the rights itself."""
    application = _application(request, reference, scoped=False)
    return selectors.endpoint_of(applications.pairing_of(application, profile))


def _with_lists(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with lists for JSON columns in place of tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()
    }


def _address(endpoint: AcmeEndpoint, *more: str) -> str:
    pairing = endpoint.pairing
    base = f"/api/v1/applications/{pairing.application.name}/acme/endpoints/{pairing.profile.name}/"
    return base + "".join(f"{part}/" for part in more)


@extend_schema_view(
    list=extend_schema(
        description="List the ACME endpoints of an application: one for each profile."
    ),
    retrieve=extend_schema(
        description="Read an ACME endpoint: its directory URL and settings, and how far the limits "
        "are used up."
    ),
)
class AcmeEndpointViewSet(ReadViewSet):
    """The ACME endpoints of an application."""

    tag = "acme"
    serializer_class = serializers.AcmeEndpointSerializer
    row_serializer_class = serializers.AcmeEndpointRowSerializer
    lookup_url_kwarg = "profile"

    def get_queryset(self) -> QuerySet[AcmeEndpoint]:
        """Return the endpoints to read."""
        return _seen(self.request, self.kwargs["reference"])

    def get_object(self) -> AcmeEndpoint:
        """Return an endpoint to read, by its profile."""
        return _endpoint_among(self.get_queryset(), self.kwargs["profile"])

    @extend_schema(
        request=serializers.NewAcmeEndpointSerializer,
        responses={201: serializers.AcmeEndpointSerializer} | problems(409, 422),
    )
    def create(self, request: Request, reference: str) -> Response:
        """Set up an ACME endpoint for an attached profile."""
        application = _application(request, reference, scoped=False)
        settings = serializers.NewAcmeEndpointSerializer.parse(request.data)
        pairing = applications.pairing_of(application, settings.pop("profile"))
        made = services.enable_acme(principal_of(request), pairing, **_with_lists(settings))
        return self.created(made, _address(made))

    @extend_schema(
        request=serializers.AcmeSettingsSerializer,
        responses={200: serializers.AcmeEndpointSerializer} | problems(422),
    )
    def partial_update(self, request: Request, reference: str, profile: str) -> Response:
        """Change the settings of an ACME endpoint; ``{"enabled": false}`` closes it at once."""
        endpoint = _acted_on(request, reference, profile)
        settings = _with_lists(serializers.AcmeSettingsSerializer.parse(request.data))
        return self.answer(services.update_acme(principal_of(request), endpoint, **settings))


@extend_schema_view(
    list=extend_schema(description="List the EAB keys of an endpoint, without their secrets."),
    retrieve=extend_schema(description="Read an EAB key, without its secret."),
)
class EabKeyViewSet(ReadViewSet):
    """The EAB keys of an endpoint."""

    tag = "acme"
    # With the secret of a key certificates are obtained.
    scopes = dict.fromkeys(("create", "reveal", "rotate"), (Scope.MANAGE, Scope.REQUEST))
    serializer_class = serializers.EabKeySerializer
    lookup_field = "pk"
    lookup_url_kwarg = "key_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[EabKey]:
        """Return the keys of an endpoint to read."""
        rows = _seen(self.request, self.kwargs["reference"])
        endpoint = _endpoint_among(rows, self.kwargs["profile"])
        return eab_keys.eab_keys_of(principal_of(self.request), endpoint)

    def _to_change(self) -> EabKey:
        """Return the key for a service that checks the rights itself."""
        endpoint = _acted_on(self.request, self.kwargs["reference"], self.kwargs["profile"])
        return selectors.eab_key_for(endpoint, self.kwargs["key_id"])

    @extend_schema(
        request=serializers.NewEabKeySerializer,
        responses={201: serializers.EabKeySerializer} | problems(422),
    )
    def create(self, request: Request, reference: str, profile: str) -> Response:
        """Create an EAB key; ``reveal/`` shows its secret, once."""
        endpoint = _acted_on(request, reference, profile)
        terms = serializers.NewEabKeySerializer.parse(request.data)
        terms["restrict_to"] = terms.pop("identifiers", ())
        key = eab_keys.create_eab_key(principal_of(request), endpoint, **terms)
        return self.created(key, _address(endpoint, "eab-keys", str(key.pk)))

    @extend_schema(request=None, responses={200: serializers.EabSecretSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def reveal(self, request: Request, **_url: Any) -> Response:
        """Show the secret of an EAB key; a second time is refused."""
        key = self._to_change()
        NoBody.parse(request.data)
        return _secret(key, eab_keys.reveal_eab_key(principal_of(request), key))

    @extend_schema(request=None, responses={200: serializers.EabSecretSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, **_url: Any) -> Response:
        """Replace the secret of an EAB key and show the new one; its accounts stay."""
        key = self._to_change()
        NoBody.parse(request.data)
        return _secret(key, eab_keys.rotate_eab_key(principal_of(request), key))

    @extend_schema(
        request=serializers.EabRevocationSerializer,
        responses={200: serializers.EabKeySerializer} | problems(409),
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, **_url: Any) -> Response:
        """Revoke an EAB key; on request, its accounts as well."""
        key = self._to_change()
        accounts = serializers.EabRevocationSerializer.parse(request.data).get("accounts", False)
        return self.answer(eab_keys.revoke_eab_key(principal_of(request), key, accounts=accounts))


def _secret(key: EabKey, secret: str) -> Response:
    return Response({"kid": key.kid, "hmac_key": secret}, headers={"Cache-Control": "no-store"})


@extend_schema_view(
    list=extend_schema(description="List the ACME accounts of an application."),
    retrieve=extend_schema(
        description="Read an ACME account with its counts of orders and failures."
    ),
)
class AcmeAccountViewSet(ReadViewSet):
    """The accounts of an application."""

    tag = "acme"
    serializer_class = serializers.AcmeAccountSerializer
    filterset_class = AcmeAccountFilter
    lookup_field = "pk"
    lookup_url_kwarg = "account_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[AcmeAccount]:
        """Return the accounts to read."""
        application = _application(self.request, self.kwargs["reference"])
        return selectors.accounts_of(principal_of(self.request), application)

    @extend_schema(request=None, responses={200: serializers.AcmeAccountSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, reference: str, account_id: UUID) -> Response:
        """Revoke an ACME account; its certificates stay valid."""
        application = _application(request, reference, scoped=False)
        rows = selectors.accounts().filter(endpoint__pairing__application=application)
        found = row_with(rows, "pk", account_id)
        NoBody.parse(request.data)
        account_revocation.revoke_account(principal_of(request), found)
        return self.answer(rows.get(pk=account_id))


@extend_schema_view(
    list=extend_schema(description="List the ACME orders of an application, newest first."),
    retrieve=extend_schema(
        description="Read an order with its challenges, and what each validation attempt saw."
    ),
)
class AcmeOrderViewSet(ReadViewSet):
    """The orders of an application."""

    tag = "acme"
    serializer_class = serializers.AcmeOrderSerializer
    row_serializer_class = serializers.AcmeOrderRowSerializer
    filterset_class = AcmeOrderFilter
    lookup_field = "pk"
    lookup_url_kwarg = "order_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[AcmeOrder]:
        """Return the orders to read."""
        application = _application(self.request, self.kwargs["reference"])
        rows = selectors.orders_of(principal_of(self.request), application)
        return rows if self.action == "list" else selectors.with_challenges(rows)


@extend_schema_view(
    list=extend_schema(
        description="List the clients whose validations failed within a week, the latest first."
    )
)
class FailingClientViewSet(ListModelMixin, ResourceViewSet):
    """Accounts whose validations fail."""

    tag = "acme"
    serializer_class = serializers.FailingClientSerializer
    pagination_class = OnePage
    filter_backends = ()

    def get_queryset(self) -> Any:
        """Return the failing clients of an application."""
        application = _application(self.request, self.kwargs["reference"])
        return selectors.failing_clients_of(principal_of(self.request), application)
