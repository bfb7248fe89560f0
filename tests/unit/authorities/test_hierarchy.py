"""Tests of authorities: creation, hierarchy, state changes and renewal."""

import pytest
from cryptography import x509
from django.db import transaction

from apps.audit.models import AuditEvent
from apps.authorities import crl_contents, selectors, services
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import CRL, Authority, AuthorityKind, AuthorityState, IssuedSerial
from apps.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidInput,
    InvalidTransition,
    UpstreamUnavailable,
)
from apps.keys.models import Key
from apps.keys.software import SoftwareBackend
from pki import chain, lint
from pki.algorithms import KeyAlgorithm
from pki.template import NameConstraints
from tests.factories.authorities import make_issuing, make_root

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]


def certificate_of(authority):
    return x509.load_der_x509_certificate(bytes(selectors.current_certificate(authority.pk).der))


def spec(**changes):
    values = {
        "name": "new-ca",
        "kind": AuthorityKind.ROOT,
        "subject": (("common_name", "New CA"),),
        "key_algorithm": KeyAlgorithm.EC_P256,
    }
    return AuthoritySpec(**(values | changes))


def refused(principal, **changes):
    with pytest.raises(InvalidInput) as caught:
        services.create_authority(principal, spec(**changes))
    return {(v.code, v.field) for v in caught.value.violations}


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_a_root_and_an_intermediate_of_every_algorithm_are_active_with_a_crl(algorithm):
    issuing = make_issuing("issuing", algorithm=algorithm)
    root = issuing.parent
    for authority in (root, issuing):
        assert authority.state == AuthorityState.ACTIVE
        assert CRL.objects.filter(authority=authority).count() == 1
        assert IssuedSerial.objects.filter(authority=root).count() == 2
    top, below = certificate_of(root), certificate_of(issuing)
    chain.verify_issued(top, top)
    chain.verify_issued(below, top)
    assert lint.lint_certificate(top, issuer=None) == ()
    assert lint.lint_certificate(below, issuer=top) == ()
    crl = x509.load_der_x509_crl(crl_contents.der_of(selectors.latest_crl(root.pk)))
    assert crl.is_signature_valid(top.public_key())


def test_creation_is_on_record():
    make_root("audited")
    events = list(AuditEvent.objects.order_by("id").values_list("event", flat=True))
    assert events == ["key.generated", "authority.created", "authority.activated", "crl.published"]


def test_only_governors_create_and_change(outsider, keyring):
    root = make_root()
    for act in (
        lambda: services.create_authority(outsider, spec()),
        lambda: services.update_authority(outsider, root, ocsp_enabled=False),
        lambda: services.disable_authority(outsider, root),
        lambda: services.enable_authority(outsider, root),
        lambda: services.renew_authority(outsider, root, 10),
        lambda: services.delete_authority(outsider, root),
        lambda: services.authority_csr(outsider, root),
        lambda: services.install_certificate(outsider, root, certificate=b""),
    ):
        with pytest.raises(AccessDenied):
            act()


def test_every_mistake_is_reported_at_once(sealwright):
    found = refused(
        sealwright,
        name="No Slug",
        subject=(("country", "Germany"), ("shoe_size", "44")),
        lifetime_days=0,
        path_length=-1,
        crl_lifetime_hours=0,
        crl_mirror_urls=("ftp://x/", "http://a/1", "http://a/1", "http://u:p@a/", "http://a/ b"),
        name_constraints=NameConstraints(
            permitted=(("dns_name", "*.x"), ("ip_address", "10.0.0.1/8"), ("shoe", "44"))
        ),
    )
    assert {code for code, _ in found} >= {
        "authority.name",
        "authority.lifetime_days",
        "authority.path_length",
        "authority.crl_lifetime_hours",
        "authority.too_many_mirrors",
        "authority.mirror_url",
        "authority.subtree",
        "name.attribute_not_supported",
    }
    assert {field for code, field in found if code == "authority.mirror_url"} == {
        f"crl_mirror_urls[{position}]" for position in (0, 2, 3, 4)
    }
    assert not Authority.objects.exists()
    assert not Key.objects.exists()


def test_x07_an_authority_needs_a_subject(sealwright):
    assert ("authority.subject_empty", "subject") in refused(sealwright, subject=())


def test_a_name_is_taken_once(sealwright):
    make_root("new-ca")
    with pytest.raises(AlreadyExists):
        services.create_authority(sealwright, spec())


def test_a_root_has_no_parent(sealwright):
    assert ("authority.root_has_parent", "parent") in refused(sealwright, parent=make_root())


@pytest.mark.parametrize(
    ("parent_length", "child_length", "fits"),
    [
        (None, None, True),
        (None, 3, True),
        (1, 0, True),
        (1, 1, False),
        (1, None, False),
        (0, 0, False),
    ],
)
def test_x14_path_lengths_shrink_downwards(sealwright, parent_length, child_length, fits):
    root = make_root(path_length=parent_length)
    child = {
        "kind": AuthorityKind.INTERMEDIATE,
        "parent": root,
        "path_length": child_length,
        "lifetime_days": 100,
    }
    if fits:
        assert services.create_authority(sealwright, spec(**child)).state == AuthorityState.ACTIVE
    else:
        assert ("certificate.path_length", "path_length") in refused(sealwright, **child)


def test_x14_nothing_below_a_path_length_of_zero_however_deep(sealwright):
    issuing = make_issuing(path_length=0)
    found = refused(
        sealwright, kind=AuthorityKind.INTERMEDIATE, parent=issuing, path_length=0, lifetime_days=9
    )
    assert ("certificate.path_length", "path_length") in found


