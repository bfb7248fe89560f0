"""Public views for relying parties: CRLs, CA certificates and OCSP responses over plain HTTP.

Everything here is public and signed, so there is no session, sign-in or cookie. Caches of others may
keep CRLs and OCSP responses for 30 seconds; they revalidate by ETag, which costs one small query.
The front server keeps CRLs as long, and of the OCSP responses only those that cannot change any
more, so that a revocation is in its next answer (ADR 0023).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from apps import clock
from apps.authorities import crl_contents, ocsp_responses, selectors
from apps.authorities.models import CRL, Authority, AuthorityCertificate
from apps.errors import NotFound
from pki import bundles, ocsp
from pki import crl_pem as crl_pem_format
from pki.ocsp.requests import MAX_REQUEST_BYTES

# How long a shared cache may hide a revocation; C-10 and O-09 allow 60 s in total.
STATUS_MAX_AGE_S = 30
CERTIFICATE_MAX_AGE_S = 3600
PEM = "application/x-pem-file"
OCSP_REQUEST = "application/ocsp-request"
OCSP_RESPONSE = "application/ocsp-response"
_NOT_MODIFIED = 304


@require_safe
def index(_request: HttpRequest) -> HttpResponse:
    """List the authorities with their fingerprints and files, as a page."""
    # Rendered without the request: the page is the same for everybody.
    return HttpResponse(render_to_string("authorities/index.html", {"authorities": _listed()}))


@require_safe
def index_text(_request: HttpRequest) -> HttpResponse:
    """List the authorities for scripts: name, SHA-256 fingerprint and notAfter, tab-separated."""
    lines = [
        f"{entry['name']}\t{entry['fingerprint']}\t{entry['not_after']:%Y-%m-%dT%H:%M:%SZ}\n"
        for entry in _listed()
    ]
    return HttpResponse("".join(lines), content_type="text/plain; charset=utf-8")


@require_safe
def certificate_der(request: HttpRequest, name: str) -> HttpResponse:
    """Return the authority's certificate, DER, for AIA caIssuers (RFC 5280 section 4.2.2.1)."""
    current = _current(name)
    return _certificate_file(
        request, current, "application/pkix-cert", lambda: bytes(current.der), f"{name}.cer"
    )


@require_safe
def certificate_pem(request: HttpRequest, name: str) -> HttpResponse:
    """Return the authority's certificate, PEM."""
    current = _current(name)
    return _certificate_file(
        request, current, PEM, lambda: bundles.to_pem([bytes(current.der)]).encode(), f"{name}.pem"
    )


@require_safe
def chain_pem(request: HttpRequest, name: str) -> HttpResponse:
    """Return the authority's certificate and those above it, root last, PEM."""
    current = _current(name)
    return _certificate_file(
        request,
        current,
        PEM,
        lambda: bundles.to_pem(selectors.chain_of(current)).encode(),
        f"{name}-chain.pem",
    )


@require_safe
def chain_p7b(request: HttpRequest, name: str) -> HttpResponse:
    """Return the same chain as certs-only CMS (RFC 5280 section 4.2.2.1)."""
    current = _current(name)
    return _certificate_file(
        request,
        current,
        "application/pkcs7-mime",
        lambda: bundles.to_p7b(selectors.chain_of(current)),
        f"{name}.p7b",
    )


