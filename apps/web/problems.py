"""Problem documents (RFC 9457): how each error is answered over REST, from one table.

Every document has ``type``, ``title``, ``status``, ``detail``, ``code``, ``instance`` and
``errors``: a list with every broken rule (see ``pki.findings.Violation``), so that one answer
shows everything that must be mended. Of very many, the first are listed and ``errors_total`` counts.
"""

import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions as drf

from apps import errors, registry
from apps.statements import faults
from apps.web import trace, unknown_paths
from apps.web.machine_paths import is_machine_path
from pki.findings import PkiError, Violation

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
CHALLENGE = 'Bearer realm="sealwright"'
_TYPE_PREFIX = "urn:sealwright:problem:"
_MAX_VALUE_LENGTH = 500
_MAX_TEXT_LENGTH = 1000
# An answer stays readable, and no larger than the request that it refuses.
MAX_ERRORS = 200
MAX_ERRORS_OF_ITEM = 20
_logger = logging.getLogger(__name__)


def challenge(error: str, description: str, *, scope: str = "") -> str:
    """Return the value of ``WWW-Authenticate`` for a token of no use here (RFC 6750 section 3).

    Args:
        error: ``invalid_token`` or ``insufficient_scope`` (section 3.1).
        description: a sentence in ASCII without quotation marks and backslashes.
        scope: what the request needs.
    """
    needed = f', scope="{scope}"' if scope else ""
    return f'{CHALLENGE}, error="{error}", error_description="{description}"{needed}'


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: the HTTP status, a stable code and the title for people."""

    status: HTTPStatus
    code: str
    title: str


def _kind(status: HTTPStatus, error: type[errors.SealwrightError], title: str) -> Kind:
    return Kind(status, error.code, title)


_S = HTTPStatus
INTERNAL = _kind(_S.INTERNAL_SERVER_ERROR, errors.SealwrightError, "Internal error")
MALFORMED = _kind(_S.BAD_REQUEST, errors.Malformed, "Malformed request")
UNAUTHENTICATED = _kind(_S.UNAUTHORIZED, errors.AuthenticationFailed, "Authentication failed")
DENIED = _kind(_S.FORBIDDEN, errors.AccessDenied, "Access denied")
NOT_FOUND = _kind(_S.NOT_FOUND, errors.NotFound, "Not found")
LIMITED = _kind(_S.TOO_MANY_REQUESTS, errors.RateLimited, "Too many requests")
TOO_LARGE = _kind(_S.REQUEST_ENTITY_TOO_LARGE, errors.TooLarge, "Request too large")
MEDIA_TYPE = _kind(_S.UNSUPPORTED_MEDIA_TYPE, errors.UnsupportedMediaType, "Unsupported media type")

TABLE: dict[type[Exception], Kind] = {
    errors.SealwrightError: INTERNAL,
    errors.Malformed: MALFORMED,
    errors.BadCSR: _kind(_S.BAD_REQUEST, errors.BadCSR, "Unusable certificate signing request"),
    errors.BadMessageSignature: _kind(
        _S.BAD_REQUEST, errors.BadMessageSignature, "Signature does not verify"
    ),
    errors.BadAlgorithm: _kind(
        _S.UNPROCESSABLE_ENTITY, errors.BadAlgorithm, "Unacceptable algorithm"
    ),
    errors.BadPublicKey: _kind(
        _S.UNPROCESSABLE_ENTITY, errors.BadPublicKey, "Unacceptable public key"
    ),
    errors.PolicyViolation: _kind(
        _S.UNPROCESSABLE_ENTITY, errors.PolicyViolation, "Refused by policy"
    ),
    errors.InvalidInput: _kind(_S.UNPROCESSABLE_ENTITY, errors.InvalidInput, "Invalid input"),
    errors.AuthenticationFailed: UNAUTHENTICATED,
    errors.AccessDenied: DENIED,
    errors.InsufficientScope: DENIED,
    errors.NotFound: NOT_FOUND,
    errors.InUse: _kind(_S.CONFLICT, errors.InUse, "Still in use"),
    errors.AlreadyExists: _kind(_S.CONFLICT, errors.AlreadyExists, "Already exists"),
    errors.AlreadyRevoked: _kind(_S.CONFLICT, errors.AlreadyRevoked, "Already revoked"),
    errors.BadRevocationReason: _kind(
        _S.UNPROCESSABLE_ENTITY, errors.BadRevocationReason, "Unacceptable revocation reason"
    ),
    errors.InvalidTransition: _kind(
        _S.CONFLICT, errors.InvalidTransition, "Not possible in this state"
    ),
    errors.AuthorityRevoked: _kind(
        _S.CONFLICT, errors.AuthorityRevoked, "Not possible in this state"
    ),
    errors.UnsupportedFormat: _kind(
        _S.UNPROCESSABLE_ENTITY, errors.UnsupportedFormat, "Unsupported format"
    ),
    errors.TooLarge: TOO_LARGE,
    errors.LengthRequired: _kind(_S.LENGTH_REQUIRED, errors.LengthRequired, "Length required"),
    errors.UnsupportedMediaType: MEDIA_TYPE,
    errors.RateLimited: LIMITED,
    errors.IdempotencyMismatch: _kind(
        _S.UNPROCESSABLE_ENTITY, errors.IdempotencyMismatch, "Idempotency key reused"
    ),
    errors.IdempotencyConflict: _kind(_S.CONFLICT, errors.IdempotencyConflict, "Call in progress"),
    errors.DatabaseUnavailable: _kind(
        _S.SERVICE_UNAVAILABLE, errors.DatabaseUnavailable, "Service unavailable"
    ),
    errors.Busy: _kind(_S.SERVICE_UNAVAILABLE, errors.Busy, "Busy"),
    errors.UpstreamUnavailable: _kind(
        _S.SERVICE_UNAVAILABLE, errors.UpstreamUnavailable, "Service unavailable"
    ),
    errors.UpstreamRejected: _kind(
        _S.BAD_GATEWAY, errors.UpstreamRejected, "Refused by another service"
    ),
    # Second net: services turn these into domain errors before they come here.
    PkiError: MALFORMED,
    # The frameworks' own errors, so that clients meet one form only.
    drf.APIException: INTERNAL,
    drf.ValidationError: MALFORMED,
    drf.ParseError: MALFORMED,
    drf.NotAuthenticated: UNAUTHENTICATED,
    drf.AuthenticationFailed: UNAUTHENTICATED,
    drf.PermissionDenied: DENIED,
    drf.NotFound: NOT_FOUND,
    drf.MethodNotAllowed: Kind(_S.METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed"),
    drf.NotAcceptable: Kind(_S.NOT_ACCEPTABLE, "not_acceptable", "Not acceptable"),
    drf.UnsupportedMediaType: MEDIA_TYPE,
    drf.Throttled: LIMITED,
    Http404: NOT_FOUND,
    PermissionDenied: DENIED,
    SuspiciousOperation: MALFORMED,
    RequestDataTooBig: TOO_LARGE,
    UnreadablePostError: MALFORMED,
    DjangoValidationError: MALFORMED,
}
_REMOVED_MEANWHILE = "Something that this belongs to, or that belongs to it, has changed meanwhile."
# These say what the domain or DRF meant to say; every other text is ours or withheld.
_SPEAKING = (errors.SealwrightError, PkiError, drf.APIException)
_UNIFORM = {
    NOT_FOUND: errors.NotFound.default_detail,
    INTERNAL: "Something went wrong here; the text is in the server's log under 'instance'.",
    UNAUTHENTICATED: errors.AuthenticationFailed.default_detail,
    DENIED: errors.AccessDenied.default_detail,
}


def translated(error: Exception) -> Exception:
    """Return the domain error in place of a fault of the database; any other error as it is.

    The cause of a fault goes to the line that the log has about the request
    (``logs.BriefFaults``). An object that somebody else removed meanwhile is a conflict.
    """
    if faults.is_missing_reference(error):
        _logger.warning("a row lost what it refers to", exc_info=error)
        return errors.InvalidTransition(_REMOVED_MEANWHILE)
    found = faults.unavailability(error)
    if found is None:
        return error
    trace.note_cause(found.cause)
    return found


def kind_of(error: Exception) -> Kind | None:
    """Return the row of the nearest ancestor, ``None`` for what is not in the table."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), None)


