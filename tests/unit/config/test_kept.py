"""Is a quick client served without detours, and does nobody else wait for that?"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from config import bounded
from config.bounded import BoundedSocket, BoundedThreadWorker

from .listener import running
from .pki import Authority

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_AT_ONCE_S = 0.5  # the listener of the tests lets a spare thread stay for twice as long


@pytest.fixture
def pair():
    ours, peer = socket.socketpair()
    sock = BoundedSocket.adopt(ours)
    sock.setblocking(True)
    peer.settimeout(0.2)
    with sock, peer:
        yield sock, peer


@pytest.fixture
def worker() -> Iterator[BoundedThreadWorker]:
    cfg = Config()
    cfg.set("threads", 2)
    made = BoundedThreadWorker(1, 1, [], None, 30, cfg, None)
    made._taken = 1
    yield made
    made.tmp.close()


def conn(sock, read_ahead: bytes = b""):
    buffer = SimpleNamespace(getvalue=lambda: read_ahead)
    return SimpleNamespace(sock=sock, parser=SimpleNamespace(unreader=SimpleNamespace(buf=buffer)))


def test_thread_stays_for_a_request_that_follows_at_once(worker, pair):
    pair[1].sendall(_REQUEST)
    assert worker._follows(conn(pair[0]))


def test_thread_stays_no_longer_than_a_moment(worker, pair):
    began = time.monotonic()
    assert not worker._follows(conn(pair[0]))
    assert bounded.NEXT_MS / 1000 <= time.monotonic() - began < 0.2


def test_last_free_thread_does_not_stay(worker, pair):
    pair[1].sendall(_REQUEST)
    worker._taken = 2
    assert not worker._follows(conn(pair[0]))


def test_stopping_worker_does_not_stay(worker, pair):
    pair[1].sendall(_REQUEST)
    worker.alive = False
    assert not worker._follows(conn(pair[0]))


def test_what_was_read_ahead_waits_in_line(worker, pair):
    pair[1].sendall(_REQUEST)
    assert not worker._follows(conn(pair[0], read_ahead=_REQUEST))


def _ask(client: http.client.HTTPConnection, path: str = "/") -> bytes:
    client.request("GET", path)
    return client.getresponse().read()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_thread_that_stays_holds_up_nobody(tmp_path: Path, threads):
    with running(tmp_path, threads=threads) as port:
        clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=5) for _ in range(6)]
        for _ in range(3):
            for client in clients:  # all kept open, and silent after their answer
                began = time.monotonic()
                assert _ask(client) == b"none"
                assert time.monotonic() - began < _AT_ONCE_S
        for client in clients:
            client.close()


def test_a_client_that_never_pauses_leaves_room_for_others(tmp_path: Path):
    with running(tmp_path, threads=2) as port:
        busy = [http.client.HTTPConnection("127.0.0.1", port, timeout=5) for _ in range(2)]
        for _ in range(20):
            for client in busy:
                assert _ask(client) == b"none"
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as other:
                began = time.monotonic()
                assert _ask(other) == b"none"
                assert time.monotonic() - began < _AT_ONCE_S
        for client in busy:
            client.close()


def test_pipelined_requests_are_all_answered(tmp_path: Path):
    with (
        running(tmp_path, threads=2) as port,
        socket.create_connection(("127.0.0.1", port), timeout=5) as client,
    ):
        client.sendall(_REQUEST * 3)
        answer = b""
        while answer.count(b"none") < 3:
            answer += client.recv(4096)
        assert answer.count(b"200 OK") == 3


def test_deadline_begins_anew_with_each_request(tmp_path: Path):
    with (
        running(tmp_path, threads=2) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as slow,
    ):
        for _ in range(3):  # 1.2 s each, of 3 s in all for one request
            for piece in (_REQUEST[:10], _REQUEST[10:20], _REQUEST[20:]):
                slow.sendall(piece)
                time.sleep(0.4)
            assert slow.recv(4096).endswith(b"none")
        slow.sendall(_REQUEST[:10])
        assert slow.recv(100) == b""  # silence on a thread that stayed ends as elsewhere


def test_answers_without_a_body_and_in_pieces_arrive_in_time(tmp_path: Path):
    with running(tmp_path) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        client.request("GET", "/bare")
        with client.getresponse() as answer:
            assert (answer.status, answer.read()) == (204, b"")
        client.request("HEAD", "/")
        with client.getresponse() as answer:
            assert (answer.headers["Content-Length"], answer.read()) == ("4", b"")
        began = time.monotonic()
        client.request("GET", "/slow")
        answer = client.getresponse()
        assert answer.read1() == b"first"
        assert time.monotonic() - began < _AT_ONCE_S
        assert answer.read() == b"second"
        client.close()


@pytest.fixture(params=["plain", "tls"])
def dial(request, tmp_path: Path) -> Iterator[Callable[[], socket.socket]]:
    """Run a listener; yield what connects to it."""
    authority, path = Authority("kept"), tmp_path / "server.pem"
    authority.issue(path)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    tls = f"ContextSource(Path({str(path)!r}))" if request.param == "tls" else ""
    with running(tmp_path, threads=2, tls=tls) as port:

        def connect() -> socket.socket:
            plain = socket.create_connection(("127.0.0.1", port), timeout=5)
            return context.wrap_socket(plain, server_hostname="localhost") if tls else plain

        yield connect


def _until_closed(client: socket.socket) -> bytes:
    answer = b""
    while piece := client.recv(65536):
        answer += piece
    return answer


_CLOSING = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"


def test_bodies_and_what_follows_them_are_told_apart(dial):
    with dial() as client:
        client.sendall(
            _REQUEST
            + b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nfirst"
            + b"POST /unread HTTP/1.1\r\nContent-Length: 5\r\n\r\nother"
            + b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"3\r\nsec\r\n3;a=b\r\nond\r\n0\r\n\r\n"
            + _CLOSING
            + _REQUEST
        )
        answers = _until_closed(client).split(b"HTTP/1.1 200 OK\r\n")
    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert bodies == [b"", b"none", b"first", b"none", b"second", b"none"]
    assert b"Connection: close" in answers[5]


def test_ambiguous_request_is_refused_on_a_kept_connection(dial):
    with dial() as client:
        client.sendall(_REQUEST + b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n")
        client.sendall(b"Content-Length: 5\r\n\r\n0\r\n\r\n" + _REQUEST)
        answers = _until_closed(client)
    assert answers.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400 Bad Request" in answers


def test_http_1_0_is_answered_once(dial):
    with dial() as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n" + _REQUEST)
        answer = _until_closed(client)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nnone")


def test_body_is_asked_for_where_the_client_waits_for_that(dial):
    with dial() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: 4\r\n")
        client.sendall(b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert _until_closed(client).endswith(b"\r\n\r\nbody")


def test_large_bodies_pass_both_ways(dial):
    body = bytes(range(256)) * 8_000
    with dial() as client:
        for _ in range(2):
            client.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
            client.sendall(body)
            answer = b""
            while len(answer.partition(b"\r\n\r\n")[2]) < len(body):
                answer += client.recv(65536)
            assert answer.endswith(b"\r\n\r\n" + body)


def test_files_are_sent_on_a_kept_connection(dial):
    with dial() as client:
        client.sendall(_REQUEST.replace(b"/", b"/file", 1) + _CLOSING)
        answers = _until_closed(client)
    assert answers.count(b"f" * 300_000) == 1
    assert answers.endswith(b"none")


def test_faults_are_answered_and_leave_the_worker_in_service(tmp_path: Path):
    with running(tmp_path, faults=True) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        client.request("GET", "/broken")
        assert client.getresponse().status == 500
        client.close()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            _ask(client, "/half")
        client.close()
        assert _ask(client) == b"none"
        client.close()
    assert b"Socket error" not in (tmp_path / "log").read_bytes()


def test_a_workers_settings_are_those_of_its_configuration(worker, monkeypatch):
    expected = {name: getattr(worker.cfg, name) for name in worker.cfg.settings}
    monkeypatch.setattr("gunicorn.workers.gthread.ThreadWorker.init_process", lambda _: None)
    worker.init_process()
    assert {name: getattr(worker.cfg, name) for name in worker.cfg.settings} == expected
    assert worker.cfg.threads == 2
