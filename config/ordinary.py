"""What does a request cost that has nothing unusual about it? A part of what gunicorn spends.

gunicorn takes each head apart piece by piece, because anything may be in it, and builds each
environ and each answer from nothing. Nearly all heads that machines send are of one kind:
origin-form, HTTP/1.1, fields of printable ASCII none of which occurs twice, all in one piece.
Those are recognised here by one grammar that is narrower than gunicorn's. All other heads go,
unread, to gunicorn's own parser: what is refused, and where a body ends, stays its decision.
"""

import re
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.body import MAX_READ_STEP, Body, LengthReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http2.negotiation import peer_trusted_for_h2c
from gunicorn.workers.gthread import TConn

from config.answers import Answer

# Request line and field lines as in RFC 9112 sections 3 and 5. The target is in origin-form
# and holds only what RFC 3986 lets stand unencoded; two slashes at its start could be taken for
# an authority. A field name with "_" would be ambiguous in an environ. What follows CONNECT is
# no further request.
_HEAD = re.compile(
    r"((?!CONNECT )[A-Z]{3,20}) "
    r"((/(?!/)[A-Za-z0-9\-._~%!$&'()*+,;=:@/]*)(?:\?([A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*))?) "
    r"HTTP/1\.1\r\n"
    r"((?:[A-Za-z0-9!#$%&'*+\-.^`|~]+:[\t\x20-\x7e]*\r\n)*)"
)
_LENGTH = re.compile(r"[0-9]{1,15}")
# What changes the framing, asks for another protocol, or for an answer before the answer.
_UNUSUAL = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE"})
_BARE = frozenset({"CONTENT-LENGTH", "CONTENT-TYPE"})  # without HTTP_ before them (RFC 3875)
# What an environ says about the connection and the server: the same for each of its requests.
_OF_CONNECTION = (
    "wsgi.version",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
    "wsgi.file_wrapper",
    "wsgi.input_terminated",
    "wsgi.url_scheme",
    "gunicorn.socket",
    "SERVER_SOFTWARE",
    "SERVER_PROTOCOL",
    "SERVER_NAME",
    "SERVER_PORT",
    "SCRIPT_NAME",
    "REMOTE_ADDR",
    "REMOTE_PORT",
)


class OrdinaryRequest(Request):
    """A request that reads its own head if it can be sure about it.

    Attributes:
        ordinary: whether it did; if not, gunicorn has read the head.
        fields: what the header says, by the names of an environ (RFC 3875 section 4.1).
    """

    ordinary = False
    fields: dict[str, str]
    _length = 0
    _closes = False

    def parse(self, unreader: Any) -> bytes:
        """Read the head; return what came behind it."""
        data: bytes = unreader.read()
        if not data:
            raise StopIteration
        end = data.find(b"\r\n\r\n")
        # A head that is short as a whole keeps the limits for its lines.
        short = 0 < end <= min(self.limit_request_line, self.limit_request_field_size)
        if short and self._recognise(str(data[: end + 2], "latin-1")):
            self.ordinary = True
            return data[end + 4 :]
        unreader.unread(data)
        rest: bytes = super().parse(unreader)
        return rest

    def _recognise(self, head: str) -> bool:
        """Take over what the head says, unless anything about it is unusual."""
        match = _HEAD.fullmatch(head)
        if match is None:
            return False
        method, target, path, query, lines = match.groups()
        headers = []
        fields: dict[str, str] = {}
        for line in lines.split("\r\n")[:-1]:
            name, _, value = line.partition(":")
            name, key = _named(name)
            if not key or key in fields:
                return False
            fields[key] = value = value.strip(" \t")
            headers.append((name, value))
        length = fields.get("CONTENT_LENGTH", "0")
        if len(headers) > self.limit_request_fields or _LENGTH.fullmatch(length) is None:
            return False
        self.method, self.uri, self.version = method, target, (1, 1)
        self.path, self.query, self.fragment = path, query or "", ""
        self.headers, self.fields = headers, fields
        self._length = int(length)
        self._closes = fields.get("HTTP_CONNECTION", "").lower() == "close"
        return True

    def set_body_reader(self) -> None:
        """Bound the body by the Content-Length; without one there is none (RFC 9112 6.3)."""
        if self.ordinary:
            self.body = _Body(LengthReader(self.unreader, self._length))
        else:
            super().set_body_reader()

    def should_close(self) -> bool:
        """Tell whether the client wants no further request on this connection."""
        if self.ordinary:
            return self.must_close or self._closes
        closes: bool = super().should_close()
        return closes


