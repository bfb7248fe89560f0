"""How long may a slow client keep a thread? Sockets and a gunicorn worker with deadlines.

gunicorn's gthread worker reads requests without a timeout: a handful of clients that send one
byte a minute would occupy every thread, on the TLS port even before they authenticate. Here
each request has to arrive within a deadline, and each answer has to be taken within another.
A client that misses one is treated as if it had hung up.
"""

import errno
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

REQUEST_S = 30.0
"""From the moment a thread takes a connection to the last byte of the request (and handshake)."""
READ_S = 10.0
"""Longest silence while a request arrives."""
SEND_S = 120.0
"""Longest stall while an answer is taken; large CRLs go to slow lines."""
LINGER_S = 1.0
"""How long a finished connection waits for its peer to close first (RFC 9112 section 9.6)."""


class _Bounded:
    """Mixed into plain and TLS sockets: blocking mode always means "until the deadline"."""

    _deadline = 0.0

    def setblocking(self, flag: bool) -> None:
        """Start a new deadline when a thread takes the socket; gunicorn calls this each time."""
        if flag:
            self._deadline = time.monotonic() + REQUEST_S
            self.settimeout(READ_S)
        else:
            self.settimeout(0.0)

    def finish(self) -> None:
        """Close politely: say that nothing more comes, wait briefly for the peer to agree."""
        self._deadline = time.monotonic() + LINGER_S
        util.close_graceful(self)

    def _within_deadline(self, act: Callable[..., Any], *args: Any) -> Any:
        """Run one reading call; a miss looks like a peer that closed the connection."""
        remaining = self._deadline - time.monotonic()
        try:
            if remaining <= 0:
                raise TimeoutError  # noqa: TRY301 - same end as a silent socket
            self.settimeout(min(READ_S, remaining))
            return act(*args)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client was too slow") from error

    def _within_stall(self, act: Callable[..., Any], *args: Any) -> Any:
        """Run one writing call with the longer bound."""
        self.settimeout(SEND_S)
        try:
            return act(*args)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client took no data") from error

    def settimeout(self, value: float | None) -> None:  # pragma: no cover - the socket's own
        """See ``socket.socket.settimeout``."""
        super().settimeout(value)  # type: ignore[misc]


class BoundedSocket(_Bounded, socket.socket):
    """A plain TCP connection with deadlines."""

    @classmethod
    def adopt(cls, plain: socket.socket) -> "BoundedSocket":
        """Take over the connection of ``plain``, which is unusable afterwards."""
        timeout = plain.gettimeout()
        adopted = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        adopted.settimeout(timeout)
        return adopted

    def recv(self, *args: Any) -> bytes:
        """Read within the request's deadline."""
        data: bytes = self._within_deadline(super().recv, *args)
        return data

    def sendall(self, *args: Any) -> None:
        """Write; fails when the peer takes nothing for long."""
        self._within_stall(super().sendall, *args)


class BoundedTLSSocket(_Bounded, ssl.SSLSocket):
    """A TLS connection with deadlines; its handshake counts as part of the first request."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within the request's deadline."""
        self._deadline = time.monotonic() + REQUEST_S
        self._within_deadline(super().do_handshake, block)

    def recv(self, *args: Any) -> bytes:
        """Read within the request's deadline."""
        data: bytes = self._within_deadline(super().recv, *args)
        return data

    def sendall(self, *args: Any) -> None:
        """Write; fails when the peer takes nothing for long."""
        self._within_stall(super().sendall, *args)


class BoundedThreadWorker(ThreadWorker):
    """gthread, with every accepted connection turned into a bounded one.

    Finished connections are closed by the thread that served them. gunicorn does that in the
    one loop that accepts all connections, and waits there up to two seconds for each peer.
    """

    def enqueue_req(self, conn: TConn) -> None:
        """Hand the connection to a thread; TLS is wrapped there, around the bounded socket."""
        if not isinstance(conn.sock, _Bounded):
            conn.sock = BoundedSocket.adopt(conn.sock)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Serve one request; when the connection ends with it, close it here."""
        goes_on = super().handle(conn)
        if not goes_on:
            if conn.sock.fileno() >= 0:
                conn.sock.finish()
            conn.close = _closed_already
        return goes_on


def _closed_already(graceful: bool = False) -> None:
    """Stand in for ``TConn.close`` once there is nothing left to close."""
