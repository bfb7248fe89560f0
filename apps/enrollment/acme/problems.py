"""ACME problem documents: one table from errors to problem types (RFC 8555 section 6.7).

Only types of the ACME registry are sent. Domain errors are translated by ``TABLE``; errors that only
ACME has (a used nonce, an order that is not ready) are raised as ``Refusal``.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.http import HttpResponse

from apps import errors
from apps.enrollment.acme import jws
from apps.web.problems import translated
from pki.findings import PkiError, Violation

CONTENT_TYPE = "application/problem+json"
_PREFIX = "urn:ietf:params:acme:error:"
_MAX_DETAIL = 2000
_MAX_SUBPROBLEMS = 100
_logger = logging.getLogger(__name__)


class Type(StrEnum):
    """Registered error types (RFC 8555 section 9.7.4, RFC 9773, draft-ietf-acme-profiles)."""

    ACCOUNT_DOES_NOT_EXIST = "accountDoesNotExist"
    ALREADY_REPLACED = "alreadyReplaced"
    ALREADY_REVOKED = "alreadyRevoked"
    BAD_CSR = "badCSR"
    BAD_NONCE = "badNonce"
    BAD_PUBLIC_KEY = "badPublicKey"
    BAD_REVOCATION_REASON = "badRevocationReason"
    BAD_SIGNATURE_ALGORITHM = "badSignatureAlgorithm"
    CAA = "caa"
    COMPOUND = "compound"
    CONNECTION = "connection"
    DNS = "dns"
    EXTERNAL_ACCOUNT_REQUIRED = "externalAccountRequired"
    INCORRECT_RESPONSE = "incorrectResponse"
    INVALID_CONTACT = "invalidContact"
    INVALID_PROFILE = "invalidProfile"
    MALFORMED = "malformed"
    ORDER_NOT_READY = "orderNotReady"
    RATE_LIMITED = "rateLimited"
    REJECTED_IDENTIFIER = "rejectedIdentifier"
    SERVER_INTERNAL = "serverInternal"
    TLS = "tls"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_CONTACT = "unsupportedContact"
    UNSUPPORTED_IDENTIFIER = "unsupportedIdentifier"
    USER_ACTION_REQUIRED = "userActionRequired"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: type and HTTP status."""

    type: Type
    status: int


TABLE: dict[type[Exception], Kind] = {
    errors.SealwrightError: Kind(Type.SERVER_INTERNAL, 500),
    errors.Malformed: Kind(Type.MALFORMED, 400),
    errors.BadCSR: Kind(Type.BAD_CSR, 400),
    errors.BadMessageSignature: Kind(Type.MALFORMED, 400),
    errors.BadAlgorithm: Kind(Type.BAD_SIGNATURE_ALGORITHM, 400),
    errors.BadPublicKey: Kind(Type.BAD_PUBLIC_KEY, 400),
    # Raised by finalize only; names were held against policy when the order was made.
    errors.PolicyViolation: Kind(Type.BAD_CSR, 400),
    errors.InvalidInput: Kind(Type.MALFORMED, 400),
    errors.AuthenticationFailed: Kind(Type.UNAUTHORIZED, 401),
    errors.AccessDenied: Kind(Type.UNAUTHORIZED, 403),
    errors.InsufficientScope: Kind(Type.UNAUTHORIZED, 403),
    errors.NotFound: Kind(Type.MALFORMED, 404),
    errors.InUse: Kind(Type.MALFORMED, 409),
    errors.AlreadyExists: Kind(Type.MALFORMED, 409),
    errors.AlreadyRevoked: Kind(Type.ALREADY_REVOKED, 400),
    errors.BadRevocationReason: Kind(Type.BAD_REVOCATION_REASON, 400),
    errors.InvalidTransition: Kind(Type.MALFORMED, 409),
    errors.AuthorityRevoked: Kind(Type.SERVER_INTERNAL, 503),
    errors.UnsupportedFormat: Kind(Type.MALFORMED, 400),
    errors.TooLarge: Kind(Type.MALFORMED, 413),
    errors.LengthRequired: Kind(Type.MALFORMED, 411),
    errors.UnsupportedMediaType: Kind(Type.MALFORMED, 415),
    errors.RateLimited: Kind(Type.RATE_LIMITED, 429),
    # A header of the REST API; no ACME request gets so far.
    errors.IdempotencyConflict: Kind(Type.MALFORMED, 409),
    errors.IdempotencyMismatch: Kind(Type.MALFORMED, 422),
    errors.DatabaseUnavailable: Kind(Type.SERVER_INTERNAL, 503),
    errors.Busy: Kind(Type.SERVER_INTERNAL, 503),
    errors.UpstreamUnavailable: Kind(Type.SERVER_INTERNAL, 503),
    errors.UpstreamRejected: Kind(Type.SERVER_INTERNAL, 502),
    PkiError: Kind(Type.MALFORMED, 400),
}
_STATUS: dict[Type, int] = {
    Type.ALREADY_REPLACED: 409,
    Type.CAA: 403,
    Type.EXTERNAL_ACCOUNT_REQUIRED: 403,
    Type.ORDER_NOT_READY: 403,
    Type.RATE_LIMITED: 429,
    Type.REJECTED_IDENTIFIER: 403,
    Type.SERVER_INTERNAL: 500,
    Type.UNAUTHORIZED: 403,
    Type.USER_ACTION_REQUIRED: 403,
}
# Identifier (``None`` where the fault is another member's), type and detail (RFC 8555 section 6.7.1).
Subproblem = tuple[Mapping[str, str] | None, Type, str]
_WITHHELD = "Something went wrong here; the server's log has it under this answer's X-Request-Id."


