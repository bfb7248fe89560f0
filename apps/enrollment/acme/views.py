"""ACME resources over HTTP: one view for each resource (RFC 8555 sections 6 and 7).

Views without sessions, cookies or CSRF tokens: a request acts for its signer. Every answer to a
POST, refusals included, carries a new nonce, and so does newNonce; other answers to GET carry none.
"""

import functools
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt

from apps.enrollment.acme import nonces, problems, wire
from apps.enrollment.acme.auth import SignedBy, SignedRequest, authenticate
from apps.enrollment.acme.endpoint_config import EndpointConfig, base_url, config_for
from apps.enrollment.acme.models import AcmeEndpoint, AcmeOrder
from apps.enrollment.acme.problems import Refusal, Type
from apps.enrollment.acme.services import (
    accounts,
    authorizations,
    certificates,
    challenges,
    finalize,
    key_change,
    limits,
    order_request,
    orders,
    revocation,
    waiting,
)
from apps.enrollment.acme.services import renewal_info as renewal_info_service
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType, OrderStatus
from apps.enrollment.acme.validation import attempts, persistent_records
from apps.errors import NotFound
from apps.web.links import add_link

_Handler = Callable[..., HttpResponse]
_JSON = "application/json"
_CREATED = HTTPStatus.CREATED
_UNDECIDED = (ChallengeStatus.PENDING, ChallengeStatus.PROCESSING)
_PUBLIC_MAX_AGE_S = 300
_ENDPOINT = re.compile(r"/acme/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)/")
_compact = json.JSONEncoder(separators=(",", ":")).encode


def _signed(signed_by: SignedBy) -> Callable[[_Handler], _Handler]:
    """Turn a handler of signed requests into a view that takes POST only (RFC 8555 section 6.3)."""

    def decorate(handler: _Handler) -> _Handler:
        @csrf_exempt
        @functools.wraps(handler)
        def view(
            request: HttpRequest, application: str, profile: str, **names: Any
        ) -> HttpResponse:
            try:
                _require_method(request, "POST")
                signed = authenticate(request, application, profile, signed_by)
                response = handler(signed, **names)
            except Exception as error:  # noqa: BLE001 - every error becomes a problem document
                response = problems.response(error)
            return _with_headers(request, response)

        return view

    return decorate


def _public(handler: _Handler) -> _Handler:
    """Turn a handler that needs no signature into a view."""

    @csrf_exempt
    @functools.wraps(handler)
    def view(request: HttpRequest, application: str, profile: str, **names: Any) -> HttpResponse:
        try:
            _require_method(request, "GET", "HEAD")
            response = handler(request, application, profile, **names)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            response = problems.response(error)
        return _with_headers(request, response)

    return view


def _public_or_signed(handler: _Handler) -> _Handler:
    """Turn a handler into a view that takes GET and, as every resource, POST-as-GET (6.3)."""

    @csrf_exempt
    @functools.wraps(handler)
    def view(request: HttpRequest, application: str, profile: str) -> HttpResponse:
        try:
            _require_method(request, "GET", "HEAD", "POST")
            if request.method == "POST":
                signed = authenticate(request, application, profile, SignedBy.ACCOUNT)
                signed.require_empty()
            response = handler(request, application, profile)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            response = problems.response(error)
        return _with_headers(request, response)

    return view


@_public_or_signed
def directory(request: HttpRequest, application: str, profile: str) -> HttpResponse:
    """Answer the directory: URLs and requirements of this endpoint (7.1.1)."""
    config = config_for(application, profile)
    endpoint = AcmeEndpoint.objects.select_related("pairing__profile").get(pk=config.endpoint_id)
    found: dict[str, Any] = {
        "newNonce": config.url("new-nonce"),
        "newAccount": config.url("new-account"),
        "newOrder": config.url("new-order"),
        "newAuthz": config.url("new-authz"),
        "revokeCert": config.url("revoke-cert"),
        "keyChange": config.url("key-change"),
        "renewalInfo": config.url("renewal-info"),
        "meta": _meta(config, endpoint),
    }
    if not config.authz_lifetime_h:
        del found["newAuthz"]  # an authorization for one order only cannot precede the order
    return _cacheable(request, _json(found))


