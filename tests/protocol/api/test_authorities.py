"""Tests of the API of authorities, for each role."""

import pytest
from cryptography import x509

from apps.audit.models import AuditEvent
from apps.authorities import publication
from apps.authorities.models import CRL, Authority
from apps.jobs.models import Job
from tests.factories.authorities import make_issuing, make_root
from tests.protocol.api.conftest import ABSENT, bare, code_of, fields_of

pytestmark = pytest.mark.django_db

ROOT = {
    "name": "example-root",
    "kind": "root",
    "subject": {"common_name": "Example Root", "organizational_unit": ["a", "b"]},
    "key_algorithm": "ec-p256",
}
ACTS = ["disable", "enable", "publish-crl"]


def test_a_root_is_made_and_read_by_name_and_by_id(governor):
    made = governor.post("authorities/", ROOT | {"path_length": 1})
    assert made.status_code == 201, made.content
    body = made.json()
    assert made["Location"] == "/api/v1/authorities/example-root/"
    assert (body["state"], body["kind"], body["path_length"]) == ("active", "root", 1)
    assert body["subject_attributes"][1:] == [
        {"type": "organizational_unit", "value": "a"},
        {"type": "organizational_unit", "value": "b"},
    ]
    certificate = x509.load_pem_x509_certificate(body["pem"].encode())
    assert f"{certificate.serial_number:x}" == body["serial_number"]
    assert body["crl"]["entry_count"] == 0
    for reference in (body["name"], body["id"]):
        assert governor.get(f"authorities/{reference}/").json() == body


def test_an_intermediate_is_signed_by_its_parent_named_or_by_id(governor):
    root = make_root("top")
    for index, parent in enumerate(("top", str(root.pk))):
        wanted = ROOT | {"name": f"sub-{index}", "kind": "intermediate", "parent": parent}
        body = governor.post("authorities/", wanted | {"lifetime_days": 100}).json()
        assert (body["state"], body["parent"]) == ("active", "top")
        assert body["chain_pem"] == governor.get("authorities/top/").json()["pem"]


def test_an_absent_parent_is_404(governor):
    for parent in ("nobody", ABSENT):
        answer = governor.post("authorities/", ROOT | {"kind": "intermediate", "parent": parent})
        assert code_of(answer, 404) == "not_found"
    assert not Authority.objects.exists()


def test_every_mistake_in_a_body_is_listed_at_once(governor):
    answer = governor.post(
        "authorities/",
        {
            "kind": "trunk",
            "subject": {"colour": "red", "common_name": 5},
            "lifetime_days": "long",
            "ocsp_enabled": "yes",
            "crl_mirror_urls": [1],
            "name_constraints": {"permitted": [{"type": "dns_name"}], "other": []},
            "state": "active",
        },
    )
    assert code_of(answer, 400) == "malformed"
    assert fields_of(answer) == {
        "name",
        "kind",
        "key_algorithm",
        "subject.colour",
        "subject.common_name",
        "lifetime_days",
        "ocsp_enabled",
        "crl_mirror_urls[0]",
        "name_constraints.permitted[0].value",
        "name_constraints.other",
        "state",
    }


def test_rules_broken_by_a_well_formed_body_are_422(governor):
    answer = governor.post(
        "authorities/",
        ROOT | {"name": "No Slug", "lifetime_days": 0, "crl_mirror_urls": ["ftp://x/"]},
    )
    assert code_of(answer, 422) == "invalid_input"
    assert {"name", "lifetime_days", "crl_mirror_urls[0]"} <= fields_of(answer)


def test_a_taken_name_is_409(governor):
    assert governor.post("authorities/", ROOT).status_code == 201
    assert code_of(governor.post("authorities/", ROOT), 409) == "already_exists"


def test_only_publishing_can_be_changed(governor):
    make_root("top")
    changed = governor.patch(
        "authorities/top/", {"ocsp_enabled": False, "crl_mirror_urls": ["http://m.example/a.crl"]}
    ).json()
    assert changed["ocsp_enabled"] is False
    assert changed["ocsp_urls"] == []
    assert changed["crl_urls"][-1] == "http://m.example/a.crl"
    before = Authority.objects.values().get()
    fixed = ["id", "name", "kind", "state", "parent", "subject", "key", "path_length", "created_at"]
    for field in fixed:
        answer = governor.patch("authorities/top/", {field: "x"})
        assert code_of(answer, 400) == "malformed"
    assert Authority.objects.values().get() == before


