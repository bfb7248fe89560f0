"""What does ACME look like over HTTP? RFC 8555 section 6: one dispatcher, one view a resource.

Plain views without sessions, cookies or CSRF: a request is who signed it. Every answer, refusals
included, carries a fresh nonce.
"""

import functools
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.enrollment.acme import nonces, problems, wire
from apps.enrollment.acme.auth import Along, Signed, SignedBy, authenticate
from apps.enrollment.acme.endpoint_config import Door, base_of, door_named
from apps.enrollment.acme.jws import Jws
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
    orders,
    revocation,
)
from apps.enrollment.acme.services import renewal_info as ari
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType, OrderStatus
from apps.enrollment.acme.validation import attempts
from apps.enrollment.acme.validation import persistent_records as persist
from apps.errors import NotFound
from apps.statements.lookups import Asked, Lookup, RowLookup

_Handler = Callable[..., HttpResponse]
_JSON = "application/json"
_CREATED = HTTPStatus.CREATED
_UNSETTLED = (ChallengeStatus.PENDING, ChallengeStatus.PROCESSING)
_DIRECTORY_MAX_AGE_S = 300
_compact = json.JSONEncoder(separators=(",", ":")).encode


def _by_url(*lookups: Lookup | RowLookup[Any]) -> Along:
    """Ask for what the ``url_id`` of a request names, along with its account."""

    def along(_message: Jws, names: dict[str, Any], _door: Door | None) -> list[Asked]:
        return [(lookup, (names["url_id"],)) for lookup in lookups]

    return along


def _signed(signed_by: SignedBy, *along: Along) -> Callable[[_Handler], _Handler]:
    """Turn a handler of signed requests into a view; anything but POST is refused (A-07)."""

    def decorate(handler: _Handler) -> _Handler:
        @csrf_exempt
        @functools.wraps(handler)
        def view(
            request: HttpRequest, application: str, profile: str, **names: Any
        ) -> HttpResponse:
            try:
                _require_method(request, "POST")
                signed = authenticate(request, application, profile, signed_by, names, *along)
                if request.META.get("QUERY_STRING") and "cursor" in request.GET:
                    names["cursor"] = request.GET["cursor"]
                response = handler(signed, **names)
            except Exception as error:  # noqa: BLE001 - every error becomes a problem document
                response = _problem(error)
            return _finished(response, application, profile)

        return view

    return decorate


def _public(*methods: str) -> Callable[[_Handler], _Handler]:
    """Turn a handler that needs no signature into a view."""

    def decorate(handler: _Handler) -> _Handler:
        @csrf_exempt
        @functools.wraps(handler)
        def view(
            request: HttpRequest, application: str, profile: str, **names: Any
        ) -> HttpResponse:
            try:
                _require_method(request, *methods)
                response = handler(request, application, profile, **names)
            except Exception as error:  # noqa: BLE001 - every error becomes a problem document
                response = _finished(_problem(error), application, profile)
            return response

        return view

    return decorate


@_public("GET", "HEAD")
def directory(_request: HttpRequest, application: str, profile: str) -> HttpResponse:
    """Answer where everything is, and what this endpoint demands (7.1.1)."""
    door = door_named(application, profile)
    endpoint = AcmeEndpoint.objects.select_related("pairing__profile").get(pk=door.endpoint_id)
    found: dict[str, Any] = {
        "newNonce": door.url("new-nonce"),
        "newAccount": door.url("new-account"),
        "newOrder": door.url("new-order"),
        "newAuthz": door.url("new-authz"),
        "revokeCert": door.url("revoke-cert"),
        "keyChange": door.url("key-change"),
        "renewalInfo": door.url("renewal-info"),
        "meta": _meta(door, endpoint),
    }
    if not door.authz_lifetime_h:
        del found["newAuthz"]  # an authorization that serves one order cannot come before it
    response = _json(found)
    response.headers["Cache-Control"] = f"public, max-age={_DIRECTORY_MAX_AGE_S}"
    response.headers["Replay-Nonce"] = nonces.issue()
    return response


