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


def _everybody(_principal: Principal, _obj: Any) -> str:
    return ""


def moment(time: datetime) -> str:
    """Return a time for people: to the second, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Section:
    """One block of an object's page.

    Attributes:
        title: heading of the block.
        template: template that renders it; gets ``context`` as ``section``.
        context: values for the template.
    """

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Detail:
    """One line of a list of details: a label and its value.

    Attributes:
        label: name of the value.
        value: the text; lists and tuples are shown with one entry on each line.
        href: URL that the value links to; empty for plain text.
        mono: shown in a fixed-width font (identifiers, digests).
    """

    label: str
    value: Any
    href: str = ""
    mono: bool = False

    @property
    def text(self) -> Any:
        """Return the value as it is shown; times to the second, in UTC."""
        if isinstance(self.value, datetime):
            return moment(self.value)
        return self.value

    @property
    def lines(self) -> Sequence[Any]:
        """Return the entries of a list, nothing for a single value."""
        return self.value if isinstance(self.value, list | tuple) else ()


def details(title: str, lines: Sequence[Detail]) -> Section:
    """Return a section of labels and values."""
    return Section(title, "admin/includes/details.html", {"details": list(lines)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAction:
    """An action on one object, with a form on a page of its own.

    Attributes:
        name: last part of the URL.
        label: text of the button.
        form: form to fill in or to confirm; constructed with ``(data, obj=obj)``.
        run: calls the service; returns the message to show, or a complete response.
        intro: one or two sentences that say what will happen.
        danger: shown in red, because it cannot be undone or affects relying parties.
        available: tells whether the action is possible for the object in its present state.
        refusal: says why the person may not do it; empty for who may. The service decides again.
        listed: whether the page has a button for it at the top; others are linked from sections.
    """

    name: str
    label: str
    run: Callable[[HttpRequest, Principal, Any, dict[str, Any]], Outcome]
    form: type["ObjectForm"]
    intro: str = ""
    danger: bool = False
    available: Callable[[Any], bool] = _always
    refusal: Callable[[Principal, Any], str] = _everybody
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Download:
    """A link at the top of an object's page."""

    label: str
    href: str


class ObjectForm(ServiceForm):
    """Form about one object, which it reads to offer only possible choices."""

    def __init__(self, *args: Any, obj: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.obj = obj
        self.prepare()

    def prepare(self) -> None:
        """Fill in choices and initial values from ``self.obj``."""


class Confirmation(ObjectForm):
    """Form without fields, for actions that only need to be confirmed."""
