"""The API of certificate requests: create, evaluate, list, approve, deny, cancel."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

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
from apps.certificates.models import Certificate, CertificateRequest, EnrollmentMethod
from apps.enrollment.api.filters import RequestFilter
from apps.enrollment.api.serializers import (
    CommentSerializer,
    DecisionSerializer,
    RequestBodySerializer,
    requested_content,
)
from apps.principals import Scope
from apps.web.callers import principal_of
from apps.web.openapi import problems
from apps.web.serializers import NoBody
from apps.web.viewsets import ReadViewSet


def _enrollment(
    request: Request, sent: dict[str, Any], request_id: UUID | None = None
) -> Enrollment:
    principal = principal_of(request)
    return Enrollment(
        principal=principal,
        pairing=pairings.pairing_in_sight(principal, sent["application"], sent["profile"]),
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


@extend_schema_view(
    list=extend_schema(description="List the requests of your applications, newest first.")
)
class CertificateRequestViewSet(ReadViewSet):
    """Ask for certificates, list what was asked, and decide on what is pending."""

    serializer_class = RequestDetailSerializer
    row_serializer_class = RequestRowSerializer
    filterset_class = RequestFilter
    lookup_url_kwarg = "request_id"
    lookup_value_converter = "uuid"
    scopes = {"create": Scope.REQUEST, "evaluate": Scope.REQUEST, "cancel": Scope.REQUEST}

    def get_queryset(self) -> QuerySet[CertificateRequest]:
        """Return the requests of the caller's applications, for a list."""
        return selectors.requests_visible_to(principal_of(self.request))

    def get_object(self) -> CertificateRequest:
        """Return one request of the caller's applications."""
        acts = self.action in {"approve", "deny", "cancel"}  # which ask for a scope of their own
        return selectors.request_visible_to(
            principal_of(self.request), self.kwargs["request_id"], scoped=not acts
        )

    @extend_schema(
        request=RequestBodySerializer,
        responses={201: OutcomeSerializer, 202: OutcomeSerializer} | problems(404, 409, 422),
    )
    def create(self, request: Request) -> Response:
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

    @extend_schema(
        request=RequestBodySerializer, responses={200: DecisionSerializer} | problems(404, 409)
    )
    @action(detail=False, methods=["post"])
    def evaluate(self, request: Request) -> Response:
        """Evaluate a request without making it; every rule is shown with its verdict, and the certificate that would be issued."""
        enrollment = _enrollment(request, RequestBodySerializer.parse(request.data))
        return Response(DecisionSerializer.of(issuance.evaluate(enrollment)))

    def retrieve(self, request: Request, **_url: Any) -> Response:  # noqa: ARG002 - DRF's signature
        """Read a request; once it is issued the certificate is part of the answer."""
        found = self.get_object()
        certificate = Certificate.objects.select_related(
            "application", "profile", "policy_version__policy"
        ).filter(request=found)
        return Response(request_detail(found, certificate.first()))

    @extend_schema(
        request=None,
        responses={201: OutcomeSerializer, 202: OutcomeSerializer} | problems(409, 422),
    )
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, **_url: Any) -> Response:
        """Approve a request and sign it; nobody approves a request of their own.

        201 carries the certificate; 202 means that it is signed when its ACME client asks again.
        """
        found = self.get_object()
        NoBody.parse(request.data)
        return outcome_response(approvals.approve(principal_of(request), found))

    @extend_schema(
        request=CommentSerializer, responses={200: RequestDetailSerializer} | problems(409)
    )
    @action(detail=True, methods=["post"])
    def deny(self, request: Request, **_url: Any) -> Response:
        """Deny a request; it ends as rejected, with a comment for its requester."""
        found = self.get_object()
        comment = CommentSerializer.parse(request.data).get("comment", "")
        approvals.deny(principal_of(request), found, comment)
        return Response(request_detail(self.get_object(), None))

    @extend_schema(request=None, responses={200: RequestDetailSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_url: Any) -> Response:
        """Withdraw a request; only one that is still pending can be withdrawn."""
        found = self.get_object()
        NoBody.parse(request.data)
        approvals.cancel(principal_of(request), found)
        return Response(request_detail(self.get_object(), None))
