"""Who sent this request? Bearer tokens (RFC 6750), kept only as digests by django-rest-knox."""

import ipaddress
import logging
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

from django.db.models import Q
from django.http import HttpRequest
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from rest_framework import HTTP_HEADER_ENCODING
from rest_framework.exceptions import APIException
from rest_framework.exceptions import AuthenticationFailed as InvalidCredentials
from rest_framework.request import Request

from apps import clock
from apps.accounts.models import AccountKind, User
from apps.applications.epoch import Kept
from apps.applications.models import ApiToken
from apps.errors import AuthenticationFailed, RateLimited, SealwrightError
from apps.principals import Assumption, Principal, ProductRole, Scope, Unconfirmed
from apps.statements.lookups import TEXT, RowLookup
from apps.web import throttle, trace

_SCHEME = b"bearer"
# Junk is refused before it reaches the database: the prefix and knox's 64 hex digits.
_FORM = re.compile(rb"swt_[0-9a-f]{64}")
_USED_RESOLUTION = timedelta(minutes=1)
_INVALID = "The token is invalid."
_SCOPES = {scope.value: scope for scope in Scope}
_logger = logging.getLogger(__name__)

_BY_DIGEST = RowLookup(
    ApiToken,
    lambda digest: ApiToken.objects.filter(pk=digest).order_by(),
    related=("user",),
    digest=TEXT,
)
# Where a request keeps what it assumes.
_ASSUMPTION = "assumption"
_Answer = TypeVar("_Answer")
# Tokens that were presented, by digest. Shared by all requests: read-only.
_kept: Kept[str, ApiToken] = Kept(4096)


class _Unknown(Exception):
    """No token has this digest."""


class BearerAuthentication(TokenAuthentication):
    """Sets ``request.user`` and ``request.auth`` (an ``ApiToken``) from one indexed look-up.

    Unlike knox's own class it never deletes expired tokens (they are evidence), never extends
    one, and finds the row by the digest, so that no comparison leaks how much was right.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return user and token, ``None`` when no bearer token was sent.

        Raises:
            InvalidCredentials: malformed, unknown, expired or revoked token, disabled
                owner, or a source address outside the token's networks; the answer does not
                tell which.
            RateLimited: the same, from an address that keeps trying.
        """
        # As from ``get_authorization_header``, which has to look for the header twice.
        parts = request.META.get("HTTP_AUTHORIZATION", "").encode(HTTP_HEADER_ENCODING).split()
        if not parts or parts[0].lower() != _SCHEME:
            return None
        address = client_address(request)
        if len(parts) != 2 or not _FORM.fullmatch(parts[1]):  # noqa: PLR2004 - scheme and token
            raise _refused("malformed", None, address)
        digest = hash_token(parts[1].decode("ascii"))
        token = _remembered(digest, address) if _may_assume(request) else None
        if token is not None:
            vars(request)[_ASSUMPTION] = Assumption(token.epoch)
        else:
            token = _looked_up(digest, address)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """Return the challenge that goes with 401 (RFC 6750 section 3)."""
        return 'Bearer realm="sealwright"'


def confirmed(request: Request, act: Callable[[], _Answer]) -> _Answer:
    """Run an act; once more with the token looked up, where nothing has confirmed it meanwhile.

    Views that may be asked on an assumption (``may_assume``) have to run within this. An act that
    ends unconfirmed, be it well or refused, has written nothing (``audit.record`` sees to that),
    and what it came to is thrown away.

    Raises:
        InvalidCredentials: the token that was remembered is no longer good.
    """
    assumption: Assumption | None = vars(request).get(_ASSUMPTION)
    if assumption is None:
        return act()
    try:
        answer = act()
    except (Unconfirmed, SealwrightError, APIException):
        if not assumption.is_open:
            raise
    else:
        if not assumption.is_open:
            return answer
    vars(request)[_ASSUMPTION] = None
    found = BearerAuthentication().authenticate(request)
    assert found is not None
    request.user, request.auth = found
    return act()


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
    claims = token.claims if token is not None else None
    return Principal(
        **(claims if claims is not None else _claims(user, token)),
        ip=client_address(request),
        trace_id=trace.current(),
        assumption=vars(request).get(_ASSUMPTION),
    )


def _claims(user: User, token: ApiToken | None) -> dict[str, Any]:
    """Return what account and token say about a principal."""
    kind, identifier, label = identity_of(user)
    return {
        "kind": kind,
        "id": identifier,
        "label": label,
        "user_id": user.pk,
        "product_role": ProductRole(user.product_role),
        # Scopes that this version does not know allow nothing.
        "scopes": frozenset(_SCOPES[s] for s in token.scopes if s in _SCOPES) if token else None,
        "application_id": token.application_id if token else None,
        "epoch": token.epoch if token else "",
    }


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
    """Return the peer's IP address in canonical form; empty when the server knows none.

    Only the TCP peer counts: forwarding headers are written by whoever sends them.
    """
    return _canonical(request.META.get("REMOTE_ADDR", ""))


@lru_cache(maxsize=1024)
def _canonical(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _may_assume(request: Request) -> bool:
    """Tell whether the view sees to it itself that a remembered token is still good."""
    if _ASSUMPTION in vars(request):
        return False  # and it was not
    asks = getattr(request.parser_context.get("view"), "may_assume", None)
    return asks is not None and asks(request)


def _remembered(digest: str, address: str) -> ApiToken | None:
    """Return a token as it was when it was last looked up; ``None`` when it has to be again."""
    token = _kept.last(digest)
    if token is None or not token.epoch or _refusal(token, address) or _is_use_due(token):
        return None
    return token


def _looked_up(digest: str, address: str) -> ApiToken:
    """Return a token as it is in the database.

    Raises:
        InvalidCredentials, RateLimited: see ``BearerAuthentication.authenticate``.
    """
    try:
        token = _kept.read(digest, _made, (_BY_DIGEST, (digest,)))
    except _Unknown:
        raise _refused("unknown", None, address) from None
    refusal = _refusal(token, address)
    if refusal:
        raise _refused(refusal, token, address)
    _note_use(token)
    return token


def _made(epoch: str, found: Sequence[ApiToken]) -> ApiToken:
    if not found:
        raise _Unknown
    (token,) = found
    token.epoch = epoch
    token.claims = _claims(token.user, token)
    return token


def _refused(reason: str, token: ApiToken | None, address: str) -> Exception:
    """Return the refusal to raise; beyond the limit it is neither explained nor logged."""
    retry_after_s = throttle.note_failure(address)
    if retry_after_s:
        return RateLimited(retry_after_s)
    _logger.warning("token refused: %s, %s, from %s", reason, token or "-", address)
    return InvalidCredentials(_INVALID)


def _refusal(token: ApiToken, address: str) -> str:
    """Return why the token must not be used, for the log; empty when it may."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expiry is None or token.expiry <= clock.now():
        return "expired"
    if not token.user.is_active:
        return "owner disabled"
    if token.allowed_networks and not _inside(address, token.allowed_networks):
        return "outside its networks"
    return ""


def _inside(address: str, networks: list[str]) -> bool:
    if not address:
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network) for network in networks)


def _note_use(token: ApiToken) -> None:
    """Remember the use, at most once a minute: a row written per request would cost more."""
    if not _is_use_due(token):
        return
    now = clock.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USED_RESOLUTION)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _is_use_due(token: ApiToken) -> bool:
    """Tell whether this use is to be written down."""
    last = token.last_used_at
    return last is None or clock.now() - last >= _USED_RESOLUTION