def test_null_is_no_way_to_leave_something_out(governor):
    make_root("top")
    answer = governor.patch("authorities/top/", {"ocsp_enabled": None, "crl_lifetime_hours": None})
    assert fields_of(answer) == {"ocsp_enabled", "crl_lifetime_hours"}


def test_disable_and_enable_and_neither_twice(governor):
    make_root("top")
    assert governor.post("authorities/top/disable/").json()["state"] == "disabled"
    assert code_of(governor.post("authorities/top/disable/"), 409) == "invalid_transition"
    assert governor.post("authorities/top/enable/").json()["state"] == "active"
    assert code_of(governor.post("authorities/top/enable/"), 409) == "invalid_transition"


def test_renewal_adds_a_certificate_for_the_same_key(governor):
    make_root("top")
    before = governor.get("authorities/top/").json()
    after = governor.post("authorities/top/renew/", {"lifetime_days": 400}).json()
    assert after["spki_sha256"] == before["spki_sha256"]
    assert after["serial_number"] != before["serial_number"]
    assert [row["is_current"] for row in after["certificates"]] == [True, False]
    assert code_of(governor.post("authorities/top/renew/", {}), 400) == "malformed"
    assert code_of(governor.post("authorities/top/renew/", {"lifetime_days": 0}), 422)


def test_a_revoked_authority_tells_what_is_left_to_do(governor):
    make_issuing("sub", parent=make_root("top"))
    before = governor.get("authorities/sub/").json()
    assert before["revocation"] is None
    after = governor.post(
        "authorities/sub/revoke/",
        {"reason": "cACompromise", "invalidity_date": "2026-01-31T12:00:00+01:00"},
    ).json()
    assert (after["state"], after["certificates"][0]["revocation_reason"]) == (
        "revoked",
        "cACompromise",
    )
    left = after["revocation"]
    assert (left["reason"], left["certificates_in_force"], left["authorities_below"]) == (
        "cACompromise",
        0,
        [],
    )
    assert governor.get(left["certificates_url"].removeprefix("/api/v1/")).status_code == 200
    assert len(left["next_steps"]) >= 4
    assert governor.rows("authorities/?state=revoked")[0]["name"] == "sub"
    assert code_of(governor.post("authorities/sub/revoke/", {"reason": "unspecified"}), 409) == (
        "already_revoked"
    )
    assert code_of(governor.post("authorities/sub/enable/"), 409) == "invalid_transition"


def test_refusals_to_revoke_name_the_field_or_the_way_out(governor):
    make_issuing("sub", parent=make_root("top"))
    refused = governor.post("authorities/sub/revoke/", {"serial_number": 5, "colour": "red"})
    assert code_of(refused, 400) == "malformed"
    assert fields_of(refused) == {"reason", "serial_number", "colour"}
    for reason in ("certificateHold", "because", "removeFromCRL"):
        answer = governor.post("authorities/sub/revoke/", {"reason": reason})
        assert code_of(answer, 422) == "bad_revocation_reason", reason
    assert (
        "Disable it"
        in governor.post("authorities/sub/revoke/", {"reason": "certificateHold"}).json()["detail"]
    )
    root = governor.post("authorities/top/revoke/", {"reason": "cACompromise"})
    assert code_of(root, 409) == "invalid_transition"
    assert "trust store" in root.json()["detail"]


@pytest.mark.parametrize("serial", ["", " ", "no number", "0xzz", "0", "abcdef", None])
def test_a_serial_number_that_names_nothing_never_revokes_the_whole(governor, serial):
    make_issuing("sub", parent=make_root("top"))
    body = {"reason": "superseded", "serial_number": serial}
    answer = governor.post("authorities/sub/revoke/", body)
    assert answer.status_code in {400, 404}
    assert governor.get("authorities/sub/").json()["state"] == "active"


def test_an_earlier_certificate_is_revoked_in_any_spelling_of_its_serial_number(governor):
    make_issuing("sub", parent=make_root("top"))
    first = governor.get("authorities/sub/").json()["serial_number"]
    governor.post("authorities/sub/renew/", {"lifetime_days": 100})
    spelled = "0x00:" + ":".join(first.upper()[i : i + 2] for i in range(0, len(first), 2))
    body = {"reason": "superseded", "serial_number": spelled}
    after = governor.post("authorities/sub/revoke/", body).json()
    assert (after["state"], after["revocation"]) == ("active", None)
    assert [row["revocation_reason"] for row in after["certificates"]] == ["", "superseded"]