def _meta(door: Door, endpoint: AcmeEndpoint) -> dict[str, Any]:
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
    if ChallengeType.DNS_PERSIST_01 in door.offers:
        # draft-ietf-acme-dns-persist-02, sections 3.2 and 4.1.
        meta["issuerDomainNames"] = list(door.issuers)
        meta["accountHashPrefix"] = persist.hash_prefix(door.base)
    return meta


@_public("GET", "HEAD")
def new_nonce(request: HttpRequest, application: str, profile: str) -> HttpResponse:
    """Answer with a nonce in the header (7.2)."""
    response = HttpResponse(status=200 if request.method == "HEAD" else 204)
    return _finished(response, application, profile)


@_public("GET", "HEAD")
def limits_page(_request: HttpRequest, application: str, profile: str) -> HttpResponse:
    """Tell people the limits; every rateLimited answer links here (A-25)."""
    text = limits.describe(door_named(application, profile))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@_public("GET", "HEAD")
def renewal_info(
    _request: HttpRequest, application: str, profile: str, certificate_id: str
) -> HttpResponse:
    """Answer when a certificate should be renewed (RFC 9773 section 4)."""
    door = door_named(application, profile)
    response = _json(ari.renewal_info(door, certificate_id))
    response.headers["Retry-After"] = str(ari.RETRY_AFTER_S)
    return _finished(response, application, profile)


@_signed(SignedBy.NEW_KEY, accounts.sought)
def new_account(signed: Signed) -> HttpResponse:
    """Register, or find, the account of the key that signed (7.3)."""
    found = accounts.register(signed)
    response = _json(wire.account(signed.door, found.account), _CREATED if found.created else 200)
    response.headers["Location"] = signed.door.url("acct", found.account.url_id)
    return response


@_signed(SignedBy.ACCOUNT)
def account(signed: Signed, url_id: str) -> HttpResponse:
    """Show, change or deactivate the account (7.3.2, 7.3.6)."""
    _require_own(signed, url_id)
    return _json(wire.account(signed.door, accounts.update(signed)))


@_signed(SignedBy.ACCOUNT)
def account_orders(signed: Signed, url_id: str, cursor: str = "") -> HttpResponse:
    """List the account's orders, newest first (7.1.2.1)."""
    _require_own(signed, url_id)
    signed.require_empty()
    page, following = accounts.orders_page(signed, cursor)
    response = _json({"orders": [signed.door.url("order", found) for found in page]})
    if following:
        url = signed.door.url("acct", url_id, "orders")
        _link(response, f"{url}?cursor={quote(following)}", "next")
    return response


@_signed(SignedBy.ACCOUNT)
def change_key(signed: Signed) -> HttpResponse:
    """Change the account's key (7.3.5)."""
    return _json(wire.account(signed.door, key_change.change(signed)))


@_signed(SignedBy.ACCOUNT, orders.sought)
def new_order(signed: Signed) -> HttpResponse:
    """Make an order (7.4)."""
    row = orders.create(signed)
    response = _order(signed.door, row)
    response.status_code = _CREATED
    return response


@_signed(SignedBy.ACCOUNT, _by_url(orders.BY_URL))
def order(signed: Signed, url_id: str) -> HttpResponse:
    """Show an order (7.4)."""
    signed.require_empty()
    return _order(signed.door, orders.read(signed, url_id))


@_signed(SignedBy.ACCOUNT, _by_url(orders.BY_URL))
def finalize_order(signed: Signed, url_id: str) -> HttpResponse:
    """Take the CSR and issue (7.4)."""
    return _order(signed.door, finalize.finalize(signed, url_id))


@_signed(SignedBy.ACCOUNT)
def new_authz(signed: Signed) -> HttpResponse:
    """Authorize a name before ordering (7.4.1)."""
    if not signed.door.authz_lifetime_h:
        raise Refusal(Type.MALFORMED, "Pre-authorization is not offered here.", status=404)
    row, challenges, created = authorizations.preauthorize(signed)
    shown = wire.authorization(signed.door, row, challenges)
    response = _json(shown, _CREATED if created else 200)
    response.headers["Location"] = signed.door.url("authz", row.url_id)
    return response


