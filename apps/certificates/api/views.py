"""The API of the inventory: certificates are listed, downloaded, exported, renewed and revoked."""

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import access
from apps.applications.roles import Permission
from apps.certificates import export, renewal, revocation, selectors
from apps.certificates.api.filters import CertificateFilter
from apps.certificates.api.idempotency import Attempt, once
from apps.certificates.api.outcomes import made_before, outcome_response
from apps.certificates.api.serializers import (
    CertificateDetailSerializer,
    CertificatePageSerializer,
    CertificateRowSerializer,
    ExportSerializer,
    OutcomeSerializer,
    RenewalSerializer,
    RevocationSerializer,
)
from apps.web.callers import principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.serializers import NoBody

_SORTS = {"not_after": "not_after"}


class CertificatesView(APIView):
    """The inventory."""

    @extend_schema(
        operation_id="certificates_list",
        parameters=[*paging(*_SORTS), *CertificateFilter.parameters()],
        responses={200: CertificatePageSerializer},
    )
    def get(self, request: Request) -> HttpResponse:
        """List the certificates of your applications, newest first."""
        rows = selectors.certificates_visible_to(principal_of(request)).defer("der")
        return page_of(
            request,
            CertificateFilter.apply(request, rows),
            CertificateRowSerializer.of,
            sorts=_SORTS,
        )


class CertificateView(APIView):
    """One certificate."""

    @extend_schema(
        operation_id="certificates_read",
        responses={200: CertificateDetailSerializer},
    )
    def get(self, request: Request, certificate_id: UUID) -> Response:
        """Read a certificate with its PEM and chain."""
        found = selectors.certificate_visible_to(principal_of(request), certificate_id)
        return Response(CertificateDetailSerializer.of(found))


class DownloadView(APIView):
    """A certificate as a file."""

    @extend_schema(
        operation_id="certificates_download",
        parameters=[OpenApiParameter("format", str, enum=[f.value for f in export.PUBLIC_FORMATS])],
        responses={
            (200, "application/octet-stream"): bytes,
            **problems(422),
        },
    )
    def get(self, request: Request, certificate_id: UUID) -> HttpResponse:
        """Download the certificate (pem, der), its chain (chain, fullchain) or both (p7b)."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)
        form = export.parse_format(request.query_params.get("format", "pem"))
        return _file(export.export_public(principal, found, form))


class ExportView(APIView):
    """A certificate with its private key as a file."""

    @extend_schema(
        operation_id="certificates_export",
        request=ExportSerializer,
        responses={(200, "application/octet-stream"): bytes} | problems(422),
    )
    def post(self, request: Request, certificate_id: UUID) -> HttpResponse:
        """Export the key kept here: PKCS#12 under a password, or PKCS#8 PEM."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)
        sent = ExportSerializer.parse(request.data)
        return _file(
            export.export_with_key(
                principal, found, sent["format"], password=sent.get("password", "")
            )
        )


class RevokeView(APIView):
    """Revocation."""

    @extend_schema(
        operation_id="certificates_revoke",
        request=RevocationSerializer,
        responses={200: CertificateDetailSerializer} | problems(409, 422),
    )
    def post(self, request: Request, certificate_id: UUID) -> Response:
        """Revoke: OCSP says so at once, the CRL within a minute."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)

        def work(_attempt: Attempt) -> Response:
            sent = RevocationSerializer.parse(request.data)
            revocation.revoke(
                principal,
                found,
                sent["reason"],
                invalidity_date=sent.get("invalidity_date"),
            )
            fresh = selectors.certificate_visible_to(principal, certificate_id)
            return Response(CertificateDetailSerializer.of(fresh))

        def may_ask() -> None:
            access.require(principal, Permission.REVOKE_CERTIFICATES, found.application)

        return once(request, work, may_ask=may_ask)


class ReleaseView(APIView):
    """End of a hold."""

    @extend_schema(
        operation_id="certificates_release",
        request=None,
        responses={200: CertificateDetailSerializer} | problems(409),
    )
    def post(self, request: Request, certificate_id: UUID) -> Response:
        """Take a certificate off hold."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)
        NoBody.parse(request.data)
        revocation.remove_hold(principal, found)
        fresh = selectors.certificate_visible_to(principal, certificate_id)
        return Response(CertificateDetailSerializer.of(fresh))


class RenewView(APIView):
    """Renewal."""

    @extend_schema(
        operation_id="certificates_renew",
        request=RenewalSerializer,
        responses={201: OutcomeSerializer, 202: OutcomeSerializer} | problems(409, 422),
    )
    def post(self, request: Request, certificate_id: UUID) -> Response:
        """Issue a successor with the same names under today's policy."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)

        def work(attempt: Attempt) -> Response:
            sent = RenewalSerializer.parse(request.data)
            csr = sent.get("csr")
            source = sent.get("key", "csr" if csr is not None else "new")
            result = made_before(attempt) or renewal.renew(
                principal,
                found,
                key_source=renewal.KeySource(source),
                csr_bytes=csr,
                request_id=attempt.subject_id,
            )
            return outcome_response(result)

        def may_ask() -> None:
            access.require(principal, Permission.REQUEST_CERTIFICATES, found.application)

        return once(request, work, may_ask=may_ask)


def _file(exported: export.ExportedFile) -> HttpResponse:
    return HttpResponse(
        exported.content,
        content_type=exported.content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{exported.name}"',
            "Cache-Control": "no-store",
        },
    )
