"""Containers are opened by programs that nobody here wrote: OpenSSL, keytool, cryptography."""

import subprocess
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import cms
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import bundles, keys
from pki.algorithms import KeyAlgorithm
from pki.findings import UnsupportedBundle, UnusableCertificate
from tests.unit.pki.issuers import issuer, leaf

P256 = KeyAlgorithm.EC_P256
# One of each family: every file costs half a second.
FAMILIES = [P256, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519, KeyAlgorithm.ED448]
PASSWORD = b"correct horse"

needs_keytool = pytest.mark.program("keytool")


@cache
def chain(algorithm: KeyAlgorithm = P256) -> list[bytes]:
    above = issuer(algorithm)
    return [leaf(above, above.key).public_bytes(Encoding.DER), above.der]


@cache
def p12(algorithm: KeyAlgorithm = P256, password: bytes = PASSWORD) -> bytes:
    certificate, above = chain(algorithm)
    return bundles.to_pkcs12(issuer(algorithm).key, certificate, [above], password, "web front")


def run(*arguments: object, data: bytes = b"") -> str:
    done = subprocess.run(
        [str(one) for one in arguments], input=data, capture_output=True, check=False, timeout=60
    )
    told = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, told
    return told


# --- PEM --------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [P256, KeyAlgorithm.ML_DSA_87])
def test_pem_is_what_the_library_writes(algorithm):
    ders = chain(algorithm)
    expected = [x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in ders]
    assert bundles.to_pem(ders).encode() == b"".join(expected)


def test_pem_comes_back_in_order():
    ders = chain() * 3
    assert bundles.from_pem(bundles.to_pem(ders), 6) == ders


def test_pem_with_other_newlines_and_text_between_blocks_is_read():
    ders = chain()
    text = "".join(f" 0 s:CN=leaf\r\n{bundles.to_pem([one])}---\r\n" for one in ders)
    assert bundles.from_pem(text.replace("\n", "\r\n"), 5) == ders
    assert bundles.from_pem(text.replace("\n", "\r"), 5) == ders


def damaged(**changes: str) -> str:
    text = bundles.to_pem(chain()[:1])
    for old, new in changes.items():
        text = text.replace(
            {"begin": "-----BEGIN CERTIFICATE-----\n", "end": "-----END CERTIFICATE-----"}[old], new
        )
    return text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no PEM certificate"),
        ("hello", "no PEM certificate"),
        (damaged(end=""), "has no end"),
        (damaged(begin=""), "one after the other"),
        (damaged(begin="-----BEGIN CERTIFICATE-----\n" * 2), "one after the other"),
        (damaged(begin="-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"), "not base64"),
        (damaged(begin="-----BEGIN CERTIFICATE-----\nM\n"), "no certificate"),
        ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "not base64"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nMAB=\n-----END CERTIFICATE-----", "no certificate"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n", "not CERTIFICATE REQUEST"),
        ("-----BEGIN TRUSTED CERTIFICATE-----\nMAA=\n", "not TRUSTED CERTIFICATE"),
        ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----", "Never paste"),
    ],
)
def test_pem_that_is_not_exactly_certificates_is_refused(text, reason):
    with pytest.raises(UnusableCertificate, match=reason):
        bundles.from_pem(text, 5)


def test_pem_is_bounded_in_number_and_size():
    with pytest.raises(UnusableCertificate, match="More than 2"):
        bundles.from_pem(bundles.to_pem(chain() * 2), 2)
    with pytest.raises(UnusableCertificate, match="too large"):
        bundles.from_pem("A" * (2 * bundles.MAX_CERTIFICATE_PEM + 1), 2)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_pem_raises_nothing_but_unusable_certificate(data):
    text = bundles.to_pem(chain())
    start = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 40))
    damaged_text = text[:start] + data.draw(st.text(max_size=10)) + text[start + cut :]
    try:
        found = bundles.from_pem(damaged_text, 5)
    except UnusableCertificate:
        return
    assert all(x509.load_der_x509_certificate(one) for one in found)


# --- P7B --------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [P256, KeyAlgorithm.RSA_2048, KeyAlgorithm.ML_DSA_65])
def test_p7b_holds_exactly_the_certificates(algorithm):
    ders = chain(algorithm)
    found = pkcs7.load_der_pkcs7_certificates(bundles.to_p7b(ders))
    assert {one.public_bytes(Encoding.DER) for one in found} == set(ders)


def test_openssl_prints_the_p7b():
    told = run("openssl", "pkcs7", "-inform", "DER", "-print_certs", data=bundles.to_p7b(chain()))
    assert told.count("BEGIN CERTIFICATE") == 2


def test_m03_p7b_has_no_signer_and_no_content():
    signed = cms.ContentInfo.load(bundles.to_p7b(chain()))["content"]
    assert len(signed["signer_infos"]) == 0
    assert signed["encap_content_info"]["content"].native is None


def test_p7b_of_nothing_or_of_other_bytes_is_refused():
    with pytest.raises(UnsupportedBundle, match="at least one"):
        bundles.to_p7b([])
    with pytest.raises(UnusableCertificate):
        bundles.to_p7b([b"\x30\x00"])


# --- PKCS#12 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", FAMILIES)
def test_pkcs12_gives_back_key_and_chain(algorithm):
    found = pkcs12.load_pkcs12(p12(algorithm), PASSWORD)
    certificate, above = (x509.load_der_x509_certificate(one) for one in chain_of(found))
    assert found.key.public_key() == issuer(algorithm).key.public_key()
    assert certificate.public_key() == found.key.public_key()
    assert above == issuer(algorithm).certificate
    assert found.cert.friendly_name == b"web front"


