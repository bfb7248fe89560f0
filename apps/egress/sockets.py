"""How is a judged address connected to, and what does its TLS side show?"""

import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address

from apps.egress import own
from apps.egress.addresses import Address
from apps.egress.names import resolve
from apps.egress.purposes import Deadline, EgressFailed, EgressRefused, Purpose


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """What a TLS server showed in a handshake.

    Attributes:
        address: which of the name's addresses answered.
        certificate_der: the end-entity certificate, unverified; empty when none was sent.
        alpn: the protocol that was agreed on; empty for none.
        version: such as ``TLSv1.3``.
    """

    address: str
    certificate_der: bytes
    alpn: str
    version: str


def connect(
    purpose: Purpose, host: str, port: int, *, deadline: Deadline | None = None
) -> socket.socket:
    """Return a connected TCP socket whose peer is an address that was judged.

    Raises:
        EgressRefused: host, address or port is not allowed.
        EgressFailed: ``dns``, ``refused`` or ``timeout``.
    """
    deadline = deadline or Deadline(purpose.total_s)
    if not 0 < port < 1 << 16 or (purpose.ports is not None and port not in purpose.ports):
        raise EgressRefused(f"Port {port} is not allowed.")
    addresses = resolve(purpose, host, deadline=deadline)
    if any(own.is_ours(address, port) for address in addresses):
        raise EgressRefused(f"The address of {host!r:.120} is not allowed: our own.")
    last = EgressFailed("dns", f"{host!r:.120} has no address.")
    for address in addresses:
        try:
            return _dial(address, port, deadline.left_s(purpose.connect_timeout_s))
        except TimeoutError:
            last = EgressFailed("timeout", f"{address} port {port} did not answer in time.")
        except OSError:
            last = EgressFailed("refused", f"{address} port {port} refused the connection.")
    raise last


def tls_peer(
    purpose: Purpose, host: str, port: int, *, server_name: str, alpn: tuple[str, ...] = ()
) -> TlsPeer:
    """Shake hands over TLS 1.2 or later and return what the server showed; send nothing else.

    Args:
        purpose: ``verify_tls`` off lets any certificate be seen.
        host: DNS name or address to connect to.
        port: TCP port.
        server_name: sent as SNI.
        alpn: protocols offered.

    Raises:
        EgressRefused, EgressFailed: as ``connect``; ``tls`` when the handshake fails.
    """
    deadline = Deadline(purpose.total_s)
    plain_socket = connect(purpose, host, port, deadline=deadline)
    address = peer_of(plain_socket)
    with closing(
        secured(purpose, plain_socket, server_name=server_name, deadline=deadline, alpn=alpn)
    ) as connection:
        return TlsPeer(
            address=address,
            certificate_der=connection.getpeercert(binary_form=True) or b"",
            alpn=connection.selected_alpn_protocol() or "",
            version=connection.version() or "",
        )


def secured(
    purpose: Purpose,
    plain_socket: socket.socket,
    *,
    server_name: str,
    deadline: Deadline,
    alpn: tuple[str, ...] = (),
) -> ssl.SSLSocket:
    """Return the TLS side of a connection; the plain socket is closed or taken over.

    Raises:
        EgressFailed: ``tls`` or ``timeout``.
    """
    try:
        context = _context(purpose, alpn)
        plain_socket.settimeout(deadline.left_s(purpose.connect_timeout_s))
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
    """Return the address at the other end, as text."""
    return str(connection.getpeername()[0]).partition("%")[0]


def _context(purpose: Purpose, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """Return TLS 1.2 or later; reading the system's roots costs 20 ms, so only where needed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not purpose.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif purpose.ca_pem:
        context.load_verify_locations(cadata=purpose.ca_pem)
    else:
        context.load_default_certs()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _dial(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Connect to exactly this address: no resolver, no proxy, nothing in between."""
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
        raise EgressRefused("The peer is not the address that was judged.")
    return connection
