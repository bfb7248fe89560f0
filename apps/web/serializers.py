"""Base serializers of the API: bodies of requests, answers, pages and problem documents."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, TypeVar

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.settings import api_settings

from apps.errors import Malformed
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import Violation, shown
from pki.reasons import RevocationReason
from pki.template import SAN_TYPES, SUBJECT_ATTRIBUTES

KEY_ALGORITHMS = [(algorithm.value, algorithm.value) for algorithm in KeyAlgorithm]
REVOCATION_REASONS = [(reason.value, reason.value) for reason in RevocationReason]
SIGNATURE_ALGORITHMS = [(algorithm.value, algorithm.value) for algorithm in SignatureAlgorithm]
_CODES = {"required": "request.field_missing"}
_INVALID = "request.field_invalid"
_UNKNOWN = "request.field_unknown"
_MAX_VALUE = 200
_MAX_NAME = 100
_MAX_UNKNOWN = 10
_Kind = TypeVar("_Kind", bound="serializers.Serializer[Any]")


@cache
def _shared(kind: type[_Kind]) -> _Kind:
    """Return the one instance of a serializer that reads or writes all values.

    Making a serializer copies all its fields, which takes longer than to validate a body.
    ``run_validation`` and ``to_representation`` keep nothing of a value.
    """
    return kind()


def json_type(value: Any) -> str:
    """Return what JSON calls the type of a value."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    names = {str: "a string", dict: "an object", list: "an array", type(None): "null"}
    return names.get(type(value), "something else")


