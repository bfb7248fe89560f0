"""Every rule refuses the certificate that breaks it."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import build, extensions, keys, lint
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.names import x509_name
from pki.structures import algorithm_identifier
from pki.template import NameConstraints
from tests.unit.pki import der
from tests.unit.pki.samples import NOW, authority, issue, key_of, leaf_of, signature_identifier

CODE = "lint."


def uri(text):
    return x509.UniformResourceIdentifier(text)


def usage(*names):
    return extensions.key_usage(frozenset(names))


class Draft:
    """A sound leaf certificate of which single parts are replaced before it is encoded."""

    def __init__(self, above=None, key=None):
        self.above = above or authority()
        self.key = key or key_of()
        spki = keys.public_key_to_der(self.key.public_key())
        self.subject = x509_name([("common_name", "www.example.com")])
        self.issuer = self.above.certificate.subject
        self.serial = 77
        self.begin, self.end = NOW, NOW + timedelta(days=30)
        self.extensions = {
            "ski": extensions.subject_key_identifier(spki),
            "aki": extensions.authority_key_identifier(self.above.certificate),
            "ku": usage("digital_signature"),
            "eku": extensions.extended_key_usage(("server_auth",)),
            "san": extensions.subject_alternative_name(
                (("dns_name", "www.example.com"),), critical=False
            ),
            **dict(
                zip(
                    ("cdp", "aia"),
                    extensions.publication(self.above.issuer.publication),
                    strict=True,
                )
            ),
        }

    def tbs(self):
        builder = x509.CertificateBuilder(
            self.issuer,
            self.subject,
            self.key.public_key(),
            self.serial,
            self.begin,
            self.end,
            [e for e in self.extensions.values() if e is not None],
        )
        algorithm = SignatureAlgorithm.ECDSA_SHA256
        return builder.sign(key_of(), algorithm.hash).tbs_certificate_bytes

    def findings(self, tbs=None, *, self_signed=False):
        data = build.assemble(tbs or self.tbs(), SignatureAlgorithm.ECDSA_SHA256, b"\0" * 64)
        certificate = x509.load_der_x509_certificate(data)
        return judged(certificate, None if self_signed else self.above.certificate)


def judged(certificate, issuer):
    """Return the rules broken."""
    found = lint.lint_certificate(certificate, issuer=issuer)
    return [v.code.removeprefix(CODE) for v in found]


def with_extension(name, extension, **options):
    draft = Draft(**options)
    draft.extensions[name] = extension
    return draft.findings()


def loosened(extension, *, critical):
    return x509.Extension(extension.oid, critical, extension.value)


def test_a_sound_certificate_has_no_findings():
    assert Draft().findings() == []


def test_x01_a_unique_identifier_is_found():
    tbs = Draft().tbs()
    fields = list(der.children(tbs, der.element_at(tbs)))
    parts = [tbs[f.start : f.end] for f in fields]
    parts.insert(7, b"\x81\x02\x00\x01")
    assert Draft().findings(der.encode(der.SEQUENCE, *parts)) == ["x01"]


def test_x01_version_one_is_found():
    tbs = Draft().tbs()
    fields = list(der.children(tbs, der.element_at(tbs)))
    bare = der.encode(der.SEQUENCE, *(tbs[f.start : f.end] for f in fields[1:7]))
    data = der.encode(
        der.SEQUENCE, bare, signature_identifier(tbs), der.encode(der.BIT_STRING, b"\0\0")
    )
    found = judged(x509.load_der_x509_certificate(data), authority().certificate)
    assert found == ["x01"]


def test_x03_differing_algorithms_are_found():
    tbs = Draft().tbs()
    other = algorithm_identifier(SignatureAlgorithm.ECDSA_SHA384)
    data = der.encode(der.SEQUENCE, tbs, other, der.encode(der.BIT_STRING, b"\0\0"))
    found = judged(x509.load_der_x509_certificate(data), authority().certificate)
    assert found == ["x03"]


def test_x04_a_reencoded_issuer_is_found():
    draft = Draft()
    draft.issuer = x509.Name(
        [
            x509.NameAttribute(a.oid, a.value, x509.name._ASN1Type.PrintableString)
            for a in draft.issuer
        ]
    )
    assert draft.findings() == ["x04"]


def test_x05_a_date_in_the_wrong_form_is_found():
    tbs = Draft().tbs()
    right = der.encode(0x17, b"261123120000Z")
    wrong = der.encode(0x18, b"20261123120000Z")
    fields = [tbs[f.start : f.end] for f in der.children(tbs, der.element_at(tbs))]
    validity = fields[4].replace(right, wrong)
    element = der.element_at(fields[4])
    fields[4] = der.encode(der.SEQUENCE, validity[element.content :])
    assert Draft().findings(der.encode(der.SEQUENCE, *fields)) == ["x05"]


def test_x06_outliving_the_issuer_is_found():
    draft = Draft()
    draft.end = draft.above.certificate.not_valid_after_utc + timedelta(seconds=1)
    assert draft.findings() == ["x06"]


def test_x07_an_empty_subject_with_an_uncritical_san_is_found():
    draft = Draft()
    draft.subject = x509.Name([])
    assert draft.findings() == ["x07"]
    draft.extensions["san"] = loosened(draft.extensions["san"], critical=True)
    assert draft.findings() == []
    draft.extensions["san"] = None
    assert draft.findings() == ["x07"]


def test_x07_a_self_signed_certificate_has_a_subject():
    draft = Draft()
    draft.subject = draft.issuer = x509.Name([])
    draft.extensions["aki"] = None
    draft.extensions["san"] = loosened(draft.extensions["san"], critical=True)
    assert draft.findings(self_signed=True) == ["x07"]


@pytest.mark.parametrize(
    "attribute",
    [
        x509.NameAttribute(NameOID.COMMON_NAME, "a", x509.name._ASN1Type.BMPString),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "xx"),
        x509.NameAttribute(NameOID.GIVEN_NAME, "Ada"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a" * 65),
    ],
)
def test_x08_unsound_subjects_are_found(attribute):
    draft = Draft()
    draft.subject = x509.Name([attribute])
    assert draft.findings() == ["x08"]


def test_x09_extensions_that_are_not_ours_are_found():
    foreign = extensions.wrap(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.13"), b"\x16\x01a")
    )
    assert with_extension("comment", foreign) == ["x09"]
    policies = extensions.wrap(
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
    )
    assert with_extension("policies", policies) == ["x09"]


def test_x10_a_missing_or_foreign_aki_is_found():
    wrong = extensions.wrap(x509.AuthorityKeyIdentifier(b"\1" * 20, None, None))
    assert with_extension("aki", wrong) == ["x10"]
    assert with_extension("aki", None) == ["x10"]


def test_x11_a_missing_copied_or_critical_ski_is_found():
    copied = x509.SubjectKeyIdentifier(b"\1" * 20)
    assert with_extension("ski", extensions.wrap(copied)) == ["x11"]
    assert with_extension("ski", None) == ["x11"]
    own = extensions.subject_key_identifier(keys.public_key_to_der(key_of().public_key()))
    assert with_extension("ski", loosened(own, critical=True)) == ["x11"]


def test_x12_key_usage_faults_are_found():
    assert with_extension("ku", loosened(usage("digital_signature"), critical=False)) == ["x12"]
    assert with_extension("ku", usage("digital_signature", "key_cert_sign")) == ["x12"]
    empty = extensions.wrap(
        x509.UnrecognizedExtension(x509.KeyUsage.oid, b"\x03\x01\x00"), critical=True
    )
    assert with_extension("ku", empty) == ["x12"]


def test_x12_a_ca_signs_certificates_and_says_so():
    draft = Draft()
    draft.extensions |= {"bc": extensions.basic_constraints(None), "san": None, "eku": None}
    assert draft.findings() == ["x12"]
    draft.extensions["ku"] = None
    assert draft.findings() == ["x12"]
    draft.extensions["ku"] = usage("key_cert_sign")
    assert draft.findings() == []


def test_m04_keys_that_only_sign_neither_encipher_nor_agree():
    assert with_extension("ku", usage("key_encipherment")) == ["m04"]
    assert with_extension("ku", usage("key_agreement")) == []
    for algorithm in (KeyAlgorithm.ED25519, KeyAlgorithm.ML_DSA_44):
        assert with_extension("ku", usage("key_agreement"), key=key_of(algorithm)) == ["m04"]
    rsa_key = key_of(KeyAlgorithm.RSA_2048)
    assert with_extension("ku", usage("key_encipherment"), key=rsa_key) == []


def test_x13_basic_constraints_faults_are_found():
    leafy = extensions.wrap(x509.BasicConstraints(False, None), critical=True)
    assert with_extension("bc", leafy) == ["x13"]
    draft = Draft()
    draft.extensions |= {
        "ku": usage("key_cert_sign"),
        "bc": loosened(extensions.basic_constraints(None), critical=False),
    }
    assert draft.findings() == ["x13"]


@pytest.mark.parametrize(
    ("above", "child", "found"),
    [(0, 0, ["x14"]), (1, 1, ["x14"]), (1, None, ["x14"]), (1, 0, []), (None, None, [])],
)
def test_x14_path_lengths_shrink(above, child, found):
    draft = Draft(above=authority(path_length=above))
    draft.extensions |= {"ku": usage("key_cert_sign"), "bc": extensions.basic_constraints(child)}
    assert draft.findings() == found


def test_x15_name_constraints_in_a_leaf_are_found():
    own = extensions.name_constraints(NameConstraints(permitted=(("dns_name", "example.com"),)))
    assert with_extension("nc", own) == ["x15"]


def test_x15_names_outside_the_issuers_constraints_are_found():
    constrained = authority(
        name="Other names", constraints=NameConstraints(permitted=(("dns_name", "example.net"),))
    )
    assert Draft(above=constrained).findings() == ["x15"]


@pytest.mark.parametrize(
    "name",
    [
        x509.DNSName("WWW.example.com"),
        x509.DNSName("a_b.example.com"),
        x509.DNSName("*.*.example.com"),
        x509.DNSName("127.0.0.1"),
        x509.DNSName(" "),
        x509.RFC822Name("a@EXAMPLE.com"),
        uri("https://user@example.com/"),
        x509.DirectoryName(x509.Name([])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    ],
)
def test_x16_names_in_other_than_canonical_form_are_found(name):
    assert with_extension("san", extensions.wrap(x509.SubjectAlternativeName([name]))) == ["x16"]


def test_x16_an_empty_or_needlessly_critical_san_is_found():
    assert with_extension("san", extensions.wrap(x509.SubjectAlternativeName([]))) == ["x16"]
    names = x509.SubjectAlternativeName([x509.DNSName("www.example.com")])
    assert with_extension("san", extensions.wrap(names, critical=True)) == ["x16"]


def test_x17_extended_key_usage_faults_are_found():
    anything = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    assert with_extension("eku", extensions.wrap(anything)) == ["x17"]
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    assert with_extension("eku", extensions.wrap(server, critical=True)) == ["x17"]


@pytest.mark.parametrize(
    "point",
    [
        x509.DistributionPoint([uri("ldap://x/y")], None, None, None),
        x509.DistributionPoint([x509.DNSName("x")], None, None, None),
        x509.DistributionPoint(None, x509_name([("common_name", "r")]).rdns[0], None, None),
    ],
)
def test_x18_points_without_a_web_address_are_found(point):
    assert with_extension("cdp", extensions.wrap(x509.CRLDistributionPoints([point]))) == ["x18"]


def test_x18_x19_critical_or_encrypted_addresses_are_found():
    draft = Draft()
    for name, rule in (("cdp", "x18"), ("aia", "x19")):
        assert with_extension(name, loosened(draft.extensions[name], critical=True)) == [rule]
    method = x509.AuthorityInformationAccessOID.OCSP
    secure = x509.AuthorityInformationAccess([x509.AccessDescription(method, uri("https://x/"))])
    assert with_extension("aia", extensions.wrap(secure)) == ["x19"]


def test_b03_other_keys_are_found():
    found = Draft(key=ec.generate_private_key(ec.SECP224R1())).findings()
    assert found == ["b03"]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("body", [b"\x01" + bytes(20), b"\x00", b"\x80"])
def test_x02_an_overlong_zero_or_negative_serial_is_found(body):
    tbs = Draft().tbs()
    fields = [tbs[f.start : f.end] for f in der.children(tbs, der.element_at(tbs))]
    fields[1] = der.encode(der.INTEGER, body)
    assert Draft().findings(der.encode(der.SEQUENCE, *fields)) == ["x02"]


def test_issued_certificates_pass_again_after_signing():
    assert judged(issue(authority()), authority().certificate) == []


def test_all_findings_are_reported_at_once():
    draft = Draft()
    draft.extensions |= {"ski": None, "aki": None, "ku": usage("key_encipherment")}
    assert draft.findings() == ["x11", "x10", "m04"]


# --- one certificate after another ---------------------------------------------------------------


@pytest.mark.parametrize("bits", ["key_agreement", "key_encipherment"])
def test_m04_a_key_usage_sound_for_one_key_is_not_so_for_another(bits):
    good, bad = {
        "key_agreement": (KeyAlgorithm.EC_P256, KeyAlgorithm.ED25519),
        "key_encipherment": (KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519),
    }[bits]
    for algorithm, found in ((good, []), (bad, ["m04"]), (good, []), (bad, ["m04"])):
        assert with_extension("ku", usage(bits), key=key_of(algorithm)) == found


def test_x10_x14_x15_extensions_found_sound_under_one_issuer_are_not_so_under_another():
    open_, constrained = authority(), authority(name="Short", path_length=0)
    for _ in range(2):
        assert Draft().findings() == []
        draft = Draft(above=constrained)
        draft.extensions["aki"] = Draft(above=open_).extensions["aki"]
        assert draft.findings() == ["x10"]
    ca = {"ku": usage("key_cert_sign"), "bc": extensions.basic_constraints(0)}
    aki = extensions.wrap(x509.AuthorityKeyIdentifier(b"\7" * 20, None, None))
    for above, found in ((open_, ["x10"]), (constrained, ["x10", "x14"]), (open_, ["x10"])):
        draft = Draft(above=above)
        draft.extensions |= ca | {"aki": aki}
        assert draft.findings() == found


def test_x12_extensions_of_a_ca_found_sound_are_not_so_in_a_leaf():
    for _ in range(2):
        draft = Draft()
        draft.extensions |= {"ku": usage("key_cert_sign"), "bc": extensions.basic_constraints(0)}
        assert draft.findings() == []
        del draft.extensions["bc"]
        assert draft.findings() == ["x12"]


def test_a_certificate_with_own_faults_is_not_excused_by_sound_siblings():
    above = authority(
        name="Own names", constraints=NameConstraints(permitted=(("dns_name", "example.com"),))
    )
    assert Draft(above=above).findings() == []
    draft = Draft(above=above)
    draft.serial = 2**159
    draft.end = above.certificate.not_valid_after_utc + timedelta(days=1)
    names = x509.SubjectAlternativeName([x509.DNSName("WWW.example.net")])
    draft.extensions["san"] = extensions.wrap(names, critical=True)
    assert draft.findings() == ["x02", "x06", "x16", "x16", "x15"]


def test_x09_repeated_extensions_are_found_among_all_kinds():
    assert Draft().findings() == []
    for name in Draft().extensions:
        draft = Draft()
        draft.extensions["twice"] = draft.extensions[name]
        assert draft.findings() == ["unreadable"]


def test_a_self_signed_certificate_is_judged_by_its_own_key():
    draft = Draft()
    draft.issuer = draft.subject
    for key, found in ((draft.key, []), (key_of(number=3), ["x11", "x10"])):
        spki = keys.public_key_to_der(key.public_key())
        digest = keys.key_identifier(spki)
        draft.extensions |= {
            "ski": extensions.subject_key_identifier(spki),
            "aki": extensions.wrap(x509.AuthorityKeyIdentifier(digest, None, None)),
        }
        assert draft.findings(self_signed=True) == found


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=2))
def test_x16_a_san_of_any_bytes_is_judged(changes):
    pairs = (("dns_name", "www.example.com"), ("ip_address", "192.0.2.7"), ("email", "a@b.example"))
    value = bytearray(
        extensions.subject_alternative_name(pairs, critical=False).value.public_bytes()
    )
    for position, octet in changes:
        value[position % len(value)] = octet
    oid = x509.SubjectAlternativeName.oid
    found = with_extension("san", extensions.wrap(x509.UnrecognizedExtension(oid, bytes(value))))
    assert set(found) <= {"x16", "unreadable"}


def test_x16_a_kind_of_name_that_the_library_does_not_know_is_unreadable():
    oid = x509.SubjectAlternativeName.oid
    value = bytes.fromhex("3004a3023000")  # x400Address
    draft = Draft()
    draft.extensions["san"] = extensions.wrap(x509.UnrecognizedExtension(oid, value))
    assert draft.findings() == ["unreadable"]


# --- before anything is signed ----------------------------------------------------------------


def findings_before(draft, algorithm=SignatureAlgorithm.ECDSA_SHA256):
    found = lint.lint_tbs(draft.tbs(), algorithm, issuer=draft.above.certificate)
    return [v.code.removeprefix(CODE) for v in found]


def test_to_be_signed_bytes_are_judged_as_the_certificate_that_they_become():
    sound, faulty = Draft(), Draft()
    faulty.serial = 2**159
    faulty.extensions |= {"ski": None, "ku": usage("key_encipherment")}
    for draft, found in ((sound, []), (faulty, ["x02", "x11", "m04"])):
        assert findings_before(draft) == draft.findings() == found
    tbs = build.self_signed_leaf_tbs(leaf_of(), serial_number=1)
    assert lint.lint_tbs(tbs, SignatureAlgorithm.ECDSA_SHA256, issuer=None) == ()


def test_x03_bytes_for_another_algorithm_than_the_one_to_sign_with_are_found():
    assert findings_before(Draft(), SignatureAlgorithm.ECDSA_SHA384) == ["x03"]


@pytest.mark.parametrize("tbs", [b"", b"\x30\x00", b"\x04\x03abc"])
def test_bytes_that_are_no_certificate_are_not_judged_at_all(tbs):
    with pytest.raises(ValueError):
        lint.lint_tbs(tbs, SignatureAlgorithm.ECDSA_SHA256, issuer=None)
