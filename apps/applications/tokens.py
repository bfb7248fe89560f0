"""Authentication by bearer tokens (RFC 6750), which django-rest-knox stores as digests only."""

import ipaddress
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpRequest
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from rest_framework import HTTP_HEADER_ENCODING
from rest_framework.exceptions import AuthenticationFailed as InvalidCredentials
from rest_framework.request import Request

from apps import clock
from apps.accounts.models import AccountKind, User
from apps.applications import governance_version
from apps.applications.governance_version import GovernanceCache
from apps.applications.models import ApiToken
from apps.errors import AuthenticationFailed, RateLimited
from apps.principals import Principal, ProductRole, Scope
from apps.statements import execution, faults
from apps.statements.lookups import TEXT, RowLookup
from apps.web import throttle, trace
from apps.web.problems import CHALLENGE, challenge

_SCHEME = b"bearer"
# Prefix and knox's 64 hex digits; anything else is refused before the database is asked.
_FORM = re.compile(rb"swt_[0-9a-f]{64}")
_MALFORMED = "The token is malformed: it must be swt_ and 64 lower-case hexadecimal digits."
_UNKNOWN = "The token is unknown."
_USED_RESOLUTION = timedelta(minutes=1)
_SCOPES = {scope.value: scope for scope in Scope}
_logger = logging.getLogger(__name__)

_BY_DIGEST = RowLookup(
    ApiToken,
    lambda digest: ApiToken.objects.filter(pk=digest).order_by(),
    related=("user",),
    digest=TEXT,
)
# Tokens that were presented, by digest. All requests of the process share the instances.
_tokens: GovernanceCache[str, ApiToken] = GovernanceCache(4096)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a token must not be used: a word for the log, and a sentence for its bearer."""

    word: str
    text: str


class _Unknown(Exception):
    """No token has this digest."""


class InvalidToken(InvalidCredentials):
    """A token was sent that is of no use (RFC 6750 section 3.1).

    What is said beyond "unknown" about a token is said to its own bearer: to whoever sent all of
    it. Guesses learn nothing, because a wrong text has another digest and is unknown.

    Attributes:
        challenge: value of ``WWW-Authenticate``.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.challenge = challenge("invalid_token", text)


class BearerAuthentication(TokenAuthentication):
    """Sets ``request.user`` and ``request.auth`` (an ``ApiToken``).

    The row is found by its digest, so that no comparison leaks how many characters were right,
    and cached under the governance version. Unlike knox's own class this one never deletes
    expired tokens (they are evidence) and never extends one.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return user and token, ``None`` when no bearer token was sent.

        Raises:
            InvalidToken: malformed, unknown, expired or revoked token, disabled owner, or a
                source address outside the token's networks.
            RateLimited: the same, from an address that keeps trying.
        """
        # As from ``get_authorization_header``, which has to look for the header twice.
        parts = request.META.get("HTTP_AUTHORIZATION", "").encode(HTTP_HEADER_ENCODING).split()
        if not parts or parts[0].lower() != _SCHEME:
            return None
        address = client_address(request)
        if len(parts) != 2 or not _FORM.fullmatch(parts[1]):  # noqa: PLR2004 - scheme and token
            raise _refused(_Refusal("malformed", _MALFORMED), None, address)
        digest = hash_token(parts[1].decode("ascii"))
        token = _presented(digest, address)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Return the challenge that goes with 401 (RFC 6750 section 3)."""
        return CHALLENGE


def principal_of(request: Request | HttpRequest) -> Principal:
    """Return who sent the request: the token's owner, or the person behind the session.

    Raises:
        AuthenticationFailed: nobody is signed in.
    """
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        raise AuthenticationFailed
    credential = getattr(request, "auth", None)
    token = credential if isinstance(credential, ApiToken) else None
    kind, identifier, label = identity_of(user)
    return Principal(
        kind=kind,
        id=identifier,
        label=label,
        user_id=user.pk,
        product_role=ProductRole(user.product_role),
        # Scopes that this version does not know allow nothing.
        scopes=frozenset(_SCOPES[s] for s in token.scopes if s in _SCOPES) if token else None,
        application_id=token.application_id if token else None,
        ip=client_address(request),
        trace_id=trace.current(),
        governance_version=token.governance_version if token else "",
    )


def identity_of(user: User) -> tuple[str, str, str]:
    """Return kind, identifier and label of an account as the audit log writes them.

    Machine accounts are named ``machine:<name>``; people cannot take a name with a colon.
    """
    name = user.get_username()
    if user.kind == AccountKind.MACHINE:
        bare = name.removeprefix("machine:")
        return "machine", bare, bare
    return "user", str(user.pk), name


def client_address(request: Request | HttpRequest) -> str:
    """Return the client's IP address in canonical form; empty when the server knows none.

    ``web.forwarded`` has put there what a trusted front server says; any other forwarding header
    was written by whoever sent it.
    """
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _presented(digest: str, address: str) -> ApiToken:
    """Return the token with this digest, if it may be used from this address now.

    Raises:
        InvalidCredentials, RateLimited: see ``BearerAuthentication.authenticate``.
    """
    try:
        token = _tokens.fetch(
            digest, governance_version.current(), lambda version: _read(digest, version)
        )
    except _Unknown:
        raise _refused(_Refusal("unknown", _UNKNOWN), None, address) from None
    refusal = _refusal(token, address)
    if refusal is not None:
        raise _refused(refusal, token, address)
    _note_use(token)
    return token


def _read(digest: str, version: str) -> ApiToken:
    token = _BY_DIGEST.first(digest)
    if token is None:
        raise _Unknown
    token.governance_version = version
    return token


def _refused(refusal: _Refusal, token: ApiToken | None, address: str) -> Exception:
    """Return the refusal to raise; beyond the limit it is neither explained nor logged."""
    retry_after_s = throttle.note_failure(address)
    if retry_after_s:
        return RateLimited(retry_after_s)
    _logger.warning("token refused: %s, %s, from %s", refusal.word, token or "-", address)
    return InvalidToken(refusal.text)


def _refusal(token: ApiToken, address: str) -> _Refusal | None:
    """Return why the token must not be used, ``None`` when it may."""
    if token.revoked_at is not None:
        return _Refusal("revoked", f"The token was revoked on {_day(token.revoked_at)}.")
    if token.expiry is None or token.expiry <= clock.now():
        return _Refusal("expired", f"The token expired on {_day(token.expiry)}.")
    if not token.user.is_active:
        return _Refusal("owner disabled", "The owner of the token is disabled.")
    if token.allowed_networks and not is_in_networks(address, token.allowed_networks):
        where = f"from the address {address}" if address else "from an unknown address"
        return _Refusal("outside its networks", f"The token may not be used {where}.")
    return None


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment is not None else "creation"


def is_in_networks(address: str, networks: Sequence[str]) -> bool:
    """Tell whether an IP address lies in one of the networks (CIDR); an unknown one does not."""
    if not address:
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network) for network in networks)


def _note_use(token: ApiToken) -> None:
    """Write the time of use down, at most once a minute: a write for each request would cost more.

    A request that reads must not fail, or wait, because nothing can be written.
    """
    now = clock.now()
    if token.last_used_at is not None and now - token.last_used_at < _USED_RESOLUTION:
        return
    token.last_used_at = now  # before the attempt: of parallel requests one makes it
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USED_RESOLUTION)
    try:
        with execution.short_lock_wait():
            ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    except DatabaseError as error:
        if faults.unavailability(error) is None:
            raise
        _logger.info("the use of token %s is not noted: %s", token, error)