def problem(
    kind: Kind,
    detail: str,
    *,
    violations: Iterable[Violation] = (),
    members: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """Return the problem document (RFC 9457 section 3) as a response, never cached.

    Args:
        kind: the row of the table.
        detail: one sentence about this occurrence.
        violations: every broken rule.
        members: extension members of this kind, e.g. ``request_id``.
        headers: further HTTP headers.
    """
    return HttpResponse(
        json.dumps(_document(kind, detail, violations) | (members or {})),
        status=int(kind.status),
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def document_of(error: errors.SealwrightError) -> dict[str, Any]:
    """Return the problem document of one item among others that went well."""
    kind = kind_of(error) or INTERNAL
    detail, violations = _detail(error, kind), _violations(error)
    return _document(kind, detail, violations, limit=MAX_ERRORS_OF_ITEM) | _members(error)


def _document(
    kind: Kind, detail: str, violations: Iterable[Violation], *, limit: int = MAX_ERRORS
) -> dict[str, Any]:
    every = tuple(violations)
    document: dict[str, Any] = {
        "type": f"{_TYPE_PREFIX}{kind.code}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": shortened(detail),
        "code": kind.code,
        "instance": f"urn:uuid:{trace.current()}" if trace.current() else "",
        "errors": [_listed(violation) for violation in every[:limit]],
    }
    if len(every) > limit:
        document["errors_total"] = len(every)
    return document


def shortened(text: str) -> str:
    """Return a text as it goes into an answer: at most 1000 characters, the last of them dots then."""
    return text if len(text) <= _MAX_TEXT_LENGTH else f"{text[: _MAX_TEXT_LENGTH - 4]} ..."


def _listed(violation: Violation) -> dict[str, str]:
    listed = {name: shortened(text) for name, text in violation.as_dict().items()}
    listed["value"] = listed["value"][:_MAX_VALUE_LENGTH]
    return listed


def exception_handler(error: Exception, _context: dict[str, Any]) -> HttpResponse | None:
    """Answer any error raised in a DRF view; ``None`` leaves faults to Django's 500 handling.

    A plain ``HttpResponse`` is returned on purpose: whatever the client accepts and whatever
    renderer the view uses, a problem is always JSON.
    """
    error = translated(error)
    kind = kind_of(error)
    if kind is None:
        return None
    if kind == INTERNAL:
        _logger.error("unexpected %s", type(error).__name__, exc_info=error)
    return _problem_of(error, kind)


def _problem_of(error: Exception, kind: Kind) -> HttpResponse:
    """Return the problem document of an error of this kind."""
    return problem(
        kind,
        _detail(error, kind),
        violations=_violations(error),
        members=_members(error),
        headers=_headers(error, kind),
    )


def _detail(error: Exception, kind: Kind) -> str:
    framework_404 = kind == NOT_FOUND and not isinstance(error, errors.NotFound)
    # ``Body.parse`` lists what is wrong with a body; DRF's own nested form is no sentence.
    nested = isinstance(error, drf.ValidationError)
    if kind == INTERNAL or framework_404 or nested or not isinstance(error, _SPEAKING):
        return _UNIFORM.get(kind, kind.title + ".")
    return str(error.detail if hasattr(error, "detail") else error)


def _violations(error: Exception) -> tuple[Violation, ...]:
    if isinstance(error, DjangoValidationError):
        return tuple(Violation("field.invalid", "", "", text) for text in error.messages)
    return tuple(getattr(error, "violations", ()))


def _members(error: Exception) -> dict[str, Any]:
    """Return what one kind of problem says beyond the common members."""
    if isinstance(error, errors.PolicyViolation) and error.request_id:
        return {"request_id": error.request_id}
    if isinstance(error, errors.InUse):
        return {"users": list(error.users)}
    return {}


def _headers(error: Exception, kind: Kind) -> dict[str, str]:
    if kind == UNAUTHENTICATED:
        return {"WWW-Authenticate": getattr(error, "challenge", CHALLENGE)}
    if isinstance(error, errors.InsufficientScope):
        needed = challenge("insufficient_scope", error.detail, scope=error.scope)
        return {"WWW-Authenticate": needed}
    if isinstance(error, errors.UnsupportedMediaType) and error.accepted:
        return {"Accept-Encoding": error.accepted}
    if isinstance(error, errors.SealwrightError) and hasattr(error, "retry_after_s"):
        return {"Retry-After": str(error.retry_after_s)}
    wait = getattr(error, "wait", None) if isinstance(error, drf.Throttled) else None
    if wait is not None:
        return {"Retry-After": str(max(1, int(wait)))}
    return {}


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def refused(request: HttpRequest, error: errors.SealwrightError) -> HttpResponse:
    """Answer an error outside of any view, in the form that clients of the path expect.

    A problem document for the API, an enrollment method's own form below its prefix, a line of
    text for other machines, a page for people.
    """
    refusal = registry.refusal_at(request.path_info)
    if refusal is not None:
        answer: HttpResponse = refusal(request, error)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer
    kind = kind_of(error) or INTERNAL
    if _is_api(request):
        return _problem_of(error, kind)
    detail = _detail(error, kind)
    if is_machine_path(request):
        content, content_type = f"{detail}\n", "text/plain; charset=utf-8"
    else:
        # Without the request: reading the session might fail for the same reason.
        page = {"title": kind.title, "detail": detail, "instance": trace.current()}
        content, content_type = render_to_string("refused.html", page), "text/html; charset=utf-8"
    return HttpResponse(
        content,
        status=int(kind.status),
        content_type=content_type,
        headers={"Cache-Control": "no-store"} | _headers(error, kind),
    )


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer requests that Django itself cannot read (see ``handler400`` in the URLconf)."""
    if registry.refusal_at(request.path_info) is not None:
        return refused(request, errors.Malformed())
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    kind = kind_of(exception) or MALFORMED
    return problem(kind, f"{kind.title}.")


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself forbids."""
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return problem(DENIED, _UNIFORM[DENIED])


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer paths that do not exist, saying where to look."""
    detail = unknown_paths.advice(request) or _UNIFORM[NOT_FOUND]
    refusal = registry.refusal_at(request.path_info)
    if refusal is not None:
        return refusal(request, errors.NotFound(detail))
    if _is_api(request):
        return problem(NOT_FOUND, detail)
    if is_machine_path(request):  # CRLs, OCSP: no page for programs
        return HttpResponse(f"{detail}\n", status=404, content_type="text/plain; charset=utf-8")
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer faults without a word about them; Django has logged the traceback.

    Django calls this while it handles the exception, also for one that a middleware raised. That
    is how faults of the database on pages, CRLs and OCSP come here.
    """
    error = sys.exception()
    known = translated(error) if isinstance(error, Exception) else None
    if isinstance(known, errors.DatabaseUnavailable | errors.InvalidTransition):
        return refused(request, known)
    if registry.refusal_at(request.path_info) is not None:
        return refused(request, errors.SealwrightError())
    if not _is_api(request):
        return defaults.server_error(request)
    return problem(INTERNAL, _UNIFORM[INTERNAL])