class Refusal(Exception):
    """A request that ACME itself refuses.

    Attributes:
        kind: the registered type.
        detail: one sentence for people.
        status: HTTP status, by default the one that goes with the type.
        subproblems: every fault by itself, when there are several or identifiers are to blame.
        headers: further HTTP headers.
    """

    def __init__(
        self,
        kind: Type,
        detail: str,
        *,
        status: int | None = None,
        subproblems: Sequence[Subproblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.status = status or _STATUS.get(kind, 400)
        self.subproblems = tuple(subproblems)
        self.headers = dict(headers or {})
        super().__init__(detail)


def refusal_of(faults: Sequence[Subproblem]) -> Refusal:
    """Return one problem for all faults of a request, each a subproblem (RFC 8555 section 6.7.1).

    Its type is that of the faults if they share one, else ``compound``.

    Args:
        faults: at least one.
    """
    kinds = {kind for _, kind, _ in faults}
    kind = kinds.pop() if len(kinds) == 1 else Type.COMPOUND
    texts = (
        text if identifier is None else f"{identifier['value'][:255]}: {text}"
        for identifier, _, text in faults
    )
    alone = len(faults) == 1 and faults[0][0] is None
    return Refusal(kind, " ".join(texts), subproblems=() if alone else faults)


def document(kind: Type, detail: str, **members: Any) -> dict[str, Any]:
    """Return a problem document as it is stored and sent inside objects."""
    return {"type": f"{_PREFIX}{kind.value}", "detail": detail[:_MAX_DETAIL]} | members


def answer(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, problem document and further headers for any error.

    The text of an error that is not in the table is logged, not sent.
    """
    if isinstance(error, Refusal):
        return error.status, _refused(error), error.headers
    error = translated(error)
    kind = next((TABLE[k] for k in type(error).__mro__ if k in TABLE), None)
    if kind is None or (kind.type == Type.SERVER_INTERNAL and kind.status == 500):  # noqa: PLR2004 - internal error
        _logger.error("unexpected %s", type(error).__name__, exc_info=error)
        return 500, document(Type.SERVER_INTERNAL, _WITHHELD, status=500), {}
    members: dict[str, Any] = {"status": kind.status}
    if isinstance(error, errors.BadAlgorithm):
        members["algorithms"] = list(error.accepted or jws.ALGORITHMS)
    violations: Sequence[Violation] = getattr(error, "violations", ())
    detail = str(getattr(error, "detail", error))
    if violations:
        texts = [text_of(violation) for violation in violations]
        detail = " ".join(texts)
        if len(texts) > 1:
            members["subproblems"] = [
                document(kind.type, text) for text in texts[:_MAX_SUBPROBLEMS]
            ]
    return kind.status, document(kind.type, detail, **members), _headers(error)


def text_of(violation: Violation) -> str:
    """Return field, reason and hint of a violation as one text for people."""
    return f"{violation.located} {violation.hint}".rstrip()


def response(error: Exception) -> HttpResponse:
    """Return the problem document of any error as a response."""
    status, shown, headers = answer(error)
    return HttpResponse(
        json.dumps(shown), status=status, content_type=CONTENT_TYPE, headers=headers
    )


def _refused(error: Refusal) -> dict[str, Any]:
    members: dict[str, Any] = {"status": error.status}
    if error.subproblems:
        members["subproblems"] = [
            document(kind, detail, **({"identifier": dict(identifier)} if identifier else {}))
            for identifier, kind, detail in error.subproblems[:_MAX_SUBPROBLEMS]
        ]
    return document(error.kind, error.detail, **members)


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, errors.UnsupportedMediaType) and error.accepted:
        return {"Accept-Encoding": error.accepted}
    if isinstance(error, errors.SealwrightError) and hasattr(error, "retry_after_s"):
        return {"Retry-After": str(error.retry_after_s)}
    return {}
