"""One worker, one thread: whoever holds it too long holds everybody."""

import http.client
import socket
import time
from pathlib import Path

from config.listen import COMMON

from .listener import running

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(_REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = b""
        while piece := client.recv(4096):
            answer += piece
        return answer


def test_silent_client_is_dropped(tmp_path: Path):
    with running(tmp_path) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET / HT")
        assert _ask(port).startswith(b"HTTP/1.1 200")
        assert slow.recv(100) == b""


def test_trickling_client_is_dropped_at_the_deadline(tmp_path: Path):
    with running(tmp_path) as port:
        with socket.create_connection(("127.0.0.1", port)) as slow:
            began = time.monotonic()
            try:
                for byte in _REQUEST:  # always one byte before the silence limit
                    slow.sendall(bytes([byte]))
                    time.sleep(0.3)
            except OSError:
                pass
            assert time.monotonic() - began < 10
        assert _ask(port).startswith(b"HTTP/1.1 200")


def test_client_that_does_not_close_does_not_hold_up_others(tmp_path: Path):
    with running(tmp_path) as port:
        lingering = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        for client in lingering:
            client.sendall(_REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert _ask(port).startswith(b"HTTP/1.1 200")
        for client in lingering:
            client.close()


def test_connection_is_kept_for_the_next_request(tmp_path: Path):
    with running(tmp_path) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        client.connect()
        first = client.sock
        for _ in range(2):
            client.request("GET", "/")
            assert client.getresponse().read() == b"none"
            time.sleep(1.7)  # longer than the silence limit inside a request
        assert client.sock is first
        client.close()


def test_forwarded_headers_of_the_peer_are_not_believed():
    assert COMMON["forwarded_allow_ips"] == ""
