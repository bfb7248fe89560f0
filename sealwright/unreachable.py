"""Plain sentences for connections that failed and for answers that are not the API's."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests

from sealwright.errors import SealwrightClientError

# X509_V_ERR_* of OpenSSL, as ``SSLCertVerificationError.verify_code`` has them.
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAME = frozenset({62, 64})
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def checked_origin(url: str) -> str:
    """Return the origin without a final slash.

    Raises:
        SealwrightClientError: it is not ``https://host[:port]`` (or ``http://``).
    """
    said = f"{url!r} is not the address of a server: write https://host[:port]"
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - the property raises ValueError for what is no port
    except ValueError as error:
        raise SealwrightClientError(f"{said}.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SealwrightClientError(f"{said}.")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise SealwrightClientError(f"{said}, without path, query or password.")
    return f"{parts.scheme}://{parts.netloc}"


def sentence(error: BaseException, url: str, ca_file: str) -> str:
    """Return why a server was not reached, and what to do about it.

    Args:
        error: what the HTTP library raised.
        url: origin of the server.
        ca_file: file of the roots that are trusted; empty for those of the system.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause, url, ca_file)
    return f"{url} cannot be reached: {_of_network(causes, url)}{_about_proxies()}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it wraps: requests and urllib3 nest them in three ways."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        nested = (*found.args, getattr(found, "reason", None))
        waiting += [one for one in nested if isinstance(one, BaseException)]
        waiting += [found.__cause__, found.__context__]


def _of_tls(error: ssl.SSLError, url: str, ca_file: str) -> str:
    code = getattr(error, "verify_code", None)
    if code in _UNTRUSTED:
        trusted = f"the roots in {ca_file}" if ca_file else "the roots of this system"
        return (
            f"The certificate of {url} is not trusted: it does not lead to {trusted}. "
            "Name the file with the server's root: sealwright login --ca-file FILE, "
            "or SEALWRIGHT_CLI_CA_FILE."
        )
    if code == _EXPIRED:
        return f"The certificate of {url} has expired, or the clock of this machine is wrong."
    if code == _NOT_YET_VALID:
        return f"The certificate of {url} is not valid yet, or the clock of this machine is wrong."
    if code in _OTHER_NAME:
        host = urlsplit(url).hostname
        return f"The certificate of {url} is for other names than {host}. Use one of its names."
    if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"}:
        return f"{url} does not speak TLS. Check the port: the API is on the TLS listener (8443)."
    words = (error.reason or "unknown reason").replace("_", " ").lower()
    return f"TLS with {url} failed ({words})."


_OF_NETWORK: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "the name {host} is not found in DNS. Check the spelling."),
    (
        ConnectionRefusedError,
        "nothing listens there. Check host and port, and that the server runs.",
    ),
    (
        requests.ConnectTimeout,
        "no answer in time. Check host and port, and firewalls in between.",
    ),
    ((requests.ReadTimeout, TimeoutError), "connected, but no answer in time. Try again later."),
    (
        (ConnectionResetError, ConnectionAbortedError, BrokenPipeError),
        "it closed the connection. Check the port, and https:// or http://.",
    ),
)


def _of_network(causes: list[BaseException], url: str) -> str:
    for cause in causes:
        for kinds, said in _OF_NETWORK:
            if isinstance(cause, kinds):
                return said.format(host=urlsplit(url).hostname)
        if isinstance(cause, OSError) and cause.errno in _NO_ROUTE:
            return "there is no route to it. Check the network."
    return "the connection was closed before the answer was complete."


def _about_proxies() -> str:
    named = next((name for name in _PROXY_VARIABLES if os.environ.get(name)), None)
    return f" {named} is set, but proxies are not used." if named else ""


def foreign_answer(response: requests.Response, url: str) -> str:
    """Return what to say about an answer that is not one of the API."""
    if response.is_redirect:
        target = urlsplit(response.headers.get("Location", ""))
        where = f"{target.scheme}://{target.netloc}" if target.netloc else "another page"
        return f"{url} redirects to {where}. Log in with the address of the server itself."
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip() or "no content type"
    shown = "an HTML page" if kind == "text/html" else f"something else ({kind})"
    return (
        f"{url} answers with {shown} (HTTP {response.status_code}), not with the API of "
        "Sealwright. Check the address: https://host[:port] of the TLS listener (8443)."
    )
