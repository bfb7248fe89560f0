"""How is the head of an answer checked and written? As gunicorn does it, in fewer steps."""

import time
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi

# What a field of an answer tells: the client something, its length, or nothing it may tell.
_PLAIN, _LENGTH, _UNUSUAL = range(3)


# What fits into one TLS record.
_RECORD = 16 * 1024


class Answer(wsgi.Response):
    """An answer whose head is checked and written in few steps, and with the body if that is short.

    gunicorn writes head and body one by one: two records, two packets and two system calls, and a
    client that wakes up twice.
    """

    headers_sent: bool

    def write(self, arg: bytes) -> None:
        """Write a piece of the body; the first one comes with the head."""
        joins = type(arg) is bytes and len(arg) < _RECORD
        if self.headers_sent or self.chunked or self._omits_body or not joins:
            super().write(arg)
            return
        if self.response_length is not None:
            arg = arg[: self.response_length]  # never more than was said
        lines = [*self.default_headers(), *[f"{name}: {value}\r\n" for name, value in self.headers]]
        self.headers_sent = True
        self.sent = len(arg)
        self.sock.sendall(f"{''.join(lines)}\r\n".encode("latin-1") + arg)

    def process_headers(self, headers: Any) -> None:
        """Check the application's header and take it over.

        Anything unusual is left to gunicorn, which knows what to leave out, and what to say.
        """
        checked = _checked(headers)
        if checked is None:
            super().process_headers(headers)
            return
        taken, length = checked
        self.headers += taken
        if length is not None:
            self.response_length = length

    def default_headers(self) -> list[str]:
        """Return the status line and the fields that the server adds."""
        if self.upgrade:
            connection = "upgrade"
        elif self.should_close():
            connection = "close"
        else:
            connection = "keep-alive"
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_date()}\r\n",
            f"Connection: {connection}\r\n",
        ]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines


def _checked(headers: Any) -> tuple[list[tuple[str, str]], int | None] | None:
    """Return the fields of an answer and its length; ``None`` if one is unusual or wrong."""
    if type(headers) is not list:
        return None
    taken = []
    length = None
    try:
        for name, value in headers:
            kind = _kind(name)
            if kind == _LENGTH and value.isdecimal():
                length = int(value)
            elif kind != _PLAIN:
                return None
            taken.append((name, value.strip(" \t")))
        # All at once: what is allowed in each value is a class of characters.
        values = "".join([value for _, value in headers])
    except (TypeError, ValueError, AttributeError):
        return None
    return (taken, length) if wsgi.HEADER_VALUE_RE.fullmatch(values) else None


@lru_cache(maxsize=256)
def _kind(name: str) -> int:
    """Tell what a field of this name is about."""
    if not isinstance(name, str) or not wsgi.TOKEN_RE.fullmatch(name) or util.is_hoppish(name):
        return _UNUSUAL
    return _LENGTH if name.lower() == "content-length" else _PLAIN


_dated = (0, "")


def _date() -> str:
    """Return the time as in a ``Date`` field, made once a second."""
    global _dated  # noqa: PLW0603 - replaced as a whole
    now = int(time.time())
    second, text = _dated
    if second != now:
        text = util.http_date(now)
        _dated = (now, text)
    return text
