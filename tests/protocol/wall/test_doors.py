"""Does each kind of credential open its own door, and no other? PV-02, PV-06, PV-24.

Every credential is shown at every door. What belongs together is in ``OPENS``; every other
cell must be refused, with nothing issued, revoked or made.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from apps import principals
from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import ApiToken, Application
from apps.applications.roles import Role
from apps.authorities.models import RevokedSerial
from apps.certificates.models import Certificate, CertificateRequest
from apps.enrollment.acme.models import AcmeEndpoint, AcmeOrder
from apps.enrollment.acme.services import endpoints as acme
from apps.principals import ProductRole
from tests.factories.accounts import make_person
from tests.factories.applications import Team, make_machine, make_token
from tests.factories.keys import make_csr
from tests.factories.profiles import make_profile
from tests.protocol.acme.client import JOSE, Acme, b64, dns, jwk_of, jws, unb64
from tests.protocol.wall.world import session_of
from tests.served import Client

pytestmark = pytest.mark.django_db
API, ADMIN, ACME = "API", "admin", "ACME"
_OPEN = {200, 201, 202, 302}


@dataclass(frozen=True, slots=True)
class Door:
    """One call that a good credential makes succeed."""

    kind: str
    method: str
    path: str
    body: Any = None
    form: bool = False


@dataclass(slots=True)
class Sent:
    """What a credential adds to a call."""

    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    body: Any = None
    content_type: str = ""


Credential = Callable[[Door], Sent]


@dataclass(slots=True)
class House:
    doors: dict[str, Door]
    credentials: dict[str, Credential]


# Credential to the kinds of doors that it opens.
OPENS = {
    "token": {API},
    "token, scheme in lower case": {API},
    "administrator's session": {ADMIN},
    "ACME account of this door": {ACME},
}


@pytest.fixture
def house(team: Team, other_team: Team) -> House:
    token = make_token(make_machine(team.application, role=Role.ADMIN))
    root = make_person("root", role=ProductRole.ADMIN)
    here = _endpoint(team)
    second = make_profile("payments-second", authority=team.authority)
    pairing = services.attach_profile(principals.system("tests"), team.application, second)
    there = acme.enable_acme(team.principal(Role.ADMIN), pairing, skip_validation=True)
    home = _account(team, here)
    certificate = home.issue("home.example.com").json()["certificate"]
    order = home.order("next.example.com")
    assert order.status_code == 201
    kept = Certificate.objects.get()
    return House(
        doors=_doors(team, home, kept, order.json()),
        credentials=_credentials(team, token, root, home)
        | {
            "ACME account of another profile": _signed(_account(team, there)),
            "ACME account of another team": _signed(_account(other_team, _endpoint(other_team))),
            "ACME account that was revoked": _signed(_revoked(team, here)),
            "ACME certificate's address": lambda _: Sent(
                {"Authorization": f"Bearer {certificate}"}
            ),
        },
    )


def _endpoint(team: Team) -> AcmeEndpoint:
    return acme.enable_acme(team.principal(Role.ADMIN), team.pairing, skip_validation=True)


def _account(team: Team, endpoint: AcmeEndpoint) -> Acme:
    admin, pairing = team.principal(Role.ADMIN), endpoint.pairing
    key = acme.create_eab_key(admin, endpoint, restrict_to=["**"])
    url = f"/acme/{pairing.application.name}/{pairing.profile.name}/directory"
    made = Acme(Client(), url, eab=(key.kid, acme.reveal_eab_key(admin, key)))
    assert made.register().status_code == 201
    return made


def _revoked(team: Team, endpoint: AcmeEndpoint) -> Acme:
    made = _account(team, endpoint)
    acme.revoke_account(team.principal(Role.ADMIN), endpoint.accounts.order_by("-pk").first())
    return made


def _doors(team: Team, home: Acme, kept: Certificate, order: dict[str, Any]) -> dict[str, Door]:
    api = "/api/v1"
    csr = base64.b64encode(make_csr("www.example.com", number=1)).decode()
    wanted = {"application": team.application.name, "profile": team.profile.name, "csr": csr}
    one = f"{api}/certificates/{kept.pk}"
    paths = {
        name: url.removeprefix(settings.SEALWRIGHT["PUBLIC_URL"])
        for name, url in {
            "order": home.directory["newOrder"],
            "finalize": order["finalize"],
            "revoke": home.directory["revokeCert"],
        }.items()
    }
    member = {"role": "auditor", "user": "root"}
    return {
        "API: list": Door(API, "GET", f"{api}/certificates/"),
        "API: read": Door(API, "GET", f"{one}/"),
        "API: request": Door(API, "POST", f"{api}/certificate-requests/", wanted),
        "API: evaluate": Door(API, "POST", f"{api}/certificate-requests/evaluate/", wanted),
        "API: revoke": Door(API, "POST", f"{one}/revoke/", {"reason": "superseded"}),
        "API: member": Door(
            API, "POST", f"{api}/applications/{team.application.name}/members/", member
        ),
        "admin: front page": Door(ADMIN, "GET", "/admin/"),
        "admin: add": Door(
            ADMIN, "POST", "/admin/applications/application/add/", {"name": "made"}, form=True
        ),
        "ACME: order": Door(
            ACME, "POST", paths["order"], {"identifiers": [dns("new.example.com")]}
        ),
        "ACME: finalize": Door(
            ACME, "POST", paths["finalize"], {"csr": b64(make_csr("next.example.com", number=2))}
        ),
        "ACME: revoke": Door(ACME, "POST", paths["revoke"], {"certificate": b64(kept.der)}),
    }


def _credentials(team: Team, token: str, root: User, home: Acme) -> dict[str, Credential]:
    basic = base64.b64encode(f"robot:{token}".encode()).decode()
    assert home.eab is not None
    kid, secret = home.eab
    session = session_of(root)

    def sends(query: str = "", **headers: str) -> Credential:
        return lambda _: Sent(headers=headers, query=query)

    def bound(door: Door) -> Sent:
        """A JWS under an EAB key, as if that were an account."""
        header = {"alg": "HS256", "kid": kid, "nonce": home.nonce(), "url": _url(door)}
        return _jose(jws(unb64(secret), header, door.body))

    stranger = Acme(Client(), f"/acme/{team.application.name}/{team.profile.name}/directory")
    stranger.kid = home.kid
    return {
        "nothing": sends(),
        "token": sends(Authorization=f"Bearer {token}"),
        "token, scheme in lower case": sends(Authorization=f"bearer {token}"),
        "token as a password": sends(Authorization=f"Basic {basic}"),
        "token of another scheme": sends(Authorization=f"Token {token}"),
        "token without a scheme": sends(Authorization=token),
        "token in the URL": sends(query=f"?token={token}&access_token={token}"),
        "token as a session": sends(Cookie=f"{settings.SESSION_COOKIE_NAME}={token}"),
        "token's digest": sends(Authorization=f"Bearer {ApiToken.objects.get().digest}"),
        "administrator's session": sends(**session),
        "session as a token": sends(Authorization=f"Bearer {session['Cookie'].partition('=')[2]}"),
        "member's session": sends(**session_of(team.people[Role.ADMIN])),
        "person's password": sends(
            Authorization="Basic " + base64.b64encode(b"root:correct horse battery staple").decode()
        ),
        "ACME account of this door": _signed(home),
        "ACME account, signed by another key": _signed(stranger),
        "ACME key that has no account": _signed(home, jwk=ec.generate_private_key(ec.SECP256R1())),
        "ACME key thumbprint": sends(Authorization=f"Bearer {home.kid}"),
        "EAB key as an account": bound,
        "EAB key as a token": sends(Authorization=f"Bearer {secret}"),
        "EAB key as a password": sends(
            Authorization="Basic " + base64.b64encode(f"{kid}:{secret}".encode()).decode()
        ),
        "proxy's word": sends(
            **{"X-Remote-User": "root", "X-Forwarded-User": "root", "X-Forwarded-For": "127.0.0.1"}
        ),
        "client certificate's word": sends(
            **{"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": "CN=root"}
        ),
        "junk": sends(Authorization="Bearer \x7f" + "9" * 64),
    }


def _signed(client: Acme, jwk: Any = None) -> Credential:
    """Sign what is sent, for the door's own address."""

    def credential(door: Door) -> Sent:
        if jwk is None:
            return _jose(jws(client.key, client.header(_url(door)), door.body))
        header = {"alg": "ES256", "jwk": jwk_of(jwk), "nonce": client.nonce(), "url": _url(door)}
        return _jose(jws(jwk, header, door.body))

    return credential


