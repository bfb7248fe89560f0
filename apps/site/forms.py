"""Form base class that passes values to services and shows their refusals as errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django import forms

from apps.errors import InUse, Malformed, SealwrightError
from apps.site import documents
from apps.web.parsers import parse_object

_ROOT = re.compile(r"^[a-z_]+")


class ServiceForm(forms.Form):
    """Form whose values are passed to a service; it never saves anything itself.

    ``field_of`` maps the first part of a violation's field path to a form field with another
    name; ``*`` stands for every other path.
    """

    required_css_class = "required"
    field_of: ClassVar[dict[str, str]] = {}

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Turn refusals of the service called inside into errors of this form."""
        try:
            yield
        except SealwrightError as error:
            self.report(error)

    def report(self, error: SealwrightError) -> None:
        """Add a domain error to the form, each violation at its field."""
        violations = getattr(error, "violations", ())
        if not violations:
            self.add_error(None, _sentence(error))
        for violation in violations:
            where = self._field_for(violation.field)
            named = violation.field and violation.field != where
            text = violation.located if named else violation.reason
            self.add_error(where, f"{text} {violation.hint}".strip())

    def _field_for(self, path: str) -> str | None:
        found = _ROOT.match(path)
        root = found.group() if found else ""
        if root in self.fields:
            return root
        name = self.field_of.get(root, self.field_of.get("*", ""))
        return name if name in self.fields else None


def _sentence(error: SealwrightError) -> str:
    if isinstance(error, InUse):
        return error.detail.removesuffix(".") + "."
    return error.detail


class JSONTextarea(forms.Textarea):
    """Large monospaced text area for a JSON document."""

    def __init__(self, rows: int = 22) -> None:
        super().__init__(
            attrs={"rows": rows, "class": "vLargeTextField sw-json", "spellcheck": "false"}
        )


class DocumentField(forms.CharField):
    """Field for a JSON object; syntax errors are reported with line and column."""

    def __init__(self, *, rows: int = 22, **options: Any) -> None:
        super().__init__(widget=JSONTextarea(rows), strip=True, **options)

    def prepare_value(self, value: Any) -> Any:
        """Return the text to show for a document."""
        return value if isinstance(value, str) else documents.pretty(value)

    def to_python(self, value: Any) -> Any:
        """Return the document, a ``dict``."""
        text = super().to_python(value) or ""
        if not text:
            return {}
        try:
            return parse_object(text.encode())
        except Malformed as error:
            raise forms.ValidationError(
                [f"{item.reason} {item.value}".strip() for item in error.violations]
            ) from error


class LinesField(forms.CharField):
    """Field for a list of texts, one on each line; empty lines are dropped."""

    def __init__(self, *, rows: int = 4, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": rows, "class": "vLargeTextField sw-json"})
        super().__init__(widget=widget, required=False, **options)

    def prepare_value(self, value: Any) -> Any:
        """Return the text to show for a list."""
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        """Return the list of non-empty lines."""
        return [
            line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()
        ]
