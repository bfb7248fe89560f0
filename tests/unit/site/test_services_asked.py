"""Forms call the services, and refusals are shown as messages."""

import json
import re

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from django.urls import reverse

from apps import principals
from apps.applications import services
from apps.applications.models import ApiToken, Application, Membership
from apps.applications.roles import Role
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.authorities.admin.forms import possible_parents, room_below
from apps.authorities.models import Authority, AuthorityState
from apps.certificates import issuance
from apps.certificates.models import Certificate, CertificateRequest
from apps.jobs.models import Job
from apps.policies.models import Policy, PolicyVersion
from apps.policies.presets import PRESETS
from apps.profiles.models import Profile
from apps.profiles.requested_content import RequestedContent
from apps.site.display import admin_url
from tests.factories.applications import make_team
from tests.factories.authorities import make_issuing, make_root
from tests.factories.keys import make_csr
from tests.unit.certificates.conftest import enrollment_of

pytestmark = pytest.mark.django_db

ROOT_FORM = {
    "name": "first-root",
    "common_name": "First Root",
    "country": "DE",
    "key_algorithm": "ec-p256",
    "lifetime_days": "3650",
    "crl_lifetime_hours": "168",
    "publish_crl_url": "on",
    "ocsp_enabled": "on",
}


def last_event() -> AuditEvent:
    return AuditEvent.objects.order_by("-id")[0]


def test_a_root_and_an_intermediate_are_made_outside_transactions(keyring, as_ada, ada):
    answer = as_ada.post(reverse("admin:authorities_authority_add"), ROOT_FORM)
    assert answer.status_code == 302, answer.content.decode()
    root = Authority.objects.get(name="first-root")
    assert root.state == AuthorityState.ACTIVE
    assert root.subject == [["country", "DE"], ["common_name", "First Root"]]
    form = ROOT_FORM | {
        "name": "issuing",
        "common_name": "Issuing",
        "parent": str(root.pk),
        "lifetime_days": "365",
        "path_length": "0",
    }
    assert (
        as_ada.post(
            reverse("admin:authorities_authority_add") + "?kind=intermediate", form
        ).status_code
        == 302
    )
    issuing = Authority.objects.get(name="issuing")
    assert issuing.parent == root
    created = AuditEvent.objects.filter(event=Event.AUTHORITY_CREATED)
    assert {event.actor for event in created} == {f"user:{ada.pk}"}


def test_a_taken_name_and_a_bad_subject_are_form_errors(keyring, as_ada):
    make_root("first-root")
    answer = as_ada.post(reverse("admin:authorities_authority_add"), ROOT_FORM)
    assert answer.status_code == 200
    assert "This was refused" in answer.content.decode()
    bad = ROOT_FORM | {
        "name": "Not A Slug",
        "country": "D1",
        "crl_mirror_urls": "ftp://x\nnonsense",
    }
    text = as_ada.post(reverse("admin:authorities_authority_add"), bad).content.decode()
    for words in ("lower-case letters", "crl_mirror_urls[0]", "crl_mirror_urls[1]", "subject"):
        assert words in text, words


def test_only_parents_with_room_are_offered(keyring, as_ada):
    open_root = make_root("open-root")
    narrow = make_root("narrow-root", path_length=1)
    below = make_issuing("below", parent=narrow, path_length=0)
    assert room_below(open_root) is None
    assert room_below(narrow) == 1
    assert room_below(below) == 0
    assert {value for value, _ in possible_parents()} == {str(open_root.pk), str(narrow.pk)}
    Authority.objects.filter(pk=open_root.pk).update(state=AuthorityState.DISABLED)
    page = as_ada.get(
        reverse("admin:authorities_authority_add") + "?kind=intermediate"
    ).content.decode()
    assert str(open_root.pk) not in page
    assert str(narrow.pk) in page


