"""OpenSSL 3.5 accepts the product's ML-DSA chains (FIPS 204, RFC 9881)."""

import pytest
from cryptography import x509

from tests.interop.conftest import obtain, save_crl
from tests.interop.judges import openssl_35

ML_DSA = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]


@pytest.mark.parametrize("algorithm", ML_DSA)
def test_ml_dsa_chain_with_an_openssl_key_verifies(running_server, chains, tmp_path, algorithm):
    openssl = openssl_35()
    chain = chains[algorithm]
    request = openssl.make_csr(tmp_path, algorithm, "pq.example.test")

    obtained = obtain(running_server, chain.profile, request)

    crls = [
        save_crl(running_server, chain.issuing_crl, tmp_path / "issuing.crl"),
        save_crl(running_server, chain.root_crl, tmp_path / "root.crl"),
    ]
    assert "OK" in openssl.verify(
        obtained.leaf, root=chain.root, chain=obtained.chain, crls=crls, every=True
    )
    shown = openssl("x509", "-in", obtained.leaf, "-noout", "-text")
    assert shown.count(f"Signature Algorithm: {algorithm.upper()}") == 2
    assert f"Public Key Algorithm: {algorithm.upper()}" in shown


@pytest.mark.parametrize("algorithm", ML_DSA)
def test_ml_dsa_responder_says_good_then_revoked(running_server, chains, tmp_path, algorithm):
    openssl = openssl_35()
    chain = chains[algorithm]
    request = openssl.make_csr(tmp_path, algorithm, "pq.example.test")
    obtained = obtain(running_server, chain.profile, request)
    ask = {"issuer": chain.issuing, "root": chain.root, "url": chain.ocsp}

    assert f"{obtained.leaf}: good" in openssl.ocsp_status(obtained.leaf, **ask)
    running_server.api(
        "POST", f"certificates/{obtained.api['id']}/revoke/", {"reason": "cessationOfOperation"}
    )

    assert f"{obtained.leaf}: revoked" in openssl.ocsp_status(obtained.leaf, **ask)


@pytest.mark.parametrize("algorithm", ML_DSA)
def test_server_made_ml_dsa_key_is_read_and_matches(running_server, chains, tmp_path, algorithm):
    openssl = openssl_35()
    answer = running_server.api(
        "POST",
        "certificate-requests/",
        {
            "application": running_server.facts["application"],
            "profile": chains[algorithm].profile,
            "key": {"algorithm": algorithm},
            "subject": {"common_name": "pq.example.test"},
            "subject_alt_names": ["pq.example.test"],
        },
    )
    assert answer.status == 201, answer.body
    key = tmp_path / "key.pem"
    key.write_text(answer.json()["private_key_pem"])
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(answer.json()["certificate"]["pem"])

    assert openssl("pkey", "-in", key, "-pubout") == openssl(
        "x509", "-in", leaf, "-noout", "-pubkey"
    )


def test_pkcs12_of_an_ml_dsa_key_is_refused_with_its_reason(running_server, chains):
    answer = running_server.api(
        "POST",
        "certificate-requests/",
        {
            "application": running_server.facts["application"],
            "profile": chains["ml-dsa-65"].profile,
            "key": {"algorithm": "ml-dsa-65"},
            "subject": {"common_name": "pq.example.test"},
            "subject_alt_names": ["pq.example.test"],
        },
    )
    certificate = answer.json()["certificate"]

    refused = running_server.api(
        "POST",
        f"certificates/{certificate['id']}/export/",
        {"format": "pkcs12", "password": "a long enough one"},
    )

    assert refused.status == 422
    assert refused.json()["code"] == "unsupported_format"
    assert "ML-DSA" in refused.json()["detail"]
    assert x509.load_pem_x509_certificate(certificate["pem"].encode())
