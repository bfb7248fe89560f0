"""Maker of the upgrade fixtures: data directories written by the product as of commit 8c158dd.

Run once, with a checkout of that commit as working directory, for each database:

    git worktree add ../old 8c158dd && cd ../old
    PYTHONPATH=. python .../tests/upgrade/make_fixture.py sqlite .../tests/upgrade/data
    scripts/with-postgres env PYTHONPATH=. python .../make_fixture.py postgresql .../data

Each run writes one ``<database>.tar.gz``:

    home/           the data directory: keys, key-encryption key, SQLite database
    database.sql    for PostgreSQL: pg_dump with INSERT statements, loadable without psql
    manifest.json   what a client of the old installation has: tokens, account key, identifiers

Every secret inside was made for this purpose alone and protects nothing. The code below uses
the old commit's modules; it is kept as an explanation and does not run with later ones.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BASE = "https://localhost:8443"
PASSWORD = "correct horse battery staple"
RULES = {
    "subject": [{"type": "common_name", "allowed": ["*"]}],
    "subject_alt_names": [{"type": "dns_name", "allowed": ["**"]}],
    "extended_key_usages": {"allowed": ["server_auth", "client_auth"]},
    "validity": {"max": "825d"},
}
DEFAULTS = {
    "ttl": "90d",
    "key_usages": ["digital_signature"],
    "extended_key_usages": ["server_auth"],
}


def main(database: str, folder: Path) -> None:
    """Fill a new installation and pack it."""
    work = Path(tempfile.mkdtemp(prefix="sealwright-fixture-"))
    home = work / "home"
    home.mkdir()
    os.environ.update(
        SEALWRIGHT_HOME=str(home),
        SEALWRIGHT_STATIC_ROOT=str(work / "static"),
        DJANGO_SETTINGS_MODULE="config.settings.production",
    )
    for command in ("migrate", "quickstart"):
        subprocess.run([sys.executable, "manage.py", command], check=True)
    import django

    django.setup()
    manifest = {"made_at": datetime.now(UTC).isoformat(), "password": PASSWORD}
    fill(json.loads((home / "quickstart.json").read_text()), manifest)
    (work / "manifest.json").write_text(json.dumps(manifest, indent=1, default=str) + "\n")
    from django.db import connections

    if database == "postgresql":
        dump(work / "database.sql")
    else:
        with connections["default"].cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connections.close_all()
    for stale in (home / ".quickstart.lock", *home.glob("*.sqlite3-*")):
        stale.unlink(missing_ok=True)
    with tarfile.open(folder / f"{database}.tar.gz", "w:gz") as archive:
        for name in ("home", "manifest.json", "database.sql"):
            if (work / name).exists():
                archive.add(work / name, name)
    shutil.rmtree(work)


def dump(path: Path) -> None:
    """Write the PostgreSQL database as plain statements, free of psql's own commands."""
    done = subprocess.run(
        ["pg_dump", "--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges",
         os.environ["SEALWRIGHT_DATABASE_URL"]],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    path.write_text(re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE))


class Api:
    """Calls the old API with a token, through the old handler's views."""

    def __init__(self, token: str) -> None:
        from django.test import Client

        self.client = Client(SERVER_NAME="localhost", SERVER_PORT="8443")
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.client.generic(
            method, f"/api/v1/{path}", data="" if body is None else json.dumps(body),
            content_type="application/json", secure=True,
            headers={"Authorization": f"Bearer {self.token}", **headers},
        )  # fmt: skip
        assert answer.status_code < 400, answer.content
        return answer.json()


