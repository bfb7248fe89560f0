"""The API of authorities: everybody may read them, product administrators run them."""

from functools import partial
from http import HTTPStatus
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.authorities import selectors, services
from apps.authorities.api.filters import AuthorityFilter, CrlFilter, PkiUrlFilter
from apps.authorities.api.serializers import (
    AuthorityChangesSerializer,
    AuthorityRevocationSerializer,
    AuthorityRowSerializer,
    AuthoritySerializer,
    CrlSerializer,
    CsrSerializer,
    InstallationSerializer,
    LifetimeSerializer,
    NewAuthoritySerializer,
    PkiUrlSerializer,
)
from apps.authorities.models import CRL, Authority, PkiUrl
from apps.errors import AccessDenied
from apps.jobs.api.serializers import JobSerializer
from apps.principals import Principal, Scope
from apps.web.callers import governor_of, reader_or_actor_of
from apps.web.openapi import problems
from apps.web.references import row_named
from apps.web.serializers import NoBody
from apps.web.viewsets import ReadViewSet, ResourceViewSet


def _found(reference: str, field: str = "authority") -> Authority:
    """Return an authority; their existence and certificates are public facts."""
    return row_named(selectors.authorities(), reference, field=field)


@extend_schema_view(
    list=extend_schema(description="List the authorities."),
    retrieve=extend_schema(
        description="Read an authority with its certificates, chain and the state of its CRL."
    ),
)
class AuthorityViewSet(ReadViewSet):
    """All authorities."""

    serializer_class = AuthoritySerializer
    row_serializer_class = AuthorityRowSerializer
    scopes = {"csr": Scope.MANAGE}
    filterset_class = AuthorityFilter
    governed = ("create",)
    sorts = {"name": "name"}

    def get_queryset(self) -> QuerySet[Authority]:
        """Return all authorities: their existence and certificates are public facts."""
        reader_or_actor_of(self.request)
        return selectors.authorities()

    def answer(self, instance: Authority) -> Response:
        """Answer the authority as it is now."""
        return super().answer(_found(str(instance.pk)))

    def _to_change(self) -> tuple[Authority, Principal]:
        """Return the authority that the URL names, and who may change it."""
        return _found(self.kwargs["reference"]), governor_of(self.request)

    @extend_schema(
        request=NewAuthoritySerializer,
        responses={201: AuthoritySerializer} | problems(404, 409, 422, 503),
    )
    def create(self, request: Request) -> Response:
        """Create an authority: a root, or an intermediate.

        An intermediate with a parent is signed at once; without one it waits for the
        certificate of a CA outside this product (csr, then install-certificate).
        """
        principal = governor_of(request)
        spec = NewAuthoritySerializer.read(request.data, partial(_found, field="parent"))
        authority = _found(str(services.create_authority(principal, spec).pk))
        return self.created(authority, f"/api/v1/authorities/{authority.name}/")

    @extend_schema(
        request=AuthorityChangesSerializer, responses={200: AuthoritySerializer} | problems(422)
    )
    def partial_update(self, request: Request, **_url: Any) -> Response:
        """Change how an authority publishes; what is left out stays."""
        authority, principal = self._to_change()
        changes = AuthorityChangesSerializer.parse(request.data)
        return self.answer(services.update_authority(principal, authority, **changes))

    @extend_schema(responses={204: None} | problems(409))
    def destroy(self, _request: Request, **_url: Any) -> Response:
        """Delete an authority that nothing depends on, and destroy its key."""
        authority, principal = self._to_change()
        services.delete_authority(principal, authority)
        return Response(status=204)

    @extend_schema(request=None, responses={200: AuthoritySerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, **_url: Any) -> Response:
        """Disable an authority; it stops issuing, CRLs and OCSP answers go on."""
        authority, principal = self._to_change()
        NoBody.parse(request.data)
        return self.answer(services.disable_authority(principal, authority))

    @extend_schema(request=None, responses={200: AuthoritySerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, **_url: Any) -> Response:
        """Enable an authority; it issues again."""
        authority, principal = self._to_change()
        NoBody.parse(request.data)
        return self.answer(services.enable_authority(principal, authority))

    @extend_schema(
        request=AuthorityRevocationSerializer,
        responses={200: AuthoritySerializer} | problems(409, 422),
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, **_url: Any) -> Response:
        """Revoke an intermediate at its parent, for good: OCSP says so at once, the CRL in seconds.

        It and the authorities below it issue nothing more; their CRLs and OCSP answers go on. The
        answer tells what is left to do. With `serial_number`, only an earlier certificate of the
        authority is revoked, and it goes on issuing.
        """
        authority, principal = self._to_change()
        sent = AuthorityRevocationSerializer.parse(request.data)
        return self.answer(
            services.revoke_authority(principal, authority, sent.pop("reason"), **sent)
        )

    @extend_schema(
        request=LifetimeSerializer,
        responses={200: AuthoritySerializer} | problems(409, 422, 503),
    )
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, **_url: Any) -> Response:
        """Renew an authority; it gets a new certificate for the same key and name."""
        authority, principal = self._to_change()
        lifetime_days = LifetimeSerializer.parse(request.data)["lifetime_days"]
        return self.answer(services.renew_authority(principal, authority, lifetime_days))

    @extend_schema(
        request=InstallationSerializer,
        responses={200: AuthoritySerializer} | problems(409, 422),
    )
    @action(detail=True, methods=["post"], url_path="install-certificate")
    def install_certificate(self, request: Request, **_url: Any) -> Response:
        """Install what a CA outside this product issued for the authority's CSR."""
        authority, principal = self._to_change()
        sent = InstallationSerializer.parse(request.data)
        installed = services.install_certificate(
            principal, authority, certificate=sent["certificate"], chain=sent.get("chain", b"")
        )
        return self.answer(installed)

    @extend_schema(responses={200: CsrSerializer} | problems(409, 503))
    @action(detail=True)
    def csr(self, _request: Request, **_url: Any) -> Response:
        """Make a CSR for an intermediate whose issuer is outside this product."""
        authority, principal = self._to_change()
        return Response({"csr": services.authority_csr(principal, authority).decode()})

    @extend_schema(request=None, responses={202: JobSerializer} | problems(409))
    @action(detail=True, methods=["post"], url_path="publish-crl")
    def publish_crl(self, request: Request, **_url: Any) -> Response:
        """Have a new CRL published within seconds, instead of when it is due; return the job."""
        authority, principal = self._to_change()
        NoBody.parse(request.data)
        job = services.request_crl(principal, authority)
        return Response(JobSerializer.of(job), status=HTTPStatus.ACCEPTED)


@extend_schema_view(
    list=extend_schema(description="List the CRLs that an authority has published, newest first.")
)
class CrlViewSet(ListModelMixin, ResourceViewSet):
    """The CRLs of an authority."""

    serializer_class = CrlSerializer
    filterset_class = CrlFilter

    def get_queryset(self) -> QuerySet[CRL]:
        """Return the CRLs of an authority."""
        reader_or_actor_of(self.request)
        return selectors.crls_of(_found(self.kwargs["reference"]))


@extend_schema_view(
    list=extend_schema(
        summary="List the PKI URLs",
        description="List the PKI URLs: the values that SEALWRIGHT_PKI_URL has had, newest first. Certificates "
        "carry the one that was in force when they were issued. Product administrators only: the "
        "figures count the certificates of all applications.",
    )
)
class PkiUrlViewSet(ListModelMixin, ResourceViewSet):
    """All PKI URLs, with figures of the whole installation."""

    serializer_class = PkiUrlSerializer
    filterset_class = PkiUrlFilter
    governed = ("list",)

    def get_queryset(self) -> QuerySet[PkiUrl]:
        """Return all of them, to those who govern."""
        if not reader_or_actor_of(self.request).governs:
            raise AccessDenied("Only product administrators may do this.")
        return PkiUrl.objects.order_by("-id")
