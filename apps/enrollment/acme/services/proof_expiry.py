"""Expiry of dns-persist-01 proofs, checked before an approved request is signed.

draft-ietf-acme-dns-persist-02 section 4.1: after persistUntil nothing is issued on a record,
however long ago it was looked up. An approval may take days.
"""

from collections.abc import Iterator

from apps import clock
from apps.certificates.models import CertificateRequest, EnrollmentMethod
from apps.enrollment.acme.models import AcmeChallenge, AcmeOrder
from apps.enrollment.acme.states import ChallengeStatus
from apps.errors import Violation


def expired_proofs(request: CertificateRequest) -> Iterator[Violation]:
    """Yield a violation for each name of an ACME request whose every proof has expired.

    The order of a request has the request's own primary key, unless it joined the request later.
    """
    if request.method != EnrollmentMethod.ACME:
        return
    joined = AcmeOrder.objects.filter(certificate_request=request).values_list("pk", flat=True)
    proofs = AcmeChallenge.objects.filter(
        authorization__order_links__order_id=joined.first() or request.pk,
        status=ChallengeStatus.VALID,
    ).select_related("authorization")
    now = clock.now()
    unexpired: dict[str, bool] = {}
    for row in proofs:
        name = str(row.authorization)
        unexpired[name] = (
            unexpired.get(name, False) or row.good_until is None or row.good_until > now
        )
    for name in sorted(name for name, proven in unexpired.items() if not proven):
        yield Violation(
            "acme.proof_ended",
            "subject_alt_names",
            name,
            "The DNS record that proved the name has reached its persistUntil.",
            "Extend the record, then order again.",
        )
