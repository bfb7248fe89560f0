"""The API door: requests and certificates over JSON, problem documents for every refusal."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import access, pairings
from apps.applications.roles import Permission
from apps.applications.tokens import principal_of
from apps.certificates import approvals, export, issuance, renewal, revocation, selectors
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, CertificateRequest, EnrollmentMethod
from apps.certificates.outcomes import Issued, Pending
from apps.enrollment.api import present, wire
from apps.enrollment.api.filters import CertificateFilter, RequestFilter
from apps.enrollment.api.idempotency import Attempt, once
from apps.enrollment.api.rights import require_requesting
from apps.enrollment.api.schema import (
    CertificateDetailSchema,
    CertificatePageSchema,
    CommentSchema,
    DecisionSchema,
    ExportSchema,
    OutcomeSchema,
    RenewalSchema,
    RequestBodySchema,
    RequestDetailSchema,
    RequestPageSchema,
    RevocationSchema,
)
from apps.principals import Principal
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.reader import refuse_fields

_SORTS = {"not_after": "not_after"}


def _made_before(attempt: Attempt) -> Issued | Pending | None:
    """Return what a worker that died had made for this call, ``None`` when nothing."""
    if not attempt.taken_over or attempt.subject_id is None:
        return None
    found = CertificateRequest.objects.select_related(
        "application", "profile", "policy_version__policy"
    ).filter(pk=attempt.subject_id)
    earlier = found.first()
    return issuance.outcome_of(earlier) if earlier is not None else None


def _enrollment(
    request: Request, body: wire.RequestBody, request_id: UUID | None = None
) -> Enrollment:
    principal = principal_of(request)
    return Enrollment(
        principal=principal,
        pairing=pairings.pairing_for(
            body.application, body.profile, version=principal.governance_version
        ),
        method=EnrollmentMethod.API,
        csr=body.csr,
        requested=body.requested,
        request_id=request_id,
    )


def _answer(result: Issued | Pending) -> Response:
    """Answer 201 with the certificate, or 202 with the request that waits."""
    if isinstance(result, Pending):
        return Response(
            present.outcome(result),
            status=202,
            headers={"Retry-After": str(result.retry_after_s), "Location": _location(result)},
        )
    return Response(
        present.outcome(result),
        status=201,
        headers={"Location": _location(result), "Cache-Control": "no-store"},
    )


def _location(result: Issued | Pending) -> str:
    return f"/api/v1/certificate-requests/{result.request.id}/"


class CertificateRequestsView(APIView):
    """Ask for certificates and list what was asked."""

    @extend_schema(
        operation_id="certificate_requests_list",
        parameters=[*paging(), *RequestFilter.parameters()],
        responses={200: RequestPageSchema},
    )
    def get(self, request: Request) -> HttpResponse:
        """List the requests of your applications, newest first."""
        principal = principal_of(request)
        rows = RequestFilter.apply(request, selectors.requests_visible_to(principal))
        return page_of(request, rows, present.request_row)

    @extend_schema(
        operation_id="certificate_requests_create",
        request=RequestBodySchema,
        responses={201: OutcomeSchema, 202: OutcomeSchema} | problems(404, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """Request a certificate from a CSR, or with a key made by the server.

        201 carries the certificate; 202 means that somebody must approve first.
        """

        def work(attempt: Attempt) -> Response:
            found = _made_before(attempt)
            if found is not None:
                return _answer(found)
            body = wire.read_request(request.data)
            return _answer(issuance.submit(_enrollment(request, body, attempt.subject_id)))

        def may_ask() -> None:
            require_requesting(request, wire.read_request(request.data).application)

        return once(request, work, may_ask=may_ask)


class EvaluateView(APIView):
    """Try a request without issuing."""

    @extend_schema(
        operation_id="certificate_requests_evaluate",
        request=RequestBodySchema,
        responses={200: DecisionSchema} | problems(404, 409),
    )
    def post(self, request: Request) -> Response:
        """Show every rule with its verdict and the certificate that would be issued."""
        enrollment = _enrollment(request, wire.read_request(request.data))
        return Response(present.decision(issuance.evaluate(enrollment)))


class CertificateRequestView(APIView):
    """One request."""

    @extend_schema(
        operation_id="certificate_requests_read",
        responses={200: RequestDetailSchema},
    )
    def get(self, request: Request, request_id: UUID) -> Response:
        """Read a request; once it is issued the certificate is part of the answer."""
        found = selectors.request_visible_to(principal_of(request), request_id)
        certificate = Certificate.objects.select_related(
            "application", "profile", "policy_version__policy"
        ).filter(request=found)
        return Response(present.request_detail(found, certificate.first()))


class RequestActionView(APIView):
    """Approve, deny or cancel a pending request."""

    def _found(self, request: Request, request_id: UUID) -> tuple[Principal, Any]:
        principal = principal_of(request)
        return principal, selectors.request_visible_to(principal, request_id)


class ApproveView(RequestActionView):
    """Approve a pending request."""

    @extend_schema(
        operation_id="certificate_requests_approve",
        request=None,
        responses={201: OutcomeSchema} | problems(409, 422),
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        """Release the request and sign it; nobody approves a request of their own."""
        principal, found = self._found(request, request_id)
        refuse_fields(request.data)
        return _answer(approvals.approve(principal, found))


class DenyView(RequestActionView):
    """Deny a pending request."""

    @extend_schema(
        operation_id="certificate_requests_deny",
        request=CommentSchema,
        responses={200: RequestDetailSchema} | problems(409),
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        """End the request as rejected, with a comment for its requester."""
        principal, found = self._found(request, request_id)
        approvals.deny(principal, found, wire.read_comment(request.data))
        return Response(
            present.request_detail(selectors.request_visible_to(principal, request_id), None)
        )


class CancelView(RequestActionView):
    """Withdraw a pending request."""

    @extend_schema(
        operation_id="certificate_requests_cancel",
        request=None,
        responses={200: RequestDetailSchema} | problems(409),
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        """Withdraw a request that is still pending."""
        principal, found = self._found(request, request_id)
        refuse_fields(request.data)
        approvals.cancel(principal, found)
        return Response(
            present.request_detail(selectors.request_visible_to(principal, request_id), None)
        )


class CertificatesView(APIView):
    """The inventory."""

    @extend_schema(
        operation_id="certificates_list",
        parameters=[*paging(*_SORTS), *CertificateFilter.parameters()],
        responses={200: CertificatePageSchema},
    )
    def get(self, request: Request) -> HttpResponse:
        """List the certificates of your applications, newest first."""
        rows = selectors.certificates_visible_to(principal_of(request)).defer("der")
        return page_of(
            request,
            CertificateFilter.apply(request, rows),
            present.certificate_row,
            sorts=_SORTS,
        )


class CertificateView(APIView):
    """One certificate."""

    @extend_schema(
        operation_id="certificates_read",
        responses={200: CertificateDetailSchema},
    )
    def get(self, request: Request, certificate_id: UUID) -> Response:
        """Read a certificate with its PEM and chain."""
        found = selectors.certificate_visible_to(principal_of(request), certificate_id)
        return Response(present.certificate_detail(found))


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
        request=ExportSchema,
        responses={(200, "application/octet-stream"): bytes} | problems(422),
    )
    def post(self, request: Request, certificate_id: UUID) -> HttpResponse:
        """Export the key kept here: PKCS#12 under a password, or PKCS#8 PEM."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)
        form, password = wire.read_export(request.data)
        return _file(
            export.export_with_key(principal, found, export.parse_format(form), password=password)
        )


