"""Tests of Link header fields, joined by views and sent one a line."""

from typing import Any

import pytest
from django.http import HttpResponse

from apps.web.links import add_link, one_link_a_line


def sent(*headers: tuple[str, str]) -> list[tuple[str, str]]:
    """Return what a server gets to send for an answer with these headers."""
    found: list[tuple[str, str]] = []

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(headers))
        return [b""]

    one_link_a_line(application)({}, lambda _status, lines: found.extend(lines))
    return found


@pytest.mark.parametrize(
    "links",
    [
        ['<https://a.example/>;rel="index"'],
        ['<https://a.example/?x=1,2;3>;rel="next"', '<https://a.example/,>; rel="up"'],
        ['<https://a.example/>; rel="next"; title="one, two <three>"', "</b>;rel=up"],
    ],
)
def test_each_link_has_a_line_of_its_own(links):
    before, after = ("Content-Type", "text/plain"), ("X-Other", "a, b")
    assert sent(before, ("Link", ", ".join(links)), after) == [
        before,
        *[("Link", link) for link in links],
        after,
    ]


def test_relations_are_added_to_those_that_are_there():
    response = HttpResponse()
    add_link(response, "https://a.example/1", "up")
    add_link(response, "https://a.example/2", "index")
    assert response.headers["Link"] == (
        '<https://a.example/1>;rel="up", <https://a.example/2>;rel="index"'
    )
