"""Repair of rows of earlier versions, before migrations add the references that they lacked."""

from importlib import import_module
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

from apps.authorities.models import Authority, IssuedSerial
from apps.certificates import issuance
from apps.certificates.models import CertificateRequest, RequestState
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db

REQUESTS = import_module("apps.certificates.migrations.0006_end_abandoned_serials")
SERIALS = import_module("apps.authorities.migrations.0005_serials_of_removed_authorities")


def test_requests_of_a_removed_authority_lose_the_reference_and_stay(team):
    team.pairing.requires_approval = True
    team.pairing.save()
    waiting = issuance.submit(enrollment_of(team, make_csr("www.example.com"))).request
    # Deferred until the transaction ends, so that the row can be what it was without constraint.
    CertificateRequest.objects.filter(pk=waiting.pk).update(authority_id=uuid4())

    REQUESTS.set_issuer_type(apps, connection.schema_editor())

    connection.check_constraints()
    found = CertificateRequest.objects.get()
    assert (found.authority_id, found.issuer_type) == (None, "authority")
    assert found.state == RequestState.PENDING_APPROVAL


def test_serial_numbers_of_a_removed_authority_go(team):
    issuance.submit(enrollment_of(team, make_csr("www.example.com")))
    left = set(IssuedSerial.objects.values_list("pk", flat=True))
    IssuedSerial.objects.create(
        authority_id=uuid4(),
        serial_number="ab",
        tbs_sha256="0" * 64,
        not_after=team.authority.certificates.get().not_after,
    )

    SERIALS.delete_orphans(apps, connection.schema_editor())

    connection.check_constraints()
    assert set(IssuedSerial.objects.values_list("pk", flat=True)) == left
    assert Authority.objects.filter(pk=team.authority.pk).exists()
