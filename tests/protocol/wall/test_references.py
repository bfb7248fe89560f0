"""References in bodies are checked for rights, and unknown fields are refused.

References: each field that names another object is tried with an object of another team, by name
and by identifier. The answer must be the one for an object that does not exist, and nothing may
be written. Mass assignment: every field that answers show but requests do not take is added to an
otherwise good body. It is refused by name (AC-06), and nothing is written.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.protocol.wall import bodies
from tests.protocol.wall.calls import Answer, beyond_the_log, path_of
from tests.protocol.wall.table import API, TABLE, Row
from tests.protocol.wall.world import ABSENT, ABSENT_NAME, Side, World

_MALFORMED = 400


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of a body that names an object of some team.

    Attributes:
        route: of the URL, below ``/api/v1/``.
        field: in the body.
        thing: what it names (see ``world.py``); ``mark`` picks the parameter that names it.
        body: the rest of the body.
        roles: who could succeed with a good reference; ``admin`` sees all teams.
    """

    route: str
    field: str
    thing: str
    body: Callable[[World, Side], dict[str, Any]]
    roles: tuple[str, ...]

    def value(self, side: Side, *, by_id: bool) -> str:
        """Return what names the other object."""
        named = (side.ids if by_id else side.things)[self.thing]
        return str(named.get("profile") or named["reference"])


MEMBERS = ("app admin", "operator", "machine")
REFERENCES = [
    Reference("certificate-requests/", "application", "application", bodies.request, MEMBERS),
    Reference("certificate-requests/", "profile", "attached", bodies.request, MEMBERS),
    Reference(
        "certificate-requests/evaluate/", "application", "application", bodies.request, MEMBERS
    ),
    Reference("certificate-requests/evaluate/", "profile", "attached", bodies.request, MEMBERS),
    Reference("certificate-requests/bulk/", "application", "application", bodies.bulk, MEMBERS),
    Reference("certificate-requests/bulk/", "profile", "attached", bodies.bulk, MEMBERS),
    Reference(
        "applications/<slug:reference>/acme/endpoints/",
        "profile",
        "bare",
        bodies.endpoint,
        ("app admin", "admin"),
    ),
    Reference("tokens/", "application", "application", bodies.own_token, ("app admin", "operator")),
    Reference("tokens/", "machine_identity", "machine", bodies.own_token, ("app admin", "machine")),
]
# These fields name objects, too, but only product administrators may send them, and they see
# every team's; that nobody else may is in the table.
GOVERNED = {
    ("authorities/", "parent"),
    ("profiles/", "authority"),
    ("profiles/", "policy"),
    ("profiles/<slug:reference>/", "authority"),
    ("profiles/<slug:reference>/", "policy"),
    ("applications/<slug:reference>/profiles/", "profile"),
}
# Whoever manages members may name any person, group or machine of the product: there is no
# team before there are members. What a name tells is that it exists, and to administrators of
# applications only.
PUBLIC = {
    # Everybody may list the authorities; which of them issued to whom is not told.
    ("certificates/revoke/", "authority"),
    ("applications/<slug:reference>/members/", "user"),
    ("applications/<slug:reference>/members/", "group"),
    ("applications/<slug:reference>/members/", "machine_identity"),
    ("applications/<slug:reference>/members/bulk/", "names"),
}


@pytest.mark.parametrize("wanted", REFERENCES, ids=lambda r: f"{r.route}{r.field}")
def test_another_teams_object_in_a_body_is_as_good_as_none(wanted, world, call):
    good = wanted.body(world, world.own)
    for role in (*wanted.roles, "outsider", "elsewhere"):
        path = path_to(world, TABLE[API + wanted.route], "POST")
        for by_id in (False, True):
            absent = good | {wanted.field: ABSENT if by_id else ABSENT_NAME}
            foreign = good | {wanted.field: wanted.value(world.foreign, by_id=by_id)}
            got, other = (call(role, "POST", path, b) for b in (foreign, absent))
            told = (role, by_id, got, other)
            assert got.status == 404, told
            sent = (foreign[wanted.field], absent[wanted.field])
            assert got.bare(*sent) == other.bare(*sent), told
            assert not beyond_the_log(got), told