def _meta(config: EndpointConfig, endpoint: AcmeEndpoint) -> dict[str, Any]:
    profile = endpoint.pairing.profile
    meta: dict[str, Any] = {
        "externalAccountRequired": endpoint.require_eab,
        "profiles": {profile.name: profile.description or profile.name},
    }
    if endpoint.terms_of_service:
        meta["termsOfService"] = endpoint.terms_of_service
    if endpoint.website:
        meta["website"] = endpoint.website
    if endpoint.caa_identities:
        meta["caaIdentities"] = endpoint.caa_identities
    if ChallengeType.DNS_PERSIST_01 in config.offered_challenge_types:
        # draft-ietf-acme-dns-persist-02, sections 3.2 and 4.1.
        meta["issuerDomainNames"] = list(config.issuer_domain_names)
        meta["accountHashPrefix"] = persistent_records.hash_prefix(config.base)
    return meta


@_public_or_signed
def new_nonce(request: HttpRequest, application: str, profile: str) -> HttpResponse:
    """Answer with a nonce in the header (7.2)."""
    config_for(application, profile)
    response = HttpResponse(status=200 if request.method == "HEAD" else 204)
    response.headers["Replay-Nonce"] = nonces.issue()
    return response


@_public
def limits_page(request: HttpRequest, application: str, profile: str) -> HttpResponse:
    """Show the rate limits to people; every rateLimited answer links here (6.6)."""
    text = limits.describe(config_for(application, profile))
    return _cacheable(request, HttpResponse(text, content_type="text/plain; charset=utf-8"))


@_public
def renewal_info(
    _request: HttpRequest, application: str, profile: str, certificate_id: str
) -> HttpResponse:
    """Answer when a certificate should be renewed (RFC 9773 section 4)."""
    config = config_for(application, profile)
    found = renewal_info_service.renewal_info(config, certificate_id)
    response = _json(found.as_dict())
    response.headers["Retry-After"] = str(found.retry_after_s)
    return response


@_signed(SignedBy.NEW_KEY)
def new_account(signed: SignedRequest) -> HttpResponse:
    """Register, or find, the account of the key that signed (7.3)."""
    found = accounts.register(signed)
    response = _json(wire.account(signed.config, found.account), _CREATED if found.created else 200)
    response.headers["Location"] = signed.config.url("acct", found.account.url_id)
    return response


@_signed(SignedBy.ACCOUNT)
def account(signed: SignedRequest, url_id: str) -> HttpResponse:
    """Show, change or deactivate the account (7.3.2, 7.3.6)."""
    _require_own(signed, url_id)
    return _json(wire.account(signed.config, accounts.update(signed)))


@_signed(SignedBy.ACCOUNT)
def account_orders(signed: SignedRequest, url_id: str) -> HttpResponse:
    """List the account's orders, newest first (7.1.2.1)."""
    _require_own(signed, url_id)
    signed.require_empty()
    asked = QueryDict(urlsplit(signed.url).query)
    page, following = accounts.orders_page(signed, asked.get("cursor", ""))
    response = _json({"orders": [signed.config.url("order", found) for found in page]})
    if following:
        url = signed.config.url("acct", url_id, "orders")
        add_link(response, f"{url}?cursor={quote(following)}", "next")
    return response


@_signed(SignedBy.ACCOUNT)
def change_key(signed: SignedRequest) -> HttpResponse:
    """Change the account's key (7.3.5)."""
    return _json(wire.account(signed.config, key_change.change(signed)))


@_signed(SignedBy.ACCOUNT)
def new_order(signed: SignedRequest) -> HttpResponse:
    """Create an order (7.4)."""
    row = orders.create(signed)
    response = _order(signed.config, row)
    response.status_code = _CREATED
    return response


@_signed(SignedBy.ACCOUNT)
def order(signed: SignedRequest, url_id: str) -> HttpResponse:
    """Show an order (7.4)."""
    signed.require_empty()
    return _order(signed.config, waiting.get(signed, url_id))


@_signed(SignedBy.ACCOUNT)
def finalize_order(signed: SignedRequest, url_id: str) -> HttpResponse:
    """Finalize an order by its CSR (7.4)."""
    return _order(signed.config, finalize.finalize(signed, url_id))


