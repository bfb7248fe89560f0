"""Logging filters: secrets are blanked, lines cannot be forged, records carry the request."""

import logging
import re
import traceback
from http import HTTPStatus

from apps.statements import faults
from apps.web import trace

_REDACTED = "***"
# One alternation so that a line is read once. The groups named ``keep`` survive.
_SECRETS = re.compile(
    r"""
    \bswt_[0-9A-Za-z]{16,}                                        # our own tokens
    | \beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*          # JSON Web Tokens (RFC 7519)
    | (?P<keep1>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}      # Authorization headers
    | -----BEGIN\ (?P<kind>[A-Z0-9 ]*PRIVATE\ KEY)-----.*?(?:-----END\ (?P=kind)-----|\Z)
    | (?P<keep2>["']?\b\w*(?:password|passphrase|secret|private_key|token|hmac|hmac_key)["']?\s*[=:]\s*)
      (?:"[^"]*"|'[^']*'|[^\s,;&}\])]+)
    | (?P<keep4>\b(?:set-)?cookie["']?\s*[=:,]\s*)[^\r\n]+                 # Cookie headers
    | (?P<keep5>__Host-\w+=)[^\s;,"']+                              # our cookies
    | (?P<keep6>\bauthorization["']?\s*[:=,]\s*)["']?(?:\w+\s+)?[A-Za-z0-9._~+/=-]{8,}
    | (?P<keep3>://[^/\s:@]*:)[^/\s@]+(?=@)                       # credentials in URLs
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


def redacted(text: str) -> str:
    """Return ``text`` with tokens, passwords and private keys blanked."""
    return _SECRETS.sub(_blank, text)


def _blank(found: re.Match[str]) -> str:
    kept = next((text for name, text in found.groupdict().items() if name != "kind" and text), "")
    return f"{kept}{_REDACTED}"


class RedactSecrets(logging.Filter):
    """Blanks what looks like a secret and escapes control characters, so lines cannot be forged."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops one."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            message = str(record.msg)
        # Redact first: a key block is recognised by its line breaks.
        record.msg = _CONTROL.sub(lambda found: repr(found[0])[1:-1], redacted(message))
        record.args = ()
        if record.exc_info and record.exc_info[0] is not None:
            text = record.exc_text or "".join(traceback.format_exception(*record.exc_info))
            record.exc_text = redacted(text.rstrip("\n"))
        return True


class ExplainRefusedHost(logging.Filter):
    """Names our setting where Django refuses a host, and leaves out the traceback of a refusal."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops one."""
        message = record.getMessage().replace(" ALLOWED_HOSTS", " SEALWRIGHT_ALLOWED_HOSTS")
        record.msg, record.args = message, ()
        record.exc_info = record.exc_text = None
        return True


class BriefFaults(logging.Filter):
    """Writes the cause of a fault of the database in one line, in place of its traceback.

    While the database is away all requests and jobs fail for the same reason, and hundreds of
    tracebacks would bury it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops one."""
        raised = record.exc_info[1] if record.exc_info else None
        known = faults.unavailability(raised)
        cause = known.cause if known is not None else ""
        if not raised and getattr(record, "status_code", None) == HTTPStatus.SERVICE_UNAVAILABLE:
            request = getattr(record, "request", None)
            cause = trace.cause() or getattr(request, "trace_cause", "")
        if cause:
            record.msg, record.args = f"{record.getMessage()}: {cause}", ()
            record.exc_info = record.exc_text = None
        return True


class AddTraceId(logging.Filter):
    """Gives each record the identifier of the request that caused it, ``-`` outside of one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set ``record.trace_id``; never drops a record."""
        # Django logs an answer of 4xx or 5xx when the middleware has returned already.
        request = getattr(record, "request", None)
        record.trace_id = trace.current() or getattr(request, "trace_id", "") or "-"
        return True
