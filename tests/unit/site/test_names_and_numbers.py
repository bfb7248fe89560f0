"""The admin shows certificates by their first name, finds them in any spelling, and times in UTC."""

import re

import pytest
from django.urls import reverse

from apps.applications import pairings
from apps.certificates import issuance
from apps.certificates.enrollment import Enrollment
from apps.certificates.models import Certificate, EnrollmentMethod
from apps.policies import services
from apps.site.display import admin_url
from tests.factories.accounts import principal_for
from tests.factories.authorities import make_issuing
from tests.factories.keys import make_csr
from tests.factories.spellings import spellings_of

pytestmark = pytest.mark.django_db
STORED = "xn--bcher-kva.example.com"


@pytest.fixture
def nameless(team, issue) -> Certificate:
    """A certificate with alternative names only, beside one that has a common name."""
    issue("other.example.com", number=1)
    enrollment = Enrollment(
        principal=team.principal(),
        pairing=pairings.pairing_for(team.application.name, team.profile.name),
        method=EnrollmentMethod.API,
        csr=make_csr(STORED, "www.example.com", subject=()),
    )
    made: Certificate = issuance.submit(enrollment).certificate
    assert made.common_name == ""
    return made


def found(browser, model: str, text: str) -> list[str]:
    listing = browser.get(reverse(f"admin:{model}_changelist"), {"q": text})
    return [str(row.pk) for row in listing.context["cl"].result_list]


def test_one_without_a_common_name_goes_by_its_first_name(nameless, as_ada):
    request = nameless.request
    for obj in (nameless, request):
        listing = as_ada.get(reverse(f"admin:{obj._meta.label_lower.replace('.', '_')}_changelist"))
        assert STORED in re.findall(r">([^<>]*)</a></th>", listing.content.decode())
        page = as_ada.get(admin_url(obj)).content.decode()
        (title,) = re.findall(r"<h1>(.*?)</h1>", page)
        assert title == STORED
        assert f"<title>{STORED}" in " ".join(page.split()).replace("<title> ", "<title>")
    page = as_ada.get(admin_url(nameless, "revoke"), follow=True).content.decode()
    assert STORED in page
    trail = as_ada.get(reverse("admin:audit_auditevent_changelist"), {"q": str(nameless.pk)})
    labels = {event.subject_label for event in trail.context["cl"].result_list}
    assert labels == {STORED}
    # What waits and what expires soon is on the front page by name, too.
    Certificate.objects.filter(pk=nameless.pk).update(not_after=nameless.not_before)
    assert STORED in as_ada.get(reverse("admin:index")).content.decode()


def test_numbers_and_digests_are_found_in_any_spelling(nameless, as_ada):
    numbers = [*spellings_of(nameless.serial_number), f"00{nameless.serial_number}"]
    for text in [*numbers, *spellings_of(nameless.fingerprint_sha256)]:
        assert found(as_ada, "certificates_certificate", text) == [str(nameless.pk)], text
    for text in numbers:
        wanted = [str(nameless.request.pk)]
        assert found(as_ada, "certificates_certificaterequest", text) == wanted, text


def test_authorities_are_found_by_their_certificates(nameless, as_ada):
    issuer = nameless.authority
    make_issuing("unrelated", parent=issuer.parent)
    (certificate,) = issuer.certificates.all()
    spelled = [
        *spellings_of(certificate.serial_number),
        *spellings_of(certificate.fingerprint_sha256),
    ]
    for text in spelled:
        assert found(as_ada, "authorities_authority", text) == [str(issuer.pk)], text
        same = [str(certificate.pk)]
        assert found(as_ada, "authorities_authoritycertificate", text) == same, text


@pytest.mark.parametrize(
    "text",
    [STORED, STORED.upper(), "b\u00fccher.example.com", "B\u00dcCHER", "b\u00fccher.example.com."],
)
def test_names_are_found_in_any_spelling(text, nameless, as_ada):
    assert found(as_ada, "certificates_certificate", text) == [str(nameless.pk)]
    assert found(as_ada, "certificates_certificaterequest", text) == [str(nameless.request.pk)]


def test_what_is_not_found_is_said_with_the_way_back(nameless, as_ada):
    for query, said in (
        ({"q": "zzzz"}, "Nothing is found for \u201czzzz\u201d."),
        ({"state__exact": "revoked"}, "Nothing is found with these filters."),
    ):
        page = as_ada.get(reverse("admin:certificates_certificate_changelist"), query)
        text = page.content.decode()
        assert said in text
        assert '<a href="?">Show all certificates</a>' in text


def test_whoever_wrote_a_version_of_a_policy_is_shown_by_name(team, as_ada, ada):
    policy = team.profile.policy
    services.update_policy(
        principal_for(ada), policy, rules=policy.current_version.rules | {"subject": []}
    )
    policy.refresh_from_db()
    for obj in (policy, policy.current_version):
        page = as_ada.get(admin_url(obj)).content.decode()
        assert re.search(r"<(td|dd)[^>]*>\s*ada\s*</", page), page
        assert f"user:{ada.pk}" not in page


def test_a_request_shows_times_in_utc_and_says_whether_it_was_taken(nameless, as_ada):
    request = nameless.request
    page = as_ada.get(admin_url(request)).content.decode()
    for time in (nameless.not_before, nameless.not_after):
        assert f"{time:%Y-%m-%d %H:%M:%S} UTC" in page
    assert not re.search(r"\dT\d\d:", page)
    assert "taken as it came" in page
    type(request).objects.filter(pk=request.pk).update(state="rejected", notes=[])
    page = as_ada.get(admin_url(request)).content.decode()
    assert "taken as it came" not in page
    assert "Nothing was changed or left out." in page