def test_an_intermediate_signed_elsewhere_offers_its_csr(keyring, as_ada):
    form = ROOT_FORM | {"name": "outside", "parent": "elsewhere", "path_length": "0"}
    assert (
        as_ada.post(
            reverse("admin:authorities_authority_add") + "?kind=intermediate", form
        ).status_code
        == 302
    )
    authority = Authority.objects.get(name="outside")
    assert authority.state == AuthorityState.PENDING_CERTIFICATE
    answer = as_ada.get(admin_url(authority, "csr"))
    assert answer.content.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="outside.csr"'
    refused = as_ada.post(admin_url(authority, "install"), {"certificate": "not PEM"})
    assert refused.status_code == 200
    assert "errorlist" in refused.content.decode()


def test_disable_enable_publish_and_renew(keyring, as_ada):
    root = make_root()
    for act, data in (("publish-crl", {}), ("renew", {"lifetime_days": "400"}), ("disable", {})):
        assert as_ada.get(admin_url(root, act)).status_code == 200
        assert as_ada.post(admin_url(root, act), data).status_code == 302, act
    root.refresh_from_db()
    assert root.state == AuthorityState.DISABLED
    assert Job.objects.filter(kind="crl.publish").count() == 1
    assert root.certificates.count() == 2
    assert as_ada.post(admin_url(root, "enable")).status_code == 302
    root.refresh_from_db()
    assert root.state == AuthorityState.ACTIVE


def test_a_member_exports_a_key_and_is_told_what_java_cannot_read(keyring, as_ada, ada):
    team = make_team("payments")
    kept = issuance.submit(
        enrollment_of(
            team,
            requested=RequestedContent(
                subject=(("common_name", "kept.example.com"),),
                subject_alt_names=(("dns_name", "kept.example.com"),),
            ),
        )
    ).certificate
    form = {"format": "pkcs12", "password": "schl\u00fcssel", "legacy": "on"}
    refused = as_ada.post(admin_url(kept, "export-key"), form)
    assert "right" in refused.content.decode()
    system = principals.system("tests")
    services.add_member(system, team.application, user=ada, role=Role.OPERATOR)
    file = as_ada.post(admin_url(kept, "export-key"), form)
    assert file.headers["Content-Type"] == "application/x-pkcs12"
    assert pkcs12.load_pkcs12(file.content, "schl\u00fcssel".encode()).key is not None
    assert "Java" in as_ada.get(admin_url(kept)).content.decode()
    event = AuditEvent.objects.get(event="certificate.key_exported")
    assert event.data["legacy"] is True
    own = issuance.submit(enrollment_of(team, make_csr("own.example.com"))).certificate
    assert (
        "is not possible" in as_ada.get(admin_url(own, "export-key"), follow=True).content.decode()
    )


def test_revoking_an_authority_shows_the_next_steps(keyring, as_ada):
    issuing = make_issuing("issuing")
    first = issuing.certificates.get().serial_number
    as_ada.post(admin_url(issuing, "renew"), {"lifetime_days": "400"})
    page = as_ada.get(admin_url(issuing, "revoke")).content.decode()
    assert f"only {first}" in page
    superseded = {"reason": "superseded", "serial_number": first}
    assert as_ada.post(admin_url(issuing, "revoke"), superseded).status_code == 302
    issuing.refresh_from_db()
    assert issuing.state == AuthorityState.ACTIVE
    whole = {"reason": "cACompromise", "invalidity_date": "2026-01-31 12:00"}
    shown = as_ada.post(admin_url(issuing, "revoke"), whole, follow=True).content.decode()
    issuing.refresh_from_db()
    assert issuing.state == AuthorityState.REVOKED
    for words in ("What to do after the revocation", "Step 1", "revoked: superseded", "new key"):
        assert words in shown
    assert f"?authority__id__exact={issuing.pk}" in shown
    listed = reverse("admin:certificates_certificate_changelist")
    assert as_ada.get(listed, {"authority__id__exact": str(issuing.pk)}).status_code == 200
    assert (
        "is not possible" in as_ada.post(admin_url(issuing, "enable"), follow=True).content.decode()
    )


