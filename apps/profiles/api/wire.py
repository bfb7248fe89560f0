"""What did a body say about a profile? Bodies in, references and values out.

Defaults are read by ``apps.profiles.defaults``, which lists what is wrong with them.
"""

from typing import Any

from apps.profiles.models import IssuerType
from apps.web.reader import Reader, reader_of

_CHANGES = frozenset({"description", "issuer_type", "authority", "policy", "defaults"})


def read_new(body: Any) -> dict[str, Any]:
    """Parse a new profile; ``authority`` and ``policy`` come out as names or identifiers.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, _CHANGES | {"name"})
    given = {"name": reader.text("name", required=True, limit=64), **_said(reader)}
    if "policy" not in reader.body:
        reader.wrong("policy", "", "policy is missing.", code="request.field_missing")
    reader.finish()
    return {name: value for name, value in given.items() if value is not None}


def read_changes(body: Any) -> dict[str, Any]:
    """Parse the fields to change; what is absent stays as it is.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, _CHANGES)
    given = _said(reader)
    reader.finish()
    return {name: value for name, value in given.items() if value is not None}


def _said(reader: Reader) -> dict[str, Any]:
    return {
        "description": reader.text("description", blank=True),
        "issuer_type": reader.choice("issuer_type", IssuerType.values),
        "authority": reader.reference("authority"),
        "policy": reader.text("policy"),
        "defaults": reader.mapping("defaults"),
    }
