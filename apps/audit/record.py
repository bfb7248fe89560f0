"""How is an act written down? ``record`` inside the transaction of the act itself."""

from typing import Any
from uuid import UUID

from django.db import connection, models

from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.principals import Principal

_SECRET_WORDS = ("password", "secret", "token", "private_key", "hmac", "passphrase", "pin")
_REDACTED = "***"
_LABEL_LENGTH = 300
_ACTOR_LENGTH = 200


def record(
    event: Event,
    *,
    principal: Principal,
    subject: models.Model | None = None,
    application_id: UUID | None = None,
    **data: Any,
) -> AuditEvent:
    """Write one event in the caller's transaction, so that act and record stand or fall together.

    Args:
        event: what happened.
        principal: who did it.
        subject: the object acted upon; its type, key and label are copied as text.
        application_id: the application whose team may read the event.
        data: details that JSON can hold; values under secret-sounding names are blanked.

    Raises:
        RuntimeError: called outside a transaction (the act could then lose its record).
    """
    if not connection.in_atomic_block:
        raise RuntimeError("audit.record must run in the transaction of the act")
    return AuditEvent.objects.create(
        event=event,
        actor=principal.actor[:_ACTOR_LENGTH],
        actor_label=principal.label[:_ACTOR_LENGTH],
        subject_type=subject._meta.label_lower if subject is not None else "",
        subject_id=str(subject.pk) if subject is not None else "",
        subject_label=str(subject)[:_LABEL_LENGTH] if subject is not None else "",
        application_id=application_id,
        ip=principal.ip,
        trace_id=principal.trace_id,
        data=_cleansed(data),
    )


def _cleansed(value: Any) -> Any:
    """Return ``value`` with everything under a secret-sounding name blanked, at any depth."""
    if isinstance(value, dict):
        return {
            key: _REDACTED if _sounds_secret(str(key)) else _cleansed(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleansed(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return _REDACTED
    return value


def _sounds_secret(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in _SECRET_WORDS)
