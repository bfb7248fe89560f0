"""OpenSSL refuses what stands below a revoked authority, and both responders answer for their own."""

import time
from pathlib import Path

import pytest

from tests.interop.conftest import Chain, fetch_crl, save_crl
from tests.interop.server import Server
from tests.interop.test_openssl_chains import issue, listed_serials
from tests.interop.world import DEFAULTS

_CRL_WITHIN_S = 60


def made_chain(server: Server, algorithm: str, admin: str, folder: Path) -> Chain:
    """Return a chain of its own, made by the API: the others' is needed by other tests."""
    root, issuing, profile = (f"ended-{algorithm}-{what}" for what in ("root", "issuing", "tls"))
    for path, body in (
        ("authorities/", {"name": root, "kind": "root"}),
        ("authorities/", {"name": issuing, "kind": "intermediate", "parent": root}),
        ("profiles/", {"name": profile, "authority": issuing, "policy": "any-key"}),
        ("applications/demo/profiles/", {"profile": profile}),
    ):
        if path == "authorities/":
            body |= {"subject": {"common_name": body["name"]}, "key_algorithm": algorithm}
        elif path == "profiles/":
            body |= {"issuer_type": "authority", "defaults": DEFAULTS}
        answer = server.api("POST", path, body, token=admin)
        assert answer.status == 201, answer.body
    base = server.facts["http_url"]
    files = {}
    for name in (root, issuing):
        files[name] = folder / f"{name}.pem"
        files[name].write_bytes(server.get(f"{base}/pki/{name}/ca.pem").body)
    return Chain(
        profile=profile,
        root=files[root],
        issuing=files[issuing],
        root_crl=f"{base}/pki/{root}/crl",
        issuing_crl=f"{base}/pki/{issuing}/crl",
        ocsp=f"{base}/ocsp/{issuing}",
    )


@pytest.mark.usefixtures("chains")  # they bring the policy
@pytest.mark.parametrize("algorithm", ["rsa-2048", "ed25519"])
def test_the_path_of_a_revoked_authority_is_refused(running_server, openssl, tmp_path, algorithm):
    admin = running_server.manage(
        "create_token", "admin", "--name", algorithm, "--days", "1"
    ).strip()
    chain = made_chain(running_server, algorithm, admin, tmp_path)
    obtained = issue(running_server, chain, openssl, tmp_path)
    base = running_server.facts["http_url"]

    revoked = running_server.api(
        "POST",
        f"authorities/ended-{algorithm}-issuing/revoke/",
        {"reason": "cACompromise"},
        token=admin,
    )

    assert revoked.status == 200, revoked.body
    assert revoked.json()["revocation"]["certificates_in_force"] == 1
    above = openssl.ocsp_status(
        chain.issuing, issuer=chain.root, root=chain.root, url=f"{base}/ocsp/ended-{algorithm}-root"
    )
    assert "Response verify OK" in above
    assert f"{chain.issuing}: revoked" in above
    assert "cACompromise" in above
    below = openssl.ocsp_status(
        obtained.leaf, issuer=chain.issuing, root=chain.root, url=chain.ocsp
    )
    assert f"{obtained.leaf}: good" in below

    serial = int(revoked.json()["serial_number"], 16)
    deadline = time.monotonic() + _CRL_WITHIN_S
    while serial not in listed_serials(fetch_crl(running_server, chain.root_crl)):
        assert time.monotonic() < deadline, "the root's CRL does not list it after a minute"
        time.sleep(0.5)
    crls = [
        save_crl(running_server, chain.issuing_crl, tmp_path / "issuing.crl"),
        save_crl(running_server, chain.root_crl, tmp_path / "root.crl"),
    ]
    refused = openssl(
        "verify", "-CAfile", chain.root, "-untrusted", obtained.chain, "-crl_check_all",
        *[word for crl in crls for word in ("-CRLfile", crl)], obtained.leaf, check=False,
    )  # fmt: skip
    assert "certificate revoked" in refused
    request = openssl.make_csr(tmp_path / "next", "ec:P-256", "next.example.test")
    answer = running_server.api(
        "POST",
        "certificate-requests/",
        {
            "application": running_server.facts["application"],
            "profile": chain.profile,
            "csr": request.read_text(),
        },
    )
    assert answer.status == 409
    assert "has been revoked" in answer.json()["detail"]
