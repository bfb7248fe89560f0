"""What does a client want a certificate for, and how far is it? RFC 8555 section 7.4.

An order follows its certificate request when it is read; nothing has to poll for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Subquery

from apps import clock
from apps.certificates import decision as decisions
from apps.certificates import states as request_states
from apps.certificates.models import Certificate, CertificateRequest, RequestState
from apps.enrollment.acme.auth import Account, Signed, account_url_id
from apps.enrollment.acme.endpoint_config import Door, pairing_of
from apps.enrollment.acme.identifiers import Identifier, digest, parse_all, refusal_of
from apps.enrollment.acme.jws import Jws
from apps.enrollment.acme.models import AcmeOrder, AcmeOrderAuthorization
from apps.enrollment.acme.problems import Refusal, Type, document
from apps.enrollment.acme.services import authorizations, limits
from apps.enrollment.acme.services import renewal_info as ari
from apps.enrollment.acme.services.limits import Limit
from apps.enrollment.acme.states import ORDER, OrderStatus, move, order_after
from apps.enrollment.acme.wire import read_time
from apps.errors import InvalidTransition, Malformed, NotFound, Violation
from apps.profiles.requested_content import RequestedContent
from apps.statements import writes
from apps.statements.lookups import TEXT, Asked, Lookup, RowLookup
from apps.statements.rows import fresh

RETRY_AFTER_S = 5
APPROVAL_RETRY_AFTER_S = 60
# An order has no more than this many edges before it.
_RACES = 3

BY_URL = RowLookup(
    AcmeOrder, lambda url_id: AcmeOrder.objects.filter(url_id=url_id).order_by(), url_id=TEXT
)

# The request has the order's own primary key, see ``finalize``.
_REQUEST_OF = Lookup(
    lambda url_id: (
        CertificateRequest.objects.filter(
            pk=Subquery(AcmeOrder.objects.filter(url_id=url_id).order_by().values("pk"))
        )
        .order_by()
        .values_list("state", "failure", "violations", "certificate__pk")
    ),
    url_id=TEXT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The payload of newOrder, read."""

    identifiers: tuple[Identifier, ...]
    not_before: datetime | None
    not_after: datetime | None
    profile: str
    replaces: str


def sought(message: Jws, _names: dict[str, Any], door: Door | None) -> list[Asked]:
    """Return the queries that ``create`` will need for a payload that can be read."""
    if door is None:
        return []
    try:
        identifiers = parse_all(message.json().get("identifiers"))
    except (Malformed, Refusal):
        return []  # told when the nonce is used up
    limited, reusable = _sought(door, account_url_id(message), identifiers)
    return [*(limit.asked for limit in limited), *reusable]


def _sought(
    door: Door, account: str, identifiers: Sequence[Identifier]
) -> tuple[list[Limit], list[Asked]]:
    """Return the limits on an order, and what finds authorizations that it could use again."""
    limited = limits.on_orders(door, account, digest(identifiers))
    return limited, authorizations.sought(door, account, identifiers)


def create(signed: Signed) -> AcmeOrder:
    """Make an order (7.4): nothing is accepted that a certificate could not be given for.

    Raises:
        Malformed, Refusal: unusable identifiers, dates, profile or predecessor; each
            identifier that policy or the EAB key refuses is named.
        RateLimited: see ``limits``.
    """
    door, account = signed.door, signed.the_account()
    asked = _read(signed)
    authorizations.require_bound(account, asked.identifiers)
    limited, reusable = _sought(door, account.url_id, asked.identifiers)
    found = signed.several([*(limit.asked for limit in limited), *reusable])
    limits.refuse_beyond(limited, found[: len(limited)])
    _require_policy(signed, asked)
    replaced = _replaced(signed, account, asked)
    ends = clock.now() + timedelta(hours=door.order_lifetime_h)
    wanted = authorizations.wanted(door, account, asked.identifiers, ends, found[len(limited) :])
    order = fresh(
        AcmeOrder,
        related={"replaces_certificate": replaced},
        account_id=account.id,
        status=order_after(row.status for row in wanted.all),
        identifiers=[identifier.as_dict() for identifier in asked.identifiers],
        identifiers_sha256=digest(asked.identifiers),
        authorization_url_ids=[row.url_id for row in wanted.all],
        not_before=asked.not_before,
        not_after=asked.not_after,
        profile=asked.profile,
        replaces=asked.replaces,
        expires_at=ends,
    )
    try:
        with writes.together():
            wanted.insert()
            writes.insert(order)
            for row in wanted.all:
                writes.add(AcmeOrderAuthorization, order_id=order.pk, authorization_id=row.pk)
    except IntegrityError as error:
        if replaced is None:
            raise
        raise ari.already_replaced() from error
    return order


