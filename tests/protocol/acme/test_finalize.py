"""Tests of the CSR at finalize (RFC 8555 section 7.4)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apps import principals
from apps.audit.models import AuditEvent
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import AcmeAuthorization, AcmeOrder
from apps.policies import services as policy_services
from apps.principals import ProductRole
from apps.profiles import services as profile_services
from tests.factories.accounts import make_person
from tests.factories.field_requests import KINDS
from tests.factories.keys import make_csr
from tests.protocol.acme.client import Acme, b64, ip, kind
from tests.protocol.acme.conftest import url_of
from tests.served import Client

pytestmark = pytest.mark.django_db
KEY = ec.generate_private_key(ec.SECP256R1())
D = x509.DNSName


def csr(*names, subject=(), key=KEY, extensions=()):
    builder = x509.CertificateSigningRequestBuilder(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    )
    if names:
        listed = [D(n) if isinstance(n, str) else n for n in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.DER)


CN = NameOID.COMMON_NAME
# Over ACME a CSR is DER: what is about PEM does not apply.
FIELD = {name: sample for name, sample in KINDS.items() if not name.startswith("PEM")}


@pytest.fixture
def order(trusted):
    return trusted.order("www.example.com", "example.com").json()


def still_ready():
    order = AcmeOrder.objects.get()
    return order.status == "ready" and order.error is None and not Certificate.objects.exists()


@pytest.mark.parametrize(
    "good",
    [
        csr("www.example.com", "example.com"),
        csr("example.com", "www.example.com"),
        csr("www.example.com", "example.com", subject=[(CN, "example.com")]),
        csr("www.example.com", "example.com", subject=[(CN, "EXAMPLE.com")]),
        csr("WWW.EXAMPLE.COM", "example.com"),
        csr("www.example.com", subject=[(CN, "example.com")]),  # "or both", section 7.4
    ],
)
def test_a18_the_names_of_the_order_wherever_they_stand(trusted, order, good):
    answer = trusted.finalize(order, good)
    assert answer.status_code == 200, answer.content
    certificate = x509.load_der_x509_certificate(bytes(Certificate.objects.get().der))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(D) == ["www.example.com", "example.com"]


def test_a18_a_common_name_alone_will_do(trusted):
    order = trusted.order("www.example.com").json()
    assert trusted.finalize(order, csr(subject=[(CN, "www.example.com")])).status_code == 200


@pytest.mark.parametrize(
    "bad",
    [
        csr("www.example.com"),
        csr("www.example.com", "example.com", "evil.example.com"),
        csr("www.example.com", "example.com", subject=[(CN, "evil.example.com")]),
        csr("www.example.com", "example.com", subject=[(CN, "Some Name")]),
        csr("www.example.com", "example.com", x509.RFC822Name("a@example.com")),
        csr(
            "www.example.com", "example.com", x509.UniformResourceIdentifier("https://example.com/")
        ),
        csr(
            "www.example.com",
            "example.com",
            x509.IPAddress(__import__("ipaddress").ip_address("10.0.0.1")),
        ),
        csr(
            "www.example.com",
            "example.com",
            x509.DirectoryName(x509.Name([x509.NameAttribute(CN, "x")])),
        ),
        csr(
            "www.example.com",
            "example.com",
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a"),
        ),
        csr("www.example.com", "example.com", x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))),
        csr("*.example.com", "example.com"),
        csr("www.example.com.", "example.com"),
        csr(
            "www.example.com",
            "example.com",
            subject=[(CN, "example.com"), (CN, "evil.example.com")],
        ),
        csr(subject=[(CN, "example.com")]),
        csr(),
    ],
)
def test_a18_pv05_pv11_any_other_name_is_a_bad_csr_and_the_order_stays_ready(trusted, order, bad):
    answer = trusted.finalize(order, bad)
    assert kind(answer) == "badCSR"
    assert answer.status_code == 400
    assert still_ready()
    assert trusted.finalize(order, csr("www.example.com", "example.com")).status_code == 200


def test_a18_an_address_in_the_order_must_be_an_address_in_the_csr(trusted):
    order = trusted.order(ip("10.0.0.1")).json()
    assert kind(trusted.finalize(order, csr("10.0.0.1"))) == "badCSR"
    import ipaddress

    good = csr(x509.IPAddress(ipaddress.ip_address("10.0.0.1")))
    assert trusted.finalize(order, good).status_code == 200


def test_anc3_no_extension_of_the_csr_gets_through(trusted, order):
    """acme.sh asks for clientAuth in every CSR; pv26: what the profile says is what is issued."""
    asks = [
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        x509.KeyUsage(True, True, False, False, True, False, False, False, False),
    ]
    answer = trusted.finalize(order, csr("www.example.com", "example.com", extensions=asks))
    assert answer.status_code == 200, answer.content
    certificate = x509.load_der_x509_certificate(bytes(Certificate.objects.get().der))
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.content_commitment


@pytest.mark.parametrize(
    "extension",
    [
        x509.NameConstraints([D("example.com")], None),
        x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)]
        ),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2"), b"\x30\x00"),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.311.21.10"), b"\x30\x00"),
    ],
)
def test_pv26_what_a_csr_asks_for_beside_names_is_ignored_with_a_note(trusted, order, extension):
    answer = trusted.finalize(order, csr("www.example.com", "example.com", extensions=[extension]))
    assert answer.status_code == 200, answer.content
    certificate = x509.load_der_x509_certificate(bytes(Certificate.objects.get().der))
    assert extension.oid not in {found.oid for found in certificate.extensions}
    (note,) = CertificateRequest.objects.get().notes
    assert note["code"] == "csr.extension_ignored"
    assert extension.oid.dotted_string in note["what"]


_MORE = [
    (NameOID.COUNTRY_NAME, "DE"),
    (NameOID.ORGANIZATION_NAME, "Acme"),
    (NameOID.EMAIL_ADDRESS, "a@example.com"),
    (NameOID.USER_ID, "root"),
]


def test_other_subject_attributes_are_ignored_and_told_in_log_and_admin(trusted, order, caplog):
    with caplog.at_level("INFO", logger="apps.enrollment.acme"):
        answer = trusted.finalize(order, csr("www.example.com", "example.com", subject=_MORE))
    assert answer.status_code == 200, answer.content
    assert Certificate.objects.get().subject == ""
    browser = Client()
    browser.force_login(make_person("ada", role=ProductRole.ADMIN))
    page = browser.get(f"/admin/enrollment/acmeorder/{AcmeOrder.objects.get().pk}/change/")
    for element in (
        "countryName (2.5.4.6) = DE",
        "organizationName (2.5.4.10) = Acme",
        "emailAddress (1.2.840.113549.1.9.1) = a@example.com",
        "userId (0.9.2342.19200300.100.1.1) = root",
    ):
        assert element in caplog.text
        assert element in page.content.decode()


def set_profile(team, **settings):
    profile_services.update_profile(principals.system("tests"), team.profile, csr=settings)


def test_a_profile_may_take_them_and_the_policy_decides(trusted, order, team):
    set_profile(team, acme_subject="take")
    refused = trusted.finalize(order, csr("www.example.com", "example.com", subject=_MORE))
    assert kind(refused) == "badCSR"
    assert "user_id" in refused.json()["detail"]
    assert still_ready()
    subject = [*_MORE[:2], (CN, "Example.com")]
    answer = trusted.finalize(order, csr("www.example.com", "example.com", subject=subject))
    assert answer.status_code == 200, answer.content
    assert Certificate.objects.get().subject == "CN=example.com,O=Acme,C=DE"


def test_a_profile_may_refuse_extras_over_acme(trusted, order, team):
    set_profile(team, csr_extras="refuse")
    answer = trusted.finalize(order, csr("www.example.com", "example.com", subject=_MORE))
    assert kind(answer) == "badCSR"
    assert "organizationName (2.5.4.10) = Acme" in answer.json()["detail"]
    assert "countryName (2.5.4.6) = DE" in answer.json()["detail"]
    assert still_ready()
    assert trusted.finalize(order, csr("www.example.com", "example.com")).status_code == 200


@pytest.mark.parametrize("sample", FIELD.values(), ids=FIELD)
def test_requests_of_the_field_are_issued_or_refused_by_name(trusted, sample):
    order = trusted.order(*sample.names).json()
    answer = trusted.finalize(order, sample.data)
    if sample.issued if sample.acme is None else sample.acme:
        assert answer.status_code == 200, answer.content
        certificate = x509.load_der_x509_certificate(bytes(Certificate.objects.get().der))
        assert not any(
            isinstance(found.value, x509.UnrecognizedExtension) for found in certificate.extensions
        )
        return
    assert kind(answer) == "badCSR", answer.content
    detail = answer.json()["detail"]
    assert "\0" not in detail
    assert "b'" not in detail
    assert all(text in detail for text in sample.says), detail
    assert still_ready()
    recorded = AuditEvent.objects.filter(event="request.rejected").values_list("data", flat=True)
    assert all(text in str(recorded[0]).replace("\\\\", "\\") for text in sample.says)


def test_pv26_ca_true_is_bad_even_where_policy_would_allow_it(trusted, order, team):
    rules = team.profile.policy.current_version.rules | {"basic_constraints": {"is_ca": "allowed"}}
    policy_services.update_policy(principals.system("tests"), team.profile.policy, rules=rules)
    asks = [x509.BasicConstraints(ca=True, path_length=0)]
    answer = trusted.finalize(order, csr("www.example.com", "example.com", extensions=asks))
    assert kind(answer) == "badCSR"
    assert still_ready()


@pytest.mark.parametrize(
    "payload",
    [{}, {"csr": 7}, {"csr": None}, {"csr": ["x"]}, {"csr": "AA=="}, {"csr": "A A"}],
)
def test_a18_the_payload_has_a_base64url_csr(trusted, order, payload):
    assert kind(trusted.post(order["finalize"], payload)) == "malformed"
    assert still_ready()


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"\x30\x80",
        b"-----BEGIN CERTIFICATE REQUEST-----",
        bytes(100),
        csr("a.example.com")[:-1],
        b"\x30" * 40_000,
    ],
)
def test_a18_an_unreadable_csr_is_bad(trusted, order, junk):
    assert kind(trusted.post(order["finalize"], {"csr": b64(junk)})) == "badCSR"
    assert still_ready()


def test_a18_pem_is_not_der(trusted, order):
    pem = x509.load_der_x509_csr(csr("www.example.com", "example.com")).public_bytes(Encoding.PEM)
    assert kind(trusted.finalize(order, pem)) == "badCSR"


def test_a19_the_csr_proves_possession(trusted, order):
    forged = bytearray(csr("www.example.com", "example.com"))
    forged[-1] ^= 1
    assert kind(trusted.finalize(order, bytes(forged))) == "badCSR"
    assert still_ready()


def test_a19_an_account_key_is_never_certified(trusted, make_trusted, order):
    answer = trusted.finalize(order, csr("www.example.com", "example.com", key=trusted.key))
    assert kind(answer) == "badCSR"
    for key in (
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        make_trusted(key)
        answer = trusted.finalize(order, csr("www.example.com", "example.com", key=key))
        assert kind(answer) == "badCSR", type(key)
        assert "account key" in answer.json()["detail"]
    assert still_ready()


def test_a18_policy_refusals_name_every_rule_and_leave_the_order_ready(trusted, order, team):
    rules = team.profile.policy.current_version.rules
    subject = [
        {"type": "common_name", "allowed": ["*"]},
        {"type": "organization", "required": ["Example"]},
    ]
    rules |= {"key_algorithms": ["rsa-3072"], "subject": subject}
    policy_services.update_policy(principals.system("tests"), team.profile.policy, rules=rules)
    answer = trusted.finalize(order, csr("www.example.com", "example.com"))
    assert kind(answer) == "badCSR"
    shown = answer.json()
    assert "ec-p256" in shown["detail"]
    details = [problem["detail"] for problem in shown["subproblems"]]
    assert len(details) == 2
    assert any("lacks the required attribute organization" in text for text in details)
    assert any(text.endswith("Accepted: rsa-3072.") for text in details)
    for problem in shown["subproblems"]:
        assert problem["type"].endswith(":badCSR")
        assert problem["detail"] in shown["detail"]
    assert still_ready()
    assert CertificateRequest.objects.get().state == "rejected"


def test_a18_a_pending_order_is_not_ready(client):
    order = client.order("www.example.com").json()
    answer = client.finalize(order, csr("www.example.com"))
    assert kind(answer) == "orderNotReady"
    assert answer.status_code == 403


def test_a18_a_valid_order_is_not_ready_again(trusted, order):
    good = csr("www.example.com", "example.com")
    assert trusted.finalize(order, good).status_code == 200
    assert kind(trusted.finalize(order, good)) == "orderNotReady"
    assert Certificate.objects.count() == 1
    assert CertificateRequest.objects.count() == 1


def test_a18_an_authorization_lost_before_finalize_ends_the_order(trusted, order):
    AcmeAuthorization.objects.filter(identifier_value="example.com").update(status="revoked")
    answer = trusted.finalize(order, csr("www.example.com", "example.com"))
    assert kind(answer) == "unauthorized"
    shown = trusted.post(order["finalize"].removesuffix("/finalize")).json()
    assert shown["status"] == "invalid"
    assert "example.com" in shown["error"]["detail"]
    assert not Certificate.objects.exists()


def test_a_common_name_too_long_for_a_subject_stays_out(trusted):
    name = "a" * 30 + "." + "b" * 30 + ".example.com"
    order = trusted.order(name).json()
    answer = trusted.finalize(order, csr(name))
    assert answer.status_code == 200, answer.content


def test_a08_nobody_finalizes_anothers_order(trusted, make_trusted, order):
    other = make_trusted()
    answer = other.finalize(order, csr("www.example.com", "example.com"))
    assert answer.status_code == 404
    assert still_ready()


def test_rsa_and_ed25519_and_ml_dsa_keys_are_certified(trusted):
    from pki.algorithms import KeyAlgorithm

    for n, algorithm in enumerate(
        (KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519, KeyAlgorithm.ML_DSA_65)
    ):
        name = f"h{n}.example.com"
        order = trusted.issue(name, csr=make_csr(name, algorithm=algorithm)).json()
        assert order["status"] == "valid"


def test_an_acme_account_at_one_endpoint_cannot_use_another(trusted, open_endpoint_elsewhere):
    stranger = Acme(Client(), url_of(open_endpoint_elsewhere), key=trusted.key)
    stranger.register()
    order = trusted.order("www.example.com").json()
    url = order["finalize"].replace("/payments/payments-tls/", "/billing/billing-tls/")
    assert stranger.post(url, {"csr": b64(csr("www.example.com"))}).status_code == 404


@pytest.fixture
def open_endpoint_elsewhere(other_team):
    from apps.applications.roles import Role
    from apps.enrollment.acme.services import endpoints as services

    return services.enable_acme(
        other_team.principal(Role.ADMIN), other_team.pairing, require_eab=False
    )
