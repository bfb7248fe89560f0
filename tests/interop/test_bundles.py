"""Exported containers open with keytool and OpenSSL."""

from typing import Any

import pytest

from tests.interop.judges import run
from tests.interop.server import Answer, Server

_PASSWORD = "a long enough one"


@pytest.fixture(scope="module", params=["rsa-2048", "ec-p256"])
def made_here(request, running_server, chains) -> dict[str, str]:
    """A certificate whose key the server made."""
    answer = running_server.api(
        "POST",
        "certificate-requests/",
        {
            "application": running_server.facts["application"],
            "profile": chains[request.param].profile,
            "key": {"algorithm": request.param},
            "subject": {"common_name": "java.example.test"},
            "subject_alt_names": [{"type": "dns_name", "value": "java.example.test"}],
        },
    )
    assert answer.status == 201, answer.body
    return answer.json()


def export(server: Server, certificate_id: str, **body: Any) -> Answer:
    answer = server.api("POST", f"certificates/{certificate_id}/export/", body)
    assert answer.status == 200, answer.body
    return answer


def download(server: Server, certificate_id: str, form: str) -> bytes:
    answer = server.api("GET", f"certificates/{certificate_id}/download/?format={form}")
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.program("keytool")
@pytest.mark.parametrize("legacy", [False, True])
def test_keytool_reads_key_and_chain_from_pkcs12(running_server, made_here, tmp_path, legacy):
    store = tmp_path / "store.p12"
    answer = export(
        running_server,
        made_here["certificate"]["id"],
        format="pkcs12",
        password=_PASSWORD,
        legacy=legacy,
    )
    assert "Sealwright-Note" not in answer.headers
    store.write_bytes(answer.body)

    listed = run("keytool", "-J-Duser.language=en", "-list", "-v", "-storetype", "PKCS12",
                 "-keystore", store, "-storepass", _PASSWORD)  # fmt: skip

    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 2" in listed
    assert "CN=java.example.test" in listed


def test_openssl_reads_pkcs12_with_modern_algorithms(running_server, openssl, made_here, tmp_path):
    store = tmp_path / "store.p12"
    store.write_bytes(
        export(
            running_server, made_here["certificate"]["id"], format="pkcs12", password=_PASSWORD
        ).body
    )

    said = openssl("pkcs12", "-in", store, "-info", "-nodes", "-passin", f"pass:{_PASSWORD}")

    assert "MAC: sha256" in said
    assert "AES-256-CBC" in said
    assert "BEGIN PRIVATE KEY" in said
    assert said.count("BEGIN CERTIFICATE") == 2
    refused = openssl("pkcs12", "-in", store, "-nodes", "-passin", "pass:wrong", check=False)
    assert "invalid password" in refused


def test_openssl_reads_legacy_pkcs12_and_names_its_algorithms(
    running_server, openssl, made_here, tmp_path
):
    store = tmp_path / "old.p12"
    certificate_id = made_here["certificate"]["id"]
    store.write_bytes(
        export(
            running_server, certificate_id, format="pkcs12", password=_PASSWORD, legacy=True
        ).body
    )
    said = openssl("pkcs12", "-in", store, "-info", "-nodes", "-passin", f"pass:{_PASSWORD}")
    assert "MAC: sha1" in said
    assert said.count("pbeWithSHA1And3-KeyTripleDES-CBC") == 2
    assert "BEGIN PRIVATE KEY" in said


def test_a_password_that_java_cannot_read_is_noted_in_the_answer(running_server, made_here):
    certificate_id = made_here["certificate"]["id"]
    answer = export(running_server, certificate_id, format="pkcs12", password="schl\u00fcssel")
    assert "Java" in answer.headers["Sealwright-Note"]


def test_private_key_leaves_as_pkcs8_and_matches(running_server, openssl, made_here, tmp_path):
    key = tmp_path / "key.pem"
    key.write_bytes(
        export(
            running_server, made_here["certificate"]["id"], format="private-key", password=_PASSWORD
        ).body
    )
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(made_here["certificate"]["pem"])

    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    public = openssl("pkey", "-in", key, "-passin", f"pass:{_PASSWORD}", "-pubout")
    assert public == openssl("x509", "-in", leaf, "-noout", "-pubkey")


def test_openssl_reads_every_public_format(running_server, openssl, made_here, tmp_path):
    certificate_id = made_here["certificate"]["id"]
    for form, argv in {
        "pem": ["x509", "-noout", "-subject"],
        "der": ["x509", "-inform", "DER", "-noout", "-subject"],
        "p7b": ["pkcs7", "-inform", "DER", "-print_certs", "-noout"],
        "fullchain": ["storeutl", "-certs", "-noout"],
    }.items():
        file = tmp_path / form
        file.write_bytes(download(running_server, certificate_id, form))
        words = [*argv, file] if argv[0] == "storeutl" else [*argv, "-in", file]
        said = openssl(*words)
        assert ("java.example.test" in said) or ("Total found: 2" in said), form


def test_authority_certificate_is_published_in_three_forms(
    running_server, chains, openssl, tmp_path
):
    base = running_server.facts["http_url"]
    for suffix, argv, kind in [
        ("cer", ["x509", "-inform", "DER", "-noout", "-subject"], "application/pkix-cert"),
        ("pem", ["x509", "-noout", "-subject"], "application/x-pem-file"),
        ("p7b", ["pkcs7", "-inform", "DER", "-print_certs", "-noout"], "application/pkcs7-mime"),
    ]:
        answer = running_server.get(f"{base}/pki/ec-p256-issuing/ca.{suffix}")
        assert answer.status == 200, suffix
        assert answer.headers["Content-Type"].startswith(kind), suffix
        file = tmp_path / suffix
        file.write_bytes(answer.body)
        assert "ec-p256-issuing CA" in openssl(*argv, "-in", file)
