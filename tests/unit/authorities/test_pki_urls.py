"""A change of SEALWRIGHT_PKI_URL: what certificates keep, and what everybody is told of it."""

from datetime import timedelta
from io import StringIO

import pytest
from cryptography import x509
from django.core.management import call_command
from django.core.management.base import CommandError

from apps import clock
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.authorities import pki_urls
from apps.authorities import services as authority_services
from apps.authorities.models import Authority, IssuedSerial, PkiUrl
from apps.errors import AccessDenied
from tests.factories.authorities import make_issuing

pytestmark = pytest.mark.django_db
OLD, NEW = "http://old.example:8080", "http://pki.example"


@pytest.fixture
def use(settings):
    def _use(url: str) -> None:
        settings.SEALWRIGHT = settings.SEALWRIGHT | {"PKI_URL": url}

    return _use


def _issued(authority, days: int) -> None:
    end = clock.now() + timedelta(days=days)
    IssuedSerial.objects.create(
        authority=authority, serial_number=f"{days + 1000:x}", tbs_sha256="0", not_after=end
    )


def test_a_change_is_written_down_once_with_what_carries_the_old_value(keyring, sealwright, use):
    use(OLD)
    authority = make_issuing("issuing")
    assert pki_urls.adopt(sealwright) is None
    for days in (-1, 10, 90):
        _issued(authority, days)
    use(NEW)
    former = pki_urls.adopt(sealwright)
    counted = {one["authority"]: one["certificates"] for one in former.carriers}
    assert counted["issuing"] == 2  # the expired one needs nothing
    assert pki_urls.adopt(sealwright) is None
    assert list(PkiUrl.objects.values_list("url", "is_current")) == [(NEW, True), (OLD, False)]
    event = AuditEvent.objects.get(event=Event.PKI_URL_CHANGED)
    assert (event.data["old"], event.data["new"]) == (OLD, NEW)
    text = pki_urls.account(former)
    assert f"valid certificates carry {OLD}" in text
    assert "Renew the certificates of these authorities early: issuing." in text
    Authority.objects.update(ocsp_enabled=False)  # as a new process, it reads all anew
    authority_services.renew_authority(sealwright, authority, 30)
    assert "Renew" not in pki_urls.account(former)


def test_former_values_are_told_until_the_last_certificate_has_ended(
    keyring, sealwright, use, frozen_clock
):
    use(OLD)
    authority = make_issuing("issuing")
    pki_urls.adopt(sealwright)
    _issued(authority, 400)
    use(NEW)
    former = pki_urls.adopt(sealwright)
    assert former.needed_until >= clock.now() + timedelta(days=399)
    assert [row.url for row in pki_urls.former_in_use()] == [OLD]
    frozen_clock.move_to(former.needed_until + timedelta(seconds=1))
    assert pki_urls.former_in_use() == []


def test_an_installation_from_before_the_record_is_read_from_its_certificates(
    keyring, sealwright, use
):
    use(OLD)
    make_issuing("issuing")
    use(NEW)
    former = pki_urls.adopt(sealwright)
    assert former.url == OLD
    assert "issuing" in pki_urls.authorities_with(OLD)


def test_new_certificates_carry_the_new_value(keyring, sealwright, use):
    use(OLD)
    authority = make_issuing("issuing")
    use(NEW)
    Authority.objects.update(ocsp_enabled=False)  # as a new process, it reads all anew
    authority_services.renew_authority(sealwright, authority, 30)
    der = bytes(authority.certificates.get(is_current=True).der)
    certificate = x509.load_der_x509_certificate(der)
    assert NEW in str(certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints))


def test_only_administrators_write_it_down(outsider):
    with pytest.raises(AccessDenied):
        pki_urls.adopt(outsider)


def test_readiness_tells_of_a_process_with_another_value(sealwright, use):
    use(OLD)
    pki_urls.adopt(sealwright)
    assert pki_urls.readiness() == ""
    use(NEW)
    assert "another SEALWRIGHT_PKI_URL" in pki_urls.readiness()


def test_command_shows_and_plans_without_changing_anything(keyring, sealwright, use):
    use(OLD)
    authority = make_issuing("issuing")
    pki_urls.adopt(sealwright)
    _issued(authority, 10)
    out = StringIO()
    call_command("pki_url", "--plan", NEW, stdout=out)
    assert f"New certificates carry {OLD}." in out.getvalue()
    assert (
        f"valid certificates carry {OLD}: it must lead to this installation until" in out.getvalue()
    )
    assert "issuing: 1 until" in out.getvalue()
    assert PkiUrl.objects.count() == 1
    with pytest.raises(CommandError, match="must begin with"):
        call_command("pki_url", "--plan", "pki.example", stdout=out)


def test_former_ports_are_listened_on(settings):
    from apps.operations.nginx_config import render

    settings.SEALWRIGHT = settings.SEALWRIGHT | {"FORMER_HTTP_PORTS": (8081, 80), "HTTP_PORT": 8080}
    for port in (8080, 8081, 80):
        assert f"listen 127.0.0.1:{port} backlog" in render()


def test_admin_and_api_tell_of_it(admin, client, keyring, sealwright, use, django_user_model):
    use(OLD)
    authority = make_issuing("issuing")
    pki_urls.adopt(sealwright)
    _issued(authority, 10)
    use(NEW)
    former = pki_urls.adopt(sealwright)
    client.force_login(django_user_model.objects.get(pk=admin.user_id))
    assert f"carry {OLD}" in client.get("/admin/").content.decode()
    assert OLD in client.get("/admin/authorities/pkiurl/").content.decode()
    page = client.get(f"/admin/authorities/pkiurl/{former.pk}/change/").content.decode()
    assert "certificates until" in page
