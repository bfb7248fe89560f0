"""Script that walks through an account's life with certbot's ``acme`` library.

Runs under the interpreter that has ``acme`` and ``josepy``, not under ours:
``python library_client.py JSON`` with ``{"directory", "root", "kid", "hmac_key", "http_port"}``.
Prints one JSON object: what came of each step, which the tests judge.
"""

import datetime as dt
import json
import sys
import threading
from ipaddress import ip_address
from typing import Any

import josepy as jose
from acme import challenges, client, crypto_util, errors, jws, messages, standalone
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_PATIENCE = dt.timedelta(seconds=60)


class Walk:
    """One client and what it has seen."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.key = jose.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        self.net = client.ClientNetwork(self.key, alg=jose.ES256, verify_ssl=given["root"])
        directory = client.ClientV2.get_directory(given["directory"], self.net)
        self.acme = client.ClientV2(directory, self.net)
        self.seen: dict[str, Any] = {}

    def go(self) -> dict[str, Any]:
        """Walk all the way."""
        self.register()
        names = [f"{letter}.lib.example.test" for letter in "abcdefghij"]
        first = self.issue(rsa_key(), names)
        self.seen["names"] = names_in(first)
        self.seen["address"] = names_in(self.issue(ec_key(), [], addresses=["127.0.0.1"]))
        self.renewal(first)
        self.challenge_that_fails()
        self.csr_that_differs()
        self.roll_key()
        self.seen["names_after_key_change"] = names_in(self.issue(ec_key(), ["k.lib.example.test"]))
        self.revoke(first)
        self.give_up_authorization()
        self.replay()
        self.deactivate()
        return self.seen

    def register(self) -> None:
        """With a wrong binding, with none, with the right one; then ask for the same account."""
        self.seen["external_account_required"] = self.acme.external_account_required()
        self.seen["eab_missing"] = refusal(lambda: self.new_account(None))
        self.seen["eab_wrong"] = refusal(lambda: self.new_account(self.given["wrong_hmac_key"]))
        self.seen["account_unknown"] = refusal(self.find_account)
        registration = self.new_account(self.given["hmac_key"])
        self.seen["account_status"] = registration.body.status
        self.seen["account_found"] = self.find_account() == registration.uri
        updated = self.acme.update_registration(
            registration.update(body=registration.body.update(contact=("mailto:b@example.com",)))
        )
        self.seen["contact"] = list(updated.body.contact)
        self.registration = registration

    def new_account(self, hmac_key: str | None) -> messages.RegistrationResource:
        """Register, with a binding unless there is no HMAC key."""
        binding = hmac_key and messages.ExternalAccountBinding.from_data(
            self.key.public_key(), self.given["kid"], hmac_key, self.acme.directory
        )
        self.net.account = None
        return self.acme.new_account(
            messages.NewRegistration.from_data(
                email="a@example.com", terms_of_service_agreed=True,
                external_account_binding=binding or None,
            )
        )  # fmt: skip

    def find_account(self) -> str:
        """Ask with ``onlyReturnExisting`` and without a binding, as cert-manager does."""
        account, self.net.account = self.net.account, None
        try:
            answer = self.net.post(
                self.acme.directory["newAccount"],
                messages.NewRegistration(only_return_existing=True),
                new_nonce_url=self.acme.directory["newNonce"],
            )
        finally:
            self.net.account = account
        return answer.headers["Location"]

    def order(self, key: Any, names: list[str], addresses: list[str]) -> messages.OrderResource:
        """Make an order; its CSR says the same."""
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        csr = crypto_util.make_csr(
            pem, names or None, ipaddrs=[ip_address(a) for a in addresses] or None
        )
        return self.acme.new_order(csr)

    def prove(self, order: messages.OrderResource) -> None:
        """Answer every http-01 challenge from a server of our own; returns when it is over."""
        found, resources = [], set()
        for authorization in order.authorizations:
            if authorization.body.status == messages.STATUS_VALID:
                continue
            (challenge,) = [
                c for c in authorization.body.challenges if isinstance(c.chall, challenges.HTTP01)
            ]
            response, validation = challenge.response_and_validation(self.key)
            resources.add(
                standalone.HTTP01RequestHandler.HTTP01Resource(
                    challenge.chall, response, validation
                )
            )
            found.append((challenge, response))
        server = standalone.HTTP01Server(("127.0.0.1", self.given["http_port"]), resources)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            for challenge, response in found:
                self.acme.answer_challenge(challenge, response)
            self.acme.poll_authorizations(order, until())
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def issue(self, key: Any, names: list[str], addresses: list[str] = []) -> x509.Certificate:  # noqa: B006
        """Order, prove, finalize, download."""
        order = self.order(key, names, addresses)
        self.prove(order)
        done = self.acme.finalize_order(order, until())
        return x509.load_pem_x509_certificate(done.fullchain_pem.encode())

    def renewal(self, certificate: x509.Certificate) -> None:
        """Ask when to renew (RFC 9773)."""
        when, ask_again = self.acme.renewal_time(certificate.public_bytes(Encoding.PEM))
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        self.seen["renewal_at"] = (when - start) / (end - start)
        self.seen["ask_again_in_h"] = (
            ask_again - dt.datetime.now(ask_again.tzinfo)
        ).total_seconds() / 3600

    def challenge_that_fails(self) -> None:
        """Say that a challenge is met when nobody answers; keep what we are told."""
        order = self.order(ec_key(), ["nobody.lib.example.test"], [])
        challenge = next(
            c for c in order.authorizations[0].body.challenges
            if isinstance(c.chall, challenges.HTTP01)
        )  # fmt: skip
        self.acme.answer_challenge(challenge, challenge.response(self.key))
        try:
            self.acme.poll_authorizations(order, until())
        except errors.ValidationError as error:
            failed = next(c for c in error.failed_authzrs[0].body.challenges if c.error)
            self.seen["failed_challenge"] = failed.error.typ

    def csr_that_differs(self) -> None:
        """Finalize with other names than ordered, then with the right ones."""
        order = self.order(ec_key(), ["d.lib.example.test"], [])
        self.prove(order)
        other = self.order(ec_key(), ["d.lib.example.test", "e.lib.example.test"], [])
        wrong = order.update(csr_pem=other.csr_pem)
        self.seen["other_names_in_csr"] = refusal(lambda: self.acme.begin_finalization(wrong))
        done = self.acme.finalize_order(order, until())
        self.seen["finalized_after_bad_csr"] = bool(done.fullchain_pem)

    def roll_key(self) -> None:
        """Change the account's key (RFC 8555 section 7.3.5); the old one is worth nothing then."""
        old, new = self.key, jose.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        url = self.acme.directory["keyChange"]
        change = json.dumps(
            {"account": self.registration.uri, "oldKey": old.public_key().to_partial_json()}
        ).encode()
        inner = jws.JWS.sign(change, key=new, alg=jose.ES256, nonce=None, url=url)
        self.net.account = self.registration
        self.net.post(url, inner, new_nonce_url=self.acme.directory["newNonce"])
        self.net.key = self.key = new
        self.seen["account_after_key_change"] = self.find_account() == self.registration.uri
        self.net.key = old
        self.seen["old_key"] = refusal(lambda: self.acme.query_registration(self.registration))
        self.net.key = new
        self.net.account = self.registration

    def revoke(self, certificate: x509.Certificate) -> None:
        """Revoke; a second time says so."""
        self.acme.revoke(certificate, 4)
        self.seen["revoked_serial"] = f"{certificate.serial_number:x}"
        again = refusal(lambda: self.acme.revoke(certificate, 4))
        self.seen["revoked_again"] = again

    def give_up_authorization(self) -> None:
        """Deactivate an authorization (RFC 8555 section 7.5.2)."""
        order = self.order(ec_key(), ["g.lib.example.test", "new.lib.example.test"], [])
        given_up = self.acme.deactivate_authorization(order.authorizations[1])
        self.seen["given_up"] = given_up.body.status.name

    def replay(self) -> None:
        """Use one nonce twice."""
        url = self.registration.uri
        nonce = self.net._get_nonce(url, self.acme.directory["newNonce"])
        body = self.net._wrap_in_jws(None, nonce, url)
        send = lambda: self.net._check_response(  # noqa: E731
            self.net._send_request(
                "POST", url, data=body, headers={"Content-Type": "application/jose+json"}
            )
        )
        self.seen["first_use_of_nonce"] = refusal(send)
        self.seen["second_use_of_nonce"] = refusal(send)

    def deactivate(self) -> None:
        """End the account; it can do nothing afterwards."""
        ended = self.acme.deactivate_registration(self.registration)
        self.seen["account_ended"] = ended.body.status
        self.seen["order_after_end"] = refusal(
            lambda: self.order(ec_key(), ["a.lib.example.test"], [])
        )


def until() -> dt.datetime:
    """Return when to give up, in local time without a zone: the library compares with such."""
    return dt.datetime.now() + _PATIENCE  # noqa: DTZ005


def refusal(step: Any) -> str:
    """Return the short ACME type of the problem that a step meets; empty when it meets none."""
    try:
        step()
    except messages.Error as error:
        return str(error.typ).rpartition(":")[2]
    except errors.ConflictError:
        return "conflict"
    return ""


def names_in(certificate: x509.Certificate) -> list[str]:
    """Return the names that a certificate is for, sorted."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(str(name.value) for name in found)


def rsa_key() -> rsa.RSAPrivateKey:
    """Return a new RSA key."""
    return rsa.generate_private_key(65537, 2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


if __name__ == "__main__":
    print(json.dumps(Walk(json.loads(sys.argv[1])).go()))  # noqa: T201
