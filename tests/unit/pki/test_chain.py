"""Chains: who issued whom, in which order, and what the CAs above allow."""

from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki import chain, constraints, extensions
from pki.algorithms import KeyAlgorithm
from pki.findings import UnusableCertificate
from pki.template import NameConstraints
from tests.unit.pki import paths
from tests.unit.pki.samples import NOW, authority, issue, key_of, pairs


def codes(found):
    return [violation.code.removeprefix("certificate.") for violation in found]


def code_of(action, *arguments):
    with pytest.raises(UnusableCertificate) as caught:
        action(*arguments)
    return codes(caught.value.violations)


@pytest.fixture(scope="module")
def path():
    """Leaf, issuing CA, policy CA, root."""
    root = authority(KeyAlgorithm.RSA_2048, name="Root", path_length=2)
    policy = authority(
        KeyAlgorithm.ED25519, name="Policy", above=root, path_length=1, lifetime_days=2000
    )
    issuing = authority(
        KeyAlgorithm.EC_P384, name="Issuing", above=policy, path_length=0, lifetime_days=1000
    )
    return [issue(issuing), issuing.certificate, policy.certificate, root.certificate]


# --- who issued whom --------------------------------------------------------------------------


def test_x20_what_an_authority_issued_verifies(path):
    for below, above in pairwise(path):
        chain.verify_issued(below, above)
    chain.verify_issued(path[-1], path[-1])


def test_x20_a_stranger_of_the_same_name_is_refused():
    certificate = issue(authority(name="Twin"))
    twin = authority(KeyAlgorithm.EC_P256, name="Twin", lifetime_days=3000)
    assert code_of(chain.verify_issued, certificate, twin.certificate) == ["signature"]
    other_family = authority(KeyAlgorithm.RSA_2048, name="Twin")
    assert code_of(chain.verify_issued, certificate, other_family.certificate) == ["signature"]


def test_x04_another_issuer_name_is_refused(path):
    assert code_of(chain.verify_issued, path[0], path[2]) == ["issuer_name"]


def test_x04_the_same_name_in_other_string_types_is_another_name():
    above = authority(name="Encoded")
    subject = above.certificate.subject
    renamed = x509.Name(
        [x509.NameAttribute(a.oid, a.value, x509.name._ASN1Type.PrintableString) for a in subject]
    )
    certificate = x509.CertificateBuilder(
        renamed, renamed, key_of().public_key(), 5, NOW, NOW + timedelta(days=1), []
    ).sign(above.key, hashes.SHA256())
    assert code_of(chain.verify_issued, certificate, above.certificate) == ["issuer_name"]


# --- order ------------------------------------------------------------------------------------


def test_chains_are_put_in_order_whatever_the_order_given(path):
    shuffled = [path[2], path[0], path[3], path[1], path[2]]
    assert chain.order_chain(shuffled) == path
    assert chain.order_chain(path[1:3]) == path[1:3]
    assert chain.order_chain(path[-1:]) == path[-1:]


def test_what_is_no_single_path_is_refused(path):
    assert code_of(chain.order_chain, []) == ["chain"]
    assert code_of(chain.order_chain, [path[0], path[2], path[3]]) == ["chain"]
    assert code_of(chain.order_chain, [*path, issue(authority(name="Lone"))]) == ["chain"]
    assert code_of(chain.order_chain, [issue(authority()) for _ in range(11)]) == ["chain"]
    twins = [issue(authority()), issue(authority()), authority().certificate]
    assert code_of(chain.order_chain, twins) == ["chain"]


# --- paths ------------------------------------------------------------------------------------


def test_x21_a_sound_path_has_no_violations(path):
    assert chain.verify_path(path, at=NOW) == ()


def test_x21_every_certificate_must_be_valid_at_the_moment(path):
    after = NOW + timedelta(days=1500)
    found = chain.verify_path(path, at=after)
    assert codes(found) == ["validity", "validity"]
    assert [v.field for v in found] == ["chain[0].not_after", "chain[1].not_after"]
    assert len(chain.verify_path(path, at=NOW - timedelta(days=9))) == 4


