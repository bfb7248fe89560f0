import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from apps import clock, principals
from apps.accounts.models import User
from apps.applications import services as application_services
from apps.applications.models import ApiToken, Application, Pairing
from apps.audit.models import AuditEvent
from apps.authorities import ca_issuance
from apps.authorities.models import CRL, Authority
from apps.certificates.models import Certificate
from apps.enrollment.acme import jws
from apps.enrollment.acme.models import AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab, eab_keys
from apps.operations import quickstart, static_files
from apps.operations.management.commands import quickstart as command
from apps.profiles.models import Profile

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path, keyring) -> Path:
    """A data directory of the test's own; the keyring stays the session's."""
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"HOME": tmp_path}
    return tmp_path


def test_first_run_writes_the_facts_as_documented(home):
    quickstart.run()
    path = home / "quickstart.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    facts = json.loads(path.read_text())
    assert set(facts) == {
        "https_url",
        "http_url",
        "ca_file",
        "admin",
        "application",
        "profiles",
        "token",
        "acme",
    }
    assert facts["application"] == "demo"
    assert facts["profiles"] == ["tls-server", "mtls-client"]
    assert facts["admin"]["username"] == "admin"
    assert Path(facts["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_first_run_makes_a_working_installation(home):
    facts = quickstart.run().facts
    assert (
        authenticate(username="admin", password=facts["admin"]["password"]).product_role == "admin"
    )
    assert set(
        Pairing.objects.filter(application__name="demo").values_list("profile__name", flat=True)
    ) == {
        "tls-server",
        "mtls-client",
    }
    assert ApiToken.objects.get().application.name == "demo"
    assert CRL.objects.values("authority").distinct().count() == Authority.objects.count() == 2


def test_second_run_changes_nothing(home):
    quickstart.run()
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    events = AuditEvent.objects.count()
    assert quickstart.run().done == []
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert AuditEvent.objects.count() == events


def test_interrupted_first_run_is_completed_by_the_next(home, monkeypatch):
    def crash(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(application_services, "create_machine_identity", crash)
        with pytest.raises(KeyboardInterrupt):
            quickstart.run()
    facts = quickstart.run().facts
    assert authenticate(username="admin", password=facts["admin"]["password"]) is not None
    assert User.objects.filter(product_role="admin").count() == 1
    assert Authority.objects.count() == 2
    assert facts["token"]


@pytest.mark.parametrize("signature", [1, 2])
def test_a_start_killed_before_an_authority_was_signed_is_completed(home, monkeypatch, signature):
    signed = 0
    certify = ca_issuance.certify

    def killed(*args: object) -> None:
        nonlocal signed
        signed += 1
        if signed == signature:
            raise KeyboardInterrupt
        certify(*args)

    with monkeypatch.context() as patch:
        patch.setattr(ca_issuance, "certify", killed)
        with pytest.raises(KeyboardInterrupt):
            quickstart.run()
    quickstart.run()
    assert set(Authority.objects.values_list("state", flat=True)) == {"active"}
    assert CRL.objects.values("authority").distinct().count() == 2


def test_what_an_administrator_removed_stays_removed(home):
    quickstart.run()
    system = principals.system("tests")
    demo = Application.objects.get(name="demo")
    for pairing in demo.pairings.all():
        application_services.detach_profile(system, pairing)
    Profile.objects.get(name="mtls-client").delete()
    quickstart.run()
    assert not demo.pairings.exists()
    assert not Profile.objects.filter(name="mtls-client").exists()


def test_token_near_its_end_is_replaced_and_the_old_one_revoked(home):
    old = quickstart.run().facts["token"]
    ApiToken.objects.update(expiry=clock.now() + timedelta(days=1))
    outcome = quickstart.run()
    assert outcome.done == ["token for demo-operator"]
    assert outcome.facts["token"] != old
    assert ApiToken.objects.filter(revoked_at=None).count() == 1


def test_lost_facts_get_a_new_token_but_no_new_password(home):
    password = quickstart.run().facts["admin"]["password"]
    (home / "quickstart.json").unlink()
    facts = quickstart.run().facts
    assert facts["admin"] == {"username": "admin", "password": None}
    assert facts["token"]
    assert authenticate(username="admin", password=password) is not None


def test_facts_of_other_methods_are_kept(home):
    quickstart.run()
    path = home / "quickstart.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"est": {"directory": "x"}}))
    quickstart.run()
    assert json.loads(path.read_text())["est"] == {"directory": "x"}


def test_acme_of_the_demo_is_ready_and_validates(home):
    acme = quickstart.run().facts["acme"]
    assert acme["directory_url"].endswith("/acme/demo/tls-server/directory")
    assert set(acme["eab"]) == {"kid", "hmac_key"}
    endpoint = AcmeEndpoint.objects.get()
    assert endpoint.enabled
    assert endpoint.require_eab
    assert not endpoint.skip_validation
    key = endpoint.eab_keys.get()
    assert key.kid == acme["eab"]["kid"]
    assert key.reusable, "trials can be repeated"
    assert jws.encode(eab.hmac_key_of(key)) == acme["eab"]["hmac_key"]


def test_acme_that_was_removed_stays_removed(home):
    quickstart.run()
    AcmeEndpoint.objects.all().delete()
    _rewrite(home, without="acme")
    facts = quickstart.run().facts
    assert "acme" not in facts, "somebody removed it; it does not come back"
    assert not AcmeEndpoint.objects.exists()


def test_lost_eab_secret_is_replaced_and_its_kid_stays(home):
    before = quickstart.run().facts["acme"]["eab"]
    _rewrite(home, without="acme")
    after = quickstart.run().facts["acme"]["eab"]
    assert after["kid"] == before["kid"]
    assert after["hmac_key"] != before["hmac_key"]


def test_revoked_eab_key_stays_revoked(home):
    quickstart.run()
    eab_keys.revoke_eab_key(principals.system("tests"), EabKey.objects.get())
    assert quickstart.run().facts["acme"]["eab"] is None
    assert EabKey.objects.count() == 1


def _rewrite(home: Path, *, without: str) -> None:
    path = home / "quickstart.json"
    facts = json.loads(path.read_text())
    del facts[without]
    path.write_text(json.dumps(facts))


def test_existing_administrator_is_left_alone(home, admin):
    quickstart.run()
    assert not User.objects.filter(username="admin").exists()


def test_secrets_reach_neither_audit_nor_inventory(home):
    facts = quickstart.run().facts
    written = json.dumps(list(AuditEvent.objects.values("data", "subject_label")), default=str)
    assert facts["token"] not in written
    assert facts["admin"]["password"] not in written
    assert facts["acme"]["eab"]["hmac_key"] not in written
    assert bytes(Certificate.objects.get().sealed_private_key) == b""


def test_guide_shows_one_curl_command_and_no_password(home, capsys, monkeypatch):
    monkeypatch.setattr(static_files, "collect_if_stale", bool)
    call_command("quickstart")
    out = capsys.readouterr().out
    facts = json.loads((home / "quickstart.json").read_text())
    assert facts["admin"]["password"] not in out
    start = out.index("\ncurl ")
    logical = out[start + 1 :].replace("\\\n", "").splitlines()
    assert logical[0].startswith("curl ")
    assert logical[0].endswith('}"')
    assert facts["token"] in logical[0]


def test_guide_shows_a_certbot_line_for_the_demo(home):
    facts = quickstart.run().facts
    guide = command.guide(facts)
    assert "certbot certonly" in guide
    assert f"--eab-kid {facts['acme']['eab']['kid']}" in guide
    facts["acme"]["eab"] = None
    assert "certbot certonly" not in command.guide(facts)
