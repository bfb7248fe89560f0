"""A token with one scope may do exactly what the API document says that the scope is for.

Every operation is called with a token of each scope alone. The owner could do everything, so that
the scope decides: the act is done without any further scope (what it answers is part of it), or
refused with the scope that is missing (RFC 6750 section 3.1).
"""

import re

import pytest
from drf_spectacular.generators import SchemaGenerator

from apps import principals
from apps.applications import services
from apps.applications.roles import Role
from apps.principals import ProductRole, Scope
from tests.factories.accounts import make_person
from tests.protocol.wall.table import TABLE
from tests.protocol.wall.test_references import path_to

SYSTEM = principals.system("tests")
CALLS = [
    (row, method)
    for row in TABLE.values()
    for method in ("GET", "POST", "PATCH", "DELETE")
    if method in row.acts
]


@pytest.fixture(scope="module")
def needed() -> dict[tuple[str, str], str]:
    """Return the scopes of each operation, by its route without names of parameters and method."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    return {
        (plain(path), verb.upper()): operation["security"][0]["bearer"]
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
    }


def plain(path: str) -> str:
    return re.sub(r"<[^>]+>|{[^}]+}", "*", path)


@pytest.fixture
def one_scope_each(world, call):
    """Add a role for each scope: an administrator of product and application, but for the scope."""
    person = make_person("solo", role=ProductRole.ADMIN)
    services.add_member(SYSTEM, world.own.team.application, user=person, role=Role.ADMIN)
    spare = world.own.team.application.memberships.model.objects.filter(
        application__name="payments-spare"
    )
    services.add_member(SYSTEM, spare[0].application, user=person, role=Role.ADMIN)
    operator = world.own.team.people[Role.OPERATOR]
    for owner, prefix in ((person, "only"), (operator, "requester's")):
        for scope in Scope:
            _row, text = services.create_token(SYSTEM, owner, name="solo", scopes=[scope])
            call.headers[f"{prefix} {scope.value}"] = {"Authorization": f"Bearer {text}"}
    return call


def test_one_scope_does_just_that(needed, world, one_scope_each):
    wrong = [
        (method, row.route, token.value, got)
        for row, method in CALLS
        for token in Scope
        if (got := unexpected(needed, world, one_scope_each, row, method, token))
    ]
    assert not wrong, wrong


def unexpected(needed, world, call, row, method, token):
    """Return the answer to a token of one scope where it is not the right one."""
    scopes = needed[plain(f"/{row.route}"), method]
    act = row.acts[method]
    # Only whoever made a request may withdraw it without being able to approve.
    owner = "requester's" if row.route.endswith("request_id>/cancel/") else "only"
    body = act.body(world, world.own)
    if "scopes" in body:  # a token makes none that may do more
        body |= {"scopes": [token.value]}
    got = call(f"{owner} {token.value}", method, path_to(world, row, method), body)
    if not scopes or scopes == [token.value]:
        return None if got.status == act.ok else got
    challenge = got.headers.get("WWW-Authenticate", "")
    missing = [scope for scope in scopes if scope != token.value]
    names_it = 'error="insufficient_scope"' in challenge and any(
        f'scope="{scope}"' in challenge for scope in missing
    )
    return None if got.status == 403 and names_it else got
