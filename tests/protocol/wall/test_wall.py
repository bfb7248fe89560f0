"""Every URL answers every role as the table says, and shows nothing of other teams.

Walks all URLs: URL x method x role x object. Each call is checked for three things: the status is
the one in the table; a refusal wrote nothing but audit events; and callers without rights in the
other team read nothing about it. Another team's object and one that does not exist must have
the same answer: status, headers and body.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django_q.models import Schedule

from apps import clock
from apps.certificates import selectors
from apps.certificates.models import Certificate
from apps.errors import NotFound
from apps.jobs.models import Job, JobState
from apps.site.display import admin_url
from tests.protocol.wall.audiences import AUTHENTICATED, ROLES, UNAUTHENTICATED
from tests.protocol.wall.calls import (
    Answer,
    Caller,
    beyond_the_log,
    parameters,
    path_of,
    routes,
)
from tests.protocol.wall.table import (
    ADMIN_OPEN,
    ADMIN_PREFIX,
    API,
    METHODS,
    OPEN,
    OPEN_PREFIXES,
    TABLE,
    Act,
    Open,
    Row,
)
from tests.protocol.wall.world import ABSENT, ABSENT_NAME, World

TLS = routes("config.urls")
_ABSENT_VALUES = {"number": 999, "event_id": 10**12}
_NO_CERTIFICATE = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"  # RFC 9773 section 4.1
_UNKNOWN_URL = """{route} is not in the table of the isolation wall.
Add a row for it to tests/protocol/wall/table.py (its docstring tells how), and have it reviewed."""
_FIRST_REFUSAL = 400
_UNAUTHENTICATED = 401
_BAD_TOKENS = {"disabled", "expired", "revoked", "junk"}
_FAULT = 500


@dataclass(frozen=True, slots=True)
class Target:
    """One object that a URL may name.

    Attributes:
        kind: ``own``, ``foreign`` or ``absent``.
        values: of the URL's parameters.
        like: the target that it must not be distinguishable from.
    """

    kind: str
    values: dict[str, Any]
    like: "Target | None" = None


def open_family(route: str) -> Open | None:
    """Return the family of URLs without credentials to which a route belongs."""
    if route in OPEN:
        return OPEN[route]
    fitting = [prefix for prefix in OPEN_PREFIXES if route.startswith(prefix)]
    return OPEN_PREFIXES[max(fitting, key=len)] if fitting else None


def is_known(route: str) -> bool:
    return route in TABLE or route.startswith(ADMIN_PREFIX) or open_family(route) is not None


@pytest.mark.parametrize("route", sorted(TLS))
def test_every_url_is_in_the_table(route):
    assert is_known(route), _UNKNOWN_URL.format(route=route)


def test_the_table_lists_nothing_that_is_not_there():
    assert set(TABLE) | set(OPEN) <= set(TLS)
    assert not [p for p in OPEN_PREFIXES if not any(r.startswith(p) for r in TLS)]


def test_every_row_knows_its_object():
    for route, row in TABLE.items():
        assert bool(row.thing) == bool(parameters(route)), route


# --- the API -----------------------------------------------------------------------------------


def _group(route: str) -> str:
    """Return the collection that a route is about, e.g. ``applications/members``."""
    words = [part for part in route.removeprefix(API).split("/") if part and part[0] != "<"]
    return "/".join(words[: 2 if words[:1] == ["applications"] else 1])


# One world for each group of URLs; between tests it would have to be made anew.
GROUPS = sorted({_group(route) for route in TABLE})


@pytest.mark.parametrize("group", GROUPS)
def test_api_answers_as_tabled(group, world, call, record_property):
    rows = [row for row in TABLE.values() if _group(row.route) == group]
    wrong = [
        found
        for row in rows
        for method in METHODS
        for role in ROLES
        for found in _api(world, call, row, method, role)
    ]
    record_property("wall", ("API", len(rows), call.calls))
    assert not wrong, f"{len(wrong)} of {call.calls} calls:\n" + "\n".join(wrong)


def _api(world: World, call: Caller, row: Row, method: str, role: str) -> Iterator[str]:
    act = row.acts.get(method)
    thing = act.thing if act is not None and act.thing else row.thing
    answers: dict[int, Answer] = {}

    def answer(target: Target) -> Answer:
        if id(target) not in answers:
            side = world.foreign if target.kind == "foreign" else world.own
            body = act.body(world, side) if act is not None else {}
            answers[id(target)] = call(role, method, path_of(row.route, target.values), body)
        return answers[id(target)]

    # By identifier, too, where something is looked up: beyond the credential and the method.
    looked_up = act is not None and role in AUTHENTICATED
    for target in _targets(world, thing, by_id=looked_up):
        got = answer(target)
        told = f"{role}: {method} {target.kind} {path_of(row.route, target.values)}"
        expected = _expected(act, method, role, target.kind)
        if got.status != expected:
            yield f"{told}: {got.status} instead of {expected} {got.body[:300]!r}"
        if got.status >= _FIRST_REFUSAL and beyond_the_log(got):
            yield f"{told}: refused, but wrote {beyond_the_log(got)}"
        if role != "admin":
            yield from (f"{told}: tells {mark}" for mark in _told(world, got))
        if target.like is not None and expected == _expected(act, method, role, "absent"):
            other = answer(target.like)
            values = (*target.values.values(), *target.like.values.values())
            if got.bare(*values) != other.bare(*values):
                yield f"{told}: differs from one that does not exist: {got} {other}"


def _told(world: World, got: Answer) -> list[str]:
    """Return what the answer tells of the other team, beyond what was asked for."""
    text = (got.without_what_was_sent() + str(got.headers)).replace(got.path, "")
    return [mark for mark in world.foreign.marks if mark in text]


def _expected(act: Act | None, method: str, role: str, kind: str) -> int:
    if role in UNAUTHENTICATED:
        return _UNAUTHENTICATED
    if act is None:
        return 200 if method == "OPTIONS" else 405
    answers = act.audience.of(role)
    index = {"own": 0, "foreign": 1, "absent": 2}[kind]
    said = answers[0] if len(answers) == 1 else answers[index]
    return act.ok if said == "ok" else int(said)


def _targets(world: World, thing: str, *, by_id: bool) -> list[Target]:
    """Return what a URL may name: own, another team's by name and by identifier, and nothing."""
    if not thing:
        return [Target("own", {})]
    if thing in world.common:
        own = world.common[thing]
        return [Target("own", own), Target("absent", _absent(own))]
    own, foreign = world.own.things[thing], world.foreign.things[thing]
    absent = Target("absent", _absent(own))
    found = [Target("own", own), absent, Target("foreign", foreign, like=absent)]
    if by_id and thing in world.own.ids:
        absent_id = Target("absent", _absent(own, by_id=True))
        foreign_id = Target("foreign", world.foreign.ids[thing], like=absent_id)
        found += [Target("own", world.own.ids[thing]), absent_id, foreign_id]
    return found


