"""The API of many certificate requests at once: up to a hundred CSRs, a result for each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps import costly
from apps.applications import pairings
from apps.certificates import issuance
from apps.certificates.api.idempotency import Attempt, once
from apps.certificates.enrollment import Enrollment, authorise
from apps.certificates.models import CertificateRequest, EnrollmentMethod
from apps.certificates.outcomes import Outcome
from apps.enrollment.api.serializers import ManyOutcomesSerializer, ManyRequestsSerializer
from apps.enrollment.api.views import require_requesting
from apps.errors import Malformed, SealwrightError
from apps.principals import Scope
from apps.web import throttle
from apps.web.callers import principal_of
from apps.web.openapi import problems
from apps.web.parsers import BulkJSONParser
from apps.web.viewsets import StrictViewSet


class BulkViewSet(StrictViewSet):
    """Ask for many certificates."""

    scopes = {"create": Scope.REQUEST}
    parser_classes = (BulkJSONParser,)

    @extend_schema(
        request=ManyRequestsSerializer,
        responses={200: ManyOutcomesSerializer} | problems(404, 409, 422),
    )
    def create(self, request: Request) -> Response:
        """Request up to a hundred certificates from CSRs, at one application and profile.

        Each stands for itself: the result of each has the status that it would have had alone
        (201 issued, 202 pending, 4xx refused), and a refusal stops none of the others. Counts
        as so many calls against the rate limit. Few such calls run at a time: others are answered
        503 with `Retry-After`.
        """

        def work(attempt: Attempt) -> Response:
            # Half of the threads stay free for single requests, CRLs and OCSP.
            with costly.thread():
                sent = ManyRequestsSerializer.parse(request.data)
                throttle.charge(request.user, len(sent["requests"]) - 1)
                return Response(ManyOutcomesSerializer.of(_outcomes(request, sent, attempt)))

        def may_ask() -> None:
            require_requesting(request, ManyRequestsSerializer.parse(request.data)["application"])

        return once(request, work, may_ask=may_ask)


def _outcomes(request: Request, sent: dict[str, Any], attempt: Attempt) -> list[Outcome]:
    """Return the outcome of each request, in the order sent."""
    principal = principal_of(request)
    pairing = pairings.pairing_in_sight(principal, sent["application"], sent["profile"])
    ids = _identifiers(attempt.subject_id, len(sent["requests"]))
    outcomes: dict[int, Outcome] = dict(_made_before(ids) if attempt.taken_over else ())
    enrollments: dict[int, Enrollment] = {}
    for number, (item, request_id) in enumerate(zip(sent["requests"], ids, strict=True)):
        if number in outcomes:
            continue
        if isinstance(item, Malformed):
            outcomes[number] = item
            continue
        csr, requested = item
        enrollments[number] = Enrollment(
            principal=principal,
            pairing=pairing,
            method=EnrollmentMethod.API,
            csr=csr,
            requested=requested,
            request_id=request_id,
        )
    if enrollments:
        made = issuance.submit_many(list(enrollments.values()))
        outcomes |= zip(enrollments, made, strict=True)
    else:
        # Whoever may not ask learns nothing else, whatever was sent.
        authorise(Enrollment(principal=principal, pairing=pairing, method=EnrollmentMethod.API))
    return [outcomes[number] for number in range(len(sent["requests"]))]


def _identifiers(first: UUID | None, count: int) -> Sequence[UUID | None]:
    """Return the identifiers that an idempotency key gives to its requests, rising."""
    if first is None:
        return [None] * count
    return [UUID(int=first.int + number) for number in range(count)]


def _made_before(ids: Sequence[UUID | None]) -> list[tuple[int, Outcome]]:
    """Return what a worker that died had made of this call's requests, by their place."""
    rows = CertificateRequest.objects.select_related(
        "application", "profile", "policy_version__policy"
    ).in_bulk([one for one in ids if one is not None])
    found: list[tuple[int, Outcome]] = []
    for number, one in enumerate(ids):
        if one not in rows:
            continue
        try:
            found.append((number, issuance.outcome_of(rows[one])))
        except SealwrightError as error:
            found.append((number, error))
    return found
