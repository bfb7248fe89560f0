"""TCP and TLS connections to checked addresses."""

import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address

from apps.egress import own_services
from apps.egress.addresses import Address
from apps.egress.errors import EgressFailed, EgressRefused
from apps.egress.names import resolve
from apps.egress.rules import Deadline, EgressRules


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """What a TLS server presented in a handshake.

    Attributes:
        address: which of the name's addresses answered.
        certificate_der: the end-entity certificate, unverified; empty when none was sent.
        alpn: the protocol that was negotiated (RFC 7301); empty for none.
        version: such as ``TLSv1.3``.
    """

    address: str
    certificate_der: bytes
    alpn: str
    version: str


def connect(
    rules: EgressRules, host: str, port: int, *, deadline: Deadline | None = None
) -> socket.socket:
    """Return a TCP socket that is connected to a checked address of ``host``.

    Raises:
        EgressRefused: host, address or port is not allowed.
        EgressFailed: ``dns``, ``refused`` or ``timeout``.
    """
    deadline = deadline or Deadline(rules.total_s)
    if not 0 < port < 1 << 16 or (rules.ports is not None and port not in rules.ports):
        raise EgressRefused(f"Port {port} is not allowed.")
    addresses = resolve(rules, host, deadline=deadline)
    if any(own_services.is_own(address, port) for address in addresses):
        raise EgressRefused(f"The address of {host!r:.120} is not allowed: our own.")
    last = EgressFailed("dns", f"{host!r:.120} has no address.")
    for address in addresses:
        try:
            return _dial(address, port, deadline.left_s(rules.connect_timeout_s))
        except TimeoutError:
            last = EgressFailed("timeout", f"{address} port {port} did not answer in time.")
        except OSError:
            last = EgressFailed("refused", f"{address} port {port} refused the connection.")
    raise last


def tls_peer(
    rules: EgressRules, host: str, port: int, *, server_name: str, alpn: tuple[str, ...] = ()
) -> TlsPeer:
    """Do a handshake over TLS 1.2 or later and return what the server presented; send no data.

    Args:
        rules: with ``verify_tls`` off, any certificate is accepted.
        host: DNS name or address to connect to.
        port: TCP port.
        server_name: sent as SNI (RFC 6066 section 3).
        alpn: protocols offered.

    Raises:
        EgressRefused, EgressFailed: as ``connect``; ``tls`` when the handshake fails.
    """
    deadline = Deadline(rules.total_s)
    plain_socket = connect(rules, host, port, deadline=deadline)
    address = peer_of(plain_socket)
    with closing(
        secured(rules, plain_socket, server_name=server_name, deadline=deadline, alpn=alpn)
    ) as connection:
        return TlsPeer(
            address=address,
            certificate_der=connection.getpeercert(binary_form=True) or b"",
            alpn=connection.selected_alpn_protocol() or "",
            version=connection.version() or "",
        )


def secured(
    rules: EgressRules,
    plain_socket: socket.socket,
    *,
    server_name: str,
    deadline: Deadline,
    alpn: tuple[str, ...] = (),
) -> ssl.SSLSocket:
    """Return TLS over a connection; the TLS socket owns the plain one, which is closed on failure.

    Raises:
        EgressFailed: ``tls`` or ``timeout``.
    """
    try:
        context = _context(rules, alpn)
        plain_socket.settimeout(deadline.left_s(rules.connect_timeout_s))
        return context.wrap_socket(plain_socket, server_hostname=server_name)
    except TimeoutError as error:
        raise EgressFailed("timeout", "The TLS handshake took too long.") from error
    except ssl.SSLError as error:
        reason = str(error.reason or "no reason given").replace("_", " ").lower()
        raise EgressFailed("tls", f"The TLS handshake failed: {reason}.") from error
    except (OSError, ValueError) as error:
        raise EgressFailed("tls", "The TLS handshake failed: the connection was closed.") from error
    finally:
        plain_socket.close()  # a no-op once the TLS socket has taken it over


def peer_of(connection: socket.socket) -> str:
    """Return the peer's address as text, without its zone."""
    return str(connection.getpeername()[0]).partition("%")[0]


def _context(rules: EgressRules, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or later.

    The system's roots are loaded only where they are used: reading them takes 20 ms.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not rules.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif rules.ca_pem:
        context.load_verify_locations(cadata=rules.ca_pem)
    else:
        context.load_default_certs()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _dial(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Connect to exactly this address, without resolver or proxy."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IP version
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect((str(address), port))
        same = ip_address(peer_of(connection)) == address
    except BaseException:
        connection.close()
        raise
    if not same:
        connection.close()
        raise EgressRefused("The peer is not the address that was checked.")
    return connection