def test_x21_a_leaf_issues_nothing(path):
    leaf = path[0]
    forged = x509.CertificateBuilder(
        leaf.subject, leaf.subject, key_of().public_key(), 5, NOW, NOW + timedelta(days=1), []
    ).sign(key_of(), hashes.SHA256())
    found = chain.verify_path([forged, *path], at=NOW)
    assert {"not_a_ca", "path_length"} <= set(codes(found))


def test_x21_an_intermediate_without_extensions_is_no_ca():
    root = authority()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare")])
    bare = x509.CertificateBuilder(
        root.certificate.subject, name, key_of().public_key(), 5, NOW, NOW + timedelta(days=1), []
    ).sign(root.key, hashes.SHA256())
    leaf = x509.CertificateBuilder(
        name, root.certificate.subject, key_of().public_key(), 6, NOW, NOW + timedelta(days=1), []
    ).sign(key_of(), hashes.SHA256())
    assert codes(chain.verify_path([leaf, bare, root.certificate], at=NOW)) == ["not_a_ca"]


@pytest.mark.parametrize("usage", [True, False])
def test_x21_only_a_key_usage_that_is_present_limits_the_key_of_a_ca(usage):
    """RFC 5280 section 6.1.4 (n)."""
    assert chain.verify_path(paths.path(None, usage=usage), at=NOW) == ()


def test_x09_unknown_critical_extensions_break_a_path():
    root = authority()
    odd = extensions.wrap(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), critical=True
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    certificate = x509.CertificateBuilder(
        root.certificate.subject,
        name,
        key_of().public_key(),
        5,
        NOW,
        NOW + timedelta(days=1),
        [odd],
    ).sign(root.key, hashes.SHA256())
    found = chain.verify_path([certificate, root.certificate], at=NOW)
    assert [(v.code, v.value) for v in found] == [("certificate.critical_extension", "1.2.3.4")]


def test_x21_a_broken_link_and_a_broken_anchor_are_found(path):
    stranger = authority(KeyAlgorithm.RSA_2048, name="Root", path_length=1)
    assert codes(chain.verify_path([*path[:3], stranger.certificate], at=NOW)) == [
        "signature",
        "path_length",
    ]


# --- path length (X-14) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "wanted", "found"),
    [
        ((None,), None, []),
        ((None,), 5, []),
        ((0,), 0, ["path_length"]),
        ((1,), 0, []),
        ((1,), 1, ["path_length"]),
        ((1,), None, ["path_length"]),
        ((None, 1), None, ["path_length"]),
        ((None, 2), 0, []),
        ((0, 1), 0, ["path_length", "path_length"]),
    ],
)
def test_x14_a_new_ca_stays_within_every_length_above(above, wanted, found):
    root = authority(name="Top", path_length=above[-1])
    cas = [root.certificate]
    if len(above) > 1:
        middle = authority(name="Middle", above=root, path_length=above[0], lifetime_days=900)
        cas.insert(0, middle.certificate)
    assert codes(chain.path_length_violations(wanted, cas)) == found


# --- name constraints (X-15) ------------------------------------------------------------------


def constrained(permitted="", excluded="", name="Constrained"):
    limits = NameConstraints(permitted=pairs(permitted), excluded=pairs(excluded))
    return authority(name=name, constraints=limits).certificate


def judged(ca, names="", subject=""):
    return codes(chain.name_constraints_violations(pairs(subject), pairs(names), [ca]))


def test_x15_one_certificate_with_constraints_makes_a_chain_constrain_names():
    free = authority().certificate
    for bound in (constrained("dns_name=example.com"), constrained("", "dns_name=example.com")):
        assert constraints.constrain_names([free, bound])
        assert constraints.constrain_names([bound, free])
    assert not constraints.constrain_names([free])
    assert not constraints.constrain_names([])


OUT, IN = ["name_not_permitted"], ["name_excluded"]