@_signed(SignedBy.ACCOUNT, _by_url(authorizations.WITH_CHALLENGES))
def authorization(signed: Signed, url_id: str) -> HttpResponse:
    """Show an authorization or give it up (7.5, 7.5.2)."""
    step = authorizations.update if signed.jws.payload else authorizations.read
    row, challenges = step(signed, url_id)
    response = _json(wire.authorization(signed.door, row, challenges))
    if any(item.status == ChallengeStatus.PROCESSING for item in challenges):
        response.headers["Retry-After"] = str(authorizations.RETRY_AFTER_S)
    return response


@_signed(SignedBy.ACCOUNT, challenges.sought)
def challenge(signed: Signed, url_id: str) -> HttpResponse:
    """Show a challenge, or validate it (7.5.1)."""
    if signed.jws.payload:
        answered = challenges.answered(signed, url_id)
        row = answered.row
        if row.status in _UNSETTLED:
            row = attempts.try_now(answered)
    else:
        row = challenges.read(signed, url_id)
    response = _json(wire.challenge(signed.door, row))
    _link(response, signed.door.url("authz", row.authorization.url_id), "up")
    if row.status == ChallengeStatus.PROCESSING:
        response.headers["Retry-After"] = str(authorizations.RETRY_AFTER_S)
    return response


@_signed(SignedBy.ACCOUNT, _by_url(certificates.BY_ORDER))
def certificate(signed: Signed, url_id: str, number: int = 0) -> HttpResponse:
    """Download a chain (7.4.2)."""
    signed.require_empty()
    found = certificates.download(signed, url_id, number)
    response = HttpResponse(found.pem, content_type=certificates.CONTENT_TYPE)
    for other in found.alternates:
        parts = ("cert", url_id, str(other)) if other else ("cert", url_id)
        _link(response, signed.door.url(*parts), "alternate")
    return response


@_signed(SignedBy.EITHER)
def revoke_certificate(signed: Signed) -> HttpResponse:
    """Revoke a certificate (7.6)."""
    revocation.revoke(signed)
    return HttpResponse(status=200)


@csrf_exempt
def nothing(_request: HttpRequest, application: str, profile: str, rest: str = "") -> HttpResponse:
    """Answer any other path as ACME clients expect it."""
    del rest
    return _finished(_problem(NotFound("There is no such resource.")), application, profile)


def _order(door: Door, row: AcmeOrder) -> HttpResponse:
    response = _json(wire.order(door, row))
    response.headers["Location"] = door.url("order", row.url_id)
    if row.status == OrderStatus.PROCESSING:
        response.headers["Retry-After"] = str(orders.retry_after(row))
    return response


def _require_own(signed: Signed, url_id: str) -> None:
    if signed.the_account().url_id != url_id:
        raise Refusal(Type.UNAUTHORIZED, "This is another account's.")


def _require_method(request: HttpRequest, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        detail = f"This resource takes {allowed}."
        raise Refusal(Type.MALFORMED, detail, status=405, headers={"Allow": allowed})


def _json(shown: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(_compact(shown), status=status, content_type=_JSON)


def _problem(error: Exception) -> HttpResponse:
    status, shown, headers = problems.answer(error)
    return HttpResponse(
        json.dumps(shown), status=status, content_type=problems.CONTENT_TYPE, headers=headers
    )


def _finished(response: HttpResponse, application: str, profile: str) -> HttpResponse:
    """Add what every answer carries: a nonce, the way to the directory, and no caching."""
    response.headers["Replay-Nonce"] = nonces.issue()
    response.headers["Cache-Control"] = "no-store"
    here = base_of(application, profile)
    _link(response, f"{here}/directory", "index")
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        _link(response, f"{here}/limits", "help")
    return response


def _link(response: HttpResponse, url: str, relation: str) -> None:
    """Add one more Link; several relations share the header (RFC 8288 section 3)."""
    given = response.headers.get("Link")
    link = f'<{url}>;rel="{relation}"'
    response.headers["Link"] = f"{given}, {link}" if given else link