def _absent(values: dict[str, Any], *, by_id: bool = False) -> dict[str, Any]:
    return {name: _absent_value(name, by_id=by_id) for name in values}


def _absent_value(name: str, *, by_id: bool) -> Any:
    if name in _ABSENT_VALUES:
        return _ABSENT_VALUES[name]
    return ABSENT if by_id or name.endswith("_id") else ABSENT_NAME


NESTED = [
    route
    for route, row in TABLE.items()
    if row.route.startswith(f"{API}applications/") and len(parameters(route)) > 1
]


def test_another_teams_child_is_absent_under_ones_own_parent(world, call, record_property):
    """``applications/<own>/members/<foreign>/`` must not lead across."""
    for route in NESTED:
        _crossed(world, call, TABLE[route])
    record_property("wall", ("API", 0, call.calls))


def _crossed(world: World, call: Caller, row: Row) -> None:
    own, foreign = world.own.ids[row.thing], world.foreign.ids[row.thing]
    crossed = foreign | {"reference": own["reference"]}
    absent = _absent(own, by_id=True) | {"reference": own["reference"]}
    for method, act in row.acts.items():
        for role in AUTHENTICATED:
            body = act.body(world, world.own)
            got, other = (
                call(role, method, path_of(row.route, values), body) for values in (crossed, absent)
            )
            assert got.status in {403, 404}, (method, role, got)
            values = (*crossed.values(), *absent.values())
            assert got.bare(*values) == other.bare(*values), (method, role)
            assert not beyond_the_log(got)


# --- lists ---------------------------------------------------------------------------------------

