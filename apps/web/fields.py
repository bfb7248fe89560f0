"""Strict serializer fields for request bodies: nothing is coerced from one JSON type to another.

DRF's own fields take ``"true"`` for a boolean and ``5`` for a text, which is right for HTML forms.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import empty

from apps.errors import BadRevocationReason
from apps.web.serializers import Body, json_type
from pki import bundles, names, spellings
from pki.addresses import visible
from pki.findings import Violation, shown
from pki.reasons import RevocationReason
from pki.template import SAN_TYPES, SUBJECT_ATTRIBUTES, TypeValue

MAX_TEXT = 1024
MAX_LIST = 1000
# Far above what policy allows; bounds the work and the records that one request can cause.
MAX_SUBJECT_VALUES = 100
_MAX_NUMBER = 2**31 - 1
_SHOWN = 100
# 20 octets (RFC 5280 section 4.1.2.2) with separators, and a label as OpenSSL prints it.
_MAX_SERIAL_TEXT = 120
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


class CharField(serializers.CharField):
    """A JSON string, kept as it was sent."""

    def __init__(self, *, max_length: int | None = MAX_TEXT, **options: Any) -> None:
        """Take DRF's options; ``max_length`` counts characters."""
        super().__init__(max_length=max_length, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> Any:
        """Return the text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class IntegerField(serializers.IntegerField):
    """A whole JSON number of 32 bits with sign; narrower ranges are the service's to judge."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        # A JSON number such as 1.0 is an integer (JSON Schema 2020-12, section 6.1.1).
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int) or abs(data) > _MAX_NUMBER:
            self.fail("invalid")
        return int(data)


class BooleanField(serializers.BooleanField):
    """``true`` or ``false``."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the value."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class ChoiceField(serializers.ChoiceField):
    """One of the known strings."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the string."""
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", input=shown(data)[:100])
        return data


class ListField(serializers.ListField):
    """A JSON array; its length is bounded even where ``max_length`` does not say so."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values as a list."""
        if not isinstance(data, list):
            raise serializers.ValidationError(f"An array is expected, not {json_type(data)}.")
        if len(data) > MAX_LIST:
            self.fail("max_length", max_length=MAX_LIST)
        return super().to_internal_value(data)


class ObjectField(serializers.DictField):
    """A JSON object with members of any name."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the object."""
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"An object is expected, not {json_type(data)}.")
        return super().to_internal_value(data)


class ChoicesField(ListField):
    """A JSON array of known strings, read without repeats."""

    def __init__(self, choices: Sequence[Any], **options: Any) -> None:
        """Take the known strings, as ``ChoiceField`` does."""
        super().__init__(child=ChoiceField(choices), **options)

    def to_internal_value(self, data: Any) -> Any:
        """Return the strings in the order given."""
        return tuple(dict.fromkeys(super().to_internal_value(data)))


class ReasonField(ChoiceField):
    """A revocation reason (RFC 5280 section 5.3.1)."""

    def to_internal_value(self, data: Any) -> RevocationReason:
        """Return the reason.

        Raises:
            BadRevocationReason: not one of RFC 5280's names; the answer lists them.
        """
        if not isinstance(data, str):
            self.fail("invalid_choice", input=shown(data)[:_SHOWN])
        try:
            return RevocationReason(data)
        except ValueError as error:
            known = ", ".join(map(str, self.choices))
            sent = visible(data[:_SHOWN])
            reason = f"'{sent}' is not a revocation reason; use one of: {known}."
            violation = Violation("field.invalid", self.field_name or "", sent, reason)
            raise BadRevocationReason(violations=[violation]) from error


class DateTimeField(serializers.DateTimeField):
    """An RFC 3339 time with offset, read as UTC in whole seconds."""

    hint = "Example: 2027-01-31T12:00:00Z."

    def to_internal_value(self, value: Any) -> datetime:
        """Return the time."""
        if isinstance(value, str) and _TIME.fullmatch(value):
            try:
                return datetime.fromisoformat(value).astimezone(UTC).replace(microsecond=0)
            except (ValueError, OverflowError):
                pass
        raise serializers.ValidationError("This is not an RFC 3339 time with an offset.")


