"""pkilint finds no error in one sample of each profile and algorithm."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pki.algorithms import KeyAlgorithm
from tests.interop import judges
from tests.interop.conftest import fetch_crl
from tests.interop.server import call

ALGORITHMS = [algorithm.value for algorithm in KeyAlgorithm]


def der_of(pem: str | bytes) -> bytes:
    data = pem.encode() if isinstance(pem, str) else pem
    return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)


def issue(server, profile: str, algorithm: str) -> bytes:
    answer = server.api(
        "POST",
        "certificate-requests/",
        {
            "application": server.facts["application"],
            "profile": profile,
            "key": {"algorithm": algorithm},
            "subject": {"common_name": "lint.example.test"},
            "subject_alt_names": ["lint.example.test", "www.lint.example.test"],
        },
    )
    assert answer.status == 201, answer.body
    return der_of(answer.json()["certificate"]["pem"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_error_in_a_whole_chain(running_server, chains, algorithm):
    chain = chains[algorithm]
    assert judges.lint_certificate(issue(running_server, chain.profile, algorithm)) == []
    assert judges.lint_certificate(der_of(chain.issuing.read_bytes())) == []
    assert judges.lint_certificate(der_of(chain.root.read_bytes())) == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_error_in_crls(running_server, chains, algorithm):
    for url in (chains[algorithm].issuing_crl, chains[algorithm].root_crl):
        assert judges.lint_crl(fetch_crl(running_server, url)) == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_error_in_ocsp_answers_and_responder_certificates(running_server, chains, algorithm):
    chain = chains[algorithm]
    leaf = x509.load_der_x509_certificate(issue(running_server, chain.profile, algorithm))
    issuer = x509.load_pem_x509_certificate(chain.issuing.read_bytes())
    question = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()
    encoded = base64.b64encode(question.public_bytes(Encoding.DER)).decode()

    answer = call("GET", f"{chain.ocsp}/{encoded.replace('/', '%2F').replace('+', '%2B')}")

    assert judges.lint_ocsp_response(answer.body) == []
    for responder in ocsp.load_der_ocsp_response(answer.body).certificates:
        assert judges.lint_certificate(responder.public_bytes(Encoding.DER)) == []


@pytest.mark.parametrize("key", ["rsa-2048", "rsa-4096", "ec-p256", "ec-p384"])
@pytest.mark.parametrize("profile", ["tls-server", "mtls-client"])
def test_no_error_in_what_quickstart_profiles_issue(running_server, profile, key):
    assert judges.lint_certificate(issue(running_server, profile, key)) == []
