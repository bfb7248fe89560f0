"""How long does a listener's socket wait for its peer, which never waits inside of a call?"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import bounded
from config.bounded import BoundedSocket
from config.tls import ContextSource

from .pki import Authority


def _plain() -> tuple[BoundedSocket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    sock = BoundedSocket.adopt(accepted)
    sock.setblocking(True)
    return sock, peer


def _tls(folder: Path) -> tuple[BoundedSocket, socket.socket]:
    authority = Authority("sockets")
    authority.issue(folder / "server.pem")
    plain, peer = _plain()
    context = ContextSource(folder / "server.pem").current()
    sock = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
    peer = ssl.create_default_context(cadata=authority.pem.decode()).wrap_socket(
        peer, server_hostname="localhost", do_handshake_on_connect=False
    )
    greeting = threading.Thread(target=peer.do_handshake)
    greeting.start()
    sock.do_handshake()
    greeting.join()
    return sock, peer


@pytest.fixture(params=["plain", "tls"])
def pair(request, tmp_path: Path) -> Iterator[tuple]:
    sock, peer = _plain() if request.param == "plain" else _tls(tmp_path)
    with sock, peer:
        sock.setblocking(True)
        yield sock, peer


def _taken(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += peer.recv(1 << 20)
    return data


def test_what_comes_late_is_waited_for(pair):
    sock, peer = pair
    threading.Timer(0.2, peer.sendall, [b"late"]).start()
    assert sock.recv(100) == b"late"


@pytest.mark.parametrize("mode", [None, 0.0, 5.0])
def test_what_others_wish_for_does_not_change_the_bounds(pair, mode, monkeypatch):
    sock, peer = pair
    monkeypatch.setattr(bounded, "READ_S", 0.3)
    sock.settimeout(mode)
    assert sock.gettimeout() == 0.0
    threading.Timer(0.1, peer.sendall, [b"late"]).start()
    assert sock.recv(100) == b"late"
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert 0.3 <= time.monotonic() - began < 1


def test_nothing_is_read_behind_the_deadline(pair):
    sock, peer = pair
    peer.sendall(b"late")
    sock._deadline = time.monotonic() - 0.001
    with pytest.raises(ConnectionResetError):
        sock.recv(100)


def test_deadline_is_shorter_than_the_silence(pair):
    sock, _ = pair
    began = time.monotonic()
    sock._deadline = began + 0.2
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert 0.2 <= time.monotonic() - began < 1


def test_peer_that_hangs_up_is_seen(pair):
    sock, peer = pair
    peer.close()
    assert sock.recv(100) == b""


def test_large_answer_arrives_whole_at_a_peer_that_pauses(pair):
    sock, peer = pair
    answer = bytes(range(256)) * 40_000
    writing = threading.Thread(target=sock.sendall, args=[answer])
    writing.start()
    time.sleep(0.3)
    assert writing.is_alive()
    assert _taken(peer, len(answer)) == answer
    writing.join()
    peer.sendall(b"next")
    assert sock.recv(100) == b"next"


@pytest.mark.parametrize("write", ["sendall", "send"])
def test_peer_that_takes_nothing_is_given_up(pair, write, monkeypatch):
    monkeypatch.setattr(bounded, "SEND_S", 0.3)
    sock, _ = pair
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):  # noqa: PT012
        for _ in range(20):  # what the system itself takes is limited
            getattr(sock, write)(b"a" * 10_000_000)
    assert 0.3 <= time.monotonic() - began < 2


def test_peer_that_takes_little_at_a_time_is_given_up(pair, monkeypatch):
    monkeypatch.setattr(bounded, "SEND_S", 0.5)
    sock, peer = pair
    failed = []

    def write() -> None:
        try:
            sock.sendall(b"a" * 50_000_000)
        except ConnectionResetError as error:
            failed.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    while writing.is_alive():
        peer.recv(10_000)
        time.sleep(0.02)
    assert failed


def test_file_is_sent_and_reading_goes_on(pair, tmp_path: Path):
    sock, peer = pair
    (tmp_path / "file").write_bytes(b"f" * 10_000_000)
    with (tmp_path / "file").open("rb") as file:
        sending = threading.Thread(target=sock.sendfile, args=[file])
        sending.start()
        assert _taken(peer, 10_000_000) == b"f" * 10_000_000
        sending.join()
    assert sock.gettimeout() == 0.0
    threading.Timer(0.1, peer.sendall, [b"next"]).start()
    assert sock.recv(100) == b"next"


def test_handshake_that_does_not_come_is_given_up(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(bounded, "READ_S", 0.3)
    Authority("sockets").issue(tmp_path / "server.pem")
    plain, peer = _plain()
    context = ContextSource(tmp_path / "server.pem").current()
    began = time.monotonic()
    with (
        peer,
        context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as sock,
        pytest.raises(ConnectionResetError),
    ):
        sock.do_handshake()
    assert 0.3 <= time.monotonic() - began < 1
