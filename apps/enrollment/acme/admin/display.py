"""Badges, tables and sections that the admin pages of ACME share."""

from datetime import datetime
from typing import Any

from apps.enrollment.acme import limit_usage, selectors, wire
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge
from apps.site.display import badge, link
from apps.site.pages import Section, moment

_TONES = {
    "valid": "good",
    "usable": "good",
    "invalid": "bad",
    "revoked": "bad",
    "pending": "wait",
    "ready": "wait",
    "processing": "wait",
}


def status_badge(status: str) -> str:
    """Return the badge of an account, order, authorization, challenge or key."""
    return badge(status, _TONES.get(status, "quiet"))


def authorization_badge(row: AcmeAuthorization) -> str:
    """Return the badge of an authorization as it is at this moment."""
    return status_badge(wire.current_status(row))


def day(time: Any) -> str:
    """Return a time to the minute, in UTC; a dash for none."""
    return f"{time:%Y-%m-%d %H:%M}" if time else "\N{EN DASH}"


def table(title: str, head: list[str], rows: list[Any], empty: str) -> Section:
    """Return a section with a table."""
    return Section(title, "admin/includes/table.html", {"head": head, "rows": rows, "empty": empty})


def challenges(row: AcmeAuthorization, title: str = "") -> Section:
    """Return every challenge of an authorization with what each attempt did and saw."""
    found = [
        {
            "row": item,
            "badge": status_badge(item.status),
            "attempts": _attempts_shown(item),
        }
        for item in row.challenges.all()
    ]
    return Section(
        title or str(row),
        "enrollment/challenges.html",
        {"authorization": row, "badge": authorization_badge(row), "challenges": found},
    )


def attempts(row: AcmeChallenge) -> Section:
    """Return the attempts of one challenge."""
    return Section("Attempts", "enrollment/attempts.html", {"attempts": _attempts_shown(row)})


def _attempts_shown(row: AcmeChallenge) -> list[dict[str, Any]]:
    """Return the attempts with their times as pages show times."""
    return [one | {"at": moment(datetime.fromisoformat(one["at"]))} for one in row.attempts]


def failing(found: list[selectors.FailingClient]) -> Section:
    """Return the clients that fail, with the last reason."""
    rows = [
        (
            link(item.account, ", ".join(item.account.contacts) or item.account.url_id),
            item.failures,
            day(item.last_at),
            ", ".join(item.names[:3]) + (" …" if len(item.names) > 3 else ""),  # noqa: PLR2004 - three fit a line
            item.reason,
        )
        for item in found
    ]
    head = ["Client", "Failures", "Last", "Names", "Reason"]
    return table("Failing clients (7 days)", head, rows, "No validation has failed lately.")


def limits(found: list[limit_usage.LimitUse]) -> Section:
    """Return the rate limits of an endpoint with their highest use."""
    rows = [
        (
            use.name.replace("_", " ").capitalize(),
            str(use.limit or "no limit"),
            badge(str(use.used), "bad") if use.close else str(use.used),
            use.by,
        )
        for use in found
    ]
    head = ["Limit", "Allowed an hour", "Most in the last hour", "By"]
    return table("Limits", head, rows, "")