def test_an_act_that_does_not_fit_the_state_is_not_offered(keyring, as_ada):
    root = make_root()
    answer = as_ada.post(admin_url(root, "enable"), follow=True)
    assert "is not possible" in answer.content.decode()


def test_policy_errors_list_every_violation(as_ada):
    rules = {"subject": [{"type": "shoe_size"}], "validity": {"max": "ages"}, "colour": "blue"}
    form = {"name": "Bad Name", "description": "", "rules": json.dumps(rules)}
    text = as_ada.post(reverse("admin:policies_policy_add"), form).content.decode()
    for words in ("shoe_size", "validity", "colour", "URLs"):
        assert words in text, words
    assert not Policy.objects.exists()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("{", "line 1, column 2"),
        ("[]", "must be a JSON object"),
        ('{"subject": [], "subject": []}', "names a member twice. subject"),
        ("[" * 100_000, "nested deeper"),
    ],
)
def test_text_that_is_not_a_document_is_explained(as_ada, typed, words):
    text = as_ada.post(reverse("admin:policies_policy_add"), {"name": "p", "rules": typed})
    assert words in text.content.decode()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_can_be_saved_as_offered(as_ada, preset):
    page = as_ada.get(reverse("admin:policies_policy_add") + f"?preset={preset}")
    form = page.context["form"]
    data = {name: form[name].value() for name in ("name", "description", "rules")}
    assert as_ada.post(reverse("admin:policies_policy_add"), data).status_code == 302
    assert Policy.objects.get().name == preset


def test_other_rules_make_a_version_and_the_difference_is_shown(as_ada, team):
    policy = team.profile.policy
    rules = policy.current_version.rules | {"validity": {"max": "30d"}}
    answer = as_ada.post(admin_url(policy), {"description": "", "rules": json.dumps(rules)})
    assert answer.status_code == 302
    newest = PolicyVersion.objects.get(policy=policy, number=2)
    text = as_ada.get(admin_url(newest)).content.decode()
    assert re.search(r'sw-added">\+[^<]*30d', text)
    assert re.search(r'sw-removed">-[^<]*398d', text)


def test_deletion_refused_names_the_dependants(as_ada, team):
    for obj, dependant in ((team.profile.policy, team.profile.name), (team.profile, "payments")):
        answer = as_ada.post(admin_url(obj, "delete"))
        assert answer.status_code == 200
        assert f"<li>{dependant}</li>" in answer.content.decode()
        assert type(obj).objects.filter(pk=obj.pk).exists()


def test_an_unused_object_is_deleted_with_its_record(as_ada, ada):
    application = services.create_application(principals.system("tests"), name="short-lived")
    answer = as_ada.post(admin_url(application, "delete"), follow=True)
    assert "was deleted" in answer.content.decode()
    assert not Application.objects.exists()
    assert last_event().event == Event.APPLICATION_DELETED


def test_a_profile_is_made_from_active_authorities_only(keyring, as_ada, team):
    idle = make_root("idle")
    Authority.objects.filter(pk=idle.pk).update(state=AuthorityState.DISABLED)
    url = reverse("admin:profiles_profile_add") + "?preset=tls-server"
    assert str(idle.pk) not in as_ada.get(url).content.decode()
    form = {
        "name": "web",
        "issuer": str(team.authority.pk),
        "policy": str(team.profile.policy.pk),
        "defaults": json.dumps({"ttl": "9000d"}),
    }
    refused = as_ada.post(url, form)
    assert "defaults.ttl" in refused.content.decode()
    assert as_ada.post(url, form | {"defaults": '{"ttl": "30d"}'}).status_code == 302
    made = Profile.objects.get(name="web")
    as_ada.post(admin_url(made), form | {"issuer": "self-signed", "defaults": '{"ttl": "30d"}'})
    made.refresh_from_db()
    assert made.authority is None