def chain_of(found: pkcs12.PKCS12KeyAndCertificates) -> list[bytes]:
    every = [found.cert, *found.additional_certs]
    return [one.certificate.public_bytes(Encoding.DER) for one in every]


@pytest.mark.parametrize("algorithm", [P256, KeyAlgorithm.RSA_2048, KeyAlgorithm.ED25519])
def test_openssl_opens_the_pkcs12(algorithm, tmp_path: Path):
    file = tmp_path / "out.p12"
    file.write_bytes(p12(algorithm))
    secret = f"pass:{PASSWORD.decode()}"
    pem = run("openssl", "pkcs12", "-in", file, "-passin", secret, "-nodes")
    assert pem.count("BEGIN CERTIFICATE") == 2
    key = pem[pem.index("-----BEGIN PRIVATE KEY") :].encode()
    assert load_pem_private_key(key, None).public_key() == issuer(algorithm).key.public_key()


def test_m07_pkcs12_is_protected_as_required(tmp_path: Path):
    file = tmp_path / "out.p12"
    file.write_bytes(p12())
    told = run(
        "openssl", "pkcs12", "-in", file, "-passin", f"pass:{PASSWORD.decode()}", "-info", "-noout"
    )
    protected = "PBES2, PBKDF2, AES-256-CBC, Iteration 150000, PRF hmacWithSHA256"
    assert told.count(protected) == 2
    assert "MAC: sha256, Iteration 150000" in told
    assert "salt length: 16" in told
    mac = asn1_pkcs12.Pfx.load(p12(), strict=True)["mac_data"]
    assert mac["mac"]["digest_algorithm"]["algorithm"].native == "sha256"


def test_legacy_pkcs12_is_what_old_devices_read(tmp_path: Path):
    file = tmp_path / "old.p12"
    file.write_bytes(
        bundles.to_pkcs12(issuer(P256).key, *chain_and_password(), "web front", legacy=True)
    )
    told = run(
        "openssl", "pkcs12", "-in", file, "-passin", f"pass:{PASSWORD.decode()}", "-info", "-noout"
    )
    assert told.count("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048") == 2
    assert "MAC: sha1, Iteration 2048" in told


def chain_and_password():
    leaf, *above = chain()
    return leaf, above, PASSWORD


def test_m07_rounds_stay_below_the_limits_of_readers():
    """.NET 9: 300 000 each and 1 000 000 in all; before: 600 000 in all; Java 17: 5 000 000 each."""
    key_and_certificates_and_mac = 3
    assert bundles.PKCS12_ROUNDS <= 300_000
    assert bundles.PKCS12_ROUNDS * key_and_certificates_and_mac <= 600_000
    assert bundles.PKCS12_ROUNDS >= 100_000


def test_pkcs12_opens_with_the_right_password_only():
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(p12(), b"wrong")


@pytest.mark.parametrize("password", ["a", "pässwörd😀" * 12])
def test_pkcs12_takes_any_text_as_password(password):
    data = p12(P256, password.encode())
    assert pkcs12.load_pkcs12(data, password.encode()).key is not None


def test_pkcs12_without_a_name_carries_none():
    data = bundles.to_pkcs12(issuer(P256).key, chain()[0], [], PASSWORD, "")
    assert pkcs12.load_pkcs12(data, PASSWORD).cert.friendly_name is None


def test_m06_pkcs12_refuses_ml_dsa_and_says_what_to_do():
    with pytest.raises(UnsupportedBundle, match="PKCS#8"):
        p12(KeyAlgorithm.ML_DSA_65)


def test_pkcs12_refuses_passwords_that_protect_nothing_or_are_no_text():
    with pytest.raises(UnsupportedBundle, match="needs a password"):
        p12(P256, b"")
    with pytest.raises(UnsupportedBundle, match="UTF-8"):
        p12(P256, b"\xff\xfe")


def test_pkcs12_refuses_a_certificate_of_another_key():
    other = keys.generate_private_key(P256)
    with pytest.raises(UnusableCertificate, match="another key"):
        bundles.to_pkcs12(other, chain()[0], [], PASSWORD, "x")


@needs_keytool
@pytest.mark.parametrize("algorithm", [P256, KeyAlgorithm.RSA_2048])
def test_keytool_lists_the_private_key(algorithm, tmp_path: Path):
    file = tmp_path / "out.p12"
    file.write_bytes(p12(algorithm))
    told = run("keytool", "-list", "-v", "-keystore", file, "-storepass", PASSWORD.decode())
    assert "web front" in told
    assert "PrivateKeyEntry" in told
    assert "Certificate chain length: 2" in told


@needs_keytool
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "password", ["short", "a b~c!d", "p\u00e4ssw\u00f6rd", "abc\tdef", "abcdef\x7f"]
)
def test_a_password_that_java_cannot_read_is_noted(password, legacy, tmp_path: Path):
    file, secret = tmp_path / "out.p12", tmp_path / "password"
    file.write_bytes(
        bundles.to_pkcs12(issuer(P256).key, chain()[0], [], password.encode(), "x", legacy=legacy)
    )
    secret.write_text(password)
    done = subprocess.run(
        ["keytool", "-list", "-keystore", file, "-storepass:file", secret],
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0) == (bundles.pkcs12_notes(password) == ())


def test_jks_refusal_names_the_way_out():
    assert "PKCS#12" in bundles.JKS_REFUSAL
