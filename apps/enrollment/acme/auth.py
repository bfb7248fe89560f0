"""Who signed this request, at which endpoint? RFC 8555 sections 6.2 to 6.5.

One query loads the account; then the signature is verified, and only then the nonce is used
up: nobody without a key can write to the database. For accounts that a process has met, the key
is at hand, and query and nonce are one statement, which brings along what the request is about.
What the endpoint demands is kept while nothing changes in governance.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from apps.applications import epoch as epochs
from apps.applications.tokens import client_address
from apps.enrollment.acme import jws, nonces
from apps.enrollment.acme.endpoint_config import Door, base_of, door_in, last_seen
from apps.enrollment.acme.jws import Jws
from apps.enrollment.acme.models import AcmeAccount
from apps.enrollment.acme.problems import Refusal, Type
from apps.enrollment.acme.states import AccountStatus
from apps.errors import (
    AuthenticationFailed,
    BadAlgorithm,
    BadMessageSignature,
    Malformed,
)
from apps.principals import Principal
from apps.statements.lookups import TEXT, Asked, Lookup, RowLookup, at_once, raw_rows
from apps.web import trace

PROTOCOL = "acme"
_JOSE = "application/jose+json"


class SignedBy(Enum):
    """How a request may name its key (A-02)."""

    ACCOUNT = "kid"
    NEW_KEY = "jwk"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that signed, as requests need it.

    Attributes:
        key: its ``jwk``, loaded.
        bound: what its EAB key restricts it to; ``None`` without such a key.
        networks: source addresses for which its EAB key is good; empty for any.
        the others: columns of ``AcmeAccount``.
    """

    id: UUID
    endpoint_id: UUID
    url_id: str
    status: str
    jwk: dict[str, str]
    key: jws.PublicKey
    thumbprint: str
    contacts: tuple[str, ...]
    bound: tuple[str, ...] | None
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request whose signature, URL and nonce were checked.

    Attributes:
        door: where it came in.
        jws: the outer JWS.
        jwk: the key in its header, for requests that carry one.
        account: who signed, for those that name an account.
        ip: the peer's address.
        url: as signed.
        along: what was asked along with the account, and the raw rows that were found.
    """

    door: Door
    jws: Jws
    jwk: dict[str, Any] | None
    account: Account | None
    ip: str
    url: str
    along: dict[tuple[Any, ...], list[tuple[Any, ...]]] = field(default_factory=dict, repr=False)

    def rows(self, lookup: Lookup | RowLookup[Any], *values: Any) -> list[Any]:
        """Return what a query finds: once what came along with the account, afterwards anew."""
        raw = self.along.pop((lookup, *values), None)
        return lookup.all(*values) if raw is None else lookup.made_of(raw)

    def several(self, asked: Sequence[Asked]) -> list[list[Any]]:
        """Return what several queries find, as ``rows`` does, by one statement at the most."""
        if all((lookup, *values) in self.along for lookup, values in asked):
            return [self.rows(lookup, *values) for lookup, values in asked]
        return at_once(*asked)

    def the_account(self) -> Account:
        """Return the account of a request that was signed by one."""
        assert self.account is not None
        return self.account

    def payload(self) -> dict[str, Any]:
        """Return the JSON object in the payload.

        Raises:
            Malformed: it is none.
        """
        return self.jws.json()

    def require_empty(self) -> None:
        """Refuse anything but POST-as-GET (A-08).

        Raises:
            Malformed: the payload is not the empty text.
        """
        if self.jws.payload:
            raise Malformed("This resource is read by POST-as-GET: the payload must be empty.")

    def principal(self) -> Principal:
        """Return who acts: the account, confined to its pair of application and profile."""
        name = f"{self.door.application_name}/{self.door.profile_name}"
        if self.account is None:
            return _principal(self.door, "certificate-key", f"Key holder at {name}", self.ip)
        label = f"ACME account {self.account.url_id} at {name}"
        return _principal(self.door, str(self.account.id), label, self.ip)


_ACCOUNT = (
    "pk",
    "endpoint_id",
    "url_id",
    "status",
    "jwk",
    "thumbprint",
    "contacts",
    "eab_key_id",
    "eab_key__identifiers",
    "eab_key__networks",
)


Along = Callable[[Jws, dict[str, Any], Door | None], Sequence[Asked]]
"""Tells which queries a request will need, from the names in its URL and the door as last seen.