def test_members_come_and_go_through_the_services(as_ada, world):
    application = world.team.application
    add, change, remove = (
        admin_url(application, name) for name in ("add-member", "change-role", "remove-member")
    )
    group = f"group:{world.group.pk}"
    assert as_ada.post(add, {"member": group, "role": "auditor"}).status_code == 302
    member = Membership.objects.get(group=world.group)
    assert as_ada.post(change, {"member": str(member.pk), "role": "operator"}).status_code == 302
    member.refresh_from_db()
    assert member.role == "operator"
    assert as_ada.get(f"{remove}?member={member.pk}").status_code == 200
    assert as_ada.post(remove, {"member": str(member.pk)}).status_code == 302
    assert last_event().event == Event.MEMBER_REMOVED


def test_nobody_gives_a_role_to_themselves(as_ada, ada, world):
    url = admin_url(world.team.application, "add-member")
    answer = as_ada.post(url, {"member": f"user:{ada.pk}", "role": "admin"})
    assert "You cannot give yourself a role" in answer.content.decode()
    answer = as_ada.post(admin_url(world.group), {"people": [str(ada.pk)]})
    assert "You cannot add yourself to a group" in answer.content.decode()
    assert not Membership.objects.filter(user=ada).exists()
    assert not world.group.user_set.exists()


def test_members_of_another_application_are_not_accepted(as_ada, team, other_team):
    foreign = other_team.application.memberships.first()
    url = admin_url(team.application, "remove-member")
    assert as_ada.post(url, {"member": str(foreign.pk)}).status_code == 200
    assert Membership.objects.filter(pk=foreign.pk).exists()


def test_what_becomes_of_csrs_is_chosen_in_the_form_of_a_profile(keyring, as_ada, team):
    profile = team.profile
    form = {
        "description": "",
        "issuer": str(profile.authority_id),
        "policy": str(profile.policy_id),
        "defaults": json.dumps(profile.defaults),
        "csr_extras": "refuse",
        "must_staple": "honour",
        "acme_subject": "take",
    }
    url = reverse("admin:profiles_profile_change", args=[profile.pk])
    assert 'name="csr_extras"' in as_ada.get(url).content.decode()
    assert as_ada.post(url, form).status_code == 302
    profile.refresh_from_db()
    assert (profile.csr_extras, profile.must_staple, profile.acme_subject) == (
        "refuse",
        "honour",
        "take",
    )


def test_switches_and_profiles_are_set_through_the_services(as_ada, team):
    application, pairing = team.application, team.pairing
    switches = {"pairing": str(pairing.pk), "requires_approval": "on"}
    assert as_ada.post(admin_url(application, "switches"), switches).status_code == 302
    pairing.refresh_from_db()
    assert (pairing.api_enabled, pairing.requires_approval) == (False, True)
    detach = admin_url(application, "detach-profile")
    assert as_ada.post(detach, {"pairing": str(pairing.pk)}).status_code == 302
    attach = {"profile": str(team.profile.pk), "api_enabled": "on"}
    assert as_ada.post(admin_url(application, "attach-profile"), attach).status_code == 302
    assert application.pairings.get().api_enabled


def test_a_token_is_shown_once_and_revoked_with_confirmation(as_ada, world):
    form = {"name": "ci", "scopes": ["read", "request"], "lifetime_days": "30"}
    shown = as_ada.post(admin_url(world.machine, "create-token"), form)
    text = re.search(r"swt_[0-9a-f]{64}", shown.content.decode()).group()
    assert "no-store" in shown.headers["Cache-Control"]
    token = ApiToken.objects.get(name="ci")
    pages = [
        admin_url(world.machine),
        admin_url(token),
        reverse("admin:audit_auditevent_changelist"),
    ]
    pages.append(admin_url(AuditEvent.objects.get(data__token_name="ci")))
    for page in pages:
        assert text not in as_ada.get(page).content.decode(), page
    assert as_ada.get(admin_url(token, "revoke")).status_code == 200
    token.refresh_from_db()
    assert token.revoked_at is None
    as_ada.post(admin_url(token, "revoke"))
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_governing_is_not_operating(as_ada, world):
    """An administrator who is no member cannot revoke, and is told so."""
    answer = as_ada.post(admin_url(world.certificate, "revoke"), {"reason": "superseded"})
    assert "Your role lacks the permission" in answer.content.decode()
    assert Certificate.objects.get(pk=world.certificate.pk).state == "active"


