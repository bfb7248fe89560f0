"""Front page panels: certificates that expire soon, and requests that wait for approval."""

from datetime import timedelta
from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpRequest

from apps import clock
from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    RequestState,
)
from apps.registry import DashboardPanel
from apps.site.display import expiry_badge

_SPAN = timedelta(days=30)
_SHOWN = 8
_NAMED_BY = ("common_name", "subject_alt_names", "subject", "serial_number")


def _expiring(_: HttpRequest) -> dict[str, Any]:
    """Return active certificates without a successor that end soon, the first to end first."""
    # Asked for row by row, so that the first few end the search; a join would make PostgreSQL
    # match the whole table first.
    successor = Certificate.objects.filter(replaces=OuterRef("pk")).order_by()
    rows = (
        Certificate.objects.filter(
            state=CertificateState.ACTIVE, not_after__lte=clock.now() + _SPAN
        )
        .annotate(successor=Subquery(successor.values("pk")[:1]))
        .filter(successor__isnull=True)
        .select_related("application")
        .only(*_NAMED_BY, "not_after", "application__name")
        .order_by("not_after", "id")[: _SHOWN + 1]
    )
    lines = [(row, expiry_badge(row.not_after)) for row in rows]
    return {"lines": lines[:_SHOWN], "more": len(lines) > _SHOWN, "days": _SPAN.days}


def _pending(_: HttpRequest) -> dict[str, Any]:
    """Return requests that wait for somebody, the longest waiting first."""
    rows = (
        CertificateRequest.objects.filter(state=RequestState.PENDING_APPROVAL)
        .select_related("application", "profile")
        .only(
            "leaf",
            "requester_label",
            "requested_by",
            "created_at",
            "application__name",
            "profile__name",
        )
        .order_by("id")[: _SHOWN + 1]
    )
    found = list(rows)
    return {"lines": found[:_SHOWN], "more": len(found) > _SHOWN}


PANELS = [
    DashboardPanel("certificates/expiring_panel.html", _expiring, order=20),
    DashboardPanel("certificates/pending_panel.html", _pending, order=30),
]
