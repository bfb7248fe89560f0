"""Servers on loopback that tests use as the outside world: DNS, web and TLS.

They misbehave on demand, and record what they were asked.
"""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _TCPServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what many tests are about."""


# --- Names -------------------------------------------------------------------------------------


@dataclass
class NameServer:
    """An authoritative name server whose records are a dict that tests change.

    ``records`` maps ``("name", "TYPE")`` to texts of rdata, to an rcode's name, or to a
    callable that is asked each time. A name without any record does not exist.
    """

    port: int
    records: dict[tuple[str, str], object] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    silent: bool = False
    garble: Callable[[bytes], bytes] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def host(self, name: str, *addresses: str) -> None:
        """Give a name its addresses, of both families."""
        self.records[name, "A"] = [a for a in addresses if ":" not in a]
        self.records[name, "AAAA"] = [a for a in addresses if ":" in a]

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        question = dns.message.from_wire(wire)
        name = question.question[0].name
        kind = dns.rdatatype.to_text(question.question[0].rdtype)
        text = name.to_text(omit_final_dot=True).lower()
        self.asked.append((text, kind, transport))
        if self.silent:
            return None
        response = dns.message.make_response(question)
        self._fill(response, text, kind)
        out = response.to_wire(max_size=65535)
        if transport == "udp" and len(out) > 1232:
            response.answer.clear()
            response.flags |= dns.flags.TC
            out = response.to_wire()
        return self.garble(out) if self.garble else out

    def _fill(self, response: dns.message.Message, text: str, kind: str) -> None:
        found = self.records.get((text, kind))
        if found is None and (text, "CNAME") in self.records:
            kind, found = "CNAME", self.records[text, "CNAME"]
        found = found() if callable(found) else found
        if isinstance(found, str):
            response.set_rcode(dns.rcode.from_text(found))
        elif found:
            rrset = dns.rrset.from_text_list(f"{text}.", 0, "IN", kind, found)
            response.answer.append(rrset)
        elif found is None and not any(name == text for name, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)


@contextmanager
def name_server() -> Iterator[NameServer]:
    """Run a name server over UDP and TCP on one port."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, connection = self.request
            out = server.answer(wire, "udp")
            if out:
                connection.sendto(out, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = int.from_bytes(self.rfile.read(2), "big")
            out = server.answer(self.rfile.read(size), "tcp")
            if out:
                self.wfile.write(len(out).to_bytes(2, "big") + out)

    udp, tcp = _on_one_port(Udp, Tcp)
    server = NameServer(udp.server_address[1])
    with _serving(udp), _serving(tcp):
        yield server


def _on_one_port(
    udp_handler: type[socketserver.BaseRequestHandler],
    tcp_handler: type[socketserver.BaseRequestHandler],
) -> tuple[socketserver.ThreadingUDPServer, _TCPServer]:
    """Find a port that is free for datagrams and for connections."""
    for _ in range(50):
        udp = socketserver.ThreadingUDPServer((LOOPBACK, 0), udp_handler)
        udp.daemon_threads = True
        try:
            return udp, _TCPServer(udp.server_address[:2], tcp_handler)
        except OSError:
            udp.server_close()
    raise OSError("no port is free for both UDP and TCP")


# --- Web pages ---------------------------------------------------------------------------------

Reply = bytes | Callable[[socket.socket], None]


def page(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def moved(location: str, status: str = "302 Found") -> bytes:
    """Return a redirect."""
    return page(b"", status, Location=location)


@dataclass
class WebServer:
    """A web server that answers by path: with bytes, or by whatever a callable does."""

    port: int
    pages: dict[str, Reply] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            line = reader.readline().decode("latin-1").split(" ")
            headers = {}
            while (text := reader.readline().decode("latin-1").strip()) != "":
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
        self.requests.append((line[1], headers))
        reply = self.pages.get(line[1], page(b"nothing here", "404 Not Found"))
        if callable(reply):
            reply(connection)
        else:
            connection.sendall(reply)


@contextmanager
def web_server(context: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    """Run a web server, over TLS with a context."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, IndexError):
                connection = self.request
                if context:
                    connection = context.wrap_socket(connection, server_side=True)
                with connection:
                    server.answer(connection)

    tcp = _TCPServer((LOOPBACK, 0), Handler)
    server = WebServer(tcp.server_address[1])
    with _serving(tcp):
        yield server


@contextmanager
def greeting_server(greeting: bytes) -> Iterator[int]:
    """Say the same to everybody at once, as mail and shell servers do; yields the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(greeting)

    tcp = _TCPServer((LOOPBACK, 0), Handler)
    with _serving(tcp):
        yield tcp.server_address[1]


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections and never say a word; yields the port."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


# --- TLS ---------------------------------------------------------------------------------------


def certificate(
    *extensions: tuple[x509.ExtensionType, bool],
    not_after: timedelta = timedelta(days=1),
    issuer: str = "test",
) -> tuple[bytes, bytes]:
    """Return PEM certificate and key, signed by itself, with exactly these extensions."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=2))
        .not_valid_after(datetime.now(UTC) + not_after)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM), key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def tls_context(folder: object, pems: tuple[bytes, bytes], *alpn: str) -> ssl.SSLContext:
    """Return a server context with this certificate and these protocols."""
    path = folder / f"{id(pems)}.pem"  # type: ignore[operator]
    path.write_bytes(b"".join(pems))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@dataclass
class TlsServer:
    """A TLS server that shakes hands and says nothing."""

    port: int
    names: list[str | None] = field(default_factory=list)


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[TlsServer]:
    """Run a TLS server; it keeps the server names it was asked for."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as peer:
                peer.settimeout(5)
                peer.recv(1)

    tcp = _TCPServer((LOOPBACK, 0), Handler)
    server = TlsServer(tcp.server_address[1])
    context.sni_callback = lambda _socket, name, _context: server.names.append(name)
    with _serving(tcp):
        yield server
