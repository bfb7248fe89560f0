"""Is an ordinary request exactly what gunicorn would have made of it, and all else left to it?"""

import io
import os
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser

from config.ordinary import Connection, OrdinaryParser, OrdinaryRequest

_CLIENT, _SERVER = ("192.0.2.7", 4711), ("192.0.2.1", 8443)
_POST = (
    b"POST /api/v1/certificate-requests/ HTTP/1.1\r\n"
    b"Host: ca.example:8443\r\n"
    b"Accept-Encoding: identity\r\n"
    b"Content-Length: 5\r\n"
    b"Authorization: Bearer 0123456789abcdef\r\n"
    b"Content-Type: application/json\r\n\r\n"
)
_GET = b"GET /pki/crls/a%20b;v=1?x=%2F&y HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
_ORDINARY = [
    _POST,
    _GET,
    b"HEAD / HTTP/1.1\r\n\r\n",
    b"DELETE /acme/order/%e4%00?? HTTP/1.1\r\nHost:a\r\nX-Empty:\r\nX-Tab:\t a\tb \t\r\n\r\n",
    b"OPTIONS /?a/b HTTP/1.1\r\nHost: a\r\nConnection: Close\r\nContent-Length: 00\r\n\r\n",
    b'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nCookie: a=b; c="d"\r\n\r\n',
    b"GET / HTTP/1.1\r\nhOST: a\r\nX.Y!#$%&'*+-^`|~: :\r\nConnection: Upgrade\r\n\r\n",
]
_LEFT_TO_GUNICORN = [
    # request lines
    b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET / http/1.1\r\nHost: a\r\n\r\n",
    b"GET /\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"AAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //b/c?d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /[a] HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    # field lines
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-A: a\r\nX-A: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nX_A: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-A: a\r\nX_A: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nX_Forwarded_For: a\r\nScript_Name: /b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n",
    b"GET / HTTP/1.1\r\nH\xf6st: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost(a): a\r\n\r\n",
    # where the body ends
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5_0\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5555555555555555555\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer_Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: tea\r\n\r\n",
    b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
]
_BEHIND = b"5\r\nabcde\r\n0\r\n\r\nGET /next HTTP/1.1\r\n\r\n"


