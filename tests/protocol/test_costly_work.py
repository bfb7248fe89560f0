"""Costly work holds half of a process's threads at most, through every door."""

import base64
from contextlib import ExitStack, contextmanager

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from apps import costly, principals
from apps.applications import services
from apps.applications.roles import Role
from apps.certificates import issuance
from apps.certificates.models import Certificate, CertificateRequest
from apps.errors import Busy
from apps.principals import ProductRole
from apps.profiles.requested_content import RequestedContent
from apps.site.display import admin_url
from apps.web import throttle
from pki.algorithms import KeyAlgorithm
from tests.factories.accounts import make_person
from tests.factories.applications import make_machine, make_token
from tests.factories.keys import make_csr
from tests.protocol.api.conftest import Caller, code_of
from tests.unit.certificates.conftest import enrollment_of
from tests.unit.site.conftest import signed_in

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"


@contextmanager
def all_taken(settings):
    """Let others do as much costly work as this process admits."""
    with ExitStack() as held:
        for _ in range(settings.SEALWRIGHT["THREADS"] // 2):
            held.enter_context(costly.thread())
        yield


@pytest.fixture
def caller(team, keyring):
    return Caller(make_token(make_machine(team.application)))


@pytest.fixture
def kept(team, caller) -> Certificate:
    """A certificate whose key is kept here."""
    names = (("dns_name", "kept.example.com"),)
    wanted = RequestedContent(subject_alt_names=names, key_algorithm=KeyAlgorithm.EC_P256)
    return issuance.submit(enrollment_of(team, requested=wanted)).certificate


@pytest.fixture
def pages(team, caller):
    ada = make_person("ada", role=ProductRole.ADMIN)
    services.add_member(principals.system("tests"), team.application, user=ada, role=Role.OPERATOR)
    return signed_in(ada)


def bulk(team, *names):
    csrs = [{"csr": base64.b64encode(make_csr(name)).decode()} for name in names]
    return {
        "application": team.application.name,
        "profile": team.profile.name,
        "requests": csrs,
    }


def assert_busy(answer):
    assert code_of(answer, 503) == "busy"
    assert answer["Retry-After"] == "5"


def test_half_of_the_threads_are_for_costly_work(settings):
    with all_taken(settings), pytest.raises(Busy), costly.thread():
        pass
    with costly.turn():  # free again
        pass


def test_a_bulk_call_beyond_them_is_told_to_come_back(team, caller, settings):
    throttle.calls.clear()
    body = bulk(team, "a.example.com", "b.example.com")
    with all_taken(settings):
        assert_busy(caller.post("certificate-requests/bulk/", body))
        assert not CertificateRequest.objects.exists()
        alone = body | body["requests"][0]
        del alone["requests"]
        assert caller.post("certificate-requests/", alone).status_code == 201
    answer = caller.post("certificate-requests/bulk/", body)
    assert (answer.status_code, answer.json()["issued"]) == (200, 2)


def test_a_pkcs12_export_beyond_them_is_told_to_come_back(kept, caller, settings):
    path = f"certificates/{kept.pk}/export/"
    body = {"format": "pkcs12", "password": PASSWORD}
    with all_taken(settings):
        assert_busy(caller.post(path, body))
        # What takes no time is not held up.
        assert caller.post(path, body | {"format": "private-key"}).status_code == 200
    file = caller.post(path, body)
    assert pkcs12.load_pkcs12(file.content, PASSWORD.encode()).key is not None


def test_an_export_by_the_admin_beyond_them_says_so(kept, pages, settings):
    form = {"format": "pkcs12", "password": PASSWORD}
    with all_taken(settings):
        page = pages.post(admin_url(kept, "export-key"), form, follow=True)
        assert "busy" in page.content.decode()
    assert pages.post(admin_url(kept, "export-key"), form)["Content-Type"] == "application/x-pkcs12"


def test_pkcs12_files_of_one_application_are_bounded(kept, caller, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PKCS12_FILES_PER_MINUTE": 1}
    throttle.made_files.clear()
    path, body = f"certificates/{kept.pk}/export/", {"format": "pkcs12", "password": PASSWORD}
    assert caller.post(path, body).status_code == 200
    refused = caller.post(path, body)
    assert code_of(refused, 429) == "rate_limited"
    assert int(refused["Retry-After"]) > 0
    throttle.made_files.clear()
