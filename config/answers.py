"""How is the head of an answer checked and written? As gunicorn does it, in fewer steps."""

import time
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi


class Answer(wsgi.Response):
    """An answer whose head is checked and written in few steps."""

    def process_headers(self, headers: Any) -> None:
        """Check the application's header and take it over.

        Anything unusual is left to gunicorn, which knows what to leave out, and what to say.
        """
        taken = _checked(headers)
        if taken is None:
            super().process_headers(headers)
            return
        for field in taken:
            name, value = field
            if len(name) == len("content-length") and name.lower() == "content-length":
                self.response_length = int(value)
            self.headers.append(field)

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


def _checked(headers: Any) -> list[tuple[str, str]] | None:
    """Return the fields of an answer, or ``None`` if one is unusual or wrong."""
    if type(headers) is not list:
        return None
    taken = []
    try:
        for name, value in headers:
            if not _is_usual(name):
                return None
            taken.append((name, value.strip(" \t")))
        # All at once: what is allowed in each value is a class of characters.
        values = "".join([value for _, value in headers])
    except (TypeError, ValueError, AttributeError):
        return None
    return taken if wsgi.HEADER_VALUE_RE.fullmatch(values) else None


@lru_cache(maxsize=256)
def _is_usual(name: str) -> bool:
    """Tell whether a field of this name is for the client, and not about the connection."""
    return (
        isinstance(name, str)
        and wsgi.TOKEN_RE.fullmatch(name) is not None
        and not util.is_hoppish(name)
    )


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
