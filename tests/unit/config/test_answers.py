"""Is the head of an answer, and the refusal of a wrong one, the one that gunicorn would write?"""

from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi

from config import answers
from config.answers import Answer


class _Socket:
    def __init__(self) -> None:
        self.sent, self.calls = b"", 0

    def sendall(self, data: bytes) -> None:
        self.sent += data
        self.calls += 1


class _Text(str):
    __slots__ = ()


def outcome(kind: type, status: str, headers: Any, **request: Any) -> tuple:
    """Return all that shows of an answer, or how it is refused."""
    sock = _Socket()
    req = SimpleNamespace(
        **{"method": "GET", "version": (1, 1), "should_close": lambda: False} | request
    )
    resp = kind(req, sock, Config())
    error = None
    try:
        resp.start_response(status, headers)
        for piece in (b"", b"abc", b"defghi"):
            resp.write(piece)
        resp.close()
    except Exception as raised:
        error = type(raised), str(raised)
    closes = error is None and resp.should_close()
    return sock.sent, error, closes, resp.headers, resp.response_length, resp.upgrade


@pytest.fixture(autouse=True)
def _one_moment(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.5)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Type", "text/plain"), ("Content-Length", "5"), ("X-A", " \tb c\t ")],
        [("content-length", " 3 "), ("Set-Cookie", "a"), ("Set-Cookie", "b"), ("X-Empty", "")],
        [("Content-Length", "3"), ("CONTENT-LENGTH", "4")],
        [("X-A", "\xe4\xff"), ("x.!#$%&'*+-^_`|~", "a")],
        [("Date", "then"), ("Server", "other"), ("Connection", "close"), ("Keep-Alive", "5")],
        [("Connection", "upgrade"), ("Upgrade", "websocket"), ("X-A", "a")],
        [("Transfer-Encoding", "chunked"), ("X-A", "a")],
        [["X-A", "a"]],
        (("X-A", "a"),),
        iter([("X-A", "a")]),
        [(_Text("X-A"), _Text(" a"))],
        # refused
        [("X-A", "a\r\nX-B: b")],
        [("X-A", "a\n")],
        [("X-A", "a\rb")],
        [("X-A", "a\0")],
        [("X-A", "\x7f")],
        [("X-A", "\u0100")],
        [("X-A", "\u2028")],
        [("X-Before", "a"), ("X A", "a"), ("X-Behind", "a")],
        [("X-A:", "a")],
        [("X-A\r\n", "a")],
        [("", "a")],
        [("X-\xe4", "a")],
        [(" X-A", "a")],
        [("Connection", "a\n")],
        [(b"X-A", "a")],
        [("X-A", b"a")],
        [("X-A", 5)],
        [("X-A", None)],
        [(None, "a")],
        [([], "a")],
        [("X-A",)],
        [("X-A", "a", "b")],
        ["ab"],
        [None],
        None,
        [("Content-Length", "a")],
        [("Content-Length", "")],
        [("Content-Length", "\xb2")],
    ],
)
@pytest.mark.parametrize(
    ("status", "request_"),
    [
        ("200 OK", {}),
        ("200 OK", {"version": (1, 0)}),
        ("200 OK", {"method": "HEAD"}),
        ("200 OK", {"should_close": lambda: True}),
        ("204 No Content", {}),
        ("304 Not Modified", {}),
        ("101 Switching Protocols", {}),
        ("200", {}),
        ("2000 OK", {}),
        ("200 O\nK", {}),
    ],
)
def test_answer_is_gunicorns(headers, status, request_):
    def again() -> Any:
        return iter([("X-A", "a")]) if type(headers) is type(iter([])) else headers

    ours = outcome(Answer, status, again(), **request_)
    assert ours == outcome(wsgi.Response, status, again(), **request_)


@pytest.mark.parametrize(
    ("length", "pieces", "calls"),
    [
        (None, [b"abc"], 3),  # in chunks, the last one empty
        (3, [b"abc"], 1),
        (2, [b"abc", b"d"], 1),
        (0, [b""], 1),
        (6, [b"abc", b"def"], 2),
        (20_000, [b"a" * 20_000], 2),
    ],
)
def test_the_head_goes_out_with_the_first_piece(length, pieces, calls):
    headers = [] if length is None else [("Content-Length", str(length))]
    sent = []
    for kind in (Answer, wsgi.Response):
        sock = _Socket()
        req = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
        resp = kind(req, sock, Config())
        resp.start_response("200 OK", headers)
        for piece in pieces:
            resp.write(piece)
        resp.close()
        sent.append(sock)
    ours, theirs = sent
    assert ours.sent == theirs.sent
    assert ours.calls == calls


def test_date_goes_with_the_time(monkeypatch):
    for now in (1_800_000_000.0, 1_800_000_000.9, 1_800_000_001.0, 1_700_000_000.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert answers._date() == util.http_date(now)


def test_date_is_made_once_a_second(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_900_000_000.0)
    made = []
    monkeypatch.setattr("gunicorn.util.http_date", lambda now: made.append(now) or "then")
    assert [answers._date() for _ in range(3)] == ["then"] * 3
    assert made == [1_900_000_000]
