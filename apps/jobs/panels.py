"""Panel of the admin's front page: jobs that failed or keep failing."""

from typing import Any

from django.http import HttpRequest

from apps.jobs import selectors
from apps.registry import DashboardPanel

_SHOWN = 8


def _failing(_: HttpRequest) -> dict[str, Any]:
    failed = list(selectors.failed_jobs()[:_SHOWN])
    retrying = list(selectors.open_jobs().filter(attempts__gt=0).exclude(last_error="")[:_SHOWN])
    return {
        "jobs": [*failed, *retrying][:_SHOWN],
        "lag": round(selectors.queue_lag().total_seconds()),
    }


PANEL = DashboardPanel("jobs/failing_panel.html", _failing, order=50)