def pem(csr_der: bytes) -> str:
    """Return a CSR as PEM."""
    import base64

    text = base64.encodebytes(csr_der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"


def fill(facts: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Make one of everything, and note what its owners know."""
    from apps import principals
    from apps.accounts import services as accounts
    from apps.applications import services as applications
    from apps.applications.models import ApiToken, Application, Pairing
    from apps.applications.roles import Role
    from apps.authorities.models import AuthorityKind
    from apps.policies import services as policies
    from apps.profiles import services as profiles
    from apps.profiles.models import IssuerType
    from pki.algorithms import KeyAlgorithm
    from tests.factories.accounts import principal_for
    from tests.factories.authorities import make_issuing, make_root

    system = principals.system("fixture")
    demo = Application.objects.get(name="demo")

    # --- authorities, policies, profiles -------------------------------------------------------
    issuers = {
        word: make_issuing(f"{word}-issuing", algorithm=KeyAlgorithm(word))
        for word in ("rsa-2048", "ml-dsa-44")
    }
    from apps.authorities.services import AuthoritySpec, create_authority, renew_authority

    renew_authority(system, make_root("renewed-root"), 3650)
    create_authority(
        system,
        AuthoritySpec(
            name="waits-for-outside", kind=AuthorityKind.INTERMEDIATE,
            subject=(("common_name", "Certified elsewhere"),),
            key_algorithm=KeyAlgorithm.EC_P256,
        ),
    )  # fmt: skip
    policy = policies.create_policy(system, name="fixture", description="", rules=RULES)
    for days in ("800d", "398d"):
        policies.update_policy(system, policy, rules=RULES | {"validity": {"max": days}})
    from apps.authorities.models import Authority

    issuers["quickstart"] = Authority.objects.get(name="quickstart-issuing")
    names = {}
    for word, issuer in [*issuers.items(), ("self-signed", None)]:
        profile = profiles.create_profile(
            system, name=f"by-{word}", description="", policy=policy, defaults=DEFAULTS,
            issuer_type=IssuerType.AUTHORITY if issuer else IssuerType.SELF_SIGNED,
            authority=issuer,
        )  # fmt: skip
        names[word] = profile.name
        applications.attach_profile(system, demo, profile)
    profiles.update_profile(system, profile, description="changed once")
    waiting = profiles.create_profile(
        system, name="needs-approval", description="", policy=policy, defaults=DEFAULTS,
        issuer_type=IssuerType.AUTHORITY, authority=issuers["quickstart"],
    )  # fmt: skip
    applications.attach_profile(system, demo, waiting, requires_approval=True)

    # --- people, machines, tokens --------------------------------------------------------------
    people = {}
    for role in Role:
        person = accounts.create_person(
            system, username=f"old-{role.value}", password=PASSWORD,
            product_role=principals.ProductRole.MEMBER,
        )  # fmt: skip
        people[role] = person
        applications.add_member(system, demo, user=person, role=role)
    accounts.create_person(
        system, username="old-governor", password=PASSWORD,
        product_role=principals.ProductRole.ADMIN,
    )  # fmt: skip
    machine = applications.create_machine_identity(system, name="old-robot", description="")
    applications.add_member(system, demo, machine=machine, role=Role.OPERATOR)
    every = list(principals.Scope)
    made = {
        kind: applications.create_token(system, machine, name=kind, scopes=every, lifetime_days=365)
        for kind in ("active", "revoked", "expired")
    }
    made["approver"] = applications.create_token(
        principal_for(people[Role.ADMIN]), people[Role.ADMIN],
        name="approver", scopes=every, lifetime_days=365,
    )  # fmt: skip
    applications.revoke_token(system, made["revoked"][0])
    ApiToken.objects.filter(pk=made["expired"][0].pk).update(
        expiry=datetime.now(UTC) - timedelta(minutes=1)
    )
    manifest["tokens"] = {kind: text for kind, (_row, text) in made.items()}
    manifest["quickstart"] = {"token": facts["token"], "admin": facts["admin"]}

    certificates(Api(manifest["tokens"]["active"]), Api(manifest["tokens"]["approver"]), manifest)
    acme(manifest, Pairing.objects.get(application=demo, profile__name=names["quickstart"]))
    crash(manifest, machine, demo)
    publish()


def certificates(robot: Api, approver: Api, manifest: dict[str, Any]) -> None:
    """Issue, hold, release, revoke, renew, wait, deny, cancel, refuse."""
    from tests.factories.keys import make_csr

    def ask(profile: str, name: str, *, key: str = "") -> Any:
        body: dict[str, Any] = {"application": "demo", "profile": profile}
        if key:
            body |= {"key": {"algorithm": key}, "subject": {"common_name": name},
                     "subject_alt_names": [name]}  # fmt: skip
        else:
            body["csr"] = pem(make_csr(name))
        return robot("POST", "certificate-requests/", body)

    kept: dict[str, str] = {}

    def keep(what: str, outcome: Any) -> str:
        kept[what] = outcome["certificate"]["id"]
        return kept[what]

    for profile in ("by-rsa-2048", "by-ml-dsa-44", "by-quickstart"):
        keep(profile, ask(profile, f"{profile}.example.com"))
    keep("self-signed", ask("by-self-signed", "self.example.com", key="ec-p256"))
    keep("server-key", ask("by-quickstart", "key.example.com", key="rsa-2048"))
    keep("server-key-ml-dsa", ask("by-ml-dsa-44", "key.example.com", key="ml-dsa-44"))
    body = {"application": "demo", "profile": "by-quickstart",
            "csr": pem(make_csr("idempotent.example.com"))}  # fmt: skip
    first = robot("POST", "certificate-requests/", body, **{"Idempotency-Key": "old-call"})
    keep("idempotent", first)
    manifest["idempotent"] = {"body": body, "answer": first}
    bulk = robot(
        "POST", "certificate-requests/bulk/",
        {"application": "demo", "profile": "by-quickstart",
         "requests": [{"csr": pem(make_csr(f"bulk{n}.example.com"))} for n in range(3)]},
    )  # fmt: skip
    for number, result in enumerate(bulk["results"]):
        kept[f"bulk-{number}"] = result["request"]["certificate"]["id"]
    for what, reason in [("revoked", "keyCompromise"), ("held", "certificateHold"),
                         ("released", "certificateHold")]:  # fmt: skip
        identifier = keep(what, ask("by-quickstart", f"{what}.example.com"))
        robot("POST", f"certificates/{identifier}/revoke/", {"reason": reason})
    publish()
    robot("POST", f"certificates/{kept['released']}/release/")
    keep("rsa-revoked", ask("by-rsa-2048", "gone.example.com"))
    robot("POST", f"certificates/{kept['rsa-revoked']}/revoke/", {"reason": "superseded"})
    keep("renewed", ask("by-quickstart", "renewed.example.com"))
    again = {"key": "csr", "csr": pem(make_csr("renewed.example.com", number=1))}
    keep("successor", robot("POST", f"certificates/{kept['renewed']}/renew/", again))

    waiting = {}
    for what in ("pending", "pending-key", "denied", "cancelled", "approved"):
        key = "ec-p256" if what == "pending-key" else ""
        waiting[what] = ask("needs-approval", f"{what}.example.com", key=key)["id"]
    approver("POST", f"certificate-requests/{waiting['denied']}/deny/", {"comment": "no"})
    robot("POST", f"certificate-requests/{waiting['cancelled']}/cancel/")
    keep("approved", approver("POST", f"certificate-requests/{waiting['approved']}/approve/"))
    try:
        robot(
            "POST", "certificate-requests/",
            {"application": "demo", "profile": "by-quickstart",
             "csr": pem(make_csr("long.example.com")), "ttl": "700d"},
        )  # fmt: skip
    except AssertionError:
        manifest["refused"] = "long.example.com"
    manifest["certificates"], manifest["requests"] = kept, waiting


def acme(manifest: dict[str, Any], pairing: Any) -> None:
    """Bind an account, obtain a certificate, and leave an order half way and one that failed."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from django.test import Client

    from apps import principals
    from apps.enrollment.acme import challenges
    from apps.enrollment.acme.challenges import Verdict
    from apps.enrollment.acme.problems import Type, document
    from apps.enrollment.models import AcmeChallenge
    from apps.enrollment.services import acme as services
    from tests.protocol.acme.client import Acme

    system = principals.system("fixture")
    endpoint = services.enable_acme(system, pairing, skip_validation=True)
    trusting = services.create_eab_key(system, endpoint, name="fleet", restrict_to=["**"])
    spare = services.create_eab_key(system, endpoint, name="spare", reusable=True)
    http = Client(SERVER_NAME="localhost", SERVER_PORT="8443")
    directory = f"/acme/{pairing.application.name}/{pairing.profile.name}/directory"
    key = ec.generate_private_key(ec.SECP256R1())
    client = Acme(
        http, directory, key=key, eab=(trusting.kid, services.reveal_eab_key(system, trusting))
    )
    spare_secret = services.reveal_eab_key(system, spare)
    assert client.register(contact=["mailto:old@example.com"]).status_code == 201
    done = client.issue("acme.example.com")
    unfinished = client.order("half.example.com")
    assert unfinished.status_code == 201
    other = Acme(http, directory, eab=(spare.kid, spare_secret))
    assert other.register().status_code == 201
    failing = other.order("failing.example.com")
    assert failing.status_code == 201
    challenge = AcmeChallenge.objects.filter(
        authorization__account__eab_key=spare, type="http-01"
    ).get()
    AcmeChallenge.objects.filter(pk=challenge.pk).update(status="processing")
    detail = "It answered with status 404."
    challenges.settle(
        challenge.pk,
        Verdict(
            proven=False, problem=document(Type.INCORRECT_RESPONSE, detail),
            attempt={"at": datetime.now(UTC).isoformat(), "by": "worker", "type": "http-01",
                     "identifier": "failing.example.com", "proven": False,
                     "error": "incorrectResponse", "detail": detail, "hops": [], "seen": []},
            principal=system,
        ),
    )  # fmt: skip
    pending = other.order("pending.example.com")
    manifest["acme"] = {
        "directory": directory,
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "kid": client.kid,
        "valid_order": done["Location"],
        "certificate": done.json()["certificate"],
        "ready_order": unfinished["Location"],
        "failed_order": failing["Location"],
        "pending_order": pending["Location"],
        "spare_eab": [spare.kid, spare_secret],
    }


def crash(manifest: dict[str, Any], machine: Any, demo: Any) -> None:
    """Kill processes between the two commits: one request was written, the other only reserved."""
    from django.db import connections

    from apps.applications import selectors
    from apps.authorities import signing as authority_signing
    from apps.authorities.models import IssuedSerial
    from apps.certificates import issuance
    from apps.certificates.models import CertificateRequest, EnrollmentMethod
    from apps.profiles.defaults import Wish
    from tests.factories.accounts import principal_for
    from tests.factories.keys import make_csr

    principal = principal_for(machine.user)

    def submit(**content: Any) -> None:
        pairing = selectors.pairing_for(principal, demo.name, "by-quickstart")
        issuance.submit(
            issuance.Enrollment(
                principal=principal, pairing=pairing, method=EnrollmentMethod.API, **content
            )
        )

    def killed(**content: Any) -> IssuedSerial:
        connections.close_all()
        child = os.fork()
        if not child:
            authority_signing.sign_tbs = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            submit(**content)
            os._exit(1)
        _pid, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        return IssuedSerial.objects.latest("pk")

    wish = Wish(subject_alt_names=(("dns_name", "signing.example.com"),))
    reserved = killed(csr=None, wish=wish)
    assert CertificateRequest.objects.get(state="signing").pk == reserved.request_id
    manifest["signing"] = {"request": reserved.request_id, "serial": reserved.serial_number}
    reserved = killed(csr=make_csr("reserved.example.com"))
    assert not CertificateRequest.objects.filter(pk=reserved.request_id).exists()
    manifest["reserved"] = {"request": reserved.request_id, "serial": reserved.serial_number}


def publish() -> None:
    """Publish a CRL of every authority that can sign one."""
    from apps.authorities.models import Authority
    from apps.authorities.publication import publish_crl

    for authority in Authority.objects.filter(state="active"):
        publish_crl(authority.pk)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).absolute())
