"""Each kind of credential is accepted by its own kind of endpoint only (PV-02, PV-06, PV-24).

Every credential is sent to every endpoint. ``ACCEPTED`` lists what belongs together; every other
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
from apps.enrollment.acme.services import account_revocation, eab_keys
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
_ACCEPTED = {200, 201, 202, 302}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call that succeeds with a credential of its kind."""

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


Credential = Callable[[Endpoint], Sent]


@dataclass(slots=True)
class Grid:
    """Every credential and every endpoint; a test calls all combinations."""

    endpoints: dict[str, Endpoint]
    credentials: dict[str, Credential]


# The kinds of endpoints that accept a credential.
ACCEPTED = {
    "token": {API},
    "token, scheme in lower case": {API},
    "administrator's session": {ADMIN},
    "ACME account of this endpoint": {ACME},
}


@pytest.fixture
def grid(team: Team, other_team: Team) -> Grid:
    token = make_token(make_machine(team.application, role=Role.ADMIN))
    root = make_person("root", role=ProductRole.ADMIN)
    here = _endpoint(team)
    second = make_profile("payments-second", authority=team.authority)
    pairing = services.attach_profile(principals.system("tests"), team.application, second)
    there = acme.enable_acme(team.principal(Role.ADMIN), pairing, skip_validation=True)
    home = _account(team, here)
    address = home.issue("home.example.com").json()["certificate"]
    order = home.order("next.example.com")
    assert order.status_code == 201
    certificate = Certificate.objects.get()
    return Grid(
        endpoints=_endpoints(team, home, certificate, order.json()),
        credentials=_credentials(team, token, root, home)
        | {
            "ACME account of another profile": _signed(_account(team, there)),
            "ACME account of another team": _signed(_account(other_team, _endpoint(other_team))),
            "ACME account that was revoked": _signed(_revoked(team, here)),
            "ACME certificate's address": lambda _: Sent({"Authorization": f"Bearer {address}"}),
        },
    )


def _endpoint(team: Team) -> AcmeEndpoint:
    return acme.enable_acme(team.principal(Role.ADMIN), team.pairing, skip_validation=True)


def _account(team: Team, endpoint: AcmeEndpoint) -> Acme:
    admin, pairing = team.principal(Role.ADMIN), endpoint.pairing
    key = eab_keys.create_eab_key(admin, endpoint, restrict_to=["**"])
    url = f"/acme/{pairing.application.name}/{pairing.profile.name}/directory"
    made = Acme(Client(), url, eab=(key.kid, eab_keys.reveal_eab_key(admin, key)))
    assert made.register().status_code == 201
    return made


def _revoked(team: Team, endpoint: AcmeEndpoint) -> Acme:
    made = _account(team, endpoint)
    account_revocation.revoke_account(
        team.principal(Role.ADMIN), endpoint.accounts.order_by("-pk").first()
    )
    return made


def _endpoints(
    team: Team, home: Acme, certificate: Certificate, order: dict[str, Any]
) -> dict[str, Endpoint]:
    api = "/api/v1"
    csr = base64.b64encode(make_csr("www.example.com", number=1)).decode()
    wanted = {"application": team.application.name, "profile": team.profile.name, "csr": csr}
    one = f"{api}/certificates/{certificate.pk}"
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
        "API: list": Endpoint(API, "GET", f"{api}/certificates/"),
        "API: read": Endpoint(API, "GET", f"{one}/"),
        "API: request": Endpoint(API, "POST", f"{api}/certificate-requests/", wanted),
        "API: evaluate": Endpoint(API, "POST", f"{api}/certificate-requests/evaluate/", wanted),
        "API: revoke": Endpoint(API, "POST", f"{one}/revoke/", {"reason": "superseded"}),
        "API: member": Endpoint(
            API, "POST", f"{api}/applications/{team.application.name}/members/", member
        ),
        "admin: front page": Endpoint(ADMIN, "GET", "/admin/"),
        "admin: add": Endpoint(
            ADMIN, "POST", "/admin/applications/application/add/", {"name": "made"}, form=True
        ),
        "ACME: order": Endpoint(
            ACME, "POST", paths["order"], {"identifiers": [dns("new.example.com")]}
        ),
        "ACME: finalize": Endpoint(
            ACME, "POST", paths["finalize"], {"csr": b64(make_csr("next.example.com", number=2))}
        ),
        "ACME: revoke": Endpoint(
            ACME, "POST", paths["revoke"], {"certificate": b64(certificate.der)}
        ),
    }


