"""Walk through an upgraded installation as its old clients would; prints what they saw as JSON.

Run as ``python -m tests.upgrade.journey (prepare|walk) MANIFEST``, with the clock an hour after
the fixture was made, so that lifetimes of tokens, orders and certificates mean the same on any
day. Uses HTTP, management commands and registered jobs only: these outlive a move of modules.
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

HOST = {"SERVER_NAME": "localhost", "SERVER_PORT": "8443"}


def prepare(_manifest: dict[str, Any]) -> dict[str, Any]:
    """Bring the old data directory up as a start of the product does."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("check", fail_level="WARNING")
    return {}


class Walk:
    """One client of each kind, with what the manifest says it has."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        from django.test import Client

        self.manifest = manifest
        self.http = Client(**HOST, raise_request_exception=False)
        self.seen: dict[str, Any] = {}

    def go(self) -> dict[str, Any]:
        """Take every step; each leaves its own entry."""
        steps = (
            self.quickstart_again, self.tokens, self.sign_in, self.downloads, self.idempotent_call,
            self.reconcile, self.status, self.revocation_lists, self.exports, self.new_certificates,
            self.renewals, self.approvals, self.acme, self.audit_log,
        )  # fmt: skip
        for step in steps:
            self.seen[step.__name__] = step()
        return self.seen

    def api(
        self, method: str, path: str, body: Any = None, *, who: str = "active", **headers: str
    ) -> Any:
        """Call the API with one of the old tokens."""
        given = {} if body is None else {"data": json.dumps(body)}
        return self.http.generic(
            method, f"/api/v1/{path}", content_type="application/json", secure=True, **given,
            headers={"Authorization": f"Bearer {self.manifest['tokens'].get(who, who)}", **headers},
        )  # fmt: skip

    def ask(self, profile: str, name: str) -> Any:
        """Request a certificate with a new server-made key."""
        return self.api("POST", "certificate-requests/", {
            "application": "demo", "profile": profile, "key": {"algorithm": "ec-p256"},
            "subject": {"common_name": name}, "subject_alt_names": [name],
        })  # fmt: skip

    def file_of(self, identifier: str, form: str) -> bytes:
        answer = self.api("GET", f"certificates/{identifier}/download/?format={form}")
        assert answer.status_code == 200, answer.content
        return bytes(answer.content)

    # --- the steps -----------------------------------------------------------------------------

    def quickstart_again(self) -> Any:
        """Run quickstart as every start does; it must find everything as it was."""
        from django.core.management import call_command

        call_command("quickstart")
        return {"token": self.api("GET", "applications/", who=self.manifest["quickstart"]["token"])
                .status_code}  # fmt: skip

    def tokens(self) -> Any:
        return {
            who: self.api("GET", "certificates/", who=who).status_code
            for who in self.manifest["tokens"]
        }

    def sign_in(self) -> Any:
        found = {}
        for name, password in [
            ("old-governor", self.manifest["password"]),
            ("old-governor", "wrong"),
            tuple(self.manifest["quickstart"]["admin"].values()),
        ]:
            from django.test import Client

            browser = Client(**HOST)
            form = {"username": name, "password": password, "next": "/admin/"}
            answer = browser.post("/admin/login/", form, secure=True)
            inside = browser.get("/admin/", secure=True)
            right = "wrong" if password == "wrong" else "right"
            found[f"{name} {right}"] = [answer.status_code, inside.status_code]
        return found

    def downloads(self) -> Any:
        return {
            what: hashlib.sha256(self.file_of(identifier, "der")).hexdigest()
            for what, identifier in self.manifest["certificates"].items()
        }

    def idempotent_call(self) -> Any:
        known = self.manifest["idempotent"]
        again = self.api(
            "POST", "certificate-requests/", known["body"], **{"Idempotency-Key": "old-call"}
        )
        return {
            "status": again.status_code,
            "replayed": again.headers.get("Idempotency-Replayed"),
            "id": again.json().get("id"),
        }

    def reconcile(self) -> Any:
        self.run_job("certificates.reconcile")
        found = {}
        for what in ("signing", "reserved"):
            answer = self.api("GET", f"certificate-requests/{self.manifest[what]['request']}/")
            shown = answer.json()
            found[what] = [
                answer.status_code,
                shown.get("state"),
                (shown.get("certificate") or {}).get("serial_number"),
            ]
        return found

    def status(self) -> Any:
        """Ask OCSP about every certificate that names a responder, and about what was reserved."""
        found = {}
        for what, identifier in self.manifest["certificates"].items():
            chain = x509.load_pem_x509_certificates(self.file_of(identifier, "fullchain"))
            if len(chain) > 1:
                found[what] = self.ocsp(chain[0], chain[1], chain[0].serial_number)
        quickstart = self.manifest["certificates"]["by-quickstart"]
        leaf, issuer, *_ = x509.load_pem_x509_certificates(self.file_of(quickstart, "fullchain"))
        for what in ("signing", "reserved"):
            found[what] = self.ocsp(leaf, issuer, int(self.manifest[what]["serial"], 16))
        return found

    def ocsp(self, leaf: x509.Certificate, issuer: x509.Certificate, serial: int) -> str:
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            *hashes_of(issuer), serial, hashes.SHA1()
        )
        places = leaf.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS)
        url = next(
            place.access_location.value
            for place in places.value
            if place.access_method == AuthorityInformationAccessOID.OCSP
        )
        answer = self.http.post(
            urlsplit(url).path,
            builder.build().public_bytes(Encoding.DER),
            content_type="application/ocsp-request",
        )
        return ocsp.load_der_ocsp_response(answer.content).certificate_status.name

    def revocation_lists(self) -> Any:
        """Read each CRL as it was, then the one that is published next."""
        found = {}
        for profile in ("by-rsa-2048", "by-ml-dsa-44", "by-quickstart"):
            pem = self.file_of(self.manifest["certificates"][profile], "pem")
            points = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
                x509.CRLDistributionPoints
            )
            path = urlsplit(points.value[0].full_name[0].value).path
            first = self.crl(path)
            name = path.strip("/").split("/")[1]
            authority = self.api("GET", f"authorities/{name}/", who="approver").json()
            self.run_job("crl.publish", authority_id=authority["id"])
            found[profile] = [first, self.crl(path)]
        return found

    def crl(self, path: str) -> Any:
        crl = x509.load_der_x509_crl(self.http.get(path).getvalue())
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        return {"number": number, "serials": sorted(f"{entry.serial_number:x}" for entry in crl)}

    def exports(self) -> Any:
        """Export the keys that the old installation made."""
        found = {}
        for what in ("server-key", "server-key-ml-dsa", "self-signed"):
            identifier = self.manifest["certificates"][what]
            pem = self.api("POST", f"certificates/{identifier}/export/", {"format": "private-key"})
            key = serialization.load_pem_private_key(pem.content, None)
            certificate = x509.load_der_x509_certificate(self.file_of(identifier, "der"))
            found[what] = key.public_key() == certificate.public_key()
        identifier = self.manifest["certificates"]["server-key"]
        bundle = self.api(
            "POST", f"certificates/{identifier}/export/",
            {"format": "pkcs12", "password": "throw-away-word"},
        )  # fmt: skip
        key, certificate, _chain = pkcs12.load_key_and_certificates(
            bundle.content, b"throw-away-word"
        )
        found["pkcs12"] = key.public_key() == certificate.public_key()
        return found

    def new_certificates(self) -> Any:
        """Issue from each old authority, so with each old key."""
        found = {}
        for profile in ("by-rsa-2048", "by-ml-dsa-44", "by-quickstart", "by-self-signed"):
            answer = self.ask(profile, "new.example.com")
            both = self.file_of(answer.json()["certificate"]["id"], "fullchain")
            certificate, *above = x509.load_pem_x509_certificates(both)
            certificate.verify_directly_issued_by(above[0] if above else certificate)
            found[profile] = answer.status_code
        return found

    def renewals(self) -> Any:
        """Renew the head of an old lineage, and an end of it that has a successor already."""
        kept = self.manifest["certificates"]
        again = self.api("POST", f"certificates/{kept['server-key']}/renew/", {"key": "reuse"})
        return {
            "once more": self.api(
                "POST", f"certificates/{kept['renewed']}/renew/", {"key": "new"}
            ).status_code,
            "server-key": [again.status_code, again.json()["certificate"]["id"]],
        }

    def approvals(self) -> Any:
        """Approve what waited; nobody may approve a request of their own."""
        found = {}
        for what in ("pending", "pending-key", "denied", "cancelled"):
            path = f"certificate-requests/{self.manifest['requests'][what]}/"
            own = self.api("POST", f"{path}approve/")
            given = self.api("POST", f"{path}approve/", who="approver")
            state = self.api("GET", path).json()["state"]
            found[what] = [own.status_code, given.status_code, state]
        return found

    def acme(self) -> Any:
        """Carry on with the old account and its orders; bind a new account to an old key."""
        from tests.protocol.acme.client import Acme

        known = self.manifest["acme"]
        key = serialization.load_pem_private_key(known["key"].encode(), None)
        client = Acme(self.http, known["directory"], key=key, kid=known["kid"])
        chain = client.post(known["certificate"])
        ready = client.post(known["ready_order"]).json()
        from tests.factories.keys import make_csr

        found = {
            "account": client.post(known["kid"]).json()["status"],
            "known key": Acme(self.http, known["directory"], key=key)
            .register(onlyReturnExisting=True)
            .headers["Location"],
            "valid": client.post(known["valid_order"]).json()["status"],
            "certificate": x509.load_pem_x509_certificates(chain.content)[0]
            .fingerprint(hashes.SHA256())
            .hex(),
            "ready": [
                ready["status"],
                client.finalize(ready, make_csr("half.example.com")).json()["status"],
            ],
            "new order": client.issue("acme.example.com", "more.example.com").json()["status"],
            "foreign order": client.post(known["failed_order"]).status_code,
        }
        other = Acme(self.http, known["directory"], eab=tuple(known["spare_eab"]))
        found["new account"] = other.register().status_code
        return found

    def audit_log(self) -> Any:
        return self.api("GET", "audit-events/", who="approver").status_code

    def run_job(self, kind: str, **arguments: str) -> None:
        """Run background work as a worker would."""
        from apps import registry

        registry.job_kinds[kind].run(**arguments)


def hashes_of(issuer: x509.Certificate) -> tuple[bytes, bytes]:
    """Return the hashes of an issuer's name and key that OCSP goes by (RFC 6960 section 4.1.1)."""
    name = hashlib.sha1(issuer.subject.public_bytes(), usedforsecurity=False).digest()
    key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    return name, key


def main(step: str, path: Path) -> None:
    manifest = json.loads(path.read_text())
    then = datetime.fromisoformat(manifest["made_at"]) + timedelta(hours=1)
    with time_machine.travel(then, tick=True):
        import django

        django.setup()
        seen = prepare(manifest) if step == "prepare" else Walk(manifest).go()
    sys.stdout.write("\n" + json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
