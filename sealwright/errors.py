"""Exceptions of the client."""

from dataclasses import dataclass, field
from typing import Any


class SealwrightClientError(Exception):
    """Base class of the exceptions of this package."""


class ConnectionFailed(SealwrightClientError):
    """The server could not be reached, or its certificate is not trusted."""


@dataclass
class ApiError(SealwrightClientError):
    """The server refused the call; contains its problem document (RFC 9457).

    Attributes:
        status: HTTP status.
        code: stable machine code, e.g. ``policy_violation``.
        detail: one sentence.
        errors: every broken rule: ``{"code", "field", "value", "reason", "hint"}``.
        retry_after_s: seconds to wait before a repeat, if the server says so.
        document: the problem document as received.
    """

    status: int
    code: str
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    retry_after_s: int | None = None
    document: dict[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Return the detail with every broken rule on a line of its own."""
        lines = [f"{self.detail} ({self.code}, HTTP {self.status})"]
        for item in self.errors:
            hint = f" {item['hint']}" if item.get("hint") else ""
            field, reason = item.get("field", ""), item.get("reason", "")
            # Reasons about a body begin with its field already.
            where = f"{field}: " if field and not reason.startswith(f"{field}: ") else ""
            lines.append(f"  {where}{reason}{hint}")
        return "\n".join(lines)
