"""How do jobs look in JSON? Rows in, plain dictionaries out."""

from typing import Any

from apps.jobs.models import Job
from apps.web.present import time_text


def job(row: Job) -> dict[str, Any]:
    """Return a job; its arguments are identifiers, never secrets."""
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "arguments": row.arguments,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": time_text(row.next_attempt_at),
        "progress": row.progress,
        "result": row.result,
        "last_error": row.last_error,
        "created_at": time_text(row.created_at),
        "finished_at": time_text(row.finished_at),
    }
