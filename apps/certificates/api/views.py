"""The API of the inventory: certificates are listed, downloaded, exported, renewed and revoked."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import access
from apps.applications.roles import Permission
from apps.certificates import export, renewal, revocation, selectors
from apps.certificates.api.filters import CertificateFilter
from apps.certificates.api.idempotency import Attempt, once, once_in_a_transaction
from apps.certificates.api.outcomes import made_before, outcome_response
from apps.certificates.api.serializers import (
    CertificateDetailSerializer,
    CertificateRowSerializer,
    ExportSerializer,
    OutcomeSerializer,
    RenewalSerializer,
    RevocationSerializer,
    SerialNumberRevocationSerializer,
)
from apps.certificates.models import Certificate
from apps.principals import Scope
from apps.web.callers import principal_of
from apps.web.openapi import problems
from apps.web.serializers import Body, NoBody
from apps.web.viewsets import ReadViewSet

NOTE_HEADER = "Sealwright-Note"
_NOTE_HEADER = OpenApiParameter(
    NOTE_HEADER,
    str,
    OpenApiParameter.HEADER,
    description="what whoever opens the file should know; absent when there is nothing",
    response=[200],
)


@extend_schema_view(
    list=extend_schema(description="List the certificates of your applications, newest first."),
    retrieve=extend_schema(description="Read a certificate with its PEM and chain."),
)
class CertificateViewSet(ReadViewSet):
    """The inventory."""

    serializer_class = CertificateDetailSerializer
    row_serializer_class = CertificateRowSerializer
    filterset_class = CertificateFilter
    sorts = {"not_after": "not_after"}
    lookup_url_kwarg = "certificate_id"
    lookup_value_converter = "uuid"
    scopes = {
        "export": Scope.EXPORT_KEY,
        "revoke": Scope.REVOKE,
        "revoke_by_serial_number": Scope.REVOKE,
        "release": Scope.REVOKE,
        "renew": Scope.REQUEST,
    }
    parameters = {"download": ("format",)}
    files = ("download", "export")

    def get_queryset(self) -> QuerySet[Certificate]:
        """Return the certificates of the caller's applications, for a list."""
        return selectors.certificates_visible_to(principal_of(self.request)).defer("der")

    def get_object(self) -> Certificate:
        """Return one certificate of the caller's applications, to read or to act on.

        An act asks for its own scope; its answer shows the certificate as it is afterwards.
        """
        return selectors.certificate_visible_to(
            principal_of(self.request),
            self.kwargs["certificate_id"],
            scoped=self.action not in self.scopes,
        )

    @extend_schema(
        parameters=[OpenApiParameter("format", str, enum=[f.value for f in export.PUBLIC_FORMATS])],
        responses={(200, "application/octet-stream"): bytes} | problems(422),
    )
    @action(detail=True)
    def download(self, request: Request, **_url: Any) -> HttpResponse:
        """Download a certificate; its ``format`` is pem, der, chain, fullchain or p7b (both)."""
        found = self.get_object()
        form = export.parse_format(request.query_params.get("format", "pem"))
        return _file(export.export_public(principal_of(request), found, form))

    @extend_schema(
        request=ExportSerializer,
        responses={(200, "application/octet-stream"): bytes} | problems(422),
        parameters=[_NOTE_HEADER],
    )
    @action(detail=True, methods=["post"])
    def export(self, request: Request, **_url: Any) -> HttpResponse:
        """Export a certificate with the key kept here: PKCS#12 under a password, or PKCS#8 PEM.

        A header `Sealwright-Note` warns of a password that some programs cannot read.
        """
        found = self.get_object()
        sent = ExportSerializer.parse(request.data)
        return _file(
            export.export_with_key(
                principal_of(request),
                found,
                sent["format"],
                password=sent.get("password", ""),
                legacy=sent["legacy"],
            )
        )

    @extend_schema(
        request=RevocationSerializer,
        responses={200: CertificateDetailSerializer} | problems(409, 422),
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, **_url: Any) -> Response:
        """Revoke a certificate; OCSP says so at once, the CRL within a minute."""
        found = self.get_object()
        return self._revoke(request, found, RevocationSerializer)

    @extend_schema(
        request=SerialNumberRevocationSerializer,
        responses={200: CertificateDetailSerializer} | problems(404, 409, 422),
    )
    @action(detail=False, methods=["post"], url_path="revoke")
    def revoke_by_serial_number(self, request: Request) -> Response:
        """Revoke the certificate with a serial number, for clients that know nothing else of it.

        Name the authority, too, where several have used the number: the problem tells when. No
        scope to read is needed.
        """
        sent = SerialNumberRevocationSerializer.parse(request.data)
        found = selectors.certificate_to_act_on(
            principal_of(request), sent["serial_number"], sent.get("authority", "")
        )
        return self._revoke(request, found, SerialNumberRevocationSerializer)

    def _revoke(self, request: Request, found: Certificate, kind: type[Body]) -> Response:
        principal = principal_of(request)

        def work() -> Response:
            sent = kind.parse(request.data)
            revocation.revoke(
                principal,
                found,
                sent["reason"],
                invalidity_date=sent.get("invalidity_date"),
                allow_expired=sent["allow_expired"],
            )
            return self.answer(selectors.certificate_visible_to(principal, found.pk, scoped=False))

        def may_ask() -> None:
            access.require(principal, Permission.REVOKE_CERTIFICATES, found.application)

        return once_in_a_transaction(request, work, may_ask=may_ask)

    @extend_schema(request=None, responses={200: CertificateDetailSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def release(self, request: Request, **_url: Any) -> Response:
        """Take a certificate off hold; the next CRL no longer lists it."""
        principal, found = principal_of(request), self.get_object()

        def work() -> Response:
            NoBody.parse(request.data)
            revocation.remove_hold(principal, found)
            return self.answer(self.get_object())

        def may_ask() -> None:
            access.require(principal, Permission.REVOKE_CERTIFICATES, found.application)

        return once_in_a_transaction(request, work, may_ask=may_ask)

    @extend_schema(
        request=RenewalSerializer,
        responses={201: OutcomeSerializer, 202: OutcomeSerializer} | problems(409, 422),
    )
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, **_url: Any) -> Response:
        """Renew a certificate: a successor with the same names, under today's policy."""
        principal, found = principal_of(request), self.get_object()

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
            **({NOTE_HEADER: " ".join(exported.notes)} if exported.notes else {}),
        },
    )