class Body(serializers.Serializer[Any]):
    """The body of a request: validation, JSON Schema and documentation in one definition.

    Fields come from ``apps.web.fields``. Unknown fields are refused; all errors are listed.

    Attributes:
        hints: what would be accepted, by the code of an error.
        example: a body that is accepted, for the API document.
    """

    hints: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def parse(cls, body: Any) -> dict[str, Any]:
        """Return the values of the fields that the body has.

        Raises:
            Malformed: lists every missing, unknown or unusable field.
        """
        serializer = _shared(cls)
        try:
            values: dict[str, Any] = serializer.run_validation(body)
        except serializers.ValidationError as error:
            violations = tuple(_violations(serializer, serializer, error.detail, body, ""))
            raise Malformed(violations=violations) from error
        return values

    def conflicts(self, data: Mapping[str, Any]) -> dict[str, ErrorDetail]:  # noqa: ARG002 - for others to override
        """Return what is wrong with the fields together, by the field to name."""
        return {}

    def to_internal_value(self, data: Any) -> Any:
        """Validate all fields, known or not, and what they say together."""
        if not isinstance(data, Mapping):
            text = f"An object is expected, not {json_type(data)}."
            raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [text]})
        errors: dict[str, Any] = self._unknown(data) | self.conflicts(data)
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            found: Any = error.detail
            raise serializers.ValidationError({**errors, **found}) from error
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Name unknown fields: the first ones, and how many there are beyond them."""
        unknown = [name for name in data if name not in self.fields]
        errors: dict[str, Any] = {
            name: ErrorDetail(f"There is no field '{name}'.", _UNKNOWN)
            for name in (name[:_MAX_NAME] for name in unknown[:_MAX_UNKNOWN])
        }
        further = len(unknown) - _MAX_UNKNOWN
        if further > 0:
            text = f"There are {further} more unknown fields."
            errors[api_settings.NON_FIELD_ERRORS_KEY] = [ErrorDetail(text, _UNKNOWN)]
        return errors


class NoBody(Body):
    """The body of an act that takes no arguments."""


class Answer(serializers.Serializer[Any]):
    """The body of an answer: its description and its encoder."""

    @classmethod
    def of(cls, instance: Any) -> dict[str, Any]:
        """Return the object as plain values for JSON."""
        written: dict[str, Any] = _shared(cls).to_representation(instance)
        return written


def _violations(body: Any, field: Any, detail: Any, value: Any, path: str) -> Iterator[Violation]:
    """Turn DRF's nested errors into violations with paths such as ``names[2].value``.

    Args:
        body: the serializer of the nearest object.
        field: what refused ``value``; ``None`` where no field has the name.
        detail: its errors: by name or place, or a list of texts with codes.
        value: as it was sent.
        path: to ``value``.
    """
    if isinstance(detail, Mapping):
        body = field if isinstance(field, Body) else body
        for key, inner in detail.items():
            below, sent, name = _below(field, value, key, path)
            yield from _violations(body, below, inner, sent, name)
    elif isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        for index, inner in enumerate(detail):
            below, sent, name = _below(field, value, index, path)
            yield from _violations(body, below, inner, sent, name)
    else:
        for text in detail if isinstance(detail, list) else [detail]:
            yield _violation(body, field, text, value, path)


def _below(field: Any, value: Any, key: Any, path: str) -> tuple[Any, Any, str]:
    """Return field, value and path of one member."""
    if key == api_settings.NON_FIELD_ERRORS_KEY:
        return field, value, path
    inner = getattr(field, "fields", {}).get(key) or getattr(field, "child", None)
    if isinstance(key, int):
        return inner, value[key] if isinstance(value, list) else None, f"{path}[{key}]"
    sent = value.get(key) if isinstance(value, Mapping) else None
    return inner, sent, f"{path}.{key}" if path else str(key)


def _violation(body: Body, field: Any, text: Any, value: Any, path: str) -> Violation:
    code = str(getattr(text, "code", None) or "invalid")
    if code == _UNKNOWN:
        known = ", ".join(sorted(body.fields)) or "none"
        return Violation(code, path, "", str(text), f"Known fields: {known}.")
    if code.startswith("request."):  # already a sentence about the body
        return Violation(code, path, "", str(text), body.hints.get(code, ""))
    sent = shown(value)[:_MAX_VALUE] if isinstance(value, str | int | float) else ""
    if getattr(field, "secret", False):
        sent = ""
    reason = f"{path}: {text}" if path else str(text)
    return Violation(_CODES.get(code, _INVALID), path, sent, reason, _hint(field, code))


def _hint(field: Any, code: str) -> str:
    if code == "invalid_choice":
        return f"Use: {', '.join(map(str, field.choices))}."
    if code == "required":
        what = getattr(field, "help_text", None) or getattr(field, "hint", "")
        return f"Send it: {str(what).rstrip('.')}." if what else "Send it."
    return str(getattr(field, "hint", ""))


class ViolationSerializer(Answer):
    """One broken rule."""

    code = serializers.CharField()
    field = serializers.CharField()
    value = serializers.CharField()
    reason = serializers.CharField()
    hint = serializers.CharField()


class NoteSerializer(Answer):
    """Something of the request that was changed or left out."""

    code = serializers.CharField(help_text="stable; docs/api.md lists the codes")
    what = serializers.CharField(help_text="what was done")
    why = serializers.CharField(help_text="the reason; may be empty")


class ProblemSerializer(Answer):
    """A problem document (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    instance = serializers.CharField()
    errors = ViolationSerializer(many=True)
    errors_total = serializers.IntegerField(
        required=False, help_text="how many errors there are, where not all of them are listed"
    )
    users = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="what is still in use by whom"
    )
    request_id = serializers.CharField(
        required=False, help_text="the certificate request that was refused"
    )


class _PairSerializer(Answer):
    """A (type, value) pair as an object."""

    def to_representation(self, instance: Any) -> Any:
        """Return the pair by name."""
        kind, value = instance
        return {"type": kind, "value": value}


class NameSerializer(_PairSerializer):
    """A subject alternative name, or a subtree of such names."""

    type = serializers.ChoiceField(SAN_TYPES)
    value = serializers.CharField(max_length=1024)


class AttributeSerializer(_PairSerializer):
    """A subject attribute."""

    type = serializers.ChoiceField(SUBJECT_ATTRIBUTES)
    value = serializers.CharField(max_length=1024)
