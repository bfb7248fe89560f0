import ipaddress
import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from apps import clock, principals, secret_files
from apps.applications import services as application_services
from apps.applications.models import Pairing
from apps.certificates import revocation
from apps.certificates.models import Certificate
from apps.errors import InvalidTransition
from apps.operations import quickstart, tls_files, web_certificate
from pki.reasons import RevocationReason
from tests.factories import servers

pytestmark = pytest.mark.django_db
SYSTEM = principals.system("tests")


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path, keyring) -> Path:
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"HOME": tmp_path}
    quickstart.run()
    return tmp_path


def _shown() -> x509.Certificate:
    return x509.load_pem_x509_certificates(tls_files.server_file().read_bytes())[0]


def test_certificate_names_this_machine(home):
    names = _shown().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert {str(a) for a in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}


def test_file_is_private_and_usable_by_the_listener(home):
    path = tls_files.server_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    subjects = [c.subject for c in x509.load_pem_x509_certificates(path.read_bytes())]
    assert len(subjects) == 2  # leaf and issuing authority; clients have the root


def test_certificate_is_in_the_inventory_with_its_intent(home):
    certificate = Certificate.objects.get(application__name="sealwright")
    assert certificate.request.tbs_sha256
    assert certificate.request.requested_by == "system:quickstart"


def test_nothing_is_done_while_the_certificate_is_good(home):
    assert web_certificate.renew() == "not due"
    assert Certificate.objects.count() == 1


def test_certificate_is_renewed_in_the_last_third_of_its_life(home, monkeypatch):
    first = _shown()
    later = clock.now() + timedelta(days=61)
    monkeypatch.setattr(web_certificate.clock, "now", lambda: later)
    assert web_certificate.renew().startswith("certificate ")
    assert _shown().serial_number != first.serial_number
    successor = Certificate.objects.latest("id")
    assert successor.replaces is not None


def test_revoked_certificate_is_replaced(home):
    certificate = Certificate.objects.get()
    revocation.revoke(SYSTEM, certificate, reason=RevocationReason.SUPERSEDED)
    assert web_certificate.renew().startswith("certificate ")


def test_new_public_name_gets_a_new_certificate(home, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PUBLIC_URL": "https://pki.example.com:8443"}
    quickstart.run()
    names = _shown().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "pki.example.com" in names.get_values_for_type(x509.DNSName)


def test_public_address_is_certified_as_an_address(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PUBLIC_URL": "https://192.0.2.7"}
    assert ("ip_address", str(ipaddress.ip_address("192.0.2.7"))) in web_certificate.names()


def test_certificate_that_somebody_put_there_is_left_alone(home):
    path = tls_files.server_file()
    certificate, key = servers.certificate()
    for content in (key + certificate, b"an unreadable file"):
        path.write_bytes(content)
        assert web_certificate.renew() == "not due"
        assert path.read_bytes() == content


def test_host_without_a_web_server_does_nothing(home):
    tls_files.server_file().unlink()
    assert web_certificate.renew() == "no web server on this host"
    assert Certificate.objects.count() == 1


def test_profile_that_asks_for_approval_is_a_clear_fault(home):
    pairing = Pairing.objects.get(profile__name=web_certificate.PROFILE)
    application_services.update_pairing(SYSTEM, pairing, requires_approval=True)
    tls_files.server_file().unlink()
    with pytest.raises(InvalidTransition, match="approval"):
        web_certificate.ensure(SYSTEM)


def test_bundle_for_client_certificates_holds_our_authorities(home):
    bundle = tls_files.client_authorities_file()
    assert len(x509.load_pem_x509_certificates(bundle.read_bytes())) == 2
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o644


def test_failed_write_leaves_the_old_file(home, monkeypatch):
    path = tls_files.server_file()
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _fd: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        secret_files.write(path, b"new")
    assert path.read_bytes() == before
    assert list(path.parent.glob(".*")) == []
