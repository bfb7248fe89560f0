"""The API of authorities: everybody may read them, product administrators run them."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.authorities import publication, selectors, services
from apps.authorities.api.filters import AuthorityFilter, CrlFilter
from apps.authorities.api.serializers import (
    AuthorityChangesSerializer,
    AuthorityPageSerializer,
    AuthorityRowSerializer,
    AuthoritySerializer,
    CrlPageSerializer,
    CrlSerializer,
    CsrSerializer,
    InstallationSerializer,
    LifetimeSerializer,
    NewAuthoritySerializer,
)
from apps.authorities.models import Authority
from apps.web.callers import governor_of, reader_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import row_named
from apps.web.serializers import NoBody

_SORTS = {"name": "name"}


def _found(reference: str) -> Authority:
    """Return an authority; their existence and certificates are public facts."""
    found: Authority = row_named(selectors.authorities(), reference)
    return found


def _answer(authority: Authority, status: int = 200) -> Response:
    """Answer the authority as it is now."""
    return Response(AuthoritySerializer.of(_found(str(authority.pk))), status=status)


class AuthoritiesView(APIView):
    """All authorities."""

    @extend_schema(
        operation_id="authorities_list",
        parameters=[*paging(*_SORTS), *AuthorityFilter.parameters()],
        responses=AuthorityPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List the authorities."""
        reader_of(request)
        rows = AuthorityFilter.apply(request, selectors.authorities())
        return page_of(request, rows, AuthorityRowSerializer.of, sorts=_SORTS)

    @extend_schema(
        operation_id="authorities_create",
        request=NewAuthoritySerializer,
        responses={201: AuthoritySerializer} | problems(404, 409, 422, 503),
    )
    def post(self, request: Request) -> Response:
        """Create a root, or an intermediate.

        An intermediate with a parent is signed at once; without one it waits for the
        certificate of a CA outside this product (csr, then install-certificate).
        """
        principal = governor_of(request)
        spec = NewAuthoritySerializer.read(request.data, _found)
        authority = services.create_authority(principal, spec)
        response = _answer(authority, 201)
        response["Location"] = f"/api/v1/authorities/{authority.name}/"
        return response


class AuthorityView(APIView):
    """One authority."""

    @extend_schema(operation_id="authorities_read", responses=AuthoritySerializer)
    def get(self, request: Request, reference: str) -> Response:
        """Read an authority with its certificates, chain and the state of its CRL."""
        reader_of(request)
        return _answer(_found(reference))

    @extend_schema(
        operation_id="authorities_update",
        request=AuthorityChangesSerializer,
        responses={200: AuthoritySerializer} | problems(422),
    )
    def patch(self, request: Request, reference: str) -> Response:
        """Change how an authority publishes; what is left out stays."""
        authority, principal = _found(reference), governor_of(request)
        changes = AuthorityChangesSerializer.parse(request.data)
        return _answer(services.update_authority(principal, authority, **changes))

    @extend_schema(operation_id="authorities_delete", responses={204: None} | problems(409))
    def delete(self, request: Request, reference: str) -> Response:
        """Delete an authority that nothing depends on, and destroy its key."""
        authority, principal = _found(reference), governor_of(request)
        services.delete_authority(principal, authority)
        return Response(status=204)


class DisableAuthorityView(APIView):
    """Stop."""

    @extend_schema(
        operation_id="authorities_disable",
        request=None,
        responses={200: AuthoritySerializer} | problems(409),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Stop issuing; CRLs and OCSP answers go on."""
        authority, principal = _found(reference), governor_of(request)
        NoBody.parse(request.data)
        return _answer(services.disable_authority(principal, authority))


class EnableAuthorityView(APIView):
    """Go on."""

    @extend_schema(
        operation_id="authorities_enable",
        request=None,
        responses={200: AuthoritySerializer} | problems(409),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Let a disabled authority issue again."""
        authority, principal = _found(reference), governor_of(request)
        NoBody.parse(request.data)
        return _answer(services.enable_authority(principal, authority))


class RenewAuthorityView(APIView):
    """Renewal."""

    @extend_schema(
        operation_id="authorities_renew",
        request=LifetimeSerializer,
        responses={200: AuthoritySerializer} | problems(409, 422, 503),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Give the authority a new certificate for the same key and name."""
        authority, principal = _found(reference), governor_of(request)
        lifetime_days = LifetimeSerializer.parse(request.data)["lifetime_days"]
        return _answer(services.renew_authority(principal, authority, lifetime_days))


class InstallCertificateView(APIView):
    """Certification from outside."""

    @extend_schema(
        operation_id="authorities_install_certificate",
        request=InstallationSerializer,
        responses={200: AuthoritySerializer} | problems(409, 422),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Install what a CA outside this product issued for the authority's CSR."""
        authority, principal = _found(reference), governor_of(request)
        sent = InstallationSerializer.parse(request.data)
        installed = services.install_certificate(
            principal, authority, certificate=sent["certificate"], chain=sent.get("chain", b"")
        )
        return _answer(installed)


class AuthorityCsrView(APIView):
    """The request for a CA outside."""

    @extend_schema(
        operation_id="authorities_csr", responses={200: CsrSerializer} | problems(409, 503)
    )
    def get(self, request: Request, reference: str) -> Response:
        """Make a CSR for an intermediate whose issuer is outside this product."""
        authority, principal = _found(reference), governor_of(request)
        return Response({"csr": services.authority_csr(principal, authority).decode()})


class CrlsView(APIView):
    """The CRLs of an authority."""

    @extend_schema(
        operation_id="authorities_crls_list",
        parameters=[*paging(), *CrlFilter.parameters()],
        responses=CrlPageSerializer,
    )
    def get(self, request: Request, reference: str) -> Response:
        """List the CRLs published so far."""
        reader_of(request)
        rows = CrlFilter.apply(request, selectors.crls_of(_found(reference)))
        return page_of(request, rows, CrlSerializer.of)


class PublishCrlView(APIView):
    """A CRL, now."""

    @extend_schema(
        operation_id="authorities_publish_crl",
        request=None,
        responses={200: CrlSerializer} | problems(409, 503),
    )
    def post(self, request: Request, reference: str) -> Response:
        """Publish a new CRL at once, instead of when it is due."""
        authority, principal = _found(reference), governor_of(request)
        NoBody.parse(request.data)
        return Response(CrlSerializer.of(publication.publish_crl(authority.pk, principal)))