ABSENT_NUMBER = "dead" * 10
_NOBODYS = (ABSENT, ABSENT_NAME, ABSENT_NUMBER)
LISTS = [route for route, row in TABLE.items() if not row.thing and "GET" in row.acts]


@pytest.mark.parametrize("route", LISTS)
def test_lists_cannot_be_narrowed_to_another_team(route, world, call, record_property):
    """Every filter, with another team's value: the same as with one that nobody has."""
    for name in _filters(call, route):
        for role in ("operator", "elsewhere"):
            absent = {
                nobodys: call(role, "GET", f"/{route}?{name}={nobodys}") for nobodys in _NOBODYS
            }
            for mark in sorted(world.foreign.marks):
                nobodys = ABSENT if len(mark) == len(ABSENT) and mark[8] == "-" else ABSENT_NAME
                # A number that nobody has, where only numbers are read.
                if re.fullmatch("[0-9a-f]{16,64}", mark):
                    nobodys = ABSENT_NUMBER
                got = call(role, "GET", f"/{route}?{name}={mark}")
                assert got.bare(mark) == absent[nobodys].bare(nobodys), (name, mark, role)
    record_property("wall", ("filters", 0, call.calls))


def _filters(call: Caller, route: str) -> list[str]:
    """Return the query parameters that the list takes, from its own refusal of another."""
    refusal = call("operator", "GET", f"/{route}?no_such_parameter=1")
    if refusal.status == 403:
        return []
    hint = json.loads(refusal.body)["errors"][0]["hint"] if refusal.status == 400 else ""
    return [word.strip(" .") for word in hint.partition(":")[2].split(",") if word.strip(" .")]


# --- what needs no credential ----------------------------------------------------------------------


def _open_routes(found: list[str]) -> list[str]:
    return [route for route in found if open_family(route) is not None]


def test_open_urls_answer_everybody_alike(world, call, record_property):
    found = _open_routes(TLS)
    # No worker runs here, and /readyz tells of work that is overdue.
    Job.objects.filter(state=JobState.QUEUED).update(state=JobState.SUCCEEDED)
    Schedule.objects.update(next_run=clock.now() + timedelta(hours=1))
    for route in found:
        _walk_open(route, world, call)
    record_property("wall", ("open", len(found), call.calls))


def _walk_open(route: str, world: World, call: Caller) -> None:
    family = open_family(route)
    assert family is not None
    targets = _open_targets(world, route, family)
    for method in METHODS:
        for target in targets:
            path = path_of(route, target.values)
            there, absent = family.answers.get(method, (405, 405))
            expected = there if target.kind == "own" else absent
            first = call("anonymous", method, path, content_type=family.content_type)
            assert first.status == expected, (method, path, first)
            # What does not exist is asked for by name, and ACME repeats the name it was given.
            assert target.kind != "own" or not _told(world, first)
            for role in ROLES[1:] if target.kind == "own" else ():
                got = call(role, method, path, content_type=family.content_type)
                if family.refuses_bad_tokens and role in _BAD_TOKENS:
                    assert got.status == _UNAUTHENTICATED, (method, path, role)
                else:
                    assert got.bare() == first.bare(), (method, path, role)
                assert "Set-Cookie" not in got.headers
            if target.like is not None:
                like = path_of(route, target.like.values)
                other = call("anonymous", method, like, content_type=family.content_type)
                values = (*target.values.values(), *target.like.values.values())
                assert first.bare(*values) == other.bare(*values), (method, path)


def _open_targets(world: World, route: str, family: Open) -> list[Target]:
    """Return what exists, what does not, and (for ACME) a pair without an endpoint."""
    if not family.thing:
        return [Target("own", {})]
    rest = dict.fromkeys(parameters(route), "none") | {"number": 1}
    rest["certificate_id"] = _NO_CERTIFICATE
    if family.thing in world.common:
        own = world.common[family.thing]
        return [Target("own", rest | own), Target("absent", rest | _absent(own))]
    own, closed = world.own.things[family.thing], world.foreign.things[f"closed {family.thing}"]
    absent = Target("absent", rest | _absent(own))
    return [Target("own", rest | own), absent, Target("closed", rest | closed, like=absent)]


# --- the admin -------------------------------------------------------------------------------------

ADMIN = [route for route in TLS if route.startswith(ADMIN_PREFIX) and route not in ADMIN_OPEN]