What does not come to be the query that is wanted in the end is merely in vain.
"""


def _nothing(_message: Jws, _names: dict[str, Any], _door: Door | None) -> Sequence[Asked]:
    return ()


def authenticate(
    request: HttpRequest,
    application: str,
    profile: str,
    signed_by: SignedBy,
    names: dict[str, Any],
    along: Along = _nothing,
) -> Signed:
    """Check everything about a POST that does not depend on the resource.

    Args:
        request: the POST.
        application: by the URL.
        profile: by the URL.
        signed_by: how it may name its key.
        names: further parts of the URL.
        along: what ``Signed.rows`` will be asked for. It is called and read when the signature
            has been verified, but whose the rows are is not judged here.

    Raises:
        Malformed, BadAlgorithm, BadPublicKey, BadMessageSignature: the JWS is unusable.
        Refusal: a bad nonce, a foreign URL, an unknown account.
        AuthenticationFailed: a deactivated or revoked account.
        NotFound: no such endpoint.
    """
    if request.content_type != _JOSE:
        raise Refusal(Type.MALFORMED, f"Requests are sent as {_JOSE}.", status=415)
    message = jws.parse(request.body)
    url = f"{settings.SEALWRIGHT['PUBLIC_URL']}{request.get_full_path()}"
    if message.text("url") != url:
        raise Refusal(Type.UNAUTHORIZED, f"The signed url is not {url}.")
    by_account = _names_account(message, signed_by)
    nonce = nonces.check(message.header.get("nonce"))
    ip, base = client_address(request), base_of(application, profile)
    jwk, account = None, None
    lately = last_seen(application, profile)
    asked: Sequence[Asked]
    if by_account:
        changes, account, asked, found = _account(
            message, nonce, base, lambda: along(message, names, lately)
        )
    else:
        jwk = message.header["jwk"]
        jws.verify(message, jws.load_key(jwk))
        asked = along(message, names, lately)
        changes, *found = nonces.consume_and_find(nonce, (epochs.EPOCH, ()), *asked)
    door = door_in(application, profile, epochs.of(changes))
    if account is not None:
        _require_admitted(account, door, ip)
    return Signed(
        door=door,
        jws=message,
        jwk=jwk,
        account=account,
        ip=ip,
        url=url,
        along={
            (lookup, *values): rows for (lookup, values), rows in zip(asked, found, strict=True)
        },
    )


def account_url_id(message: Jws) -> str:
    """Return what the URL in a request's ``kid`` ends in; nobody has verified it yet."""
    return message.text("kid").rpartition("/")[2]


def _names_account(message: Jws, signed_by: SignedBy) -> bool:
    """Tell whether the request names an account, as it may here (A-02)."""
    has_kid, has_jwk = "kid" in message.header, "jwk" in message.header
    if has_kid == has_jwk:
        raise Malformed("The protected header needs exactly one of 'kid' and 'jwk'.")
    if signed_by is SignedBy.ACCOUNT and has_jwk:
        raise Malformed("This resource takes requests signed by an account ('kid').")
    if signed_by is SignedBy.NEW_KEY and has_kid:
        raise Malformed("This resource takes requests that bring their key ('jwk').")
    return has_kid


_ACCOUNT_QUERY = Lookup(
    lambda url_id: AcmeAccount.objects.filter(url_id=url_id).order_by().values_list(*_ACCOUNT),
    url_id=TEXT,
)
_met: dict[str, jws.PublicKey] = {}
_MAX_MET = 4096


