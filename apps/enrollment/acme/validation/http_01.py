"""The http-01 challenge: a page with the key authorization (RFC 8555 section 8.3, RFC 8738)."""

import hmac
from urllib.parse import urlsplit

from apps.egress import Answer, Deadline, EgressError, http_get
from apps.enrollment.acme.validation.outcomes import Outcome, escaped, failed, unreachable
from apps.enrollment.acme.validation.targets import Target

_PATH = "/.well-known/acme-challenge/"
_WHITESPACE = b" \t\r\n\x0b\x0c"
_OK = 200


def validate(target: Target, deadline: Deadline) -> Outcome:
    """Fetch the token's page and compare it, trailing whitespace aside, in constant time."""
    host = f"[{target.identifier}]" if ":" in target.identifier else target.identifier
    port = "" if target.http_port == 80 else f":{target.http_port}"  # noqa: PLR2004 - http's own
    url = f"http://{host}{port}{_PATH}{target.token}"
    try:
        answer = http_get(target.web_purpose(deadline), url)
    except EgressError as error:
        return unreachable(error)
    return _judged(target, answer).at(*answer.hops)


def _judged(target: Target, answer: Answer) -> Outcome:
    final = answer.hops[-1].url
    if answer.status != _OK:
        return failed(
            f"{final} answered with status {answer.status}.", seen=_excerpt(target, answer)
        )
    if answer.cut:
        return failed(f"{final} answered with more than 128 bytes.", seen=_excerpt(target, answer))
    body = answer.body.rstrip(_WHITESPACE)
    if not hmac.compare_digest(body, target.key_authorization):
        return failed(
            f"{final} did not answer with the key authorization.", seen=_excerpt(target, answer)
        )
    return Outcome(proven=True, seen=_excerpt(target, answer))


def _excerpt(target: Target, answer: Answer) -> tuple[str, ...]:
    """Return the beginning of the body, unless a redirect led to some other page.

    The holder of a name can redirect the request to servers that only this host can reach;
    quoting their pages would let the holder read them.
    """
    if urlsplit(answer.hops[-1].url).path != f"{_PATH}{target.token}":
        return ("(withheld: a redirect led to another page)",)
    return (escaped(answer.body),)
