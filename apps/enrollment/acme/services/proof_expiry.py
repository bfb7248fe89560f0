"""Have the proofs ended on which a request rests that waited for its approval?

draft-ietf-acme-dns-persist-02 section 4.1: after persistUntil nothing is issued upon a record,
however long ago it was looked up.
"""

from collections.abc import Iterator

from apps import clock
from apps.certificates.models import CertificateRequest, EnrollmentMethod
from apps.enrollment.acme.models import AcmeChallenge
from apps.enrollment.acme.states import ChallengeStatus
from apps.errors import Violation


def ended(request: CertificateRequest) -> Iterator[Violation]:
    """Yield each name of an ACME order whose every proof has ended by itself.

    The order of a request has the request's own primary key, see ``finalize``.
    """
    if request.method != EnrollmentMethod.ACME:
        return
    proofs = AcmeChallenge.objects.filter(
        authorization__order_links__order_id=request.pk, status=ChallengeStatus.VALID
    ).select_related("authorization")
    now = clock.now()
    good: dict[str, bool] = {}
    for row in proofs:
        name = str(row.authorization)
        good[name] = good.get(name, False) or row.good_until is None or row.good_until > now
    for name in sorted(name for name, holds in good.items() if not holds):
        yield Violation(
            "acme.proof_ended",
            "subject_alt_names",
            name,
            "The DNS record that proved the name has reached its persistUntil.",
            "Extend the record, then order again.",
        )