class _Body(Body):
    def read(self, size: int | None = None) -> bytes:
        """Read at once what is asked for as a whole, without buffers in between."""
        left = self.reader.length
        if (size is None or size >= left) and 0 < left <= MAX_READ_STEP and not self.buf.tell():
            return self._read_reader(left)
        return super().read(size)


class OrdinaryParser(RequestParser):
    """The requests of one connection."""

    mesg_class = OrdinaryRequest

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Read what the application has left of a body; mostly it has left nothing."""
        body = self.mesg.body if self.mesg else None
        if body is not None and not body.failed and not body.buf.tell():
            reader = body.reader
            if isinstance(reader, LengthReader) and reader.length == 0:
                return True
        finished: bool = super().finish_body(deadline, max_bytes)
        return finished


class Connection(TConn):
    """A connection that keeps what its requests have in common."""

    parser: Any
    _frame: dict[str, Any] | None = None

    def init(self) -> None:
        """Shake hands, and choose the parser, when a thread has taken the connection."""
        if self.initialized:
            return
        super().init()
        plain = type(self.parser) is RequestParser and self.cfg.proxy_protocol == "off"
        # What a trusted proxy may say about scheme and client is for gunicorn to believe. It has
        # one list of those, which this function reads.
        if plain and not peer_trusted_for_h2c(self.cfg, self.client):
            self.parser = OrdinaryParser(self.cfg, self.sock, self.client)

    def begin(self, req: Request) -> tuple[Answer, dict[str, Any]]:
        """Return the answer to fill and the environ: the one that gunicorn would make.

        gunicorn makes the first of a connection, later ones begin as copies of its frame.
        """
        if isinstance(req, OrdinaryRequest) and req.ordinary and self._frame is not None:
            return self._next(req, self._frame)
        resp, environ = wsgi.create(req, self.sock, self.client, self.server, self.cfg, Answer)
        environ["wsgi.multithread"] = True
        if isinstance(req, OrdinaryRequest) and req.ordinary and not environ["SCRIPT_NAME"]:
            self._frame = {name: environ[name] for name in _OF_CONNECTION}
            self._frame["wsgi.errors"] = _Errors(self.cfg)
        return resp, environ

    def _next(self, req: OrdinaryRequest, frame: dict[str, Any]) -> tuple[Answer, dict[str, Any]]:
        resp = Answer(req, self.sock, self.cfg)
        path = req.path
        environ = frame.copy()
        environ.update(req.fields)
        environ["wsgi.input"] = req.body
        environ["wsgi.early_hints"] = wsgi._make_early_hints_callback(  # noqa: SLF001 - no other way
            req, self.sock, resp
        )
        environ["REQUEST_METHOD"] = req.method
        environ["RAW_URI"] = req.uri
        environ["PATH_INFO"] = util.unquote_to_wsgi_str(path) if "%" in path else path
        environ["QUERY_STRING"] = req.query
        return resp, environ


class _Errors(wsgi.WSGIErrorsWrapper):
    def __init__(self, cfg: Any) -> None:
        self._cfg = cfg

    def write(self, data: Any) -> None:
        """Write to where the log goes now: its file may have been replaced meanwhile."""
        wsgi.WSGIErrorsWrapper(self._cfg).write(data)


@lru_cache(maxsize=256)
def _named(name: str) -> tuple[str, str]:
    """Return a field's name in capitals and its name in an environ; empty if unusual."""
    name = name.upper()
    if name in _UNUSUAL:
        return name, ""
    if name in _BARE:
        return name, name.replace("-", "_")
    return name, "HTTP_" + name.replace("-", "_")
