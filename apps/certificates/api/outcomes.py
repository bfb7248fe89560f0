"""Answers to calls that request or renew a certificate."""

from rest_framework.response import Response

from apps.certificates import issuance
from apps.certificates.api.idempotency import Attempt
from apps.certificates.api.serializers import OutcomeSerializer
from apps.certificates.models import CertificateRequest
from apps.certificates.outcomes import Issued, Pending


def made_before(attempt: Attempt) -> Issued | Pending | None:
    """Return what a worker that died had made for this call, ``None`` when nothing."""
    if not attempt.taken_over or attempt.subject_id is None:
        return None
    found = CertificateRequest.objects.select_related(
        "application", "profile", "policy_version__policy"
    ).filter(pk=attempt.subject_id)
    earlier = found.first()
    return issuance.outcome_of(earlier) if earlier is not None else None


def outcome_response(result: Issued | Pending) -> Response:
    """Answer 201 with the certificate, or 202 with the request that waits."""
    headers = {"Location": f"/api/v1/certificate-requests/{result.request.id}/"}
    if isinstance(result, Pending):
        headers["Retry-After"] = str(result.retry_after_s)
        return Response(OutcomeSerializer.of(result), status=202, headers=headers)
    # The answer may hold a private key.
    headers["Cache-Control"] = "no-store"
    return Response(OutcomeSerializer.of(result), status=201, headers=headers)