def read(signed: Signed, url_id: str) -> AcmeOrder:
    """Return an order of the account, brought up to date with its certificate request.

    Raises:
        NotFound: no such order, or another account's.
    """
    return follow(own(signed, url_id))


def own(signed: Signed, url_id: str) -> AcmeOrder:
    """Return an order of the account as its row stands.

    Raises:
        NotFound: no such order, or another account's.
    """
    for order in signed.rows(BY_URL, url_id):
        if order.account_id == signed.the_account().id:
            return order
    raise NotFound


def follow(order: AcmeOrder) -> AcmeOrder:
    """Move an order to where its certificate request, or the clock, says it is."""
    if order.status in (OrderStatus.READY, OrderStatus.PROCESSING):
        found = _REQUEST_OF.first(order.url_id)
        if found is not None:
            _follow_request(order, *found)
    open_still = order.status in (OrderStatus.PENDING, OrderStatus.READY)
    if open_still and order.expires_at <= clock.now():
        advance(order, OrderStatus.INVALID, error=document(Type.MALFORMED, "The order expired."))
    return order


def advance(order: AcmeOrder, *path: OrderStatus, **changes: Any) -> AcmeOrder:
    """Take an order along edges of its table, from wherever on the way it stands by now.

    Readers and finalizers move the same order by what they see of its request; each sets only
    the columns of the farthest point it knows, so whoever comes last completes the row.

    Args:
        order: as the caller read it; shows the row's true state afterwards.
        path: statuses in turn; those that it has passed already are left out.
        changes: columns that go with the last of them.
    """
    for _ in range(_RACES):
        before = order.status
        for to in path[path.index(before) + 1 :] if before in path else path:
            move(order, to, ORDER)
        if AcmeOrder.objects.filter(pk=order.pk, status=before).update(
            status=order.status, **changes
        ):
            for name, value in changes.items():
                setattr(order, name, value)
            return order
        order.refresh_from_db()
        if not ORDER[order.status] or order.status == path[-1]:
            return order
    return order


def complete(order: AcmeOrder, certificate: Certificate) -> None:
    """Make a ready order valid, as part of the batch that stores its certificate.

    A reader may have moved the row on to ``processing`` meanwhile.
    """
    before = order.status
    for to in (OrderStatus.PROCESSING, OrderStatus.VALID):
        move(order, to, ORDER)
    order.certificate_request_id, order.certificate_id = order.pk, certificate.pk
    writes.change(
        AcmeOrder,
        set={
            "status": order.status,
            "certificate_request_id": order.pk,
            "certificate_id": certificate.pk,
        },
        where={"id": order.pk, "status": [before, OrderStatus.PROCESSING.value]},
    )


def retry_after(order: AcmeOrder) -> int:
    """Return how many seconds a client waits before it reads a processing order again."""
    waits = CertificateRequest.objects.filter(
        pk=order.pk, state=RequestState.PENDING_APPROVAL
    ).exists()
    return APPROVAL_RETRY_AFTER_S if waits else RETRY_AFTER_S


