"""HTML for badges, links and other values in admin lists; all values are escaped."""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps import clock

_GOOD = frozenset({"active", "issued", "succeeded", "fresh", "admin"})
_BAD = frozenset({"revoked", "failed", "rejected", "overdue", "denied"})
_WAITING = frozenset(
    {
        "pending-certificate",
        "pending_approval",
        "held",
        "queued",
        "running",
        "signing",
        "submitted",
        "due",
    }
)
NOTHING = "\N{EN DASH}"
_SOON_DAYS = 30
_URGENT_DAYS = 7


def tone_of(state: str) -> str:
    """Return the colour family of a state: ``good``, ``bad``, ``wait`` or ``quiet``."""
    if state in _GOOD:
        return "good"
    if state in _BAD:
        return "bad"
    return "wait" if state in _WAITING else "quiet"


def badge(text: Any, tone: str = "quiet") -> SafeString:
    """Return a small coloured label."""
    return format_html('<span class="sw-badge sw-{}">{}</span>', tone, text)


def state_badge(obj: Any) -> SafeString:
    """Return the badge of an object with a ``state`` that has choices."""
    return badge(obj.get_state_display(), tone_of(obj.state))


def link(obj: Any, text: Any = None) -> SafeString | str:
    """Return a link to the admin page of an object, a dash for none."""
    if obj is None:
        return NOTHING
    return format_html('<a href="{}">{}</a>', admin_url(obj), str(obj) if text is None else text)


def actor_name(actor: str) -> str:
    """Return what people call an actor such as ``user:7``; as it is written for one long gone."""
    kind, _, identifier = actor.partition(":")
    if kind != "user" or not identifier.isdecimal():
        return identifier or actor
    person = get_user_model().objects.filter(pk=int(identifier)).first()
    return person.get_username() if person is not None else actor


def mono(text: Any) -> SafeString:
    """Return text in a fixed-width font."""
    return format_html('<code class="sw-mono">{}</code>', text)


def admin_url(obj: Any, page: str = "change") -> str:
    """Return the URL of an object's admin page.

    An object with a ``public_id`` is addressed by it: the key of a token is its digest.
    """
    meta = obj._meta  # noqa: SLF001 - Django's documented Meta API
    key = getattr(obj, "public_id", obj.pk)
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[key])


def days_left(moment: datetime) -> int:
    """Return the number of whole days until ``moment``; negative once it has passed."""
    return (moment - clock.now()).days


def expiry_badge(moment: datetime) -> SafeString:
    """Return the remaining days, coloured by urgency."""
    days = days_left(moment)
    if days < 0:
        return badge("expired", "quiet")
    text = "today" if days == 0 else f"{days} day{'' if days == 1 else 's'}"
    if days < _URGENT_DAYS:
        return badge(text, "bad")
    return badge(text, "wait" if days < _SOON_DAYS else "good")
