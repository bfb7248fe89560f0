"""Origins (scheme, host and port of a URL) as settings give them."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

Schemes = tuple[str, ...]
ANY: Schemes = ("http", "https")
TLS: Schemes = ("https",)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_NAME = 253
# Letters, digits, hyphens (RFC 1123 section 2.1); underscores occur in names of containers.
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def parsed_origin(raw: str, schemes: Schemes = ANY) -> str:
    """Return an origin in its usual form: lower case, without a scheme's own port (RFC 6454).

    Args:
        raw: what was given; one slash at the end is fine.
        schemes: which may be used.

    Raises:
        ValueError: says what is wrong, as the end of a sentence that begins with the value.
    """
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    scheme, separator, rest = raw.partition("://")
    if not separator or scheme.lower() not in schemes:
        raise ValueError(f"must begin with {wanted}")
    parts, port = _split(f"{scheme.lower()}://{rest}")
    if not parts.hostname:
        raise ValueError(f"has no host ({schemes[0]}://host[:port])")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.path not in {"", "/"}:
        raise ValueError("must end after host and port: no path, query or fragment")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password")
    host = _bracketed(parts.hostname)
    if not is_host(host):
        raise ValueError(
            "has no usable host (letters, digits, hyphens and dots, or an address; an "
            "internationalised name in its xn-- form)"
        )
    shown = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("has no usable host and port (a port is 1..65535)") from error
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("has no usable port (1..65535)")
    return parts, port


def is_host(host: str) -> bool:
    """Tell whether this is a DNS name, an IPv4 address, or an IPv6 address in brackets."""
    if host.startswith("[") and host.endswith("]"):
        return isinstance(_address(host[1:-1]), IPv6Address)
    if re.fullmatch(r"[0-9.]+", host):  # looks like an address, and must then be one
        return isinstance(_address(host), IPv4Address)
    return len(host) <= _MAX_NAME and _NAME.fullmatch(host) is not None


def host_of(origin: str) -> str:
    """Return the host of an origin as ``ALLOWED_HOSTS`` wants it: IPv6 in brackets, no port."""
    return _bracketed(urlsplit(origin).hostname or "")


def is_everywhere(origin: str) -> bool:
    """Tell whether other machines may know the host: no loopback address and no bare name.

    RFC 5280 section 4.2.1.6 asks for a fully qualified name or an address.
    """
    host = host_of(origin).strip("[]")
    address = _address(host)
    if address is not None:
        return not (address.is_loopback or address.is_unspecified)
    name = host.rstrip(".").lower()
    return "." in name and name.rpartition(".")[2] != "localhost"


def is_address(origin: str) -> bool:
    """Tell whether the host is an address that a client can connect to, and no name."""
    address = _address(host_of(origin).strip("[]"))
    return address is not None and not address.is_unspecified


def for_listener(scheme: str, bind: str, port: int, everywhere: str) -> str:
    """Return the origin under which a listener of this machine is reached.

    Args:
        scheme: of the listener.
        bind: the address that it is bound to.
        port: its port.
        everywhere: host for ``127.0.0.1`` and for listeners on every address.
    """
    default = bind in {"127.0.0.1", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    host = everywhere if default else _bracketed(bind)
    return f"{scheme}://{host}:{port}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
