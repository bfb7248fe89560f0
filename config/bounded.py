"""How long may a slow client keep a thread? Sockets and a gunicorn worker with deadlines.

gunicorn's gthread worker reads requests without a timeout: a handful of clients that send one
byte a minute would occupy every thread, on the TLS port even before they authenticate. Here
each request has to arrive within a deadline, and each answer has to be taken within another.
A client that misses one is treated as if it had hung up.

A quick client, in turn, is not sent round by the loop that waits for slow ones: a thread with
nothing else to do stays with a kept connection for a moment (ADR 0008).
"""

import errno
import gc
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from config import memory
from config.answers import Answer
from config.ordinary import Connection

REQUEST_S = 30.0
"""From the moment a thread takes a connection to the last byte of the request (and handshake)."""
READ_S = 10.0
"""Longest silence while a request arrives."""
SEND_S = 120.0
"""Longest stall while an answer is taken; large CRLs go to slow lines."""
LINGER_S = 1.0
"""How long a finished connection waits for its peer to close first (RFC 9112 section 9.6)."""
NEXT_MS = 5
"""How long a spare thread stays with a kept connection, whose next request may follow at once."""
_GARBAGE = (20_000, 20, 20)
"""After how many new containers the garbage collector looks; Python's own: 700, 10, 10."""
_WARM = 50
"""After how many requests a process has loaded nearly all that it will use."""


class _Bounded:
    """Mixed into plain and TLS sockets: whatever waits, waits here and until a deadline.

    The socket itself never waits. What is asked of it can mostly be done at once, and each
    change between waiting and not waiting would be a system call.
    """

    _deadline = 0.0

    def setblocking(self, flag: bool) -> None:
        """Start a new deadline when a thread takes the socket; gunicorn calls this each time."""
        if flag:
            self._deadline = time.monotonic() + REQUEST_S
        self.settimeout(0.0)

    def settimeout(self, value: float | None) -> None:  # noqa: ARG002 - a socket's own signature
        """Keep the socket from waiting, whatever is wished for."""
        if super().gettimeout() != 0.0:  # type: ignore[misc]
            super().settimeout(0.0)  # type: ignore[misc]

    def finish(self) -> None:
        """Close politely: say that nothing more comes, wait briefly for the peer to agree."""
        self._deadline = time.monotonic() + LINGER_S
        util.close_graceful(self)

    def recv(self, *args: Any) -> bytes:
        """Read within the request's deadline."""
        until = min(self._deadline, time.monotonic() + READ_S)
        data: bytes = self._until(until, select.POLLIN, super().recv, *args)  # type: ignore[misc]
        return data

    def send(self, data: Any, *flags: int) -> int:
        """Write a part; fails when the peer takes nothing for long."""
        until = time.monotonic() + SEND_S
        sent: int = self._until(until, select.POLLOUT, super().send, data, *flags)  # type: ignore[misc]
        return sent

    def sendall(self, data: Any, *flags: int) -> None:
        """Write all of it before the bound is over, however many calls that takes."""
        until = time.monotonic() + SEND_S
        while data:
            sent = self._until(until, select.POLLOUT, super().send, data, *flags)  # type: ignore[misc]
            data = memoryview(data)[sent:]

    def sendfile(self, *args: Any, **options: Any) -> int:
        """Write a file."""
        super().settimeout(SEND_S)  # type: ignore[misc]
        try:
            sent: int = super().sendfile(*args, **options)  # type: ignore[misc]
        finally:
            self.settimeout(0.0)
        return sent

    def _until(self, until: float, event: int, act: Callable[..., Any], *args: Any) -> Any:
        """Run a call that does not wait, and again after ``event``, until it succeeds.

        A miss looks like a peer that closed the connection.
        """
        while time.monotonic() < until:
            try:
                return act(*args)
            except BlockingIOError:
                pass
            except ssl.SSLWantReadError:
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
            _wait(self, event, until - time.monotonic())
        raise ConnectionResetError(errno.ECONNRESET, "the client was too slow")


def _wait(sock: Any, event: int, seconds: float) -> bool:
    """Wait until the connection is readable or writable; tell whether it is."""
    readiness = select.poll()
    readiness.register(sock, event)
    return bool(readiness.poll(max(0.0, seconds) * 1000))


class BoundedSocket(_Bounded, socket.socket):
    """A plain TCP connection with deadlines."""

    @classmethod
    def adopt(cls, plain: socket.socket) -> "BoundedSocket":
        """Take over the connection of ``plain``, which is unusable afterwards."""
        adopted = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        adopted.settimeout(0.0)
        return adopted


