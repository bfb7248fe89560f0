"""Fixtures of the pipeline tests: a team, and a way to request certificates for it."""

from collections.abc import Callable

import pytest

from apps.applications import pairings
from apps.certificates import issuance
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import EnrollmentMethod
from apps.certificates.outcomes import Issued, Pending
from apps.principals import Principal
from apps.profiles.requested_content import RequestedContent
from tests.factories.applications import Team
from tests.factories.keys import make_csr

Ask = Callable[..., Issued | Pending]


def enrollment_of(
    team: Team,
    csr: bytes | None = None,
    requested: RequestedContent | None = None,
    principal: Principal | None = None,
    **options: object,
) -> Enrollment:
    """Return an enrollment of the team's operator."""
    principal = principal or team.principal()
    pairing = pairings.pairing_for(team.application.name, team.profile.name)
    return Enrollment(
        principal=principal,
        pairing=pairing,
        method=EnrollmentMethod.API,
        csr=csr,
        requested=requested or RequestedContent(),
        **options,
    )


@pytest.fixture
def ask(team: Team) -> Ask:
    """Submit a request of the team's operator for the names given."""

    def submit(
        *names: str, csr: bytes | None = None, requested: RequestedContent | None = None
    ) -> Issued | Pending:
        if csr is None and requested is None:
            csr = make_csr(*(names or ("www.example.com",)))
        return issuance.submit(enrollment_of(team, csr, requested))

    return submit
