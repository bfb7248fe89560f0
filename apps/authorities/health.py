"""Health of authorities on admin pages: freshness of their CRLs and the front page's panel."""

from typing import Any

from django.db.models import Max
from django.http import HttpRequest

from apps import clock
from apps.authorities import selectors
from apps.authorities.models import CRL
from apps.registry import DashboardPanel
from apps.site.display import NOTHING, badge, expiry_badge, state_badge, tone_of


def health_of(crl: CRL) -> str:
    """Return ``fresh``, ``due`` in the last fifth of its lifetime, or ``overdue``."""
    now = clock.now()
    if crl.next_update <= now:
        return "overdue"
    lifetime = crl.next_update - crl.this_update
    return "due" if crl.next_update - now < lifetime / 5 else "fresh"


def crl_badge(crl: CRL | None) -> str:
    """Return a coloured badge with the health of an authority's newest CRL."""
    if crl is None:
        return badge("none", "wait")
    word = health_of(crl)
    return badge(word, tone_of(word))


def _health(_: HttpRequest) -> dict[str, Any]:
    newest = CRL.objects.values("authority_id").annotate(newest=Max("id")).values("newest")
    crls = {crl.authority_id: crl for crl in CRL.objects.filter(pk__in=newest)}
    lines = []
    for authority in selectors.authorities():
        rows: Any = getattr(authority, "current_certificates")  # noqa: B009 - set by the selector's prefetch
        lines.append(
            {
                "authority": authority,
                "state": state_badge(authority),
                "expires": expiry_badge(rows[0].not_after) if rows else NOTHING,
                "crl": crl_badge(crls.get(authority.pk)) if rows else NOTHING,
            }
        )
    return {"lines": lines}


PANEL = DashboardPanel("authorities/health_panel.html", _health, order=10)
