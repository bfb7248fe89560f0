"""A body that is not JSON is refused as such, with its position, at every URL that takes one."""

import json

import pytest

from tests.protocol.wall.calls import Caller, path_of
from tests.protocol.wall.table import TABLE
from tests.protocol.wall.world import World, rolled_back

# What is sent, how that is called, and where it stops being JSON.
BROKEN = {
    "byte order mark": (b'\xef\xbb\xbf{"name": "a"}', "json.encoding", "UTF-8 without one"),
    "cut off": (b'{"name": "a",\n "profile": ', "json.syntax", "at line 2, column 13"),
    "not JSON": (b"name=a", "json.syntax", "at line 1, column 1"),
}
# Texts that no database holds, in a name and in a value, anywhere in a document.
UNSTORABLE = (
    b'{"name": "a\\u0000b"}',
    b'{"a\\u0000b": 1}',
    b'{"name": [{"x": "\\ud800"}]}',
    b'{"requests": {"csr": "x"}, "application": "a\\u0000"}',
)
METHODS = ("POST", "PATCH", "PUT")
ACTS = [(route, method) for route, row in TABLE.items() for method in METHODS if method in row.acts]


@pytest.mark.parametrize("key", [None, "a-key"], ids=["once", "repeatable"])
def test_broken_bodies_are_malformed_with_their_position(world: World, call: Caller, key):
    wrong = []
    for route, method in ACTS:
        row = TABLE[route]
        thing = row.acts[method].thing or row.thing
        values = {} if not thing else (world.common.get(thing) or world.own.things[thing])
        roles = ("admin", "app admin", "machine")
        role = next(r for r in roles if row.acts[method].audience.of(r)[0] == "ok")
        for name, (body, code, position) in BROKEN.items():
            headers = call.headers[role] | ({"Idempotency-Key": key} if key else {})
            with rolled_back():
                answer = call.client.generic(
                    method,
                    path_of(route, values),
                    body,
                    content_type="application/json",
                    headers=headers,
                )
            document = json.loads(answer.content)
            codes = [error["code"] for error in document.get("errors", ())]
            if codes != [code] or not document["detail"].endswith(f"{position}."):
                wrong.append(f"{method} {route}: {name}: {answer.content[:200]!r}")
    assert not wrong, "\n".join(wrong)


def test_texts_that_no_database_holds_are_refused_before_any_look_up(world: World, call: Caller):
    wrong = []
    for route, method in ACTS:
        row = TABLE[route]
        thing = row.acts[method].thing or row.thing
        values = {} if not thing else (world.common.get(thing) or world.own.things[thing])
        roles = ("admin", "app admin", "machine")
        role = next(r for r in roles if row.acts[method].audience.of(r)[0] == "ok")
        for body in UNSTORABLE:
            with rolled_back():
                answer = call.client.generic(
                    method,
                    path_of(route, values),
                    body,
                    content_type="application/json",
                    headers=call.headers[role],
                )
            codes = [error["code"] for error in json.loads(answer.content).get("errors", ())]
            if answer.status_code != 400 or codes != ["json.text"]:
                wrong.append(f"{method} {route}: {body!r}: {answer.content[:200]!r}")
    assert not wrong, "\n".join(wrong)
