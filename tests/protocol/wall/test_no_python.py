"""No answer speaks Python: wrong types and values of every field are refused in JSON's words.

Each operation gets the good body of the wall's table with one field replaced by values of other
types, its path with other identifiers, and its list with broken parameters.
"""

import re
from typing import Any

import pytest

from tests.protocol.wall.table import TABLE
from tests.protocol.wall.test_references import known_fields, path_to

PYTHON = re.compile(
    r"<class|object at 0x|datetime\.|UUID\(|Decimal\(|OrderedDict|\bNone\b|\bTrue\b|\bFalse\b|Errno"
    r"|Traceback|__\w+__|ErrorDetail|\bdict\b|\bstr\b|\bNoneType\b|\w+Error\b|\w+Exception\b|\{'|\['"
    r"|\bb'|\\\\x[0-9a-f]{2}"
)
VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, "", "x", "\u00e9 \u202e", "0x", "'\"<b>"),
    *([], [None], [[]], ["x", 1], {}, {"a": None}, {"a": {"b": [True]}}, [{"type": 1}]),
]
WRITES = [
    (row, method) for row in TABLE.values() for method in ("POST", "PATCH") if method in row.acts
]
LISTS = [row for row in TABLE.values() if "GET" in row.acts]


def speaks_python(got) -> list[str]:
    return PYTHON.findall(got.body.decode("utf-8", "replace"))


def test_wrong_values_are_refused_in_words_of_json(world, call):
    wrong = []
    for row, method in WRITES:
        role = "app admin" if row.acts[method].audience.of("app admin")[0] == "ok" else "admin"
        path, good = path_to(world, row, method), row.acts[method].body(world, world.own)
        bodies = [{name: value} for name in known_fields(row, method) for value in VALUES]
        for body in [*bodies, [], "x", None, 5]:
            sent = good | body if isinstance(body, dict) else body
            got = call(role, method, path, sent)
            if got.status >= 500 or (got.status >= 400 and speaks_python(got)):
                wrong.append((method, row.route, body, got.status, speaks_python(got), got.body))
    assert not wrong, f"{len(wrong)} answers:\n" + "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "query",
    [
        *("limit=x", "limit=-1", "cursor=x", "sort=x", "state=x", "colour=red", "name=", "a=1&a=2"),
        *("since=x", "since=2027-01-31T12:00:00+01:00", "lineage=x", "serial_number=zz", "kind=1"),
    ],
)
def test_broken_parameters_are_refused_in_words_too(query, world, call):
    for row in LISTS:
        got = call("admin", "GET", f"{path_to(world, row, 'GET')}?{query}")
        assert got.status in {200, 400, 403, 404}, (row.route, got)
        assert got.status == 200 or not speaks_python(got), (row.route, got)


def test_wrong_methods_types_and_paths_are_refused_in_words_too(world, call):
    for row in TABLE.values():
        for method in ("PUT", "TRACE"):
            path = path_to(world, row, next(iter(row.acts)))
            got = call("admin", method, path)
            assert got.status == 405, (row.route, got)
            assert got.headers["Allow"].split(", ")[0] in got.body.decode(), (row.route, got)
            assert not speaks_python(got), (row.route, got)
        for method in {"POST", "PATCH"} & set(row.acts):
            got = call("admin", method, path_to(world, row, method), content_type="text/plain")
            assert got.status in {403, 404, 415, *range(200, 205)}, (row.route, got)
            assert not speaks_python(got) or got.status < 400, (row.route, got)
