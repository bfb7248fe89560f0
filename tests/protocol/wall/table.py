"""The table of every URL and who gets which answer there; people review it.

A URL that is not listed fails the wall. To list a new one of the API, add a ``row``: its route
as the resolver spells it, the object that its parameters name (see ``world.py``), and for each
method the status of success, the audience, and a body that is good:

    row("widgets/<uuid:widget_id>/", "widget", GET=Act(200, TEAM_READS))

HEAD goes with GET; methods that are not named answer 405; whoever is not signed in gets 401.
Other URLs belong to a family, which answers all roles alike (``OPEN``), or lets in product
administrators with a session and nobody else (``ADMIN``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.protocol.wall import bodies
from tests.protocol.wall.audiences import (
    EVALUATORS,
    GOVERNING_READERS,
    GOVERNORS,
    HIDDEN_GOVERNED,
    HIDDEN_READS,
    IN_SIGHT_GOVERNED,
    MACHINE_OWNERS,
    OWNER_ENDS,
    OWNER_READS,
    OWNER_SEES,
    PUBLIC_GOVERNED,
    PUBLIC_READS,
    READERS,
    REQUESTERS,
    TEAM_ADMITS,
    TEAM_APPROVES,
    TEAM_GOVERNED,
    TEAM_MANAGES,
    TEAM_OPERATES,
    TEAM_READS,
    TEAM_WITHDRAWS,
    UNSEEN_GOVERNED,
    Audience,
    everybody,
)
from tests.protocol.wall.world import Side, World

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
API = "api/v1/"


@dataclass(frozen=True, slots=True)
class Act:
    """One method of a URL.

    Attributes:
        ok: status of success.
        audience: who gets it, and what the others get.
        body: sent by everybody; good, so that only the caller can be refused.
        thing: the object acted upon, when it is not the row's.
    """

    ok: int
    audience: Audience
    body: Callable[[World, Side], Any] = bodies.nothing
    thing: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One URL of the API."""

    route: str
    thing: str
    acts: dict[str, Act]


def row(route: str, thing: str = "", **acts: Act) -> Row:
    """Return a row of the API's table."""
    if "GET" in acts:
        acts["HEAD"] = acts["GET"]
    return Row(API + route, thing, acts)


_REQUEST = "certificate-requests/<uuid:request_id>/"
_CERTIFICATE = "certificates/<uuid:certificate_id>/"
_APPLICATION = "applications/<slug:reference>/"
_ACME = f"{_APPLICATION}acme/"
_ENDPOINT = f"{_ACME}endpoints/<slug:profile>/"
_EAB_KEY = f"{_ENDPOINT}eab-keys/<uuid:key_id>/"
_MACHINE = "machine-identities/<slug:reference>/"
_AUTHORITY = "authorities/<slug:reference>/"
_POLICY = "policies/<slug:reference>/"

