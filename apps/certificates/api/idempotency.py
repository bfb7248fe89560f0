"""Safe repeats of API calls by the Idempotency-Key header.

The first call under a key does the work; a repeat with the same body gets the same answer,
one with another body is refused, and one that comes while the first still runs is told to
wait. A call whose worker died is taken over: what it had created carries an identifier
chosen beforehand, so it is found instead of made again.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.http.request import HttpHeaders
from rest_framework.request import Request
from rest_framework.response import Response

from apps import clock, sealing
from apps.certificates.models import IdempotentCall
from apps.errors import (
    IdempotencyConflict,
    IdempotencyMismatch,
    Malformed,
    UpstreamRejected,
    UpstreamUnavailable,
)
from apps.web.callers import principal_of
from apps.web.problems import INTERNAL, kind_of
from pki.findings import Violation

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
RETENTION = timedelta(hours=24)
META_KEY = HttpHeaders.to_wsgi_name(HEADER)
_TAKEN_OVER_AFTER = timedelta(minutes=2)
# The request may be on record and be finished by the reconciler.
_FAULTS = (UpstreamUnavailable, UpstreamRejected)
_FORM = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the work.

    Attributes:
        subject_id: identifier to give to whatever is created; ``None`` without a key.
        taken_over: an earlier worker may have created it already.
    """

    subject_id: UUID | None = None
    taken_over: bool = False


def once(
    request: Request, work: Callable[[Attempt], Response], *, may_ask: Callable[[], None]
) -> Response:
    """Run ``work`` at most once per Idempotency-Key, or just run it when there is none.

    Only answers below 400 are kept; after a refusal the key is free for another try. After a
    fault it is free, too, but what was begun may still end well: the next try looks for it.

    Args:
        request: may carry the key.
        work: does it, and asks for the rights that it needs.
        may_ask: asks for the same rights, before what an earlier call made is given out: this
            call may come with a narrower token of the same account, or after its role is gone.

    Raises:
        Malformed: the key is not 1 to 255 visible ASCII characters.
        IdempotencyMismatch: the key was used with another body.
        IdempotencyConflict: the first call still runs.
    """
    # ``request.headers`` would copy all of them first.
    key = request.META.get(META_KEY)
    if key is None:
        return work(Attempt())
    _check_form(key)
    call, attempt = _claim(request, key)
    if attempt is None or attempt.taken_over:
        may_ask()
    if attempt is None:
        return _replayed(call)
    try:
        response = work(attempt)
    except Exception as error:
        if isinstance(error, _FAULTS) or kind_of(error) in {None, INTERNAL}:
            _abandon(call)
        else:
            IdempotentCall.objects.filter(pk=call.pk, status=None).delete()
        raise
    _keep(call, response)
    return response


def once_in_a_transaction(
    request: Request, work: Callable[[], Response], *, may_ask: Callable[[], None]
) -> Response:
    """Run ``work`` at most once per key, as ``once`` does, for work that only writes rows here.

    Key, effect and answer are stored together or not at all. So a call whose process dies leaves
    nothing behind that a repeat would run into, and a parallel repeat waits for the first call.

    Args:
        request: may carry the key.
        work: as for ``once``; asks no key backend and no other service.
        may_ask: as for ``once``; asked outside the transaction, so that a denial stays on record.

    Raises:
        Malformed, IdempotencyMismatch: as ``once``.
        IdempotencyConflict: the first call was given up just now.
    """
    key = request.META.get(META_KEY)
    if key is None:
        return work()
    _check_form(key)
    may_ask()
    with transaction.atomic():
        call, attempt = _claim(request, key)
        if attempt is None:
            return _replayed(call)
        response = work()
        _keep(call, response)
    return response


def purge() -> str:
    """Forget calls older than 24 hours; their keys are free again."""
    removed, _ = IdempotentCall.objects.filter(started_at__lt=clock.now() - RETENTION).delete()
    return f"removed {removed}"


def _check_form(key: str) -> None:
    if not _FORM.fullmatch(key):
        raise Malformed(violations=[_BAD_KEY])


def _claim(request: Request, key: str) -> tuple[IdempotentCall, Attempt | None]:
    """Return this key's row, and the attempt to make unless its answer is already known."""
    fresh = IdempotentCall(
        caller=principal_of(request).actor,
        endpoint=f"{request.method} {request.path}"[:200],
        key=key,
        body_sha256=hashlib.sha256(request.body).hexdigest(),
    )
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
    except IntegrityError:
        return _claimed_before(fresh)
    return fresh, Attempt(fresh.subject_id)


def _claimed_before(fresh: IdempotentCall) -> tuple[IdempotentCall, Attempt | None]:
    with transaction.atomic():
        call = (
            IdempotentCall.objects.select_for_update()
            .filter(caller=fresh.caller, endpoint=fresh.endpoint, key=fresh.key)
            .first()
        )
        if call is None:
            raise IdempotencyConflict(retry_after_s=1)  # just given up by its first caller
        now = clock.now()
        if now - call.started_at > RETENTION:
            call.delete()
            fresh.save(force_insert=True)
            return fresh, Attempt(fresh.subject_id)
        if call.body_sha256 != fresh.body_sha256:
            raise IdempotencyMismatch
        if call.status is not None:
            return call, None
        if now - call.started_at < _TAKEN_OVER_AFTER:
            raise IdempotencyConflict(retry_after_s=2)
        call.started_at = now
        call.save(update_fields=["started_at"])
    return call, Attempt(call.subject_id, taken_over=True)


def _abandon(call: IdempotentCall) -> None:
    """Let the next try take the call over at once, with whatever it has made."""
    since = clock.now() - _TAKEN_OVER_AFTER
    IdempotentCall.objects.filter(pk=call.pk, status=None).update(started_at=since)


def _keep(call: IdempotentCall, response: Response) -> None:
    headers = {
        name: response.headers[name] for name in ("Location", "Retry-After") if name in response
    }
    answer = json.dumps({"body": response.data, "headers": headers}).encode()
    call.status = response.status_code
    call.sealed_answer = sealing.seal(answer, context=sealing.field_context(call, "sealed_answer"))
    call.save(update_fields=["status", "sealed_answer"])


def _replayed(call: IdempotentCall) -> Response:
    answer: dict[str, Any] = json.loads(
        sealing.unseal(
            bytes(call.sealed_answer), context=sealing.field_context(call, "sealed_answer")
        )
    )
    return Response(
        answer["body"],
        status=call.status,
        headers=answer["headers"] | {REPLAYED: "true", "Cache-Control": "no-store"},
    )


_BAD_KEY = Violation(
    code="request.idempotency_key",
    field=HEADER,
    value="",
    reason="An Idempotency-Key has 1 to 255 visible ASCII characters.",
    hint="A random UUID serves well.",
)
