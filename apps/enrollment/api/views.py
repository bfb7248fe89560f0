"""The API of certificate requests: create, evaluate, list, approve, deny, cancel."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import access, pairings
from apps.applications import selectors as application_selectors
from apps.applications.roles import Permission
from apps.certificates import approvals, issuance, selectors
from apps.certificates.api.idempotency import Attempt, once
from apps.certificates.api.outcomes import made_before, outcome_response
from apps.certificates.api.serializers import (
    OutcomeSerializer,
    RequestDetailSerializer,
    RequestRowSerializer,
    request_detail,
)
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, EnrollmentMethod
from apps.enrollment.api.filters import RequestFilter
from apps.enrollment.api.serializers import (
    CommentSerializer,
    DecisionSerializer,
    RequestBodySerializer,
    RequestPageSerializer,
    requested_content,
)
from apps.principals import Principal
from apps.web.callers import principal_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.serializers import NoBody


def _enrollment(
    request: Request, sent: dict[str, Any], request_id: UUID | None = None
) -> Enrollment:
    principal = principal_of(request)
    return Enrollment(
        principal=principal,
        pairing=pairings.pairing_for(
            sent["application"], sent["profile"], version=principal.governance_version
        ),
        method=EnrollmentMethod.API,
        csr=sent.get("csr"),
        requested=requested_content(sent),
        request_id=request_id,
    )


def require_requesting(request: Request, application: str) -> None:
    """Refuse a caller who may not request certificates for the application that it names.

    Raises:
        NotFound: no such application in the caller's sight.
        AccessDenied: in sight, but the role or the token lacks the right.
    """
    principal = principal_of(request)
    found = application_selectors.application_for(principal, application, scoped=False)
    access.require(principal, Permission.REQUEST_CERTIFICATES, found)


class CertificateRequestsView(APIView):
    """Ask for certificates and list what was asked."""

    @extend_schema(
        operation_id="certificate_requests_list",
        parameters=[*paging(), *RequestFilter.parameters()],
        responses={200: RequestPageSerializer},
    )
    def get(self, request: Request) -> HttpResponse:
        """List the requests of your applications, newest first."""
        principal = principal_of(request)
        rows = RequestFilter.apply(request, selectors.requests_visible_to(principal))
        return page_of(request, rows, RequestRowSerializer.of)

    @extend_schema(
        operation_id="certificate_requests_create",
        request=RequestBodySerializer,
        responses={201: OutcomeSerializer, 202: OutcomeSerializer} | problems(404, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """Request a certificate from a CSR, or with a key made by the server.

        201 carries the certificate; 202 means that somebody must approve first.
        """

        def work(attempt: Attempt) -> Response:
            found = made_before(attempt)
            if found is not None:
                return outcome_response(found)
            sent = RequestBodySerializer.parse(request.data)
            return outcome_response(issuance.submit(_enrollment(request, sent, attempt.subject_id)))

        def may_ask() -> None:
            require_requesting(request, RequestBodySerializer.parse(request.data)["application"])

        return once(request, work, may_ask=may_ask)


class EvaluateView(APIView):
    """Try a request without issuing."""

    @extend_schema(
        operation_id="certificate_requests_evaluate",
        request=RequestBodySerializer,
        responses={200: DecisionSerializer} | problems(404, 409),
    )
    def post(self, request: Request) -> Response:
        """Show every rule with its verdict and the certificate that would be issued."""
        enrollment = _enrollment(request, RequestBodySerializer.parse(request.data))
        return Response(DecisionSerializer.of(issuance.evaluate(enrollment)))


class CertificateRequestView(APIView):
    """One request."""

    @extend_schema(
        operation_id="certificate_requests_read",
        responses={200: RequestDetailSerializer},
    )
    def get(self, request: Request, request_id: UUID) -> Response:
        """Read a request; once it is issued the certificate is part of the answer."""
        found = selectors.request_visible_to(principal_of(request), request_id)
        certificate = Certificate.objects.select_related(
            "application", "profile", "policy_version__policy"
        ).filter(request=found)
        return Response(request_detail(found, certificate.first()))


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
        responses={201: OutcomeSerializer} | problems(409, 422),
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        """Release the request and sign it; nobody approves a request of their own."""
        principal, found = self._found(request, request_id)
        NoBody.parse(request.data)
        return outcome_response(approvals.approve(principal, found))


class DenyView(RequestActionView):
    """Deny a pending request."""

    @extend_schema(
        operation_id="certificate_requests_deny",
        request=CommentSerializer,
        responses={200: RequestDetailSerializer} | problems(409),
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        """End the request as rejected, with a comment for its requester."""
        principal, found = self._found(request, request_id)
        comment = CommentSerializer.parse(request.data).get("comment", "")
        approvals.deny(principal, found, comment)
        return Response(request_detail(selectors.request_visible_to(principal, request_id), None))


class CancelView(RequestActionView):
    """Withdraw a pending request."""

    @extend_schema(
        operation_id="certificate_requests_cancel",
        request=None,
        responses={200: RequestDetailSerializer} | problems(409),
    )
    def post(self, request: Request, request_id: UUID) -> Response:
        """Withdraw a request that is still pending."""
        principal, found = self._found(request, request_id)
        NoBody.parse(request.data)
        approvals.cancel(principal, found)
        return Response(request_detail(selectors.request_visible_to(principal, request_id), None))
