"""Authentication of ACME requests by signature, URL, nonce and account (RFC 8555 section 6).

Checks run from cheap to expensive. The nonce is used up only after the signature has been
verified, so that nobody without a key can write to the database.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from apps.applications.tokens import client_address, is_in_networks
from apps.enrollment.acme import endpoint_config, jws, nonces
from apps.enrollment.acme.endpoint_config import EndpointConfig
from apps.enrollment.acme.jws import Jws
from apps.enrollment.acme.models import AcmeAccount
from apps.enrollment.acme.problems import Refusal, Type
from apps.enrollment.acme.states import AccountStatus
from apps.errors import AuthenticationFailed, Malformed
from apps.principals import Principal
from apps.statements.lookups import KEY, TEXT, Lookup
from apps.web import trace

PRINCIPAL_KIND = "acme"
_CONTENT_TYPE = "application/jose+json"


class SignedBy(Enum):
    """How a request may name its key (RFC 8555 section 6.2)."""

    ACCOUNT = "kid"
    NEW_KEY = "jwk"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An ACME account as requests need it.

    Attributes:
        key: its ``jwk``, loaded.
        eab_identifiers: patterns to which its EAB key restricts it, empty for any;
            ``None`` where the account has no EAB key.
        eab_networks: source addresses for which its EAB key is good; empty for any.
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
    eab_identifiers: tuple[str, ...] | None
    eab_networks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request whose signature, URL and nonce were checked.

    Attributes:
        config: the endpoint that it was sent to.
        jws: the outer JWS.
        jwk: the key in its header, for requests that carry one.
        account: who signed, for requests that name an account.
        ip: the peer's address.
        url: as signed, at the present or a former origin.
    """

    config: EndpointConfig
    jws: Jws
    jwk: dict[str, Any] | None
    account: Account | None
    ip: str
    url: str

    def signing_account(self) -> Account:
        """Return the account of a request that was signed by one."""
        assert self.account is not None
        return self.account

    def payload(self) -> dict[str, Any]:
        """Return the JSON object in the payload.

        Raises:
            Malformed: the payload is not a JSON object.
        """
        if not self.jws.payload:
            raise Malformed(
                "This resource needs a JSON object as payload; an empty payload (POST-as-GET) only "
                "reads."
            )
        return self.jws.json()

    def require_empty(self) -> None:
        """Refuse anything but POST-as-GET (RFC 8555 section 6.3).

        Raises:
            Malformed: the payload is not the empty text.
        """
        if self.jws.payload:
            raise Malformed("This resource is read by POST-as-GET: the payload must be empty.")

    def principal(self) -> Principal:
        """Return who acts: the account, or the holder of a certificate's key."""
        if self.account is not None:
            return account_principal(self.config, self.account.id, self.account.url_id, self.ip)
        name = f"{self.config.application_name}/{self.config.profile_name}"
        return _principal(self.config, "certificate-key", f"Key holder at {name}", self.ip)


_COLUMNS = (
    "pk",
    "endpoint_id",
    "url_id",
    "status",
    "jwk",
    "thumbprint",
    "contacts",
    "eab_key__identifiers",
    "eab_key__networks",
)
_BY_URL_ID = Lookup(
    lambda url_id: AcmeAccount.objects.filter(url_id=url_id).order_by().values_list(*_COLUMNS),
    url_id=TEXT,
)
_BY_THUMBPRINT = Lookup(
    lambda endpoint, thumbprint: (
        AcmeAccount.objects.filter(endpoint_id=endpoint, thumbprint=thumbprint)
        .order_by()
        .values_list(*_COLUMNS)
    ),
    endpoint=KEY,
    thumbprint=TEXT,
)


