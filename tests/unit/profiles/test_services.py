"""Services of profiles: administrators only, checks, revisions, audit events, use."""

import pytest

from apps.applications.models import Application, Pairing
from apps.audit.models import AuditEvent
from apps.authorities.models import Authority, AuthorityKind, AuthorityState
from apps.certificates.models import CertificateRequest, EnrollmentMethod, RequestState
from apps.errors import AccessDenied, AlreadyExists, InUse, InvalidInput, NotFound
from apps.keys.models import Key
from apps.policies.services import create_policy, delete_policy
from apps.principals import Principal, ProductRole
from apps.profiles import services
from apps.profiles.models import IssuerType, Profile

pytestmark = pytest.mark.django_db

GOVERNOR = Principal(kind="user", id="1", label="Ada", product_role=ProductRole.ADMIN)
MEMBER = Principal(kind="user", id="2", label="Bob")
RULES = {"validity": {"max": "90d"}, "key_algorithms": ["ec-p256", "ed25519"]}


@pytest.fixture
def policy():
    return create_policy(GOVERNOR, name="web", rules=RULES)


@pytest.fixture
def authority():
    return make_authority("issuing")


def make_authority(name, algorithm="ec-p256"):
    key = Key.objects.create(algorithm=algorithm, public_key_der=b"x", spki_sha256=name)
    return Authority.objects.create(
        name=name,
        kind=AuthorityKind.ROOT,
        state=AuthorityState.ACTIVE,
        key=key,
        subject=[["common_name", name]],
    )


@pytest.fixture
def profile(policy, authority):
    return services.create_profile(
        GOVERNOR, name="web", authority=authority, policy=policy, defaults={"ttl": "720h"}
    )


def fields(caught):
    return [violation.field for violation in caught.value.violations]


def test_no_profile_chooses_a_revoked_authority(profile, authority, policy):
    revoked = make_authority("revoked")
    Authority.objects.filter(pk=revoked.pk).update(state=AuthorityState.REVOKED)
    revoked.refresh_from_db()
    for choose in (
        lambda: services.create_profile(GOVERNOR, name="new", authority=revoked, policy=policy),
        lambda: services.update_profile(GOVERNOR, profile, authority=revoked),
    ):
        with pytest.raises(InvalidInput) as caught:
            choose()
        assert [v.code for v in caught.value.violations] == ["profile.authority_revoked"]
    assert Profile.objects.get().authority == authority
    Authority.objects.filter(pk=authority.pk).update(state=AuthorityState.REVOKED)
    described = services.update_profile(GOVERNOR, profile, description="Out of use")
    assert described.description == "Out of use"


def test_a_profile_is_created_with_canonical_defaults(profile, authority, policy):
    stored = Profile.objects.get(name="web")
    assert stored == profile
    assert stored.defaults == {"ttl": "30d"}
    assert (stored.authority, stored.policy, stored.revision) == (authority, policy, 1)
    assert stored.issuer_type == IssuerType.AUTHORITY
    event = AuditEvent.objects.get(event="profile.created")
    assert event.data == {
        "revision": 1,
        "issuer_type": "authority",
        "authority": "issuing",
        "policy": "web",
        "defaults": {"ttl": "30d"},
        "csr_extras": "ignore",
        "must_staple": "ignore",
        "acme_subject": "ignore",
    }


def test_only_administrators_write_profiles(profile, policy, authority):
    with pytest.raises(AccessDenied):
        services.create_profile(MEMBER, name="x", authority=authority, policy=policy)
    with pytest.raises(AccessDenied):
        services.update_profile(MEMBER, profile, description="x")
    with pytest.raises(AccessDenied):
        services.delete_profile(MEMBER, profile)
    assert Profile.objects.get().description == ""


def test_a_self_signed_profile_has_no_authority(policy, authority):
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(
            GOVERNOR,
            name="self",
            issuer_type=IssuerType.SELF_SIGNED,
            authority=authority,
            policy=policy,
        )
    assert fields(caught) == ["authority"]
    made = services.create_profile(
        GOVERNOR, name="self", issuer_type=IssuerType.SELF_SIGNED, policy=policy
    )
    assert made.authority is None


def test_any_other_profile_needs_one(policy):
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(GOVERNOR, name="x", policy=policy)
    assert fields(caught) == ["authority"]


def test_an_unknown_issuer_type_is_refused(policy):
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(GOVERNOR, name="x", policy=policy, issuer_type="magic")
    assert fields(caught) == ["issuer_type"]


def test_everything_wrong_is_listed_at_once(policy):
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(
            GOVERNOR,
            name="No Slug",
            description="x" * 300,
            policy=policy,
            defaults={"ttl": "91d", "key_algorithm": "rsa-2048"},
        )
    assert fields(caught) == [
        "name",
        "description",
        "authority",
        "defaults.key_algorithm",
        "defaults.ttl",
    ]


def test_unreadable_defaults_are_refused(policy, authority):
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(
            GOVERNOR, name="x", authority=authority, policy=policy, defaults={"x": 1}
        )
    assert fields(caught) == ["defaults.x"]


def test_the_fallback_lifetime_must_fit_the_policy(authority):
    short = create_policy(GOVERNOR, name="short", rules={"validity": {"max": "7d"}})
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(GOVERNOR, name="x", authority=authority, policy=short)
    assert fields(caught) == ["defaults.ttl"]