@require_safe
def crl_der(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return the newest CRL, DER (C-11, RFC 2585 section 4.2)."""
    return _crl_file(request, name, "application/pkix-crl", f"{name}.crl", lambda size: size, iter)


@require_safe
def crl_pem(request: HttpRequest, name: str) -> HttpResponseBase:
    """Return the newest CRL, PEM."""
    return _crl_file(
        request, name, PEM, f"{name}.crl.pem", crl_pem_format.size_of_pem, crl_pem_format.to_pem
    )


@csrf_exempt
def ocsp_post(request: HttpRequest, name: str) -> HttpResponse:
    """Answer a POSTed OCSP request (RFC 6960 appendix A.1); OCSP errors are HTTP 200."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if (request.content_type or "").lower() != OCSP_REQUEST:
        return HttpResponse(
            f"Send the request as {OCSP_REQUEST}.\n", status=415, content_type="text/plain"
        )
    # One octet more than allowed suffices to see that the request is too large.
    body = request.read(MAX_REQUEST_BYTES + 1)
    response = _ocsp_response(_answered(name, body))
    response.headers["Cache-Control"] = "no-store"
    return response


@require_safe
def ocsp_get(request: HttpRequest, name: str, encoded: str) -> HttpResponse:
    """Answer an OCSP request in the URL, for caches as well (RFC 5019 sections 5 and 6)."""
    try:
        body = ocsp.decode_get_path(encoded)
    except ocsp.MalformedRequest:
        body = b""
    answer = _answered(name, body)
    response = _ocsp_response(answer)
    if not answer.cacheable or answer.this_update is None or answer.next_update is None:
        response.headers["Cache-Control"] = "no-store"
        return response
    digest = hashlib.sha256(answer.der).hexdigest()
    response = _conditional(request, response, digest, answer.this_update)
    max_age = _mark_cacheable(
        response, answer.this_update, answer.next_update, digest, is_final=answer.is_final
    )
    # For the front server alone, which does not pass it on: what can change is asked for again.
    response.headers["X-Accel-Expires"] = str(max_age if answer.is_final else 0)
    return response


def _answered(name: str, body: bytes) -> ocsp_responses.Answer:
    try:
        return ocsp_responses.answer(name, body)
    except NotFound as error:
        raise Http404(error.detail) from error


def _ocsp_response(answer: ocsp_responses.Answer) -> HttpResponse:
    response = HttpResponse(answer.der, content_type=OCSP_RESPONSE)
    response.headers["Content-Length"] = str(len(answer.der))
    return response


def _listed() -> Sequence[dict[str, Any]]:
    return [
        {
            "name": authority.name,
            "state": authority.state,
            "fingerprint": certificate.fingerprint_sha256,
            "not_after": certificate.not_after,
        }
        for authority in selectors.authorities()
        for certificate in authority.current_certificates  # type: ignore[attr-defined]
    ]


def _current(name: str) -> AuthorityCertificate:
    row = (
        AuthorityCertificate.objects.select_related("authority")
        .filter(authority__name=name, is_current=True)
        .first()
    )
    if row is None:
        raise Http404("No such authority, or it has no certificate yet.")
    return row


def _certificate_file(
    request: HttpRequest,
    current: AuthorityCertificate,
    content_type: str,
    content: Callable[[], bytes],
    file_name: str,
) -> HttpResponse:
    body = content()
    response = _file(body, content_type, file_name)
    response.headers["Cache-Control"] = f"public, max-age={CERTIFICATE_MAX_AGE_S}"
    return _conditional(request, response, hashlib.sha256(body).hexdigest(), current.created_at)


def _crl_file(
    request: HttpRequest,
    name: str,
    content_type: str,
    file_name: str,
    size_of: Callable[[int], int],
    encode: Callable[[Iterator[bytes]], Iterator[bytes]],
) -> HttpResponseBase:
    """Return the newest CRL, part by part; they are read only if the client does not have it yet."""
    newest = CRL.objects.filter(authority__name=name).order_by("-number").first()
    if newest is None:
        if Authority.objects.filter(name=name).exists():
            return HttpResponse(
                "The first CRL has not been published yet.\n",
                status=503,
                content_type="text/plain",
                headers={"Retry-After": "60"},
            )
        raise Http404("No such authority.")
    unchanged = _conditional(request, HttpResponse(), newest.sha256, newest.this_update)
    response: HttpResponseBase = unchanged
    if unchanged.status_code != _NOT_MODIFIED:
        parts = encode(crl_contents.chunks_of(newest)) if request.method == "GET" else iter(())
        response = StreamingHttpResponse(
            parts,
            content_type=content_type,
            headers=_file_headers(file_name, size_of(newest.size)),
        )
    _mark_cacheable(response, newest.this_update, newest.next_update, newest.sha256)
    return response


def _file(body: bytes, content_type: str, file_name: str) -> HttpResponse:
    return HttpResponse(
        body, content_type=content_type, headers=_file_headers(file_name, len(body))
    )


def _file_headers(file_name: str, size: int) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{file_name}"',
        "Content-Length": str(size),
        "X-Content-Type-Options": "nosniff",
    }


def _conditional(
    request: HttpRequest, response: HttpResponse, digest: str, changed_at: datetime
) -> HttpResponse:
    """Return 304 instead if the client has this version (RFC 9110 section 13)."""
    response.headers["ETag"] = f'"{digest}"'
    response.headers["Last-Modified"] = http_date(changed_at.timestamp())
    conditional = get_conditional_response(
        request,
        etag=f'"{digest}"',
        last_modified=int(changed_at.timestamp()),
        response=response,
    )
    assert conditional is not None
    return conditional


def _mark_cacheable(
    response: HttpResponseBase,
    this_update: datetime,
    next_update: datetime,
    digest: str,
    *,
    is_final: bool = False,
) -> int:
    """Set the headers of RFC 5019 section 6.2 and return ``max-age``; ``Expires`` may be far.

    What is final may be kept by the front server for half of the time that is left and by the next
    cache for the other half.
    """
    remaining = max(int((next_update - clock.now()).total_seconds()), 0)
    max_age = remaining // 2 if is_final else min(STATUS_MAX_AGE_S, remaining)
    response.headers["Cache-Control"] = f"public, max-age={max_age}, no-transform, must-revalidate"
    response.headers["Expires"] = http_date(next_update.timestamp())
    response.headers["Last-Modified"] = http_date(this_update.timestamp())
    response.headers["ETag"] = f'"{digest}"'
    return max_age
