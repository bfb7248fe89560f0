"""A start serves whatever has become of the authority behind the server's own certificate."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import call_command

from apps import clock, principals, registry
from apps.applications import pairings
from apps.applications import services as application_services
from apps.applications.models import Pairing
from apps.authorities import services as authority_services
from apps.authorities.models import Authority, AuthorityCertificate
from apps.certificates.models import Certificate
from apps.keys.models import Key
from apps.operations import quickstart, tls_files, web_certificate, web_certificate_health
from apps.policies import services as policy_services
from apps.policies.models import Policy
from apps.profiles import services as profile_services
from apps.profiles.models import Profile

pytestmark = pytest.mark.django_db
SYSTEM = principals.system("tests")


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path, keyring) -> Path:
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"HOME": tmp_path, "RUN_FOLDER": tmp_path / "run"}
    quickstart.run()
    return tmp_path


def _issuing() -> Authority:
    return Authority.objects.get(name=quickstart.ISSUING)


def _disable() -> None:
    authority_services.disable_authority(SYSTEM, _issuing())


def _nothing() -> None:
    """The issuing authority's certificate has expired by itself."""


def _lose_certificate() -> None:
    AuthorityCertificate.objects.filter(authority=_issuing()).update(is_current=False)


def _break_key() -> None:
    Key.objects.filter(authority=_issuing()).update(sealed_private_key=b"damaged")


def _refuse_by_policy() -> None:
    policy = Policy.objects.get(name=web_certificate.PROFILE)
    rules = {"subject_alt_names": [{"type": "dns_name", "allowed": ["*.nowhere.example"]}]}
    policy_services.update_policy(SYSTEM, policy, rules=rules)


def _ask_for_approval() -> None:
    pairing = Pairing.objects.get(profile__name=web_certificate.PROFILE)
    application_services.update_pairing(SYSTEM, pairing, requires_approval=True)


def _detach() -> None:
    pairing = pairings.pairing_for(web_certificate.APPLICATION, web_certificate.PROFILE)
    application_services.detach_profile(SYSTEM, pairing)


EXPIRED_DAYS = 1826
STATES: list[tuple[Callable[[], None], int]] = [
    (_disable, 0),
    (_nothing, EXPIRED_DAYS),
    (_lose_certificate, 0),
    (_refuse_by_policy, 0),
    (_ask_for_approval, 0),
    (_detach, 0),
]


@pytest.mark.parametrize(("spoil", "days"), STATES)
def test_server_without_certificate_starts_with_a_self_signed_one(home, spoil, days, caplog):
    spoil()
    tls_files.server_file().unlink()
    out = StringIO()
    with time_machine.travel(clock.now() + timedelta(days=days), tick=False):
        call_command("quickstart", stdout=out)
        call_command("serve", "--print", stdout=StringIO())
        assert tls_files.shown_file() == tls_files.self_signed_file()
        assert "self-signed" in " ".join(web_certificate_health.problems())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls_files.self_signed_file())
    assert "Choose an authority that is in use" in caplog.text
    if spoil is not _detach:
        assert "Warning: The web server's certificate was not renewed: " in out.getvalue()
    assert "Traceback" not in out.getvalue() + caplog.text


@pytest.mark.parametrize(
    ("spoil", "days"),
    [(_disable, 80), (_nothing, EXPIRED_DAYS), (_ask_for_approval, 80), (_detach, 80)],
)
def test_certificate_that_cannot_be_renewed_is_kept_and_reported(client, spoil, days, home):
    before = tls_files.server_file().read_bytes()
    spoil()
    with time_machine.travel(clock.now() + timedelta(days=days), tick=False):
        call_command("quickstart", stdout=StringIO())
        tls_files.provide(web_certificate.names())
        assert tls_files.server_file().read_bytes() == before
        assert not tls_files.self_signed_file().exists()
        problems = web_certificate_health.problems()
        assert "cannot be renewed" in problems[-1]
        assert ("expired on" in problems[0]) == (days > 90)
        answer = client.get("/readyz")
        assert answer.json()["checks"]["web certificate"] == " ".join(problems)
        assert registry.readiness_checks["web certificate"].advisory


def test_another_authority_in_the_profile_mends_it(home):
    tls_files.server_file().unlink()
    _disable()
    call_command("quickstart", stdout=StringIO())
    tls_files.provide(web_certificate.names())
    other = quickstart_like_authority()
    profile_services.update_profile(
        SYSTEM, Profile.objects.get(name=web_certificate.PROFILE), authority=other
    )
    assert web_certificate.renew().startswith("certificate ")
    assert tls_files.provide(web_certificate.names()) == ""
    assert not tls_files.self_signed_file().exists()
    assert Certificate.objects.latest("id").authority == other
    assert web_certificate_health.problems() == []


def quickstart_like_authority() -> Authority:
    from tests.factories.authorities import make_issuing

    return make_issuing("another")


def test_file_of_an_installation_that_is_gone_is_replaced(home):
    """The database was made anew; the file still tells that it came from here."""
    Certificate.objects.all().update(fingerprint_sha256="0" * 64)
    before = tls_files.server_file().read_bytes()
    quickstart.run()
    assert tls_files.server_file().read_bytes() != before


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{", b'{"admin": "x"}', b'{"admin": {"username": 1}, "acme": [], "token": 1}'],
)
def test_facts_that_somebody_edited_do_not_stop_a_start(home, content):
    quickstart.facts_file().write_bytes(content)
    call_command("quickstart", stdout=StringIO())
    assert quickstart.run().facts["token"].startswith("swt_")


def test_a_damaged_secret_does_not_stop_a_start(home):
    _break_key()
    call_command("quickstart", stdout=StringIO())


def test_admin_front_page_tells_what_to_do(home, client, django_user_model):
    from apps.principals import ProductRole
    from tests.factories.accounts import make_person

    person = make_person("ada", role=ProductRole.ADMIN)
    client.force_login(django_user_model.objects.get(pk=person.pk))
    assert "Web server certificate" in client.get("/admin/").content.decode()
    _disable()
    page = client.get("/admin/").content.decode()
    assert "the authority quickstart-issuing is disabled" in page
    assert "Choose an authority that is in use" in page