def test_the_default_signature_must_be_one_of_the_issuing_key(policy, authority):
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(
            GOVERNOR,
            name="x",
            authority=authority,
            policy=policy,
            defaults={"signature_algorithm": "rsa-sha256"},
        )
    assert fields(caught) == ["defaults.signature_algorithm"]
    with pytest.raises(InvalidInput):
        services.create_profile(
            GOVERNOR,
            name="x",
            issuer_type=IssuerType.SELF_SIGNED,
            policy=policy,
            defaults={"key_algorithm": "ed25519", "signature_algorithm": "ecdsa-sha256"},
        )


def test_a_name_is_taken_once(profile, policy, authority):
    with pytest.raises(AlreadyExists):
        services.create_profile(GOVERNOR, name="web", authority=authority, policy=policy)
    assert Profile.objects.count() == 1


def test_each_change_raises_the_revision(profile):
    changed = services.update_profile(GOVERNOR, profile, description="Web")
    assert changed.revision == 2
    changed = services.update_profile(GOVERNOR, profile, defaults={"ttl": "7d"})
    assert (changed.revision, changed.description) == (3, "Web")
    assert AuditEvent.objects.filter(event="profile.updated").count() == 2


def test_no_change_raises_nothing(profile):
    same = services.update_profile(GOVERNOR, profile, defaults={"ttl": "30d"}, description="")
    assert same.revision == 1
    assert not AuditEvent.objects.filter(event="profile.updated").exists()


def test_authority_and_policy_can_be_exchanged(profile):
    other = make_authority("other", algorithm="ed25519")
    loose = create_policy(GOVERNOR, name="loose", rules={})
    changed = services.update_profile(GOVERNOR, profile, authority=other, policy=loose)
    assert (changed.authority, changed.policy, changed.revision) == (other, loose, 2)


def test_defaults_are_held_against_a_new_policy(profile):
    strict = create_policy(GOVERNOR, name="strict", rules={"validity": {"max": "1d"}})
    with pytest.raises(InvalidInput) as caught:
        services.update_profile(GOVERNOR, profile, policy=strict)
    assert fields(caught) == ["defaults.ttl"]
    assert Profile.objects.get().revision == 1


def test_a_profile_may_become_self_signed_and_back(profile, authority):
    changed = services.update_profile(GOVERNOR, profile, issuer_type=IssuerType.SELF_SIGNED)
    assert changed.authority is None
    changed = services.update_profile(
        GOVERNOR, profile, issuer_type=IssuerType.AUTHORITY, authority=authority
    )
    assert changed.authority == authority
    with pytest.raises(InvalidInput):
        services.update_profile(
            GOVERNOR, profile, issuer_type=IssuerType.SELF_SIGNED, authority=authority
        )


def test_an_unused_profile_is_deleted(profile):
    services.delete_profile(GOVERNOR, profile)
    assert not Profile.objects.exists()
    assert AuditEvent.objects.get(event="profile.deleted").subject_label == "web"
    with pytest.raises(NotFound):
        services.delete_profile(GOVERNOR, profile)
    with pytest.raises(NotFound):
        services.update_profile(GOVERNOR, profile, description="x")


def test_a_profile_in_use_is_kept_and_its_applications_named(profile):
    for name in ("zulu", "alpha"):
        application = Application.objects.create(name=name)
        Pairing.objects.create(application=application, profile=profile)
    with pytest.raises(InUse) as caught:
        services.delete_profile(GOVERNOR, profile)
    assert caught.value.users == ("alpha", "zulu")
    assert Profile.objects.exists()
    assert not AuditEvent.objects.filter(event="profile.deleted").exists()


def test_what_is_on_record_with_requests_is_kept(profile, policy):
    CertificateRequest.objects.create(
        application=Application.objects.create(name="shop"),
        profile=profile,
        profile_revision=1,
        policy_version=policy.current_version,
        state=RequestState.REJECTED,
        method=EnrollmentMethod.API,
        requested_by="user:2",
        leaf={},
    )
    with pytest.raises(InUse, match="on record"):
        services.delete_profile(GOVERNOR, profile)
    services.update_profile(
        GOVERNOR, profile, policy=create_policy(GOVERNOR, name="next", rules={})
    )
    with pytest.raises(InUse, match="on record"):
        delete_policy(GOVERNOR, policy)
    policy.refresh_from_db()
    assert policy.current_version is not None
    assert not AuditEvent.objects.filter(event__endswith=".deleted").exists()


def test_what_becomes_of_csrs_is_set_recorded_and_raises_the_revision(profile):
    settings = {"csr_extras": "refuse", "must_staple": "honour", "acme_subject": "take"}
    changed = services.update_profile(GOVERNOR, profile, csr=settings)

    assert {name: getattr(changed, name) for name in settings} == settings
    assert changed.revision == 2
    data = AuditEvent.objects.get(event="profile.updated").data
    assert {name: data[name] for name in settings} == settings
    services.update_profile(GOVERNOR, profile, csr=settings)
    assert Profile.objects.get().revision == 2


def test_unknown_choices_of_what_becomes_of_csrs_are_listed(profile, policy, authority):
    wrong = {"csr_extras": "drop", "must_staple": "", "acme_subject": "take"}
    with pytest.raises(InvalidInput) as caught:
        services.update_profile(GOVERNOR, profile, csr=wrong)
    assert fields(caught) == ["csr_extras", "must_staple"]
    with pytest.raises(InvalidInput) as caught:
        services.create_profile(
            GOVERNOR, name="b", authority=authority, policy=policy, csr={"csr_extras": "drop"}
        )
    assert fields(caught) == ["csr_extras"]