def test_every_reference_is_tried():
    """Fields that the requests take and that name objects: none is left out of the lists."""
    names = {"application", "profile", "machine_identity", "authority", "policy", "parent"}
    names |= {"user", "group", "names"}
    tried = {(wanted.route, wanted.field) for wanted in REFERENCES}
    taken = {
        (row.route.removeprefix(API), name)
        for row in TABLE.values()
        for method in {"POST", "PATCH"} & set(row.acts)
        for name in known_fields(row, method) & names
    }
    assert taken == tried | GOVERNED | PUBLIC


# --- mass assignment -----------------------------------------------------------------------------

# What answers show, or rows have, and what no request may set.
READ_ONLY = (
    "id",
    "pk",
    "state",
    "status",
    "created_at",
    "updated_at",
    "requested_by",
    "requester",
    "created_by",
    "owner",
    "user_id",
    "application_id",
    "profile_id",
    "policy_version",
    "authority_id",
    "is_active",
    "is_superuser",
    "is_staff",
    "product_role",
    "permissions",
    "role",
    "scopes",
    "expires_at",
    "expiry",
    "revoked_at",
    "last_used_at",
    "digest",
    "token",
    "token_key",
    "public_id",
    "serial_number",
    "fingerprint_sha256",
    "der",
    "pem",
    "certificate",
    "lineage",
    "replaces",
    "source",
    "method",
    "approved_by",
    "approvals",
    "violations",
    "leaf",
    "tbs_der",
    "csr_der",
    "sealed_private_key",
    "sealed_answer",
    "private_key_pem",
    "revision",
    "version",
    "number",
    "current_version",
    "is_ca",
    "path_length",
    "is_current",
    "key_id",
    "key",
    "backend",
    "attempts",
    "lease_until",
    "next_attempt_at",
    "kind",
    "last_error",
    "result",
    "application",
    "profile",
    "subject",
    "issuer",
    "not_before",
    "not_after",
)
WRITES = [
    (row, method) for row in TABLE.values() for method in ("POST", "PATCH") if method in row.acts
]


@pytest.mark.parametrize(
    ("row", "method"), WRITES, ids=[f"{method} {row.route}" for row, method in WRITES]
)
def test_fields_that_a_request_does_not_take_are_refused(row, method, world, call):
    act = row.acts[method]
    role = "app admin" if act.audience.of("app admin")[0] == "ok" else "admin"
    path, good = path_to(world, row, method), act.body(world, world.own)
    known = known_fields(row, method)
    for name in READ_ONLY:
        if name in known:
            continue
        got = call(role, method, path, good | {name: _other_value(name)})
        assert _refuses(got, name), (name, got)
        assert not beyond_the_log(got), (name, got)


def _refuses(got: Answer, name: str) -> bool:
    if got.status != _MALFORMED:
        return False
    return name in {error["field"] for error in json.loads(got.body)["errors"]}


def _other_value(name: str) -> Any:
    return True if name.startswith("is_") else "admin" if "role" in name else "changed"


def path_to(world: World, row: Row, method: str) -> str:
    """Return the path of a row for the object of the callers' own team."""
    thing = row.acts[method].thing or row.thing
    values = world.common.get(thing) or world.own.things.get(thing, {})
    return path_of(row.route, values)


_KNOWN: dict[tuple[str, str], set[str]] = {}


def known_fields(row: Row, method: str) -> set[str]:
    """Return the fields that a request takes, as the OpenAPI document tells."""
    if not _KNOWN:
        document = SchemaGenerator().get_schema(request=None, public=True)
        for path, operations in document["paths"].items():
            for verb, operation in operations.items():
                _KNOWN[_plain(path), verb.upper()] = _properties(document, operation)
    return _KNOWN[_plain(f"/{row.route}"), method]


def _plain(path: str) -> str:
    return re.sub(r"<[^>]+>|{[^}]+}", "*", path)


def _properties(document: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return set(schema.get("properties", {}))