def _jose(body: dict[str, str]) -> Sent:
    return Sent(body=body, content_type=JOSE)


def _url(door: Door) -> str:
    return f"{settings.SEALWRIGHT['PUBLIC_URL']}{door.path}"


def _call(door: Door, sent: Sent) -> Any:
    # With the session goes what its browser would send along.
    client = Client(raise_request_exception=False)
    if door.form and not sent.body:
        return client.post(door.path + sent.query, door.body, headers=sent.headers)
    natural = JOSE if door.kind == ACME else "application/json"
    body = json.dumps(sent.body if sent.body is not None else door.body)
    return client.generic(
        door.method,
        door.path + sent.query,
        body if door.method == "POST" else "",
        content_type=sent.content_type or natural,
        headers=sent.headers,
    )


def _made() -> tuple[int, ...]:
    """Return how much there is of everything that a door could make or end."""
    models = (Certificate, CertificateRequest, RevokedSerial, AcmeOrder, Application, ApiToken)
    members = sum(row.memberships.count() for row in Application.objects.all())
    return (*(model.objects.count() for model in models), members)


def _opened(answer: Any) -> bool:
    if answer.status_code == 302:
        return not answer.headers["Location"].startswith("/admin/login/")
    return answer.status_code in _OPEN


def test_pv02_each_credential_opens_its_own_doors_only(house):
    wrong, before = [], _made()
    order = sorted(house.doors, key=lambda name: house.doors[name].kind)
    cells = [
        (c, d)
        for c in house.credentials
        for d in order
        if house.doors[d].kind not in OPENS.get(c, ())
    ]
    for credential, name in cells:
        door = house.doors[name]
        answer = _call(door, house.credentials[credential](door))
        if _opened(answer) or answer.status_code >= 500 or _made() != before:
            wrong.append(f"{credential} at {name}: {answer.status_code} {answer.content[:200]!r}")
            before = _made()
    assert not wrong, "\n".join(wrong)
    assert len(cells) >= 96


@pytest.mark.parametrize("credential", sorted(OPENS))
def test_a_good_credential_opens_its_doors(house, credential):
    """Else the refusals above would prove nothing."""
    for name, door in house.doors.items():
        if door.kind in OPENS[credential]:
            answer = _call(door, house.credentials[credential](door))
            assert _opened(answer), (name, answer.status_code, answer.content)
