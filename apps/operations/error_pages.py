"""Error answers of the front server itself, in the form that clients of each path expect.

A problem document (RFC 9457) under ``/api/``, an ACME error (RFC 8555 section 6.7) under
``/acme/``, a line of text elsewhere.
"""

import json
from collections.abc import Iterator
from http import HTTPStatus

from django.conf import settings

from apps.web import problems
from apps.web.problems import Kind

_ACME_ERROR = "urn:ietf:params:acme:error:"
_RETRY_AFTER_S = 5
_FOLDER = "/.front-server/"
_UNAVAILABLE = "The service is not available at the moment."
# What nginx calls statuses that HTTP has no number for, and what clients are told of them.
_OWN_STATUSES = {
    494: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The header of the request is too large."),
    495: (
        HTTPStatus.BAD_REQUEST,
        (
            "The client certificate of this TLS connection cannot be used: it has expired, is not valid "
            "yet, or does not verify. Connect with another one, or without."
        ),
    ),
    496: (HTTPStatus.BAD_REQUEST, "A client certificate is needed for this TLS connection."),
    497: (HTTPStatus.BAD_REQUEST, "This port speaks TLS only: ask again with https://."),
}


def _kinds() -> dict[int, tuple[Kind, str]]:
    """Return kind and detail of each status that nginx may answer by itself."""
    limit: int = settings.SEALWRIGHT["MAX_BODY_BYTES"]
    listed = [
        (problems.MALFORMED, "The request is not valid HTTP, or does not fit this listener."),
        (
            Kind(HTTPStatus.FORBIDDEN, "access_denied", "Access denied"),
            "Access to this is refused.",
        ),
        (problems.NOT_FOUND, "There is nothing here."),
        (
            Kind(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed"),
            "This method is not allowed.",
        ),
        (
            Kind(HTTPStatus.REQUEST_TIMEOUT, "timeout", "Request timeout"),
            "The request took too long.",
        ),
        (problems.TOO_LARGE, f"The body is larger than {limit} bytes."),
        (
            Kind(HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", "URI too long"),
            "The URI is too long.",
        ),
        (problems.LIMITED, "Too many requests or connections from this address."),
        (
            Kind(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large", "Header too large"
            ),
            "The header of the request is too large.",
        ),
        (
            Kind(HTTPStatus.NOT_IMPLEMENTED, "not_implemented", "Not implemented"),
            "Not implemented.",
        ),
        (Kind(HTTPStatus.BAD_GATEWAY, "unavailable", "Service unavailable"), _UNAVAILABLE),
        (Kind(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Service unavailable"), _UNAVAILABLE),
        (Kind(HTTPStatus.GATEWAY_TIMEOUT, "unavailable", "Service unavailable"), _UNAVAILABLE),
    ]
    return {int(kind.status): (kind, detail) for kind, detail in listed}


def rendered() -> str:
    """Return nginx's directives: one internal location for each status and form.

    Not named locations: nginx cannot enter one for a request whose target it could not read.
    """
    return "\n".join(f"        {line}" for line in _lines())


def _lines() -> Iterator[str]:
    kinds = _kinds()
    for status in kinds:
        yield f"error_page {status} {_FOLDER}{status}_$form;"
    for own, (status, _detail) in _OWN_STATUSES.items():
        yield f"error_page {own} ={int(status)} {_FOLDER}{own}_$form;"
    for status, (kind, detail) in kinds.items():
        yield from _locations(status, kind, detail)
    for own, (status, detail) in _OWN_STATUSES.items():
        yield from _locations(own, kinds[int(status)][0], detail)


def _locations(name: int, kind: Kind, detail: str) -> Iterator[str]:
    yield _location(name, kind, "api", problems.CONTENT_TYPE, _problem(kind, detail))
    yield _location(name, kind, "acme", problems.CONTENT_TYPE, _acme_error(kind, detail))
    yield _location(name, kind, "plain", "text/plain", f"{detail}\n")


def _location(name: int, kind: Kind, form: str, content_type: str, text: str) -> str:
    wait, status = "", int(kind.status)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, *range(502, 505)}:
        wait = f'add_header Retry-After "{_RETRY_AFTER_S}" always; '
    return (
        f"location = {_FOLDER}{name}_{form} {{ internal; default_type {content_type}; "
        f'add_header Cache-Control "no-store" always; add_header X-Request-Id $trace always; '
        f"add_header X-Content-Type-Options nosniff always; {wait}"
        f"return {status} {_quoted(text)}; }}"
    )


def _problem(kind: Kind, detail: str) -> str:
    document = json.loads(problems.problem(kind, detail).content)
    return json.dumps(document | {"instance": "urn:uuid:$trace"})


def _acme_error(kind: Kind, detail: str) -> str:
    if kind is problems.LIMITED:
        name = "rateLimited"
    else:
        name = "malformed" if kind.status < HTTPStatus.INTERNAL_SERVER_ERROR else "serverInternal"
    document = {"type": _ACME_ERROR + name, "detail": detail, "status": int(kind.status)}
    return json.dumps(document)


def _quoted(text: str) -> str:
    """Return a text as nginx's configuration quotes it; variables in it are filled in."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