ROWS = [
    row("", GET=Act(200, everybody("ok"))),
    # --- requests and certificates -------------------------------------------------------
    row(
        "certificate-requests/",
        GET=Act(200, READERS),
        POST=Act(201, REQUESTERS, bodies.request),
    ),
    row("certificate-requests/evaluate/", POST=Act(200, EVALUATORS, bodies.request)),
    row("certificate-requests/bulk/", POST=Act(200, REQUESTERS, bodies.bulk)),
    row(_REQUEST, "request", GET=Act(200, TEAM_READS)),
    row(f"{_REQUEST}approve/", "request", POST=Act(201, TEAM_APPROVES)),
    row(f"{_REQUEST}deny/", "request", POST=Act(200, TEAM_APPROVES)),
    row(f"{_REQUEST}cancel/", "request", POST=Act(200, TEAM_WITHDRAWS)),
    row("certificates/", GET=Act(200, READERS)),
    row("certificates/revoke/", POST=Act(200, REQUESTERS, bodies.serial_number)),
    row(_CERTIFICATE, "certificate", GET=Act(200, TEAM_READS)),
    row(f"{_CERTIFICATE}download/", "certificate", GET=Act(200, TEAM_READS)),
    row(f"{_CERTIFICATE}export/", "certificate", POST=Act(200, TEAM_OPERATES, bodies.export)),
    row(f"{_CERTIFICATE}revoke/", "certificate", POST=Act(200, TEAM_OPERATES, bodies.reason)),
    row(f"{_CERTIFICATE}release/", "held", POST=Act(200, TEAM_OPERATES)),
    row(f"{_CERTIFICATE}renew/", "certificate", POST=Act(201, TEAM_OPERATES, bodies.renewal)),
    # --- applications, their members and profiles ----------------------------------------
    row("applications/", GET=Act(200, READERS), POST=Act(201, GOVERNORS, bodies.named)),
    row(
        _APPLICATION,
        "application",
        GET=Act(200, TEAM_READS),
        PATCH=Act(200, TEAM_MANAGES, bodies.description),
        DELETE=Act(204, TEAM_MANAGES, thing="spare"),
    ),
    row(
        f"{_APPLICATION}members/",
        "application",
        GET=Act(200, TEAM_READS),
        POST=Act(201, TEAM_MANAGES, bodies.member),
    ),
    row(
        f"{_APPLICATION}members/bulk/",
        "application",
        POST=Act(200, TEAM_MANAGES, bodies.members),
    ),
    row(
        f"{_APPLICATION}members/<uuid:member_id>/",
        "member",
        GET=Act(200, TEAM_READS),
        PATCH=Act(200, TEAM_MANAGES, bodies.role),
        DELETE=Act(204, TEAM_MANAGES),
    ),
    row(
        f"{_APPLICATION}profiles/",
        "application",
        GET=Act(200, TEAM_READS),
        POST=Act(201, TEAM_GOVERNED, bodies.pairing),
    ),
    row(
        f"{_APPLICATION}profiles/<slug:profile>/",
        "attached",
        GET=Act(200, TEAM_READS),
        PATCH=Act(200, TEAM_MANAGES, bodies.switches),
        DELETE=Act(204, TEAM_GOVERNED),
    ),
    # --- ACME, as the team manages it -----------------------------------------------------
    row(
        f"{_ACME}endpoints/",
        "application",
        GET=Act(200, TEAM_READS),
        POST=Act(201, TEAM_MANAGES, bodies.endpoint),
    ),
    row(
        _ENDPOINT,
        "endpoint",
        GET=Act(200, TEAM_READS),
        PATCH=Act(200, TEAM_MANAGES, bodies.endpoint_settings),
    ),
    row(
        f"{_ENDPOINT}eab-keys/",
        "endpoint",
        GET=Act(200, TEAM_READS),
        POST=Act(201, TEAM_ADMITS, bodies.eab_key),
    ),
    row(_EAB_KEY, "eab key", GET=Act(200, TEAM_READS)),
    row(f"{_EAB_KEY}reveal/", "eab key", POST=Act(200, TEAM_ADMITS)),
    row(f"{_EAB_KEY}rotate/", "eab key", POST=Act(200, TEAM_ADMITS)),
    row(f"{_EAB_KEY}revoke/", "eab key", POST=Act(200, TEAM_MANAGES)),
    row(f"{_ACME}accounts/", "application", GET=Act(200, TEAM_READS)),
    row(f"{_ACME}accounts/<uuid:account_id>/", "account", GET=Act(200, TEAM_READS)),
    row(f"{_ACME}accounts/<uuid:account_id>/revoke/", "account", POST=Act(200, TEAM_MANAGES)),
    row(f"{_ACME}orders/", "application", GET=Act(200, TEAM_READS)),
    row(f"{_ACME}orders/<uuid:order_id>/", "order", GET=Act(200, TEAM_READS)),
    row(f"{_ACME}failing/", "application", GET=Act(200, TEAM_READS)),
    # --- the audit log -------------------------------------------------------------------
    row("audit-events/", GET=Act(200, READERS)),
    row("audit-events/<int:event_id>/", "event", GET=Act(200, TEAM_READS)),
    # --- machine identities and tokens ---------------------------------------------------
    row("machine-identities/", GET=Act(200, READERS), POST=Act(201, GOVERNORS, bodies.named)),
    row(
        _MACHINE,
        "machine",
        GET=Act(200, OWNER_READS),
        PATCH=Act(200, OWNER_SEES, bodies.description),
        DELETE=Act(204, OWNER_SEES),
    ),
    row(f"{_MACHINE}disable/", "machine", POST=Act(200, OWNER_SEES)),
    row(f"{_MACHINE}enable/", "machine", POST=Act(200, OWNER_SEES)),
    row("tokens/", GET=Act(200, READERS), POST=Act(201, MACHINE_OWNERS, bodies.token)),
    row("tokens/<uuid:token_id>/", "token", GET=Act(200, OWNER_READS)),
    row("tokens/<uuid:token_id>/revoke/", "token", POST=Act(200, OWNER_ENDS)),
    # --- policies and profiles -----------------------------------------------------------
    row("policy-presets/", GET=Act(200, READERS)),
    row("policies/", GET=Act(200, READERS), POST=Act(201, GOVERNORS, bodies.policy)),
    row(
        _POLICY,
        "policy",
        GET=Act(200, TEAM_READS),
        PATCH=Act(200, IN_SIGHT_GOVERNED, bodies.description),
        DELETE=Act(204, UNSEEN_GOVERNED, thing="unused policy"),
    ),
    row(f"{_POLICY}versions/", "policy", GET=Act(200, TEAM_READS)),
    row(f"{_POLICY}versions/<int:number>/", "version", GET=Act(200, TEAM_READS)),
    row("profiles/", GET=Act(200, READERS), POST=Act(201, GOVERNORS, bodies.profile)),
    row(
        "profiles/<slug:reference>/",
        "profile",
        GET=Act(200, TEAM_READS),
        PATCH=Act(200, IN_SIGHT_GOVERNED, bodies.description),
        DELETE=Act(204, UNSEEN_GOVERNED, thing="unattached"),
    ),
    # --- authorities: facts that everybody may know, acts of those who govern ------------
    row("authorities/", GET=Act(200, READERS), POST=Act(201, GOVERNORS, bodies.authority)),
    row(
        _AUTHORITY,
        "authority",
        GET=Act(200, PUBLIC_READS),
        PATCH=Act(200, PUBLIC_GOVERNED, bodies.publishing),
        DELETE=Act(204, PUBLIC_GOVERNED, thing="spare authority"),
    ),
    row(f"{_AUTHORITY}disable/", "authority", POST=Act(200, PUBLIC_GOVERNED)),
    row(f"{_AUTHORITY}enable/", "disabled authority", POST=Act(200, PUBLIC_GOVERNED)),
    row(f"{_AUTHORITY}renew/", "authority", POST=Act(200, PUBLIC_GOVERNED, bodies.lifetime)),
    row(f"{_AUTHORITY}revoke/", "authority", POST=Act(200, PUBLIC_GOVERNED, bodies.ca_reason)),
    # The certificate is none: 422 tells that the caller was let in to hear so.
    row(
        f"{_AUTHORITY}install-certificate/",
        "pending authority",
        POST=Act(422, PUBLIC_GOVERNED, bodies.certificate),
    ),
    row(f"{_AUTHORITY}csr/", "pending authority", GET=Act(200, PUBLIC_GOVERNED)),
    row("pki-urls/", GET=Act(200, GOVERNING_READERS)),
    row(f"{_AUTHORITY}crls/", "authority", GET=Act(200, PUBLIC_READS)),
    row(f"{_AUTHORITY}publish-crl/", "authority", POST=Act(202, PUBLIC_GOVERNED)),
    # --- jobs ----------------------------------------------------------------------------
    row("jobs/", GET=Act(200, GOVERNING_READERS)),
    row("jobs/<uuid:job_id>/", "job", GET=Act(200, HIDDEN_READS)),
    row("jobs/<uuid:job_id>/retry/", "job", POST=Act(200, HIDDEN_GOVERNED)),
    row("jobs/<uuid:job_id>/cancel/", "waiting job", POST=Act(200, HIDDEN_GOVERNED)),
]
TABLE = {found.route: found for found in ROWS}