def _follow_request(
    order: AcmeOrder, state: str, failure: str, violations: list[Any], certificate_id: Any
) -> None:
    if state == RequestState.ISSUED and certificate_id is not None:
        advance(
            order,
            OrderStatus.PROCESSING,
            OrderStatus.VALID,
            certificate_request_id=order.pk,
            certificate_id=certificate_id,
        )
    elif state in request_states.OPEN_STATES or state == RequestState.ISSUED:
        if order.status == OrderStatus.READY:
            advance(order, OrderStatus.PROCESSING, certificate_request_id=order.pk)
    else:
        reasons = "; ".join(str(item["reason"]) for item in violations) or failure
        detail = f"The request was {state}. {reasons}".strip()
        kind = Type.UNAUTHORIZED if state == RequestState.REJECTED else Type.SERVER_INTERNAL
        advance(
            order,
            OrderStatus.INVALID,
            error=document(kind, detail),
            certificate_request_id=order.pk,
        )


def _read(signed: Signed) -> _Wanted:
    payload = signed.payload()
    profile, replaces = payload.get("profile"), payload.get("replaces")
    if profile is not None and profile != signed.door.profile_name:
        raise Refusal(
            Type.INVALID_PROFILE, f"The only profile here is {signed.door.profile_name!r}."
        )
    if replaces is not None and not isinstance(replaces, str):
        raise Malformed("replaces is a text (RFC 9773 section 4.1).")
    not_before = read_time(payload.get("notBefore"), "notBefore")
    not_after = read_time(payload.get("notAfter"), "notAfter")
    if not_before is not None and not_after is not None and not_after <= not_before:
        raise Malformed("notAfter must be later than notBefore.")
    return _Wanted(
        identifiers=parse_all(payload.get("identifiers")),
        not_before=not_before,
        not_after=not_after,
        profile=profile or "",
        replaces=replaces or "",
    )


def _require_policy(signed: Signed, asked: _Wanted) -> None:
    """Hold names and dates against policy now rather than after all the proofs.

    Keys and usages cannot be judged before the CSR is there; the pipeline judges everything
    again at finalize.
    """
    requested = RequestedContent(
        subject_alt_names=tuple(identifier.san for identifier in asked.identifiers),
        not_before=asked.not_before,
        not_after=asked.not_after,
    )
    try:
        decision = decisions.decide(pairing_of(signed.door), None, requested)
    except InvalidTransition as error:
        raise unavailable(error) from error
    wrong, dates = _blamed(decision.violations, asked.identifiers)
    if wrong:
        raise refusal_of(wrong)
    if dates:
        raise Refusal(Type.MALFORMED, " ".join(dates))
    if decision.leaf is not None and asked.not_after not in (None, decision.leaf.not_after):
        raise Refusal(
            Type.MALFORMED,
            f"notAfter lies beyond the authority's own end, {decision.leaf.not_after:%Y-%m-%d}.",
        )


def _blamed(
    violations: Sequence[Violation], identifiers: Sequence[Identifier]
) -> tuple[list[tuple[dict[str, str], Type, str]], list[str]]:
    """Return what is wrong with names, and what with dates; the rest waits for the CSR."""
    wrong, dates = [], []
    for item in violations:
        section, _, rest = item.field.partition("[")
        text = f"{item.reason} {item.hint}".strip()
        if section == "subject_alt_names":
            index = rest.partition("]")[0]
            # A rule on the whole list blames its first entry, for want of a better one.
            blamed = identifiers[int(index) if index.isdigit() else 0]
            wrong.append((blamed.as_dict(), Type.REJECTED_IDENTIFIER, text))
        elif section.split(".")[0] in {"validity", "not_before", "not_after", "ttl"}:
            dates.append(text)
    return wrong, dates


def _replaced(signed: Signed, account: Account, asked: _Wanted) -> Certificate | None:
    if not asked.replaces:
        return None
    names = {(identifier.type, identifier.value) for identifier in asked.identifiers}
    return ari.replaceable(signed.door, account, asked.replaces, names)


def unavailable(error: InvalidTransition) -> Refusal:
    """Return the problem for an authority that does not sign at present."""
    return Refusal(
        Type.SERVER_INTERNAL,
        f"No certificates can be issued here at present: {error.detail}",
        status=503,
        headers={"Retry-After": str(APPROVAL_RETRY_AFTER_S)},
    )
