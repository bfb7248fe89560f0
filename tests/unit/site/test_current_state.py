"""What has ended is expired at once, marked as such or not yet."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from apps import clock
from apps.applications.roles import Role
from apps.certificates.api.filters import CertificateFilter
from apps.certificates.api.serializers import CertificateRowSerializer
from apps.certificates.models import Certificate, CertificateState
from apps.principals import ProductRole
from apps.site.display import admin_url
from tests.factories.accounts import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ended(issue) -> Certificate:
    certificate: Certificate = issue("a.example.com").certificate
    now = clock.now()
    Certificate.objects.filter(pk=certificate.pk).update(
        not_before=now - timedelta(hours=2), not_after=now - timedelta(seconds=1)
    )
    certificate.refresh_from_db()
    return certificate


@pytest.mark.parametrize("marked", [CertificateState.ACTIVE, CertificateState.EXPIRED])
def test_lists_and_pages_say_expired_at_once(ended, marked):
    Certificate.objects.filter(pk=ended.pk).update(state=marked)
    for state in CertificateState:
        rows = CertificateFilter({"state": state.value}, Certificate.objects.all()).qs
        shown = [CertificateRowSerializer.of(row)["state"] for row in rows]
        assert shown == (["expired"] if state == "expired" else [])
    assert list(Certificate.objects.in_state("active")) == []
    browser = Client()
    browser.force_login(make_person("ada", role=ProductRole.ADMIN))
    listing = reverse("admin:certificates_certificate_changelist")
    for state, count in (("active", 0), ("expired", 1)):
        page = browser.get(listing, {"state__exact": state})
        assert page.context["cl"].result_count == count
    page = browser.get(admin_url(ended)).content.decode()
    assert "Expired</span>" in page
    assert admin_url(ended, "hold") not in page


def test_what_a_person_may_not_do_has_no_button_but_a_reason(team, issue):
    certificate = issue("a.example.com").certificate
    browser = Client()
    browser.force_login(make_person("ada", role=ProductRole.ADMIN))
    page = browser.get(admin_url(certificate)).content.decode()
    assert admin_url(certificate, "revoke") not in page
    assert "You lack the permission revoke_certificates in the application" in page
    browser.force_login(team.people[Role.OPERATOR])
    assert browser.get(admin_url(certificate, "revoke")).status_code in {302, 403}