def test_hold_release_and_revoke(as_grace, world):
    def state() -> str:
        return Certificate.objects.get(pk=world.certificate.pk).state

    assert as_grace.post(admin_url(world.certificate, "hold")).status_code == 302
    assert state() == "held"
    assert as_grace.post(admin_url(world.certificate, "release")).status_code == 302
    assert state() == "active"
    future = {"reason": "keyCompromise", "invalidity_date": "2999-01-01 00:00"}
    refused = as_grace.post(admin_url(world.certificate, "revoke"), future)
    assert "lies in the future" in refused.content.decode()
    unknown = as_grace.post(admin_url(world.certificate, "revoke"), {"reason": "boredom"})
    assert unknown.status_code == 200
    assert (
        as_grace.post(admin_url(world.certificate, "revoke"), {"reason": "superseded"}).status_code
        == 302
    )
    assert state() == "revoked"
    assert last_event().event == Event.CERTIFICATE_REVOKED
    again = as_grace.post(
        admin_url(world.certificate, "revoke"), {"reason": "superseded"}, follow=True
    )
    assert "is not possible" in again.content.decode()


def test_bulk_revocation_asks_first_and_reports_each_refusal(as_grace, world, issue, other_team):
    listing = reverse("admin:certificates_certificate_changelist")
    Certificate.objects.filter(pk=world.certificate.pk).update(application=other_team.application)
    services.update_pairing(principals.system("tests"), world.team.pairing, requires_approval=False)
    mine = issue("second.example.com", number=2).certificate
    chosen = {
        "action": "revoke_chosen",
        "_selected_action": [str(mine.pk), str(world.certificate.pk)],
    }
    asked = as_grace.post(listing, chosen)
    assert "Revoke certificates: 2 chosen" in asked.content.decode()
    assert Certificate.objects.filter(state="revoked").count() == 0
    told = as_grace.post(
        listing, chosen | {"confirmed": "yes", "reason": "superseded"}, follow=True
    )
    text = told.content.decode()
    assert "Revoked: 1 of 2." in text
    assert "Not revoked: www.example.com. Your role lacks" in text
    mine.refresh_from_db()
    assert mine.state == "revoked"


def test_downloads_carry_no_key_and_are_recorded(as_grace, world):
    base = admin_url(world.certificate).removesuffix("change/")
    for name in ("pem", "der", "chain", "fullchain", "p7b"):
        answer = as_grace.get(f"{base}download/{name}/")
        assert answer.status_code == 200, name
        assert b"PRIVATE KEY" not in answer.content
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert AuditEvent.objects.filter(event=Event.CERTIFICATE_EXPORTED).count() == 5
    for name in ("pkcs12", "private-key", "nonsense"):
        assert as_grace.get(f"{base}download/{name}/").status_code == 404


def test_a_pending_request_is_approved_by_somebody_else(as_ada, as_grace, world):
    refused = as_ada.post(admin_url(world.pending, "approve"))
    assert "Your role lacks the permission" in refused.content.decode()
    answer = as_grace.post(admin_url(world.pending, "approve"), follow=True)
    assert "was issued" in answer.content.decode()
    assert CertificateRequest.objects.get(pk=world.pending.pk).state == "issued"


def test_a_pending_request_is_denied_with_a_remark(as_grace, world):
    as_grace.post(admin_url(world.pending, "deny"), {"comment": "ask the network team"})
    answer = as_grace.get(admin_url(world.pending)).content.decode()
    assert "ask the network team" in answer