@pytest.mark.parametrize(
    ("base", "name", "inside"),
    [
        ("dns_name=example.com", "dns_name=example.com", True),
        ("dns_name=example.com", "dns_name=a.b.example.com", True),
        ("dns_name=example.com", "dns_name=*.example.com", True),
        ("dns_name=EXAMPLE.com", "dns_name=www.example.com", True),
        ("dns_name=example.com", "dns_name=evilexample.com", False),
        ("dns_name=example.com", "dns_name=example.com.evil.net", False),
        ("dns_name=.example.com", "dns_name=www.example.com", True),
        ("dns_name=.example.com", "dns_name=example.com", False),
        ("ip_address=10.0.0.0/8", "ip_address=10.1.2.3", True),
        ("ip_address=10.0.0.0/8", "ip_address=11.0.0.1", False),
        ("ip_address=10.0.0.0/8", "ip_address=2001:db8::1", False),
        ("ip_address=2001:db8::/32", "ip_address=2001:db8:1::1", True),
        ("email=example.com", "email=a@example.com", True),
        ("email=example.com", "email=a@mail.example.com", False),
        ("email=.example.com", "email=a@mail.example.com", True),
        ("email=.example.com", "email=a@example.com", False),
        ("email=a@example.com", "email=a@example.com", True),
        ("uri=example.com", "uri=https://example.com/x", True),
        ("uri=example.com", "uri=https://www.example.com/x", False),
        ("uri=.example.com", "uri=https://www.example.com/x", True),
    ],
)
def test_x15_subtrees_hold_what_the_rfc_says(base, name, inside):
    assert judged(constrained(permitted=base), name) == ([] if inside else OUT)
    assert judged(constrained(excluded=base), name) == (IN if inside else [])


def test_x15_a_mailbox_is_permitted_as_it_is_written_and_excluded_in_any_case():
    assert judged(constrained(permitted="email=a@example.com"), "email=A@example.com") == OUT
    assert judged(constrained(excluded="email=a@example.com"), "email=A@Example.com") == IN


HOSTILE = [paths.subtree(x509.DNSName(f"n{number}.example.com")) for number in range(400)]


def test_x15_the_number_of_comparisons_is_bounded():
    def found(count):
        alt_names = [x509.DNSName(f"a{number}.example.net") for number in range(count)]
        return chain.verify_path(paths.path(paths.constraints(None, HOSTILE), alt_names), at=NOW)

    assert found(250) == ()
    (violation,) = found(251)
    assert violation.code == "certificate.name_constraints_work"


def test_x15_the_report_on_thousands_of_names_is_bounded():
    alt_names = [x509.DNSName(f"a{number}.example.net") for number in range(2000)]
    limits = paths.constraints([paths.subtree(x509.DNSName("example.com"))])
    found = chain.verify_path(paths.path(limits, alt_names), at=NOW)
    assert codes(found) == OUT * 50


def test_x15_names_that_the_library_cannot_read_are_refused_not_raised():
    """x400Address and ediPartyName, in the names of a certificate and in the constraints of a CA."""
    x400 = paths.raw(x509.SubjectAlternativeName.oid, b"\x30\x04\xa3\x02\x30\x00")
    assert codes(chain.verify_path(paths.path(None, x400), at=NOW)) == ["extensions"]
    address = paths.raw(x509.NameConstraints.oid, b"\x30\x08\xa1\x06\x30\x04\x87\x02\x0a\x00")
    found = chain.verify_path(paths.path(address, [x509.DNSName("a.example.com")]), at=NOW)
    assert set(codes(found)) == {"name_constraints", "extensions"}
    assert constraints.path_length_of(paths.path(address)[1]) == 0


def test_x15_what_is_issued_is_judged_by_the_same_rules():
    ca = paths.path(paths.constraints([paths.subtree(x509.DNSName("a.com"), b"\x80\x01\x02")]))[1]
    assert judged(ca, "dns_name=a.com") == ["name_constraints"]
    assert judged(ca, "email=a@b.example") == []


def test_x15_constraints_bind_their_own_type_only():
    ca = constrained(permitted="dns_name=example.com")
    assert judged(ca, "ip_address=192.0.2.1 email=a@b.example uri=urn:x:y") == []


def test_x15_one_permitted_subtree_suffices_and_one_excluded_spoils():
    ca = constrained("dns_name=example.com dns_name=example.net", "dns_name=secret.example.com")
    assert judged(ca, "dns_name=a.example.net") == []
    assert judged(ca, "dns_name=x.secret.example.com") == IN
    assert judged(ca, "dns_name=example.org dns_name=secret.example.com") == OUT + IN


def test_x15_a_wildcard_that_covers_an_excluded_name_is_excluded():
    ca = constrained(excluded="dns_name=secret.example.com")
    assert judged(ca, "dns_name=*.example.com") == IN
    assert judged(ca, "dns_name=*.www.example.com") == []


