"""Dashboard panel with the newest audit events."""

from typing import Any

from django.http import HttpRequest

from apps.audit import selectors
from apps.registry import DashboardPanel

_SHOWN = 10


def _recent(_: HttpRequest) -> dict[str, Any]:
    return {"events": list(selectors.all_events()[:_SHOWN])}


PANELS = [DashboardPanel("audit/recent_panel.html", _recent, order=40)]