class RevokeView(APIView):
    """Revocation."""

    @extend_schema(
        operation_id="certificates_revoke",
        request=RevocationSchema,
        responses={200: CertificateDetailSchema} | problems(409, 422),
    )
    def post(self, request: Request, certificate_id: UUID) -> Response:
        """Revoke: OCSP says so at once, the CRL within a minute."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)

        def work(_attempt: Attempt) -> Response:
            reason, invalidity_date = wire.read_revocation(request.data)
            revocation.revoke(
                principal, found, revocation.parse_reason(reason), invalidity_date=invalidity_date
            )
            fresh = selectors.certificate_visible_to(principal, certificate_id)
            return Response(present.certificate_detail(fresh))

        def may_ask() -> None:
            access.require(principal, Permission.REVOKE_CERTIFICATES, found.application)

        return once(request, work, may_ask=may_ask)


class ReleaseView(APIView):
    """End of a hold."""

    @extend_schema(
        operation_id="certificates_release",
        request=None,
        responses={200: CertificateDetailSchema} | problems(409),
    )
    def post(self, request: Request, certificate_id: UUID) -> Response:
        """Take a certificate off hold."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)
        refuse_fields(request.data)
        revocation.release(principal, found)
        fresh = selectors.certificate_visible_to(principal, certificate_id)
        return Response(present.certificate_detail(fresh))


class RenewView(APIView):
    """Renewal."""

    @extend_schema(
        operation_id="certificates_renew",
        request=RenewalSchema,
        responses={201: OutcomeSchema, 202: OutcomeSchema} | problems(409, 422),
    )
    def post(self, request: Request, certificate_id: UUID) -> Response:
        """Issue a successor with the same names under today's policy."""
        principal = principal_of(request)
        found = selectors.certificate_visible_to(principal, certificate_id)

        def work(attempt: Attempt) -> Response:
            source, csr = wire.read_renewal(request.data)
            result = _made_before(attempt) or renewal.renew(
                principal,
                found,
                key_source=renewal.KeySource(source),
                csr_bytes=csr,
                request_id=attempt.subject_id,
            )
            return _answer(result)

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
