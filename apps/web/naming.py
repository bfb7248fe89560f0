"""How do bodies write subjects and names? One form for certificates, authorities and profiles."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.web.reader import MAX_TEXT, Reader
from pki.template import SAN_TYPES, SUBJECT_ATTRIBUTES, TypeValue

# Far above what policy allows; bounds the work and the records that one request can cause.
MAX_SUBJECT_VALUES = 100
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_TYPED = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": list(SAN_TYPES)}, "value": _TEXT},
    "required": ["type", "value"],
    "additionalProperties": False,
}


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            attribute: {
                "oneOf": [_TEXT, {"type": "array", "items": _TEXT}],
            }
            for attribute in SUBJECT_ATTRIBUTES
        },
        "additionalProperties": False,
    }
)
class SubjectField(serializers.DictField):
    """``{"common_name": "a", "organizational_unit": ["x", "y"]}``, in the order given."""


@extend_schema_field({"type": "array", "items": _TYPED})
class TypedNamesField(serializers.ListField):
    """``[{"type": "dns_name", "value": "a.example"}]``."""


@extend_schema_field({"type": "array", "items": {"anyOf": [_TYPED, _TEXT]}})
class NamesField(serializers.ListField):
    """Like ``TypedNamesField``; a plain text stands for a name whose type is plain to see."""


def read_subject(reader: Reader, *, required: bool = False) -> tuple[TypeValue, ...] | None:
    """Return the field ``subject`` as ordered (attribute, value) pairs."""
    given = reader.mapping("subject", required=required)
    if given is None:
        return None
    pairs: list[TypeValue] = []
    if sum(len(v) if isinstance(v, list) else 1 for v in given.values()) > MAX_SUBJECT_VALUES:
        reader.wrong("subject", "", f"A subject has at most {MAX_SUBJECT_VALUES} values.")
        return ()
    for attribute, values in given.items():
        path = f"subject.{attribute}"[:100]
        if attribute not in SUBJECT_ATTRIBUTES:
            known = ", ".join(SUBJECT_ATTRIBUTES)
            reader.wrong(path, "", "The attribute is not known.", f"Use: {known}.")
            continue
        for value in values if isinstance(values, list) else [values]:
            text = reader.checked_text(value, path)
            if text is not None:
                pairs.append((attribute, text))
    return tuple(pairs)


def read_typed_name(reader: Reader, item: Any, path: str) -> TypeValue | None:
    """Return ``{"type", "value"}`` as a pair."""
    if not isinstance(item, dict) or set(item) != {"type", "value"}:
        reader.wrong(path, "", 'A name is {"type", "value"}.')
        return None
    kind = item["type"]
    if not isinstance(kind, str) or kind not in SAN_TYPES:
        reader.wrong(f"{path}.type", kind, "Unknown type.", f"Use: {', '.join(SAN_TYPES)}.")
        return None
    value = reader.checked_text(item["value"], f"{path}.value")
    return (kind, value) if value is not None else None