def test_a_child_does_not_outlive_its_parent(sealwright, frozen_clock):
    root = make_root(lifetime_days=100)
    child = {"kind": AuthorityKind.INTERMEDIATE, "parent": root, "path_length": 0}
    assert ("authority.outlives_parent", "lifetime_days") in refused(
        sealwright, lifetime_days=101, **child
    )
    made = services.create_authority(sealwright, spec(lifetime_days=100, **child))
    assert certificate_of(made).not_valid_after_utc <= certificate_of(root).not_valid_after_utc
    assert certificate_of(made).not_valid_before_utc >= certificate_of(root).not_valid_before_utc


def test_x15_name_constraints_are_encoded_and_bind_descendants(sealwright):
    constraints = NameConstraints(
        permitted=(("dns_name", "Example.com"), ("ip_address", "10.0.0.0/8")),
        excluded=(("dns_name", "secret.example.com"),),
    )
    root = make_root(name_constraints=constraints)
    value = certificate_of(root).extensions.get_extension_for_class(x509.NameConstraints)
    assert value.critical
    assert [name.value for name in value.value.excluded_subtrees] == ["secret.example.com"]
    child = {
        "kind": AuthorityKind.INTERMEDIATE,
        "parent": root,
        "lifetime_days": 100,
    }
    wide = NameConstraints(
        permitted=(
            ("dns_name", "eu.example.com"),
            ("dns_name", "example.org"),
            ("dns_name", "x.secret.example.com"),
            ("ip_address", "0.0.0.0/0"),
        )
    )
    found = refused(sealwright, name_constraints=wide, **child)
    assert {field for code, field in found if code == "authority.subtree_outside_parent"} == {
        f"name_constraints.permitted[{position}]" for position in (1, 2, 3)
    }
    fitting = NameConstraints(permitted=(("dns_name", "eu.example.com"),))
    services.create_authority(sealwright, spec(name_constraints=fitting, **child))


def test_a_disabled_parent_signs_no_child(sealwright):
    root = make_root()
    services.disable_authority(sealwright, root)
    found = refused(
        sealwright, kind=AuthorityKind.INTERMEDIATE, parent=root, lifetime_days=9, name="Bad Name"
    )
    assert found == {("authority.parent_not_active", "parent"), ("authority.name", "name")}


def test_states_move_only_along_their_arrows(sealwright):
    root = make_root()
    with pytest.raises(InvalidTransition):
        services.enable_authority(sealwright, root)
    services.disable_authority(sealwright, root)
    with pytest.raises(InvalidTransition):
        services.disable_authority(sealwright, root)
    with pytest.raises(InvalidTransition):
        services.renew_authority(sealwright, root, 10)
    assert services.enable_authority(sealwright, root).state == AuthorityState.ACTIVE


def test_renewal_keeps_key_and_name_and_leaves_one_current_certificate(sealwright):
    issuing = make_issuing(lifetime_days=30)
    before = certificate_of(issuing)
    services.renew_authority(sealwright, issuing, 60)
    after = certificate_of(issuing)
    assert after.public_key() == before.public_key()
    assert chain.subject_bytes(after) == chain.subject_bytes(before)
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc > before.not_valid_after_utc
    assert issuing.certificates.filter(is_current=True).count() == 1
    with pytest.raises(InvalidInput):
        services.renew_authority(sealwright, issuing, 36_000)
    services.renew_authority(sealwright, issuing.parent, 7000)
    chain.verify_issued(after, certificate_of(issuing.parent))


def test_update_changes_what_is_given_and_records_it(sealwright):
    root = make_root()
    services.update_authority(sealwright, root, crl_mirror_urls=["http://m.test/a.crl"])
    root.refresh_from_db()
    assert root.crl_mirror_urls == ["http://m.test/a.crl"]
    assert root.ocsp_enabled
    event = AuditEvent.objects.get(event="authority.updated")
    assert event.data["after"] == {"crl_mirror_urls": ["http://m.test/a.crl"]}
    with pytest.raises(InvalidInput):
        services.update_authority(sealwright, root, crl_lifetime_hours=0)


def test_an_unchanged_update_leaves_no_event(sealwright):
    services.update_authority(sealwright, make_root(), ocsp_enabled=True)
    assert not AuditEvent.objects.filter(event="authority.updated").exists()


def test_an_authority_whose_key_failed_stays_pending_and_renewal_finishes_it(
    sealwright, monkeypatch
):
    def unavailable(*_):
        raise UpstreamUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(SoftwareBackend, "sign", unavailable)
        with pytest.raises(UpstreamUnavailable):
            services.create_authority(sealwright, spec())
    authority = Authority.objects.get(name="new-ca")
    assert authority.state == AuthorityState.PENDING_CERTIFICATE
    assert IssuedSerial.objects.filter(authority=authority).count() == 1
    assert services.renew_authority(sealwright, authority, 100).state == AuthorityState.ACTIVE
    assert CRL.objects.filter(authority=authority).count() == 1


def test_authorities_are_not_made_inside_a_transaction(sealwright):
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        services.create_authority(sealwright, spec())


def test_x06_without_requested_content_a_child_lives_ten_years_or_until_its_parents_end(sealwright):
    parent = make_root("short", lifetime_days=400)
    child = services.create_authority(
        sealwright,
        AuthoritySpec(
            name="child",
            kind=AuthorityKind.INTERMEDIATE,
            subject=(("common_name", "Child CA"),),
            key_algorithm=KeyAlgorithm.EC_P256,
            parent=parent,
        ),
    )
    assert certificate_of(child).not_valid_after_utc == certificate_of(parent).not_valid_after_utc
