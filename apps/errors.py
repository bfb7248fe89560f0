"""Domain errors of all apps, independent of protocols.

Each protocol has one table that translates these classes to its own errors (``apps/web/problems.py``
for REST). Nothing here depends on HTTP.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from pki.durations import in_words
from pki.findings import Violation as Violation  # noqa: PLC0414 - re-exported, as errors carry it


class SealwrightError(Exception):
    """Base class of all domain errors; ``detail`` may be shown to the requester."""

    code: ClassVar[str] = "internal"
    default_detail: ClassVar[str] = "The operation failed."

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or self.default_detail
        super().__init__(self.detail)


class Malformed(SealwrightError):
    """The bytes or the structure of a request cannot be read.

    ``violations`` may list every unusable field at once.
    """

    code = "malformed"
    default_detail = "The request cannot be read."

    def __init__(self, detail: str = "", violations: Sequence[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(detail or "; ".join(v.reason for v in violations))


class BadCSR(Malformed):
    """The PKCS#10 request is unreadable or requests what no policy can allow."""

    code = "bad_csr"
    default_detail = "The certificate signing request is unusable."


class BadMessageSignature(SealwrightError):
    """A signature over the request, or the proof of possession, does not verify."""

    code = "bad_signature"
    default_detail = "The signature does not verify."


class BadAlgorithm(SealwrightError):
    """An algorithm is unknown, too weak or does not fit the key.

    ``accepted`` may list the algorithms that would do.
    """

    code = "bad_algorithm"
    default_detail = "The algorithm is not supported."

    def __init__(self, detail: str = "", accepted: Sequence[str] = ()) -> None:
        self.accepted = tuple(accepted)
        super().__init__(detail)


class BadPublicKey(SealwrightError):
    """The public key is malformed, too weak, or known to be compromised."""

    code = "bad_public_key"
    default_detail = "The public key is not acceptable."

    def __init__(self, detail: str = "", violations: Sequence[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(detail or "; ".join(v.reason for v in violations))


class PolicyViolation(SealwrightError):
    """A well-formed request breaks one or more rules; all broken rules are listed."""

    code = "policy_violation"

    def __init__(self, violations: Sequence[Violation], *, request_id: str = "") -> None:
        self.violations = tuple(violations)
        self.request_id = request_id
        super().__init__("; ".join(v.reason for v in violations))


class InvalidInput(SealwrightError):
    """The description of an authority, policy, profile or similar object is invalid."""

    code = "invalid_input"

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(v.reason for v in violations))


class AuthenticationFailed(SealwrightError):
    """The credentials are missing, unknown, expired or revoked."""

    code = "authentication_failed"
    default_detail = "Authentication failed."


class AccessDenied(SealwrightError):
    """The principal is known but lacks the right."""

    code = "access_denied"
    default_detail = "You do not have the right to do this."


class InsufficientScope(AccessDenied):
    """The credential lacks a scope (RFC 6750 section 3.1); its owner may have the right."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"The token lacks the scope '{scope}'.")


class NotFound(SealwrightError):
    """There is no such object, or it belongs to another team; the answer is the same.

    ``violations`` may name the field that led nowhere.
    """

    code = "not_found"
    default_detail = "No such object."

    def __init__(self, detail: str = "", violations: Sequence[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(detail or "; ".join(v.reason for v in violations))


class InUse(SealwrightError):
    """The object cannot be removed while others use it; ``users`` names them."""

    code = "in_use"

    def __init__(self, detail: str, users: Sequence[str]) -> None:
        self.users = tuple(users)
        super().__init__(f"{detail}: {', '.join(self.users)}")


class AlreadyExists(SealwrightError):
    """The name or the relation is already taken."""

    code = "already_exists"
    default_detail = "It already exists."


class AlreadyRevoked(SealwrightError):
    """The certificate is revoked; revocation only moves forward (RFC 5280 section 5.3)."""

    code = "already_revoked"
    default_detail = "The certificate is already revoked."


class BadRevocationReason(SealwrightError):
    """The reason is not one of RFC 5280 section 5.3.1, or may not be used here."""

    code = "bad_revocation_reason"
    default_detail = "The revocation reason is not acceptable."

    def __init__(self, detail: str = "", violations: Sequence[Violation] = ()) -> None:
        self.violations = tuple(violations)
        super().__init__(detail or "; ".join(v.reason for v in violations))


class InvalidTransition(SealwrightError):
    """The object is not in a state that allows this."""

    code = "invalid_transition"
    default_detail = "The object is not in a state that allows this."


class AuthorityRevoked(InvalidTransition):
    """The authority has been revoked by its parent: it never issues again."""


class UnsupportedFormat(SealwrightError):
    """The export format is unknown or cannot carry this certificate or key."""

    code = "unsupported_format"
    default_detail = "The format cannot be produced."


class TooLarge(Malformed):
    """The body has more octets than the server takes."""

    code = "too_large"
    default_detail = "The body is too large."


class LengthRequired(Malformed):
    """The body came without its length (RFC 9110 section 15.5.12)."""

    code = "length_required"
    default_detail = "Send the body with a Content-Length."


class UnsupportedMediaType(Malformed):
    """The body is encoded or compressed in a way that is not read here.

    ``accepted`` is what the header ``Accept-Encoding`` of the answer says, empty for none (RFC 9110
    section 12.5.3).
    """

    code = "unsupported_media_type"
    default_detail = "The body is in a form that is not read here."

    def __init__(self, detail: str = "", *, accepted: str = "") -> None:
        self.accepted = accepted
        super().__init__(detail)


class RateLimited(SealwrightError):
    """Too many requests; the client may retry after ``retry_after_s`` seconds."""

    code = "rate_limited"

    def __init__(self, retry_after_s: int, detail: str = "") -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            detail
            or f"Too many requests; try again in {in_words(timedelta(seconds=retry_after_s))}."
        )


class IdempotencyMismatch(SealwrightError):
    """The idempotency key was used before, with another body."""

    code = "idempotency_key_reused"
    default_detail = "This idempotency key was used with another body; choose a new key."


class IdempotencyConflict(SealwrightError):
    """The first call with this idempotency key is still running."""

    code = "idempotency_in_progress"

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("The first call with this idempotency key is still running.")


class DatabaseUnavailable(SealwrightError):
    """The database is away, read-only, locked or full; whether a write was stored may be unknown.

    ``cause`` is for the log: the driver's words can name hosts and tables.
    """

    code = "unavailable"
    default_detail = "The service is not available at the moment; try again later."
    retry_after_s: ClassVar[int] = 5

    def __init__(self, detail: str = "", *, cause: str = "") -> None:
        self.cause = cause
        super().__init__(detail)


class Busy(SealwrightError):
    """All places for an expensive operation are taken; the caller may try again."""

    code = "busy"
    default_detail = "The server is busy with other expensive operations; try again later."
    retry_after_s: ClassVar[int] = 5


class UpstreamUnavailable(SealwrightError):
    """A key backend or external CA did not answer; the caller may try again."""

    code = "upstream_unavailable"
    retry_after_s: ClassVar[int] = 30
    default_detail = "A service this depends on did not answer; try again later."


class UpstreamRejected(SealwrightError):
    """A key backend or external CA refused; repeating will not help."""

    code = "upstream_rejected"
    default_detail = "A service this depends on refused."