@dataclass(frozen=True, slots=True)
class Open:
    """URLs that answer every role alike, because no token and no session counts there.

    Attributes:
        thing: what the parameters name; empty without parameters.
        answers: method to the statuses for an object that exists, and for one that does not.
        why: for the reviewer.
        content_type: of what is sent with methods that have a body: ``{}``, always.
        refuses_bad_tokens: whether a token that is sent must be good (401 otherwise).
    """

    thing: str
    answers: dict[str, tuple[int, int]]
    why: str
    content_type: str = "application/json"
    refuses_bad_tokens: bool = False


_READ = {"GET": (200, 404), "HEAD": (200, 404)}
# Django's CSRF protection comes first where a form could post; it knows no object.
_HEALTH = Open("", {"GET": (200, 200), "HEAD": (200, 200)}, "load balancers have no token")
_SCHEMA = Open(
    "",
    {"GET": (200, 200), "HEAD": (200, 200), "OPTIONS": (200, 200)},
    "how to call is no secret",
    refuses_bad_tokens=True,
)
_FILES = Open("published", _READ, "relying parties have no token")
_OCSP_POST = Open(
    "published",
    {"POST": (200, 404)},  # 200 says malformedRequest, in OCSP's own words
    "relying parties have no token",
    content_type="application/ocsp-request",
)
_SIGNED = Open(
    "directory",
    {"POST": (400, 400)},  # no JWS, at any endpoint
    "a JWS signs its caller in, and none was sent",
    content_type="application/jose+json",
)
_ACME_READ = Open("directory", _READ, "every client begins here, without an account")
_ACME_DIRECTORY = Open(
    "directory",
    _READ | {"POST": (415, 415)},  # POST-as-GET is served, and this is no JWS
    "every client begins here, without an account",
)
_ACME_REST = Open("directory", dict.fromkeys(METHODS, (404, 404)), "says that there is no such URL")
_ACME_NONCE = Open(
    "directory",
    {"GET": (204, 404), "HEAD": (200, 404), "POST": (415, 415)},
    "nonces are nobody's",
)
_ACME_RENEWAL = Open(
    "directory", {"GET": (404, 404), "HEAD": (404, 404)}, "asked about no certificate"
)
OPEN = {
    "livez": _HEALTH,
    "readyz": _HEALTH,
    "api/schema/": _SCHEMA,
    "": Open("", dict.fromkeys(METHODS, (302, 302)), "leads to the admin, or to its login"),
    "api/docs/": _SCHEMA,
    "api/": Open("", {"GET": (200, 200), "HEAD": (200, 200)}, "says where the API is"),
    "acme/<slug:application>/<slug:profile>/": _ACME_REST,
    "acme/<slug:application>/<slug:profile>/<path:rest>": _ACME_REST,
    "pki/": Open("", {"GET": (200, 200), "HEAD": (200, 200)}, "CA certificates are public"),
    "pki/index.txt": Open("", {"GET": (200, 200), "HEAD": (200, 200)}, "the same, for scripts"),
}
# The longest prefix that fits decides.
OPEN_PREFIXES = {
    "pki/<slug:name>/": _FILES,
    "ocsp/<slug:name>": _OCSP_POST,
    "ocsp/<slug:name>/<path:encoded>": _FILES,
    "acme/<slug:application>/<slug:profile>/": _SIGNED,
    "acme/<slug:application>/<slug:profile>/directory": _ACME_DIRECTORY,
    "acme/<slug:application>/<slug:profile>/limits": _ACME_READ,
    "acme/<slug:application>/<slug:profile>/new-nonce": _ACME_NONCE,
    "acme/<slug:application>/<slug:profile>/renewal-info/": _ACME_RENEWAL,
}
ADMIN_PREFIX = "admin/"
# Whoever is not signed in must be able to sign in; signing out ends only one's own session.
ADMIN_OPEN = {"admin/login/", "admin/logout/"}