def meet(kid: str, key: jws.PublicKey) -> None:
    """Remember by which key an account signs, as far as this process knows."""
    if len(_met) >= _MAX_MET:
        _met.clear()
    _met[kid] = key


def _account(
    message: Jws, nonce: UUID, base: str, along: Callable[[], Sequence[Asked]]
) -> tuple[list[tuple[Any, ...]], Account, Sequence[Asked], list[list[tuple[Any, ...]]]]:
    """Return what the epoch's query found, the account that signed, and what came along.

    The nonce is used up.

    Raises:
        BadMessageSignature: it is not the account's key that signed.
        Refusal: a used nonce, or an unknown account.
    """
    kid, prefix = message.text("kid"), f"{base}/acct/"
    if not kid.startswith(prefix):
        raise _unknown_account()
    values = (kid[len(prefix) :],)
    known = _met.get(kid)
    if known is not None and _has_signed(message, known):
        asked = along()
        changes, rows, *found = nonces.consume_and_find(
            nonce, (epochs.EPOCH, ()), (_ACCOUNT_QUERY, values), *asked
        )
        account = _as_account(rows)
        if account.key is not known:  # perhaps another by now: what counts is what it has
            jws.verify(message, account.key)
    else:
        changes, rows = raw_rows((epochs.EPOCH, ()), (_ACCOUNT_QUERY, values))
        account = _as_account(rows)
        jws.verify(message, account.key)
        asked = along()
        found = nonces.consume_and_find(nonce, *asked)
    meet(kid, account.key)
    return changes, account, asked, found


def _require_admitted(account: Account, door: Door, ip: str) -> None:
    """Refuse an account that is not of this endpoint, not for this address, or over."""
    if account.endpoint_id != door.endpoint_id:
        raise _unknown_account()
    if account.networks and not inside(ip, account.networks):
        raise Refusal(Type.UNAUTHORIZED, "The account may not be used from this address.")
    if account.status != AccountStatus.VALID:
        raise AuthenticationFailed(f"The account is {account.status}.")


def _has_signed(message: Jws, key: jws.PublicKey) -> bool:
    """Tell whether the key that an account had lately has signed; it may have another by now."""
    try:
        jws.verify(message, key)
    except (BadMessageSignature, BadAlgorithm):
        return False
    return True


def _as_account(rows: Sequence[tuple[Any, ...]]) -> Account:
    if not rows:
        raise _unknown_account()
    return _account_in(rows[0])


@lru_cache(maxsize=4096)
def _account_in(row: tuple[Any, ...]) -> Account:
    """Return the account that a raw row shows; a client's next requests find an equal one."""
    (
        pk,
        endpoint_id,
        url_id,
        status,
        jwk,
        thumbprint,
        contacts,
        eab_key_id,
        bound,
        networks,
    ) = _ACCOUNT_QUERY.made_of([row])[0]
    return Account(
        id=pk,
        endpoint_id=endpoint_id,
        url_id=url_id,
        status=status,
        jwk=jwk,
        key=jws.load_key(jwk),
        thumbprint=thumbprint,
        contacts=tuple(contacts),
        bound=tuple(bound) if eab_key_id is not None else None,
        networks=tuple(networks or ()),
    )


def inside(ip: str, networks: Sequence[str]) -> bool:
    """Tell whether an address lies in one of the networks (CIDR)."""
    if not ip:
        return False
    address = ipaddress.ip_address(ip)
    return any(address in ipaddress.ip_network(network) for network in networks)


def _principal(door: Door, identifier: str, label: str, ip: str) -> Principal:
    return Principal(
        kind=PROTOCOL,
        id=identifier,
        label=label,
        application_id=door.application_id,
        pairing_id=door.pairing_id,
        ip=ip,
        trace_id=trace.current(),
    )


def _unknown_account() -> Refusal:
    return Refusal(Type.ACCOUNT_DOES_NOT_EXIST, "There is no such account at this endpoint.")