def _credentials(team: Team, token: str, root: User, home: Acme) -> dict[str, Credential]:
    basic = base64.b64encode(f"robot:{token}".encode()).decode()
    assert home.eab is not None
    kid, secret = home.eab
    session = session_of(root)

    def sends(query: str = "", **headers: str) -> Credential:
        return lambda _: Sent(headers=headers, query=query)

    def bound(endpoint: Endpoint) -> Sent:
        """A JWS under an EAB key, as if that were an account."""
        header = {"alg": "HS256", "kid": kid, "nonce": home.nonce(), "url": _url(endpoint)}
        return _jose(jws(unb64(secret), header, endpoint.body))

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
        "ACME account of this endpoint": _signed(home),
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
    """Sign what is sent, for the endpoint's own address."""

    def credential(endpoint: Endpoint) -> Sent:
        if jwk is None:
            return _jose(jws(client.key, client.header(_url(endpoint)), endpoint.body))
        header = {
            "alg": "ES256",
            "jwk": jwk_of(jwk),
            "nonce": client.nonce(),
            "url": _url(endpoint),
        }
        return _jose(jws(jwk, header, endpoint.body))

    return credential


def _jose(body: dict[str, str]) -> Sent:
    return Sent(body=body, content_type=JOSE)


def _url(endpoint: Endpoint) -> str:
    return f"{settings.SEALWRIGHT['PUBLIC_URL']}{endpoint.path}"


def _call(endpoint: Endpoint, sent: Sent) -> Any:
    # With the session goes what its browser would send along.
    client = Client(raise_request_exception=False)
    if endpoint.form and not sent.body:
        return client.post(endpoint.path + sent.query, endpoint.body, headers=sent.headers)
    natural = JOSE if endpoint.kind == ACME else "application/json"
    body = json.dumps(sent.body if sent.body is not None else endpoint.body)
    return client.generic(
        endpoint.method,
        endpoint.path + sent.query,
        body if endpoint.method == "POST" else "",
        content_type=sent.content_type or natural,
        headers=sent.headers,
    )


def _made() -> tuple[int, ...]:
    """Count everything that a call could make or end."""
    models = (Certificate, CertificateRequest, RevokedSerial, AcmeOrder, Application, ApiToken)
    members = sum(row.memberships.count() for row in Application.objects.all())
    return (*(model.objects.count() for model in models), members)


def _accepted(answer: Any) -> bool:
    if answer.status_code == 302:
        return not answer.headers["Location"].startswith("/admin/login/")
    return answer.status_code in _ACCEPTED


def test_pv02_each_credential_is_accepted_by_its_own_endpoints_only(grid):
    wrong, before = [], _made()
    order = sorted(grid.endpoints, key=lambda name: grid.endpoints[name].kind)
    cells = [
        (c, d)
        for c in grid.credentials
        for d in order
        if grid.endpoints[d].kind not in ACCEPTED.get(c, ())
    ]
    for credential, name in cells:
        endpoint = grid.endpoints[name]
        answer = _call(endpoint, grid.credentials[credential](endpoint))
        if _accepted(answer) or answer.status_code >= 500 or _made() != before:
            wrong.append(f"{credential} at {name}: {answer.status_code} {answer.content[:200]!r}")
            before = _made()
    assert not wrong, "\n".join(wrong)
    assert len(cells) >= 96


@pytest.mark.parametrize("credential", sorted(ACCEPTED))
def test_a_good_credential_is_accepted(grid, credential):
    """Else the refusals above would prove nothing."""
    for name, endpoint in grid.endpoints.items():
        if endpoint.kind in ACCEPTED[credential]:
            answer = _call(endpoint, grid.credentials[credential](endpoint))
            assert _accepted(answer), (name, answer.status_code, answer.content)