class BoundedTLSSocket(_Bounded, ssl.SSLSocket):
    """A TLS connection with deadlines; its handshake counts as part of the first request."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within the request's deadline."""
        now = time.monotonic()
        self._deadline = now + REQUEST_S
        self._until(now + min(READ_S, REQUEST_S), select.POLLIN, super().do_handshake, block)


class BoundedThreadWorker(ThreadWorker):
    """gthread, with every accepted connection turned into a bounded one.

    Finished connections are closed by the thread that served them. gunicorn does that in the
    one loop that accepts all connections, and waits there up to two seconds for each peer.
    """

    alive: bool

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lock = threading.Lock()
        self._taken = 0  # connections that are with a thread, or wait for one
        self._is_cold = True

    def init_process(self) -> None:
        """Start serving, with settings that are looked up quickly.

        gunicorn finds each setting through two dictionaries and a method, dozens of times a
        request. A worker's never change: a reload starts new workers. What was imported stays
        as well: the garbage collector need not look through it, a quarter of a second each time.
        Requests leave next to nothing in circles, so it need not look after every few either.
        """
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        self.cfg.__dict__.update({name: one.get() for name, one in self.cfg.settings.items()})
        # Our sockets shake hands in their own way, in the thread that takes them.
        self.cfg.__dict__["do_handshake_on_connect"] = False
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Hand the connection to a thread; TLS is wrapped there, around the bounded socket."""
        if not isinstance(conn, Connection):
            conn = Connection(conn.cfg, BoundedSocket.adopt(conn.sock), conn.client, conn.server)
        with self._lock:
            self._taken += 1
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Serve one request and what follows it at once; when the connection ends, close it."""
        try:
            goes_on = super().handle(conn)
            while goes_on is True and self._follows(conn):
                goes_on = super().handle(conn)
        finally:
            with self._lock:
                self._taken -= 1
        if not goes_on:
            if conn.sock.fileno() >= 0:
                conn.sock.finish()
            conn.close = _closed_already
        return goes_on

    def _gather_when_warm(self) -> None:
        if self._is_cold and self.nr >= _WARM:
            self._is_cold = False
            threading.Thread(target=memory.gather, daemon=True).start()

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Answer one request as gunicorn does; only the connection begins the answer.

        There are no hooks before and after a request: no configuration of ours has any.
        """
        self._gather_when_warm()
        resp = None
        try:
            began = datetime.now(UTC)
            resp, environ = conn.begin(req)
            self.nr += 1
            if self.nr >= self.max_requests:
                if self.alive:
                    self.log.info("Autorestarting worker after current request.")
                    self.alive = False
                resp.force_close()
            full = len(self.keepalived_conns) >= self.max_keepalived
            if full or not self.alive or not self.cfg.keepalive:
                resp.force_close()
            pieces = self.wsgi(environ, resp.start_response)
            try:
                _write(resp, pieces, environ["wsgi.file_wrapper"])
            finally:
                if self.log.access_log_enabled:
                    self.log.access(resp, req, environ, datetime.now(UTC) - began)
                if hasattr(pieces, "close"):
                    pieces.close()
            if resp.should_close():
                self.log.debug("Closing connection.")
                return False
        except OSError:
            raise
        except (Exception, SystemExit) as error:
            if resp and resp.headers_sent:
                # Another answer would be taken for the rest of this one.
                self.log.exception("Error handling request")
                util.close_graceful(conn.sock)
                raise StopIteration from error
            raise
        return True

    def _follows(self, conn: TConn) -> bool:
        """Tell whether the next request arrives while this thread has nothing else to do.

        Going back to the loop and out to a thread again costs more than many a view. Another
        thread always stays free for who comes meanwhile: nobody waits for longer than
        ``NEXT_MS`` because of this, and that only when several come at once.
        """
        if not self.alive or self._taken >= self.cfg.threads:
            return False
        if conn.parser.unreader.buf.getvalue():
            return False  # read ahead; gunicorn queues such a connection behind the others
        return _wait(conn.sock, select.POLLIN, NEXT_MS / 1000)


def _write(resp: Answer, pieces: Any, file_wrapper: type) -> None:
    if isinstance(pieces, file_wrapper):
        resp.write_file(pieces)
    else:
        for piece in pieces:
            resp.write(piece)
    resp.close()


def _closed_already(graceful: bool = False) -> None:
    """Stand in for ``TConn.close`` once there is nothing left to close."""