class _Socket:
    """Hands out what was sent, piece by piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)
        self.sent = b""

    def recv(self, size: int) -> bytes:
        piece = next(self.pieces, b"")
        assert len(piece) <= size
        return piece

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def setblocking(self, flag: bool) -> None: ...


def config(**settings: Any) -> Config:
    made = Config()
    made.set("forwarded_allow_ips", "")
    for name, value in settings.items():
        made.set(name, value)
    return made


def connection(
    cfg: Config,
    *pieces: bytes,
    client: Any = _CLIENT,
    first: bytes = b"GET / HTTP/1.1\r\n\r\n",
    ordinary: bool = True,
) -> Connection:
    """Return a connection with its parser, that has answered an ordinary request before."""
    conn = Connection(cfg, _Socket([first, *pieces]), client, _SERVER)
    conn.init()
    if not ordinary:
        conn.parser = RequestParser(cfg, conn.sock, client)
    conn.begin(next(conn.parser))
    return conn


def outcome(conn: Connection) -> dict[str, Any]:
    """Return all that shows of the next request, or how it is refused."""
    try:
        req = next(conn.parser)
        _, environ = conn.begin(req)
    except (Exception, StopIteration) as error:
        return {"error": type(error), "says": str(error)}
    environ["wsgi.multithread"] = True
    assert callable(environ.pop("wsgi.early_hints"))
    assert isinstance(environ.pop("wsgi.errors"), io.RawIOBase)
    assert environ.pop("gunicorn.socket") is conn.sock
    assert environ["wsgi.input"] is req.body
    shown = {"environ": environ, "sent": conn.sock.sent, "closes": req.should_close()}
    for name in ("method", "uri", "path", "query", "fragment", "version", "headers", "scheme"):
        shown[name] = getattr(req, name)
    try:
        shown["body"] = environ.pop("wsgi.input").read()
    except Exception as error:
        shown["body"] = type(error), str(error)
    shown["drained"] = conn.parser.finish_body()
    shown["behind"] = conn.parser.unreader.buf.getvalue()
    return shown


def both(cfg: Config, *pieces: bytes, **options: Any) -> Iterator[dict[str, Any]]:
    """Yield what comes of a request here, and what gunicorn makes of it."""
    for ordinary in (True, False):
        yield outcome(connection(cfg, *pieces, ordinary=ordinary, **options))


def is_ordinary(head: bytes, cfg: Config | None = None) -> bool:
    conn = connection(cfg or config(), head + _BEHIND)
    try:
        return next(conn.parser).ordinary
    except Exception:
        return False


@pytest.mark.parametrize("head", _ORDINARY)
def test_ordinary_heads_are_recognised(head):
    assert is_ordinary(head)


@pytest.mark.parametrize("head", _LEFT_TO_GUNICORN)
def test_unusual_heads_are_left_to_gunicorn(head):
    assert not is_ordinary(head)


@pytest.mark.parametrize("head", _ORDINARY + _LEFT_TO_GUNICORN)
def test_outcome_is_gunicorns(head):
    ours, theirs = both(config(), head + _BEHIND)
    assert ours == theirs


@pytest.mark.parametrize("head", [_POST, _GET])
def test_outcome_is_gunicorns_for_each_wrong_byte(head):
    cfg = config()
    for place in range(len(head)):
        before, behind = head[:place], head[place + 1 :]
        wrong = [bytes([odd]) for odd in b'\0\t\n\r :"#/?_a\x7f\x80']
        for instead in (b"", *wrong, *(odd + head[place : place + 1] for odd in wrong)):
            ours, theirs = both(cfg, before + instead + behind + _BEHIND)
            assert ours == theirs, (before, instead, behind)


def test_outcome_is_gunicorns_wherever_the_pieces_part():
    request = _POST + _BEHIND
    for place in range(1, len(request)):
        ours, theirs = both(config(), request[:place], request[place:])
        assert ours == theirs


@pytest.mark.parametrize("missing", [1, 4, len(_POST)])
def test_outcome_is_gunicorns_when_the_client_hangs_up(missing):
    ours, theirs = both(config(), (_POST + b"abcde")[:-missing])
    assert ours == theirs


@pytest.mark.parametrize(
    ("settings", "kept", "broken"),
    [
        ({"limit_request_line": 20}, b"GET /aaaaaa HTTP/1.1", b"GET /aaaaaaa HTTP/1.1"),
        ({"limit_request_fields": 3}, b"GET / HTTP/1.1" + b"\r\nA: 1\r\nB: 1\r\nC: 1", b""),
        ({"limit_request_fields": 2}, b"", b"GET / HTTP/1.1" + b"\r\nA: 1\r\nB: 1\r\nC: 1"),
        ({"limit_request_field_size": 30}, b"GET / HTTP/1.1\r\nA: " + b"a" * 25, b""),
        ({"limit_request_field_size": 30}, b"", b"GET / HTTP/1.1\r\nA: " + b"a" * 26),
        ({}, b"GET /" + b"a" * 4080 + b" HTTP/1.1", b"GET /" + b"a" * 4081 + b" HTTP/1.1"),
    ],
)
def test_limits_are_gunicorns(settings, kept, broken):
    for head in (kept, broken):
        ours, theirs = both(config(**settings), head + b"\r\n\r\n")
        assert ours == theirs
        assert not head or ("error" in ours) is (head is broken)


@pytest.mark.parametrize(
    "settings",
    [
        {"casefold_http_method": True},
        {"permit_unconventional_http_method": True},
        {"permit_unconventional_http_version": True},
        {"permit_obsolete_folding": True},
        {"strip_header_spaces": True},
        {"header_map": "dangerous"},
        {"header_map": "refuse"},
        {"limit_request_line": 0},
        {"limit_request_field_size": 0},
        {"limit_request_fields": 0},
        {"proxy_protocol": "auto", "proxy_allow_ips": "*"},
        {"secure_scheme_headers": {"HOST": "a"}, "forwarded_allow_ips": "*"},
        {"forwarder_headers": "X_A", "forwarded_allow_ips": "*"},
    ],
)
def test_outcome_is_gunicorns_whatever_is_configured(settings):
    for head in _ORDINARY + _LEFT_TO_GUNICORN:
        ours, theirs = both(config(**settings), head + _BEHIND)
        assert ours == theirs, head


def test_trusted_proxies_and_local_sockets_are_left_to_gunicorn():
    for cfg, client in (
        (config(forwarded_allow_ips="192.0.2.7"), _CLIENT),
        (config(forwarded_allow_ips="*"), _CLIENT),
        (config(), ""),
        (config(proxy_protocol="v1"), _CLIENT),
    ):
        conn = Connection(cfg, _Socket([]), client, _SERVER)
        conn.init()
        assert type(conn.parser) is RequestParser
    conn = Connection(config(), _Socket([]), _CLIENT, _SERVER)
    conn.init()
    assert type(conn.parser) is OrdinaryParser


def test_requests_of_a_connection_share_nothing_that_changes():
    conn = connection(config(), _POST, b"abcde", _GET)
    _, first = conn.begin(next(conn.parser))
    assert first["wsgi.input"].read() == b"abcde"
    first["HTTP_X_ADDED"] = first["SCRIPT_NAME"] = first["REMOTE_ADDR"] = "changed"
    _, second = conn.begin(next(conn.parser))
    assert second["SCRIPT_NAME"] == ""
    assert second["REMOTE_ADDR"] == _CLIENT[0]
    assert not {"HTTP_X_ADDED", "CONTENT_LENGTH", "HTTP_AUTHORIZATION"} & second.keys()


def test_a_configured_script_name_is_gunicorns_to_split_off(monkeypatch):
    monkeypatch.setitem(os.environ, "SCRIPT_NAME", "/pki")
    ours, theirs = both(config(), _GET, first=_GET)
    assert ours == theirs
    assert ours["environ"]["PATH_INFO"].startswith("/crls")


@pytest.mark.parametrize(
    "sizes",
    [[], [None], [-1], [4000], [5000], [2, 2, 2], [2, None], [2, 4000, 9], [0, 4000], [3, -1, 1]],
)
def test_body_is_read_as_gunicorn_reads_it(sizes):
    request = _POST.replace(b"Length: 5", b"Length: 4000")
    body = b"abc\ndef\n" * 500
    for pieces in (
        [request + body[:4000] + _GET],
        [request, body[:4000] + _GET],
        [request + body[:9], body[9:3000], body[3000:4000]],
        [request, body[:3000]],
    ):
        answers = []
        for ordinary in (True, False):
            conn = connection(config(), *pieces, ordinary=ordinary)
            stream = next(conn.parser).body
            read = [stream.read(size) for size in sizes]
            left = (stream.readline(), conn.parser.finish_body())
            answers.append((read, left, conn.parser.unreader.buf.getvalue()))
        assert answers[0] == answers[1]


def test_what_the_application_left_of_a_body_is_no_request():
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    request = _POST.replace(b"Length: 5", b"Length: %d" % len(smuggled))
    conn = connection(config(), request + smuggled + _GET)
    next(conn.parser)
    assert next(conn.parser).path == "/pki/crls/a%20b;v=1"


def test_no_request_follows_one_that_closes():
    conn = connection(config(), _GET.replace(b"keep-alive", b"close") + _GET)
    assert isinstance(next(conn.parser), OrdinaryRequest)
    with pytest.raises(StopIteration):
        next(conn.parser)


def test_errors_go_to_the_log_as_it_is_then(monkeypatch):
    written = []
    conn = connection(config(), _GET)
    _, environ = conn.begin(next(conn.parser))
    monkeypatch.setattr(wsgi.WSGIErrorsWrapper, "write", lambda _, data: written.append(data))
    environ["wsgi.errors"].write("text")
    assert written == ["text"]
