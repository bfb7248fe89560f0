"""Client address, scheme and client certificate as a trusted proxy reports them.

The front server speaks to the application over a Unix socket that only it can reach. Proxies that
speak to the application over TCP are listed in ``SEALWRIGHT_TRUSTED_PROXIES``. What anybody else
says in these header fields is removed before any view or log can read it.
"""

import base64
import hmac
import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.web.problems import MALFORMED, problem

# Fields by which proxies speak about their clients; none of them is ever read elsewhere.
_CLAIMS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED",
    "HTTP_X_REAL_IP",
    "HTTP_X_CLIENT_CERT",
    "HTTP_X_SSL_",
    "HTTP_SSL_CLIENT",
    "HTTP_CLIENT_CERT",
    "HTTP_X_PROXY_SECRET",
)
_FRONT_CERTIFICATE, _FRONT_VERDICT = "HTTP_X_SSL_CLIENT_CERT", "HTTP_X_SSL_CLIENT_VERIFY"
_RFC9440, _XFCC = "HTTP_CLIENT_CERT", "HTTP_X_FORWARDED_CLIENT_CERT"
_ADDRESS, _SCHEME = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"
_SECRET = "HTTP_X_PROXY_SECRET"  # noqa: S105 - a field's name
_CERTIFICATE = "sealwright.client_certificate"
_MAX_CERTIFICATE_BYTES = 16 * 1024
# RFC 7468 section 5.1, one block and nothing around it.
_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*", re.ASCII
)
# RFC 9440 section 2.2: a Byte Sequence of RFC 8941.
_BYTE_SEQUENCE = re.compile(r":([A-Za-z0-9+/=]+):", re.ASCII)
# One element of Envoy's X-Forwarded-Client-Cert: pairs whose values may be quoted.
_XFCC_PAIR = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^";,\\]*)(?:;|\Z)', re.ASCII)
_logger = logging.getLogger(__name__)
_Handler = Callable[[HttpRequest], HttpResponse]


class _UnusableClaim(Exception):
    """A trusted proxy sent something that cannot be relied on."""


def read_forwarded(get_response: _Handler) -> _Handler:
    """Put the true client into ``REMOTE_ADDR`` and the scheme into ``wsgi.url_scheme``.

    A request by a trusted proxy that carries no client address, an ambiguous certificate or a
    wrong secret is refused (400): guessing would give one client the identity of another.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        meta = request.META
        claims = {name: meta.pop(name) for name in list(meta) if name.startswith(_CLAIMS)}
        peer = meta.get("REMOTE_ADDR")
        meta.pop(_CERTIFICATE, None)
        if not _is_trusted(peer):
            return get_response(request)
        try:
            _require_secret(claims)
            meta["REMOTE_ADDR"] = _client_address(claims)
            meta["wsgi.url_scheme"] = _scheme(claims)
            certificate = _certificate(claims, from_front=peer == "")
        except _UnusableClaim as error:
            _logger.warning("Refused a request: the proxy's report is unusable: %s", error)
            return problem(MALFORMED, f"The proxy's report on the client is unusable: {error}.")
        if certificate is not None:
            meta[_CERTIFICATE] = certificate
        return get_response(request)

    return middleware


def client_certificate(request: Any) -> bytes | None:
    """Return the certificate by which the client proved a key in its TLS handshake, DER.

    The front server or proxy has checked the proof of possession. Chain, dates, revocation and
    purpose are for the caller to judge.
    """
    found: bytes | None = request.META.get(_CERTIFICATE)
    return found


def _is_trusted(peer: str | None) -> bool:
    """Tell whether the peer of the connection is a proxy; on a Unix socket it has no address."""
    if peer == "":
        return True
    networks = settings.SEALWRIGHT["TRUSTED_PROXIES"]
    if not networks or peer is None:
        return False
    try:
        return _is_inside(_parsed(peer), networks)
    except _UnusableClaim:
        return False


def _require_secret(claims: Mapping[str, str]) -> None:
    expected = settings.SEALWRIGHT["PROXY_SECRET"]
    if expected and not hmac.compare_digest(claims.get(_SECRET, "").encode(), expected.encode()):
        raise _UnusableClaim("the shared secret is missing or wrong")


def _client_address(claims: Mapping[str, str]) -> str:
    """Return the right-most address that is no proxy of ours: what is left of it, clients wrote."""
    networks = settings.SEALWRIGHT["TRUSTED_PROXIES"]
    for text in reversed(claims.get(_ADDRESS, "").split(",")):
        hop = _parsed(text.strip())
        if not _is_inside(hop, networks):
            break
    return str(hop)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise _UnusableClaim("X-Forwarded-For names no client address") from error
    return getattr(address, "ipv4_mapped", None) or address


def _is_inside(address: Any, networks: Any) -> bool:
    return any(address in network for network in networks)


def _scheme(claims: Mapping[str, str]) -> str:
    scheme = claims.get(_SCHEME, "http")
    if scheme not in {"http", "https"}:
        raise _UnusableClaim("X-Forwarded-Proto is neither http nor https")
    return scheme


def _certificate(claims: Mapping[str, str], *, from_front: bool) -> bytes | None:
    """Return the certificate in the one form that this peer uses; other forms do not count."""
    form = settings.SEALWRIGHT["PROXY_CLIENT_CERTIFICATE"]
    if (from_front or form == "escaped-pem") and claims.get(_FRONT_CERTIFICATE):
        # Without the verdict the field may stem from something that only copies fields.
        if claims.get(_FRONT_VERDICT) != "SUCCESS":
            return None
        return _from_escaped_pem(claims[_FRONT_CERTIFICATE])
    if form == "rfc9440" and claims.get(_RFC9440):
        return _from_byte_sequence(claims[_RFC9440])
    if form == "xfcc" and claims.get(_XFCC):
        return _from_xfcc(claims[_XFCC])
    return None


def _from_escaped_pem(value: str) -> bytes:
    found = _PEM.fullmatch(unquote(value))
    if found is None:
        raise _UnusableClaim("the client certificate is not one PEM block")
    return _decoded("".join(found[1].split()))


def _from_byte_sequence(value: str) -> bytes:
    found = _BYTE_SEQUENCE.fullmatch(value.strip())
    if found is None:
        raise _UnusableClaim("Client-Cert is not one byte sequence")
    return _decoded(found[1])


def _from_xfcc(value: str) -> bytes | None:
    """Read the only element; several would be several hops, of which none says who it is."""
    pairs, end = {}, 0
    for pair in _XFCC_PAIR.finditer(value):
        if pair.start() != end or pair[1] in pairs:
            break
        pairs[pair[1]], end = pair[2].strip('"'), pair.end()
    if end != len(value):
        raise _UnusableClaim("X-Forwarded-Client-Cert is not one element")
    return _from_escaped_pem(pairs["Cert"]) if pairs.get("Cert") else None


def _decoded(text: str) -> bytes:
    if len(text) > _MAX_CERTIFICATE_BYTES * 4 // 3 + 4:
        raise _UnusableClaim("the client certificate is too large")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _UnusableClaim("the client certificate is not base64") from error
