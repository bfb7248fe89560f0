"""OpenSSL accepts chains, CRLs and OCSP responses of every classical algorithm."""

import base64
import time
import urllib.parse
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.interop.conftest import Chain, Obtained, fetch_crl, obtain, save_crl
from tests.interop.judges import OpenSSL
from tests.interop.server import Server, call

CLASSICAL = [
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "ec-p256",
    "ec-p384",
    "ec-p521",
    "ed25519",
    "ed448",
]
LEAF_KEYS = ["rsa:2048", "ec:P-256", "ed25519"]
_CRL_WITHIN_S = 60


def issue(
    server: Server, chain: Chain, openssl: OpenSSL, folder: Path, key: str = "ec:P-256"
) -> Obtained:
    request = openssl.make_csr(folder, key, "www.example.test", "example.test")
    return obtain(server, chain.profile, request)


def listed_serials(crl_der: bytes) -> set[int]:
    return {entry.serial_number for entry in x509.load_der_x509_crl(crl_der)}


@pytest.mark.parametrize("key", LEAF_KEYS)
@pytest.mark.parametrize("authority", CLASSICAL)
def test_issued_certificate_verifies_with_revocation_checks(
    running_server, chains, openssl, tmp_path, authority, key
):
    chain = chains[authority]
    obtained = issue(running_server, chain, openssl, tmp_path, key)

    crls = [
        save_crl(running_server, chain.issuing_crl, tmp_path / "issuing.crl"),
        save_crl(running_server, chain.root_crl, tmp_path / "root.crl"),
    ]

    assert "OK" in openssl.verify(
        obtained.leaf, root=chain.root, chain=obtained.chain, crls=crls[:1]
    )
    assert "OK" in openssl.verify(
        obtained.leaf, root=chain.root, chain=obtained.chain, crls=crls, every=True
    )


@pytest.mark.parametrize("authority", ["rsa-2048", "ec-p256", "ed25519"])
def test_ocsp_by_post_says_good_then_revoked_at_once(
    running_server, chains, openssl, tmp_path, authority
):
    chain = chains[authority]
    obtained = issue(running_server, chain, openssl, tmp_path)
    ask = {"issuer": chain.issuing, "root": chain.root, "url": chain.ocsp}

    before = openssl.ocsp_status(obtained.leaf, **ask)
    assert "Response verify OK" in before
    assert f"{obtained.leaf}: good" in before
    assert "WARNING" not in before

    revoked = running_server.api(
        "POST", f"certificates/{obtained.api['id']}/revoke/", {"reason": "keyCompromise"}
    )
    assert revoked.status == 200

    after = openssl.ocsp_status(obtained.leaf, **ask)
    assert f"{obtained.leaf}: revoked" in after
    assert "keyCompromise" in after


@pytest.mark.parametrize("authority", ["rsa-2048", "ec-p256", "ed25519"])
def test_ocsp_by_get_answers_like_post(running_server, chains, openssl, tmp_path, authority):
    chain = chains[authority]
    obtained = issue(running_server, chain, openssl, tmp_path)
    leaf = x509.load_der_x509_certificate(obtained.der)
    issuer = x509.load_pem_x509_certificate(chain.issuing.read_bytes())
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA256()).build()
    encoded = base64.b64encode(request.public_bytes(Encoding.DER)).decode()

    answer = call("GET", f"{chain.ocsp}/{urllib.parse.quote(encoded, safe='')}")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/ocsp-response"
    response = ocsp.load_der_ocsp_response(answer.body)
    assert response.certificate_status == ocsp.OCSPCertStatus.GOOD
    assert response.serial_number == leaf.serial_number
    saved = tmp_path / "answer.der"
    saved.write_bytes(answer.body)
    checked = openssl(
        "ocsp", "-respin", saved, "-sha256", "-issuer", chain.issuing, "-cert", obtained.leaf,
        "-CAfile", chain.root, "-no_nonce",
    )  # fmt: skip
    assert "Response verify OK" in checked
    assert f"{obtained.leaf}: good" in checked


def test_o01_ocsp_get_takes_base64_raw_encoded_and_behind_a_doubled_slash(
    running_server, chains, openssl, tmp_path
):
    chain = chains["ec-p256"]
    leaf = x509.load_der_x509_certificate(issue(running_server, chain, openssl, tmp_path).der)
    issuer = x509.load_pem_x509_certificate(chain.issuing.read_bytes())
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()
    encoded = base64.b64encode(request.public_bytes(Encoding.DER)).decode()

    for path in (
        f"/{encoded}",
        f"/{urllib.parse.quote(encoded, safe='')}",
        f"//{urllib.parse.quote(encoded, safe='')}",
    ):
        response = ocsp.load_der_ocsp_response(call("GET", chain.ocsp + path).body)
        assert response.certificate_status == ocsp.OCSPCertStatus.GOOD, path


def test_ocsp_says_unknown_for_a_serial_never_issued(running_server, chains, openssl):
    chain = chains["ec-p256"]
    said = openssl(
        "ocsp", "-issuer", chain.issuing, "-serial", "0x123456789abcdef", "-url", chain.ocsp,
        "-CAfile", chain.root,
    )  # fmt: skip
    assert "0x123456789abcdef: unknown" in said


@pytest.mark.parametrize("authority", ["rsa-2048", "ec-p256", "ed25519"])
def test_crl_lists_a_revoked_certificate_within_a_minute(
    running_server, chains, openssl, tmp_path, authority
):
    chain = chains[authority]
    obtained = issue(running_server, chain, openssl, tmp_path)
    serial = int(obtained.api["serial_number"], 16)
    before = x509.load_der_x509_crl(fetch_crl(running_server, chain.issuing_crl))
    assert serial not in {entry.serial_number for entry in before}

    running_server.api(
        "POST", f"certificates/{obtained.api['id']}/revoke/", {"reason": "superseded"}
    )

    deadline = time.monotonic() + _CRL_WITHIN_S
    while serial not in listed_serials(fetch_crl(running_server, chain.issuing_crl)):
        assert time.monotonic() < deadline, "the CRL does not list it after a minute"
        time.sleep(0.5)
    crl = save_crl(running_server, chain.issuing_crl, tmp_path / "after.crl")
    refused = openssl(
        "verify", "-CAfile", chain.root, "-untrusted", obtained.chain, "-crl_check",
        "-CRLfile", crl, obtained.leaf, check=False,
    )  # fmt: skip
    assert "certificate revoked" in refused
    after = x509.load_der_x509_crl(crl.read_bytes())
    assert crl_number(after) > crl_number(before)


def crl_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
