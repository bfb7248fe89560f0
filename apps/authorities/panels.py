"""Can the authorities do their work? State, certificate and CRL of each, for the front page."""

from typing import Any

from django.db.models import Max
from django.http import HttpRequest

from apps.authorities import selectors
from apps.authorities.health import crl_badge
from apps.authorities.models import CRL
from apps.registry import DashboardPanel
from apps.site.display import NOTHING, expiry_badge, state_badge


def _health(_: HttpRequest) -> dict[str, Any]:
    newest = CRL.objects.values("authority_id").annotate(newest=Max("id")).values("newest")
    crls = {crl.authority_id: crl for crl in CRL.objects.filter(pk__in=newest).defer("der")}
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


PANELS = [DashboardPanel("authorities/health_panel.html", _health, order=10)]
