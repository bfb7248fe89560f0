"""Tests of intermediates that an offline CA certifies."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from apps.authorities import selectors, services, signing
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import CRL, AuthorityKind, AuthorityState
from apps.errors import AlreadyExists, InvalidInput, InvalidTransition
from pki import names
from pki.algorithms import KeyAlgorithm
from pki.csr import parse_csr
from pki.template import KEY_USAGES
from tests.factories.authorities import make_root

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keyring")]
SUBJECT = (("common_name", "Sub CA"), ("organization", "Example"))
NOW = datetime.now(UTC).replace(microsecond=0)


class Outside:
    """A CA that nobody here runs."""

    def __init__(self, name="Outside Root", key=None, above=None, **changes):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = names.x509_name((("common_name", name),))
        self.certificate = (above or self).issue(self.name, self.key.public_key(), **changes)

    def issue(self, subject, public_key, **changes):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(changes.get("issuer", self.name))
            .public_key(public_key)
            .serial_number(changes.get("serial", x509.random_serial_number()))
            .not_valid_before(changes.get("not_before", NOW - timedelta(days=1)))
            .not_valid_after(changes.get("not_after", NOW + timedelta(days=365)))
        )
        if changes.get("ca", True):
            length = changes.get("path_length")
            builder = builder.add_extension(x509.BasicConstraints(True, length), critical=True)
        usage = changes.get("usage", {"key_cert_sign", "crl_sign"})
        bits = {bit: bit in usage for bit in KEY_USAGES}
        builder = builder.add_extension(x509.KeyUsage(**bits), critical=True)
        for extension, critical in changes.get("extensions", ()):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, changes.get("digest", hashes.SHA256()))


def pem(*certificates):
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


@pytest.fixture(scope="module")
def outside():
    return Outside()


@pytest.fixture
def pending(sealwright):
    return services.create_authority(
        sealwright,
        AuthoritySpec(
            name="sub",
            kind=AuthorityKind.INTERMEDIATE,
            subject=SUBJECT,
            key_algorithm=KeyAlgorithm.EC_P256,
        ),
    )


@pytest.fixture
def request_for(sealwright, pending):
    return parse_csr(services.authority_csr(sealwright, pending))


def issued(outside, request, **changes):
    subject = changes.pop("subject", None) or names.x509_name(request.subject)
    key = changes.pop("public_key", None) or request.public_key
    return outside.issue(subject, key, **changes)


def codes(sealwright, pending, certificate, chain=b""):
    with pytest.raises(InvalidInput) as caught:
        services.install_certificate(sealwright, pending, certificate=certificate, chain=chain)
    pending.refresh_from_db()
    assert pending.state == AuthorityState.PENDING_CERTIFICATE
    return {v.code for v in caught.value.violations}


def test_the_request_proves_the_key_and_carries_the_subject(pending, request_for):
    assert pending.state == AuthorityState.PENDING_CERTIFICATE
    assert request_for.subject == SUBJECT
    assert request_for.public_key_der == bytes(pending.key.public_key_der)
    assert request_for.violations == ()


def test_a_matching_certificate_activates(sealwright, pending, request_for, outside):
    middle = Outside("Middle", above=outside)
    certificate = issued(
        middle,
        request_for,
        path_length=1,
        extensions=[
            (x509.NameConstraints([x509.DNSName("example.com")], None), True),
        ],
    )
    services.install_certificate(
        sealwright,
        pending,
        certificate=pem(certificate),
        chain=pem(outside.certificate, middle.certificate),
    )
    assert pending.state == AuthorityState.ACTIVE
    assert pending.path_length == 1
    assert pending.name_constraints["permitted"] == [["dns_name", "example.com"]]
    handle = signing.issuer_of(pending.pk)
    assert handle.ca_certificates == (certificate, middle.certificate, outside.certificate)
    chain = selectors.chain_without_root(handle.authority_certificate_id)
    assert chain == [c.public_bytes(Encoding.DER) for c in (certificate, middle.certificate)]
    assert CRL.objects.filter(authority=pending).count() == 1


def test_one_pem_file_may_hold_the_chain_and_renewal_replaces_the_certificate(
    sealwright, pending, request_for, outside
):
    for days in (10, 20):
        certificate = issued(outside, request_for, not_after=NOW + timedelta(days=days))
        bundle = pem(certificate, outside.certificate)
        services.install_certificate(sealwright, pending, certificate=bundle)
        current = selectors.current_certificate(pending.pk)
        assert bytes(current.der) == certificate.public_bytes(Encoding.DER)
    assert pending.certificates.count() == 2
    with pytest.raises(AlreadyExists):
        services.install_certificate(sealwright, pending, certificate=bundle)
    assert pending.certificates.filter(is_current=True).count() == 1


def test_der_is_taken_as_well(sealwright, pending, request_for, outside):
    services.install_certificate(
        sealwright,
        pending,
        certificate=issued(outside, request_for).public_bytes(Encoding.DER),
        chain=outside.certificate.public_bytes(Encoding.DER),
    )
    assert pending.state == AuthorityState.ACTIVE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ca": False}, "authority.not_a_ca"),
        ({"usage": {"digital_signature"}}, "authority.key_usage"),
        ({"usage": {"key_cert_sign"}}, "authority.key_usage"),
        ({"not_after": NOW - timedelta(hours=1)}, "certificate.validity"),
        ({"not_before": NOW + timedelta(days=1)}, "certificate.validity"),
        (
            {
                "extensions": [
                    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
                ]
            },
            "certificate.critical_extension",
        ),
    ],
)
def test_certificates_that_cannot_issue_are_refused(
    sealwright, pending, request_for, outside, changes, code
):
    certificate = issued(outside, request_for, **changes)
    assert code in codes(sealwright, pending, pem(certificate), pem(outside.certificate))


_MAKE_KEY = {
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),
    "RSA 2048, exponent 3": lambda: rsa.generate_private_key(3, 2048),
    "P-192": lambda: ec.generate_private_key(ec.SECP192R1()),
    "RSA 2560": lambda: rsa.generate_private_key(65537, 2560),
    "brainpoolP256r1": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
}


@pytest.mark.parametrize("place", ["root", "middle"])
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("RSA 1024", "key.size"),
        ("RSA 2048, exponent 3", "key.exponent"),
        ("P-192", "key.curve"),
        ("RSA 2560", None),
        ("brainpoolP256r1", None),
    ],
)
def test_a_chain_is_as_strong_as_its_weakest_key(
    sealwright, pending, request_for, place, kind, code
):
    weak = _MAKE_KEY[kind]()
    root = Outside(key=weak if place == "root" else None)
    middle = Outside("Middle", key=weak if place == "middle" else None, above=root)
    sent = pem(issued(middle, request_for)), pem(middle.certificate, root.certificate)
    if code:
        assert codes(sealwright, pending, *sent) == {code}
    else:
        services.install_certificate(sealwright, pending, certificate=sent[0], chain=sent[1])
        assert pending.state == AuthorityState.ACTIVE


def test_another_key_and_another_subject_are_refused_together(
    sealwright, pending, request_for, outside
):
    certificate = issued(
        outside,
        request_for,
        public_key=ec.generate_private_key(ec.SECP256R1()).public_key(),
        subject=names.x509_name((("common_name", "Other"),)),
        ca=False,
    )
    found = codes(sealwright, pending, pem(certificate), pem(outside.certificate))
    assert found == {"authority.other_key", "authority.other_subject", "authority.not_a_ca"}


def test_the_chain_must_be_there_and_be_the_right_one(sealwright, pending, request_for, outside):
    certificate = pem(issued(outside, request_for))
    assert codes(sealwright, pending, certificate) == {"authority.chain_missing"}
    impostor = Outside()
    assert impostor.name == outside.name
    assert codes(sealwright, pending, certificate, pem(impostor.certificate)) == {
        "certificate.chain"
    }
    stranger = Outside("Stranger")
    assert "certificate.chain" in codes(
        sealwright, pending, certificate, pem(outside.certificate, stranger.certificate)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\x30\x80",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\x30" * 300_000,
        b"\xff\xfe",
    ],
)
def test_bytes_that_are_no_certificate_are_refused(sealwright, pending, outside, data):
    assert codes(sealwright, pending, data, pem(outside.certificate))
    if data:
        assert codes(sealwright, pending, pem(outside.certificate), data)


def test_authorities_certified_here_neither_ask_nor_install(sealwright):
    root = make_root()
    child = services.create_authority(
        sealwright,
        AuthoritySpec(
            name="child",
            kind=AuthorityKind.INTERMEDIATE,
            subject=SUBJECT,
            key_algorithm=KeyAlgorithm.EC_P256,
            lifetime_days=10,
            parent=root,
        ),
    )
    for authority in (root, child):
        with pytest.raises(InvalidTransition):
            services.authority_csr(sealwright, authority)
        with pytest.raises(InvalidTransition):
            services.install_certificate(sealwright, authority, certificate=b"x")


def test_an_outside_authority_is_not_renewed_here(sealwright, pending):
    with pytest.raises(InvalidTransition, match="install"):
        services.renew_authority(sealwright, pending, 10)