@_signed(SignedBy.ACCOUNT)
def new_authz(signed: SignedRequest) -> HttpResponse:
    """Create an authorization before an order needs it (7.4.1)."""
    if not signed.config.authz_lifetime_h:
        raise Refusal(Type.MALFORMED, "Pre-authorization is not offered here.", status=404)
    identifier = order_request.read_authorization(signed)
    row, challenges, created = authorizations.preauthorize(signed, identifier)
    shown = wire.authorization(signed.config, row, challenges)
    response = _json(shown, _CREATED if created else 200)
    response.headers["Location"] = signed.config.url("authz", row.url_id)
    return response


@_signed(SignedBy.ACCOUNT)
def authorization(signed: SignedRequest, url_id: str) -> HttpResponse:
    """Show or deactivate an authorization (7.5, 7.5.2)."""
    action = authorizations.deactivate if signed.jws.payload else authorizations.get
    row, challenges = action(signed, url_id)
    response = _json(wire.authorization(signed.config, row, challenges))
    if any(item.status == ChallengeStatus.PROCESSING for item in challenges):
        response.headers["Retry-After"] = str(authorizations.RETRY_AFTER_S)
    return response


@_signed(SignedBy.ACCOUNT)
def challenge(signed: SignedRequest, url_id: str) -> HttpResponse:
    """Show a challenge, or validate it when the client responds to it (7.5.1)."""
    if signed.jws.payload:
        row = challenges.accept_response(signed, url_id)
        if row.status in _UNDECIDED:
            row = attempts.validate_inline(row)
    else:
        row = challenges.get(signed, url_id)
    response = _json(wire.challenge(signed.config, row))
    add_link(response, signed.config.url("authz", row.authorization.url_id), "up")
    if row.status == ChallengeStatus.PROCESSING:
        response.headers["Retry-After"] = str(authorizations.RETRY_AFTER_S)
    return response


@_signed(SignedBy.ACCOUNT)
def certificate(signed: SignedRequest, url_id: str, number: int = 0) -> HttpResponse:
    """Download a certificate chain (7.4.2)."""
    signed.require_empty()
    found = certificates.download(signed, url_id, number)
    response = HttpResponse(found.pem, content_type=certificates.CONTENT_TYPE)
    for other in found.alternates:
        parts = ("cert", url_id, str(other)) if other else ("cert", url_id)
        add_link(response, signed.config.url(*parts), "alternate")
    return response


@_signed(SignedBy.EITHER)
def revoke_certificate(signed: SignedRequest) -> HttpResponse:
    """Revoke a certificate (7.6)."""
    revocation.revoke(signed)
    return HttpResponse(status=200)


@csrf_exempt
def not_found(request: HttpRequest, **_names: str) -> HttpResponse:
    """Answer 404 as an ACME problem for any other path."""
    return _with_headers(request, problems.response(NotFound("There is no such resource.")))


def _order(config: EndpointConfig, row: AcmeOrder) -> HttpResponse:
    response = _json(wire.order(config, row))
    response.headers["Location"] = config.url("order", row.url_id)
    if row.status == OrderStatus.PROCESSING:
        response.headers["Retry-After"] = str(orders.retry_after(row))
    return response


def _require_own(signed: SignedRequest, url_id: str) -> None:
    if signed.signing_account().url_id != url_id:
        raise Refusal(Type.UNAUTHORIZED, "This is another account's.")


def _require_method(request: HttpRequest, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        detail = f"This resource takes {allowed}."
        raise Refusal(Type.MALFORMED, detail, status=405, headers={"Allow": allowed})


def _json(shown: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(_compact(shown), status=status, content_type=_JSON)


def _cacheable(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let caches keep the answer to a GET for some minutes; an answer to a POST has a nonce."""
    if request.method != "POST":
        response.headers["Cache-Control"] = f"public, max-age={_PUBLIC_MAX_AGE_S}"
    return response


def refusal(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer an error outside of any view: a request that is cut off, too large, or for no path."""
    return _with_headers(request, problems.response(error))


def _with_headers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Add the headers that answers have in common: nonce, no caching, links (6.5, 6.6, 7.1)."""
    if request.method == "POST":
        response.headers["Replay-Nonce"] = nonces.issue()
    response.headers.setdefault("Cache-Control", "no-store")
    # Read from the path: a request that no view has seen may be for anything.
    named = _ENDPOINT.match(request.path_info)
    if named is None:
        return response
    here = base_url(named[1], named[2])
    view = request.resolver_match.func if request.resolver_match else None
    if view is not directory:
        add_link(response, f"{here}/directory", "index")
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        add_link(response, f"{here}/limits", "help")
    return response