class ParsedField(CharField):
    """A JSON string that stands for a value of another kind."""

    def run_validation(self, data: Any = empty) -> Any:
        """Return what ``parse`` makes of the text, once it is a usable text."""
        text = super().run_validation(data)
        return None if text is None else self.parse(text)

    def parse(self, text: str) -> Any:
        """Return the value that the text stands for.

        Raises:
            ValidationError: it stands for none.
        """
        raise NotImplementedError


class SerialNumberField(ParsedField):
    """A serial number as OpenSSL, browsers or people spell it, read as lower-case hex."""

    def __init__(self, **options: Any) -> None:
        """Take DRF's options."""
        options.setdefault("help_text", "hex in any spelling: case, colons, 0x, leading zeros")
        super().__init__(max_length=_MAX_SERIAL_TEXT, **options)

    def parse(self, text: str) -> str:
        """Return the stored form, which is never empty."""
        found = spellings.serial_number(text)
        if not found:
            raise serializers.ValidationError("This is no hexadecimal number.")
        return found


class PemOrDerField(ParsedField):
    """PEM text, or base64 of DER; read as bytes."""

    hint = (
        "A PEM block with its BEGIN and END lines, or base64 with its padding (RFC 4648 section 4)."
    )

    def parse(self, text: str) -> bytes:
        """Return PEM as it is and DER decoded."""
        if "-----BEGIN" in text or not text.isascii():
            return text.encode()
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise serializers.ValidationError("Neither PEM nor base64 of DER.") from error


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
    """``{"common_name": "a", "organizational_unit": ["x", "y"]}``, read as pairs in that order."""

    child = CharField()

    def to_internal_value(self, data: Any) -> Any:
        """Return ``((attribute, value), ...)``."""
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"An object is expected, not {json_type(data)}.")
        listed = {name: v if isinstance(v, list) else [v] for name, v in data.items()}
        if sum(map(len, listed.values())) > MAX_SUBJECT_VALUES:
            text = f"A subject has at most {MAX_SUBJECT_VALUES} values."
            raise serializers.ValidationError(text)
        pairs: list[TypeValue] = []
        errors: dict[str, Any] = {}
        for name, values in listed.items():
            if name not in SUBJECT_ATTRIBUTES:
                known = ", ".join(SUBJECT_ATTRIBUTES)
                errors[name[:100]] = [ErrorDetail(f"Not known. Use: {known}.", "attribute")]
                continue
            try:
                pairs += [(name, self.child.run_validation(value)) for value in values]
            except serializers.ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return tuple(pairs)


class TypedNameField(Body):
    """``{"type": "dns_name", "value": "a.example"}``, read as a pair."""

    type = ChoiceField(list(SAN_TYPES))
    value = CharField()

    def to_internal_value(self, data: Any) -> TypeValue:
        """Return ``(type, value)``."""
        read = super().to_internal_value(data)
        return read["type"], read["value"]


@extend_schema_field({"type": "array", "items": _TYPED})
class TypedNamesField(ListField):
    """``[{"type": "dns_name", "value": "a.example"}]``, read as pairs."""

    child = TypedNameField()

    def to_internal_value(self, data: Any) -> Any:
        """Return ``((type, value), ...)``."""
        return tuple(super().to_internal_value(data))


@extend_schema_field({"type": "array", "items": {"anyOf": [_TYPED, _TEXT]}})
class NamesField(TypedNamesField):
    """Like ``TypedNamesField``; a plain text stands for a name of the type that it looks like."""

    def to_internal_value(self, data: Any) -> Any:
        """Return ``((type, value), ...)``."""
        if isinstance(data, list):
            data = [
                {"type": _type_of_name(item), "value": item} if isinstance(item, str) else item
                for item in data
            ]
        return super().to_internal_value(data)


def _type_of_name(text: str) -> str:
    """Guess the type of a name given as plain text; checks come later."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return "ip_address"
    if "://" in text:
        return "uri"
    return "email" if "@" in text else "dns_name"


class PemField(serializers.CharField):
    """A certificate in an answer: DER in the object, PEM in JSON."""

    def to_representation(self, value: Any) -> str:
        """Return the certificate as PEM."""
        return bundles.to_pem([bytes(value)])


class DistinguishedNameField(serializers.CharField):
    """A subject in an answer: pairs in the object, RFC 4514 text in JSON."""

    def to_representation(self, value: Any) -> str:
        """Return the name as text."""
        return names.rfc4514([(kind, text) for kind, text in value])