def _admin_group(route: str) -> str:
    parts = route.split("/")
    return parts[1] if len(parts) > 3 else ""


# For objects that do not exist, and for methods that no page has, these roles suffice.
_TELLING = {"anonymous", "member session", "staff session", "admin", "admin session"}


@pytest.mark.parametrize("group", sorted({_admin_group(route) for route in ADMIN}))
def test_admin_pages_are_for_product_administrators_with_a_session(
    group, world, call, record_property
):
    """Everybody else is sent to the login page, whatever the method and whatever the object."""
    pages = [route for route in ADMIN if _admin_group(route) == group]
    wrong = [
        found
        for route in pages
        for there, path in _admin_paths(route)
        for method in METHODS
        for role in ROLES
        if role in _TELLING or (there and method in {"GET", "POST"})
        for found in _admin(world, call, method, path, role)
    ]
    record_property("wall", ("admin", len(pages), call.calls))
    assert not wrong, f"{len(wrong)} of {call.calls} calls:\n" + "\n".join(wrong)


def _admin(world: World, call: Caller, method: str, path: str, role: str) -> Iterator[str]:
    got = call(role, method, path)
    told = f"{role}: {method} {path}: {got.status} {got.headers.get('Location')}"
    if role == "admin session":
        if got.status >= _FAULT or _sent_to_login(got):
            yield told
    elif not _sent_to_login(got) or got.written or _told(world, got):
        yield f"{told}, wrote {got.written}"


def _sent_to_login(got: Answer) -> bool:
    return got.status == 302 and got.headers["Location"].startswith("/admin/login/")


def _admin_paths(route: str) -> list[tuple[bool, str]]:
    """Return the route's path for an object that exists (true), and for one that does not."""
    if "(?P<" in route:
        return [(True, "/admin/certificates/"), (True, "/admin/no/such/page")]
    if not parameters(route):
        return [(True, f"/{route}")]
    parts = route.split("/")
    rest = {"content_type_id": 1, "name": "pem", "object_id": ABSENT}
    model = next((m for m in admin.site._registry if _is_of(m, parts)), None)
    found = model._default_manager.first() if model is not None else None
    if found is None:
        return [(True, path_of(route, rest))]
    there = rest | {"object_id": admin_url(found).rstrip("/").split("/")[-2]}
    return [(True, path_of(route, there)), (False, path_of(route, rest))]


def _is_of(model: Any, parts: list[str]) -> bool:
    return [model._meta.app_label, model._meta.model_name] == parts[1:3]


def test_anybody_may_see_the_login_page_and_nobody_else_gets_in(world, call, record_property):
    for role in ROLES:
        got = call(role, "GET", "/admin/login/")
        if role == "admin session":
            assert got.headers["Location"] == "/admin/"
        else:
            assert got.status == 200, role
            assert not _told(world, got)
    record_property("wall", ("admin", len(ADMIN_OPEN), call.calls))


# --- the wall itself -------------------------------------------------------------------------------


def test_the_wall_sees_a_hole(world, call, monkeypatch):
    """A look-up that forgets to ask who asks is found by status, by content and by difference."""

    def any_certificate(_principal: Any, certificate_id: Any, **_: Any) -> Certificate:
        return Certificate.objects.get(pk=certificate_id)

    monkeypatch.setattr(selectors, "certificate_visible_to", any_certificate)
    row = TABLE[f"{API}certificates/<uuid:certificate_id>/"]
    found = "\n".join(_api(world, call, row, "GET", "operator"))
    assert "operator: GET foreign" in found
    assert "200 instead of 404" in found
    assert "tells www.billing.example.com" in found or "tells billing.example.com" in found
    assert "differs from one that does not exist" in found


def test_the_wall_sees_a_refusal_that_writes(world, call, monkeypatch):
    def write(*_: Any, **__: Any) -> None:
        Certificate.objects.update(search_text="changed")
        raise NotFound

    monkeypatch.setattr(selectors, "certificate_visible_to", write)
    row = TABLE[f"{API}certificates/<uuid:certificate_id>/"]
    assert "refused, but wrote" in "\n".join(_api(world, call, row, "GET", "operator"))


def test_the_wall_does_not_know_urls_that_nobody_listed():
    assert not is_known("api/v1/widgets/")
    assert not is_known("debug/")
