"""Entry points of issuance: every enrollment method calls ``submit`` or ``submit_many``."""

from collections.abc import Sequence

from apps.certificates import gate, key_material, pipeline, states
from apps.certificates.decision import Decision, decide
from apps.certificates.enrollment import Enrollment, authorise
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.certificates.outcomes import Issued, Outcome, Pending
from apps.certificates.pipeline import Draft
from apps.errors import InvalidTransition, PolicyViolation, SealwrightError
from pki.findings import Violation

MAX_ENROLLMENTS = 100


def evaluate(enrollment: Enrollment) -> Decision:
    """Return what ``submit`` would decide, without a key, a signature or a row.

    Raises:
        AccessDenied, NotFound: the principal may not request here.
        BadCSR: the CSR cannot be read.
        InvalidTransition: the authority is not active.
    """
    authorise(enrollment)
    return decide(enrollment.pairing, enrollment.csr, enrollment.requested)


def submit(enrollment: Enrollment) -> Issued | Pending:
    """Take one authenticated enrollment through the pipeline.

    Returns:
        ``Issued`` with the certificate (and the private key when it was made here), or
        ``Pending`` while somebody has to approve, or an external authority works on it.

    Raises:
        AccessDenied, NotFound: the principal may not request here.
        BadCSR: the PKCS#10 request is unusable; the refusal is on record.
        PolicyViolation: at least one rule is broken; all broken rules are listed and kept.
        AlreadyExists: the certificate to renew has been renewed, or is being renewed.
        InvalidTransition: the authority is not active.
        IntegrityError: there is a request with the identifier that was given.
        UpstreamUnavailable: the signer did not answer; the reconciler finishes the request.
        UpstreamRejected: the signer refuses; the request has failed.
        RateLimited, Busy: the key is not made now; nothing is on record.
    """
    (outcome,) = submit_many([enrollment])
    if isinstance(outcome, SealwrightError):
        raise outcome
    return outcome


def submit_many(enrollments: Sequence[Enrollment]) -> list[Outcome]:
    """Take enrollments through the pipeline, all at one pairing by one principal.

    Two commits serve all of them. Each stands for itself: one that is refused, or waits, stops
    none of the others.

    Returns:
        For each, in order: ``Issued``, ``Pending``, or the error that ``submit`` would raise.

    Raises:
        AccessDenied, NotFound, InvalidTransition, IntegrityError: as ``submit``.
        ValueError: none, too many, or at several pairings.
    """
    if not 0 < len(enrollments) <= MAX_ENROLLMENTS:
        raise ValueError(f"1 to {MAX_ENROLLMENTS} enrollments")
    first = enrollments[0]
    if any(
        (one.principal, one.pairing.pk, one.method)
        != (first.principal, first.pairing.pk, first.method)
        for one in enrollments
    ):
        raise ValueError("the enrollments do not belong together")
    authorise(first)
    return pipeline.run([Draft(one.principal, enrollment=one) for one in enrollments])


def outcome_of(request: CertificateRequest) -> Issued | Pending:
    """Return what an earlier ``submit`` yielded; an open request is the reconciler's to finish.

    Raises:
        PolicyViolation: it was refused.
        InvalidTransition: it failed or was cancelled.
    """
    if request.state == RequestState.ISSUED:
        certificate = Certificate.objects.select_related("application", "profile").get(
            request=request
        )
        key = key_material.of_certificate(certificate) if certificate.sealed_private_key else None
        return Issued(request, certificate, key)
    if request.state == RequestState.REJECTED:
        listed = [Violation(**item) for item in request.violations]
        raise PolicyViolation(listed, request_id=str(request.pk))
    if request.state in states.OPEN_STATES:
        return Pending(request, gate.RETRY_AFTER_S)
    raise InvalidTransition(f"The request is {request.state}. {request.failure}".strip())
