"""Building blocks of an object's admin page: sections, actions, downloads, forms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.principals import Principal
from apps.site.forms import ServiceForm

Outcome = str | HttpResponse


def _always(_obj: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Section:
    """One block of an object's page.

    Attributes:
        title: its heading.
        template: how it is drawn; sees ``context`` and the page's own.
        context: what the template needs.
    """

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a list of facts: a label and what stands behind it.

    Attributes:
        label: what is told.
        value: the text; lists and tuples are drawn one a line.
        href: where a click leads; empty for plain text.
        mono: drawn in a fixed-width face (identifiers, digests).
    """

    label: str
    value: Any
    href: str = ""
    mono: bool = False

    @property
    def text(self) -> Any:
        """Return the value as it is drawn; times to the second, in UTC."""
        if isinstance(self.value, datetime):
            return f"{self.value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return self.value

    @property
    def lines(self) -> Sequence[Any]:
        """Return the entries of a list, nothing for a single value."""
        return self.value if isinstance(self.value, list | tuple) else ()


def facts(title: str, lines: Sequence[Fact]) -> Section:
    """Return a section of labels and values."""
    return Section(title, "admin/includes/facts.html", {"facts": list(lines)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAction:
    """An act on one object, asked for on a page of its own.

    Attributes:
        name: last part of the URL.
        label: text of the button.
        form: what has to be filled in or confirmed; built with ``(data, obj=obj)``.
        run: calls the service; returns the message to show, or a whole response.
        intro: one or two sentences: what will happen.
        danger: drawn in red, because it cannot be undone or hurts relying parties.
        available: whether the act makes sense for the object as it is.
        listed: whether it has a button at the top of the page (others are reached from sections).
    """

    name: str
    label: str
    run: Callable[[HttpRequest, Principal, Any, dict[str, Any]], Outcome]
    form: type["ObjectForm"]
    intro: str = ""
    danger: bool = False
    available: Callable[[Any], bool] = _always
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Download:
    """A link at the top of an object's page."""

    label: str
    href: str


class ObjectForm(ServiceForm):
    """A form about one object: knows it, so that it can offer only what is possible."""

    def __init__(self, *args: Any, obj: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.obj = obj
        self.prepare()

    def prepare(self) -> None:
        """Fill in choices and initial values from ``self.obj``."""


class Confirmation(ObjectForm):
    """Nothing to fill in: the button is the answer."""
