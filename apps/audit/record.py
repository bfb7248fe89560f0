"""Writing of audit events: ``record``, called inside the transaction of the act."""

import logging
import re
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import DatabaseError, models, transaction

from apps import clock, ids
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.principals import Principal
from apps.statements import execution, faults, writes
from apps.web.logs import redacted

_SECRET_WORDS = frozenset(
    {"password", "passphrase", "secret", "token", "hmac", "pin", "credential", "authorization"}
)
_SECRET_PHRASES = ("private_key", "api_key")
# What only points at a secret, such as token_id, is what the log is for.
_POINTER_WORDS = frozenset({"id", "ids", "name", "names", "count"})
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# NUL and lone surrogates: PostgreSQL holds neither, and an act must not fail for its label.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Whatever ``redacted`` looks for has other characters than these, or one of these words. Most of
# what is recorded has neither: identifiers, digests, host names, times, labels.
_PLAIN = re.compile(r"[A-Za-z0-9.*:+ _-]*")
_TELLING = ("pass", "secret", "private", "swt_", "bearer", "basic")
_REDACTED = "***"
LABEL_LENGTH = 300
_ACTOR_LENGTH = 200
_TEXT_LENGTH = 2000
_PER_MINUTE = 30
_logger = logging.getLogger(__name__)


def record(
    event: Event,
    *,
    principal: Principal,
    subject: models.Model | None = None,
    application_id: UUID | None = None,
    **data: Any,
) -> AuditEvent | None:
    """Write one event in the caller's transaction, so that act and record stand or fall together.

    Args:
        event: what happened.
        principal: who did it.
        subject: the object acted upon; its type, key and label are copied as text.
        application_id: the application whose team may read the event.
        data: details that JSON can hold; values under secret-sounding names, and texts that
            look like tokens or private keys, are blanked; long texts are cut.

    Returns:
        The row; ``None`` inside ``statements.writes.batch()``, of whose batch it is a part.

    Raises:
        RuntimeError: called outside a transaction (the act could then lose its record).
    """
    gathered = writes.is_open()
    if not gathered and not execution.in_transaction():
        raise RuntimeError("audit.record must run in the transaction of the act")
    values: dict[str, Any] = {
        "event": str(event),
        "actor": cleansed_text(principal.actor, _ACTOR_LENGTH),
        "actor_label": cleansed_text(principal.label, _ACTOR_LENGTH),
        "subject_type": ids.label_of(subject).lower() if subject is not None else "",
        "subject_id": str(subject.pk) if subject is not None else "",
        "subject_label": cleansed_text(str(subject), LABEL_LENGTH) if subject is not None else "",
        "application_id": application_id,
        "ip": principal.ip,
        "trace_id": principal.trace_id,
        "data": cleansed(data),
    }
    if gathered:
        writes.insert(AuditEvent(**values))
        return None
    return AuditEvent.objects.create(**values)


def record_sampled(event: Event, *, principal: Principal, **details: Any) -> AuditEvent | None:
    """Write a refusal down in a transaction of its own, unless its source floods the log.

    Refusals change nothing else, so there is no act to be atomic with. Beyond 30 a minute from
    the same actor and address nothing is written: the log must not be a way to fill the disk.
    While the database takes no writes the server's log has it instead: a refusal stays one.

    Args:
        event: what was refused.
        principal: who was refused.
        details: as for ``record``.
    """
    recent = AuditEvent.objects.filter(
        event=event,
        actor=cleansed_text(principal.actor, _ACTOR_LENGTH),
        ip=principal.ip,
        created_at__gt=clock.now() - timedelta(minutes=1),
    )
    if recent.count() >= _PER_MINUTE:
        return None
    try:
        with transaction.atomic():
            return record(event, principal=principal, **details)
    except DatabaseError as error:
        if faults.unavailability(error) is None:
            raise
        _logger.warning("%s of %s is not on record: %s", event, principal.actor, error)
        return None


def _tells(text: str) -> bool:
    """Tell whether a text that is plain otherwise has a word that ``redacted`` looks for."""
    lower = text.lower()
    for word in _TELLING:  # noqa: SIM110 - a generator costs as much again
        if word in lower:
            return True
    return False


def cleansed(value: Any) -> Any:
    """Return ``value`` with everything secret blanked, at any depth, fit for the database."""
    if type(value) is str:
        return cleansed_text(value, _TEXT_LENGTH)
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            name, is_secret = _named(str(key))
            found[name] = _REDACTED if is_secret else cleansed(inner)
        return found
    if isinstance(value, list | tuple | set | frozenset):
        return [cleansed(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return _REDACTED
    if isinstance(value, str):
        return cleansed_text(value, _TEXT_LENGTH)
    return value


def cleansed_text(value: str, length: int) -> str:
    """Return a text without secrets, cut and fit for the database."""
    if _PLAIN.fullmatch(value) and not _tells(value):
        return value[:length]
    return redacted(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value))[:length]


@lru_cache(maxsize=1024)
def _named(name: str) -> tuple[str, bool]:
    """Return a name as it is written, and whether its value is a secret."""
    return cleansed_text(name, LABEL_LENGTH), _sounds_secret(name)


def _sounds_secret(name: str) -> bool:
    """Tell whether a value of this name is a secret, judged word by word (``mapping`` is none)."""
    words = [word.lower() for word in _WORD.findall(name)]
    if words and words[-1] in _POINTER_WORDS:
        return False
    singular = {word.removesuffix("s") for word in words}
    return bool(singular & _SECRET_WORDS) or any(
        phrase in "_".join(words) for phrase in _SECRET_PHRASES
    )