def authenticate(
    request: HttpRequest, application: str, profile: str, signed_by: SignedBy
) -> SignedRequest:
    """Check everything about a POST that does not depend on the resource.

    Args:
        request: the POST.
        application: name in the URL.
        profile: name in the URL.
        signed_by: how the request may name its key.

    Raises:
        Malformed, BadAlgorithm, BadPublicKey, BadMessageSignature: the JWS is unusable.
        Refusal: a bad nonce, another URL, or an unknown account.
        AuthenticationFailed: a deactivated or revoked account.
        NotFound: no such endpoint.
    """
    if request.content_type != _CONTENT_TYPE:
        raise Refusal(Type.MALFORMED, f"Requests are sent as {_CONTENT_TYPE}.", status=415)
    message = jws.parse(request.body)
    url, path = message.text("url"), request.get_full_path()
    if endpoint_config.path_of(url) != path:
        wanted = f"{endpoint_config.origins()[0]}{path}"
        raise Refusal(Type.UNAUTHORIZED, f"The signed url is not {wanted}.{_hint(url)}")
    names_account = _names_account(message, signed_by)
    nonce = nonces.check(message.header.get("nonce"))
    config = endpoint_config.config_for(application, profile)
    jwk, account = None, None
    if names_account:
        account = _account_named_by(message, config)
        jws.verify(message, account.key)
    else:
        jwk = message.header["jwk"]
        jws.verify(message, jws.load_key(jwk))
    nonces.consume(nonce)
    ip = client_address(request)
    if account is not None:
        _require_admitted(account, ip)
    return SignedRequest(config=config, jws=message, jwk=jwk, account=account, ip=ip, url=url)


def account_with_thumbprint(config: EndpointConfig, thumbprint: str) -> Account | None:
    """Return the account of a key at an endpoint; ``None`` when the key has none there."""
    return _account_from(_BY_THUMBPRINT.first(config.endpoint_id, thumbprint))


def account_principal(config: EndpointConfig, account_id: UUID, url_id: str, ip: str) -> Principal:
    """Return an account as a principal, confined to its application and profile."""
    label = f"ACME account {url_id} at {config.application_name}/{config.profile_name}"
    return _principal(config, str(account_id), label, ip)


def _names_account(message: Jws, signed_by: SignedBy) -> bool:
    """Tell whether the header has ``kid`` rather than ``jwk`` (RFC 8555 section 6.2)."""
    has_kid, has_jwk = "kid" in message.header, "jwk" in message.header
    if has_kid == has_jwk:
        raise Malformed("The protected header needs exactly one of 'kid' and 'jwk'.")
    if signed_by is SignedBy.ACCOUNT and has_jwk:
        raise Malformed("This resource takes requests signed by an account ('kid').")
    if signed_by is SignedBy.NEW_KEY and has_kid:
        raise Malformed("This resource takes requests that bring their key ('jwk').")
    return has_kid


def _account_named_by(message: Jws, config: EndpointConfig) -> Account:
    """Return the account in ``kid``.

    Raises:
        Refusal: this endpoint has no such account.
    """
    kid = message.text("kid")
    url_id = config.account_named_by(kid)
    account = _account_from(_BY_URL_ID.first(url_id)) if url_id else None
    if account is None or account.endpoint_id != config.endpoint_id:
        detail = f"There is no such account at this endpoint.{_hint(kid)}"
        raise Refusal(Type.ACCOUNT_DOES_NOT_EXIST, detail)
    return account


def _hint(url: str) -> str:
    """Return what to do about a URL at an origin that is not known to be ours; empty for others."""
    if endpoint_config.path_of(url):
        return ""
    return (
        f" URLs here begin with {endpoint_config.origins()[0]}/; where that has changed, the "
        "administrator lists the former origin in SEALWRIGHT_FORMER_PUBLIC_URLS."
    )


def _require_admitted(account: Account, ip: str) -> None:
    """Refuse an account that has ended, or whose EAB key is not for this address."""
    if account.eab_networks and not is_in_networks(ip, account.eab_networks):
        raise Refusal(Type.UNAUTHORIZED, "The account may not be used from this address.")
    if account.status != AccountStatus.VALID:
        raise AuthenticationFailed(f"The account is {account.status}.")


def _account_from(row: tuple[Any, ...] | None) -> Account | None:
    if row is None:
        return None
    pk, endpoint_id, url_id, status, jwk, thumbprint, contacts, identifiers, networks = row
    return Account(
        id=pk,
        endpoint_id=endpoint_id,
        url_id=url_id,
        status=status,
        jwk=jwk,
        key=jws.load_key(jwk),
        thumbprint=thumbprint,
        contacts=tuple(contacts),
        eab_identifiers=tuple(identifiers) if identifiers is not None else None,
        eab_networks=tuple(networks or ()),
    )


def _principal(config: EndpointConfig, identifier: str, label: str, ip: str) -> Principal:
    return Principal(
        kind=PRINCIPAL_KIND,
        id=identifier,
        label=label,
        application_id=config.application_id,
        pairing_id=config.pairing_id,
        ip=ip,
        trace_id=trace.current(),
    )