def test_an_intermediate_is_certified_from_outside(governor):
    wanted = ROOT | {"name": "waiting", "kind": "intermediate"}
    assert governor.post("authorities/", wanted).json()["state"] == "pending-certificate"
    csr = governor.get("authorities/waiting/csr/").json()["csr"]
    assert x509.load_pem_x509_csr(csr.encode()).is_signature_valid
    foreign = governor.post("authorities/", ROOT).json()["pem"]
    answer = governor.post("authorities/waiting/install-certificate/", {"certificate": foreign})
    assert code_of(answer, 422) == "invalid_input"
    answer = governor.post("authorities/waiting/install-certificate/", {"certificate": "%%%"})
    assert code_of(answer, 400) == "malformed"
    assert code_of(governor.post("authorities/waiting/publish-crl/"), 409) == "invalid_transition"
    assert code_of(governor.get("authorities/example-root/csr/"), 409) == "invalid_transition"


def test_crls_are_published_and_listed_newest_first(governor):
    make_root("top")
    answer = governor.post("authorities/top/publish-crl/")
    assert answer.status_code == 202
    assert AuditEvent.objects.get(event="crl.requested").actor_label == "gwen"
    job = Job.objects.get(pk=answer.json()["id"])
    assert CRL.objects.count() == 1  # by no request, but by a job
    publication.publish_job(**job.arguments)
    number = CRL.objects.order_by("-number").first().number
    rows = governor.rows("authorities/top/crls/?limit=1")
    assert rows[0]["crl_number"] == number
    assert len(rows) == 2
    assert governor.get("authorities/top/").json()["crl"] == rows[0]


def test_deletion_names_what_stands_in_the_way(governor):
    make_issuing("below", parent=make_root("top"))
    answer = governor.delete("authorities/top/")
    assert code_of(answer, 409) == "in_use"
    assert "authority below" in answer.json()["users"]
    for name in ("below", "top"):
        assert governor.delete(f"authorities/{name}/").status_code == 204
        assert code_of(governor.get(f"authorities/{name}/"), 404) == "not_found"


def test_the_list_is_filtered_searched_and_sorted(governor):
    root = make_root("zulu")
    make_issuing("alpha", parent=root)
    make_issuing("mike", parent=root)

    def names(query: str) -> list[str]:
        return [row["name"] for row in governor.rows(f"authorities/?{query}")]

    assert names("") == ["mike", "alpha", "zulu"]
    assert names("sort=created_at") == ["zulu", "alpha", "mike"]
    assert names("sort=name&limit=1") == ["alpha", "mike", "zulu"]
    assert names("sort=-name&limit=2") == ["zulu", "mike", "alpha"]
    assert names("kind=root") == names("search=ZUL") == ["zulu"]
    assert names("parent=zulu&state=active") == ["mike", "alpha"]
    for query in ("sort=state", "kind=trunk", "colour=red", "name=", "limit=0", "cursor=x"):
        assert code_of(governor.get(f"authorities/?{query}"), 400) == "malformed"


def test_everybody_reads_and_only_administrators_act(stranger, reading_governor):
    make_root("top")
    for caller in (stranger, reading_governor):
        assert caller.get("authorities/top/").json()["name"] == "top"
        assert len(caller.rows("authorities/")) == 1
        events, rows = AuditEvent.objects.count(), list(Authority.objects.values())
        answers = [
            caller.post("authorities/", ROOT),
            caller.patch("authorities/top/", {"ocsp_enabled": False}),
            caller.delete("authorities/top/"),
            caller.post("authorities/top/renew/", {"lifetime_days": 9}),
            caller.post("authorities/top/install-certificate/", {"certificate": "x"}),
            caller.get("authorities/top/csr/"),
            *(caller.post(f"authorities/top/{act}/") for act in ACTS),
        ]
        assert {code_of(answer, 403) for answer in answers} == {"access_denied"}
        assert (AuditEvent.objects.count(), list(Authority.objects.values())) == (events, rows)


@pytest.mark.parametrize("act", ["", "csr/", "crls/"])
def test_absent_authorities_answer_alike_by_name_and_by_id(governor, act):
    by_name, by_id = (governor.get(f"authorities/{r}/{act}") for r in ("nobody", ABSENT))
    assert code_of(by_name, 404) == "not_found"
    assert bare(by_name) == bare(by_id)


@pytest.mark.parametrize("act", ACTS)
def test_acts_without_arguments_refuse_arguments(governor, act):
    make_root("top")
    answer = governor.post(f"authorities/top/{act}/", {"force": True})
    assert fields_of(answer) == {"force"}