def test_x15_a_uri_without_host_name_is_outside_and_excluded():
    assert judged(constrained(permitted="uri=example.com"), "uri=urn:a:b") == OUT
    assert judged(constrained(excluded="uri=example.com"), "uri=https://192.0.2.1/") == IN
    assert judged(constrained(permitted="uri=example.com"), "uri=https://[::1/") == OUT


def test_x15_values_that_cannot_be_read_count_against_the_requester():
    assert judged(constrained(permitted="ip_address=10.0.0.0/8"), "ip_address=junk") == OUT
    assert judged(constrained(excluded="ip_address=10.0.0.0/8"), "ip_address=junk") == IN


def test_x15_mail_addresses_in_the_subject_count_when_there_is_no_other():
    ca = constrained(permitted="email=example.com")
    subject = "email_address=a@evil.example"
    assert judged(ca, "", subject) == OUT
    assert judged(ca, "email=a@example.com", subject) == []


def test_x15_a_common_name_that_is_a_host_always_counts():
    ca = constrained(permitted="dns_name=example.com")
    assert judged(ca, "", "common_name=www.evil.example") == OUT
    assert judged(ca, "", "common_name=Team") == []
    assert judged(ca, "dns_name=www.example.com", "common_name=www.evil.example") == OUT
    assert judged(ca, "dns_name=www.example.com", "common_name=a.example.com") == []
    assert judged(ca, "dns_name=www.example.com", "common_name=Team") == []


def test_x15_directory_names_are_compared_as_prefixes_without_case():
    base = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example  GmbH"),
        ]
    )
    limits = x509.NameConstraints([x509.DirectoryName(base)], None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Imported")])
    ca = x509.CertificateBuilder(
        name,
        name,
        key_of().public_key(),
        5,
        NOW,
        NOW + timedelta(days=1),
        [extensions.wrap(limits, critical=True)],
    ).sign(key_of(), hashes.SHA256())

    def subject_judged(*subject):
        return codes(chain.name_constraints_violations(subject, (), [ca]))

    inside = (("country", "DE"), ("organization", "example gmbh"), ("common_name", "x"))
    assert subject_judged(*inside) == []
    assert subject_judged(*inside[1:]) == OUT
    assert subject_judged(("country", "FR"), *inside[1:]) == OUT


def test_x15_every_ca_above_must_agree():
    wide = constrained(permitted="dns_name=example.com", name="Wide")
    narrow = constrained(permitted="dns_name=a.example.com", name="Narrow")
    found = chain.name_constraints_violations((), (("dns_name", "b.example.com"),), [narrow, wide])
    assert codes(found) == OUT
    (violation,) = found
    assert "Narrow" in violation.reason
    assert violation.hint == "a.example.com"
    assert violation.field == "subject_alt_names[0].value"


def test_x15_an_unknown_subject_attribute_does_not_upset_the_check():
    ca = constrained(permitted="dns_name=example.com")
    assert chain.name_constraints_violations((("no_such", "x\0"),), (), [ca]) == ()


def test_x15_paths_are_held_against_the_constraints_of_every_ca():
    root = authority(
        name="Strict", constraints=NameConstraints(permitted=(("dns_name", "example.net"),))
    )
    below = authority(name="Below", above=root, lifetime_days=900)
    found = chain.verify_path([issue(below), below.certificate, root.certificate], at=NOW)
    assert codes(found) == OUT
    assert found[0].field == "chain[0].subject_alt_names[0].value"


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_x20_an_altered_signature_and_a_namesake_of_every_algorithm_are_refused(algorithm):
    above, other = authority(algorithm), authority(algorithm, name="Namesake")
    certificate = issue(above)
    chain.verify_issued(certificate, above.certificate)
    for made, issuer in ((altered(certificate), above), (certificate, other)):
        with pytest.raises(UnusableCertificate):
            chain.verify_issued(made, issuer.certificate)


def altered(certificate):
    """Return the certificate with another signature of the same shape."""
    data = certificate.public_bytes(Encoding.DER)
    return x509.load_der_x509_certificate(bytes([*data[:-1], data[-1] ^ 1]))