def test_a_refused_request_shows_every_violation_and_its_csr(as_ada, world):
    text = as_ada.get(admin_url(world.rejected)).content.decode()
    for violation in world.rejected.violations:
        assert violation["code"] in text
    assert "under_score" in text


def test_jobs_are_retried_and_cancelled(as_ada, world):
    job = world.job
    assert as_ada.post(admin_url(job, "retry")).status_code == 302
    job.refresh_from_db()
    assert job.state == "queued"
    assert as_ada.post(admin_url(job, "cancel")).status_code == 302
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_certificates_are_found_by_name_serial_and_fingerprint(as_ada, world):
    listing = reverse("admin:certificates_certificate_changelist")
    certificate = world.certificate
    for text in ("WWW.example", certificate.serial_number, certificate.fingerprint_sha256):
        assert as_ada.get(listing, {"q": text}).context["cl"].result_count == 1, text
    assert as_ada.get(listing, {"q": "nothing"}).context["cl"].result_count == 0
    assert as_ada.get(listing, {"expires": "7"}).context["cl"].result_count == 0
    assert as_ada.get(listing, {"expires": "90"}).context["cl"].result_count == 1


def test_audit_events_are_filtered(as_ada, world):
    listing = reverse("admin:audit_auditevent_changelist")

    def found(**query: str) -> set[str]:
        return {event.event for event in as_ada.get(listing, query).context["cl"].result_list}

    assert found(event="certificate.issued") == {"certificate.issued"}
    application = str(world.team.application.pk)
    assert "certificate.issued" in found(application=application)
    assert "authority.created" not in found(application=application)
    story = as_ada.get(admin_url(world.certificate, "history"), follow=True)
    assert {event.event for event in story.context["cl"].result_list} == {"certificate.issued"}
    assert found(actor="user:999") == set()
    assert found(q="payments-operator")


def test_people_are_governed_through_the_services(as_ada, ada):
    form = {
        "username": "bob",
        "email": "bob@example.test",
        "password": "short",
        "product_role": "member",
    }
    refused = as_ada.post(reverse("admin:accounts_user_add"), form)
    assert "too short" in refused.content.decode()
    assert (
        as_ada.post(
            reverse("admin:accounts_user_add"), form | {"password": "a long enough passphrase"}
        ).status_code
        == 302
    )
    bob = type(ada).objects.get(username="bob")
    for act, data in (
        ("password", {"password": "another long passphrase"}),
        ("role", {"product_role": "admin"}),
        ("disable", {}),
        ("enable", {}),
    ):
        assert as_ada.post(admin_url(bob, act), data).status_code == 302, act
    assert "your own account" in as_ada.post(admin_url(ada, "disable")).content.decode()


def test_the_front_page_reports_health(as_ada, world):
    text = as_ada.get(reverse("admin:index")).content.decode()
    for words in (
        "Authorities",
        "fresh",
        "Waiting for approval",
        "payments-operator",
        "crl.publish",
    ):
        assert words in text, words


def test_the_front_page_of_an_empty_house_says_where_to_begin(as_ada):
    text = as_ada.get(reverse("admin:index")).content.decode()
    assert "Create a root" in text
    listing = as_ada.get(reverse("admin:certificates_certificate_changelist")).content.decode()
    assert "No certificates yet" in listing


def test_changing_the_own_password_follows_the_same_rules(as_ada):
    """Django's own page stays: it asks for the old password."""
    assert as_ada.get(reverse("admin:password_change")).status_code == 200


def test_events_are_found_kind_by_kind(as_ada, world):
    listing = reverse("admin:audit_auditevent_changelist")
    page = as_ada.get(listing, {"event": "certificate"})
    assert {e.event.partition(".")[0] for e in page.context["cl"].result_list} == {"certificate"}
    assert "certificate.revoked" in page.content.decode()
    assert "policy.created" not in page.content.decode()
    assert as_ada.get(listing, {"event": "no-such-kind"}).context["cl"].result_count == 0
