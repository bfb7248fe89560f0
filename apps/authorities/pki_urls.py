"""Change of the PKI URL, which certificates carry for CRL, OCSP and issuer, and what it means.

The setting decides what new certificates carry. A start writes down each value that it has had,
because certificates already issued keep the one they were issued with: it must lead here until
the last of them has expired.
"""

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.http import HttpRequest

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities.models import AuthorityCertificate, AuthorityState, IssuedSerial, PkiUrl
from apps.principals import Principal
from apps.registry import DashboardPanel

Carrier = dict[str, Any]
# Processes that were started before the change may issue with the old value for a while.
_OVERLAP = timedelta(hours=1)


def adopt(principal: Principal) -> PkiUrl | None:
    """Write down that the setting has another value than before.

    Returns:
        The former value with the certificates that carry it; ``None`` if nothing has changed.

    Raises:
        AccessDenied: not a product administrator.
    """
    principal.require_governance()
    url = settings.SEALWRIGHT["PKI_URL"]
    try:
        with transaction.atomic():
            current = PkiUrl.objects.select_for_update().filter(is_current=True).first()
            if current is None:
                current = _carried_by_authorities(url)
            if current is None or current.url == url:
                if current is None:
                    PkiUrl.objects.create(url=url)
                return None
            current.carriers = carriers_since(current.adopted_at)
            current.is_current, current.replaced_at = False, clock.now()
            current.save()
            new = PkiUrl.objects.create(url=url)
            record(
                Event.PKI_URL_CHANGED,
                principal=principal,
                subject=new,
                old=current.url,
                new=url,
                carriers=current.carriers,
            )
            return current
    except IntegrityError:  # another host has just written it down
        return None


def carriers_since(adopted_at: datetime) -> list[Carrier]:
    """Count unexpired certificates by issuer that were issued since a URL came into force.

    Certificates of authorities and OCSP responders are among them.
    """
    rows = (
        IssuedSerial.objects.filter(
            created_at__gte=adopted_at - _OVERLAP, not_after__gt=clock.now()
        )
        .values("authority__name")
        .annotate(certificates=Count("id"), last=Max("not_after"))
        .order_by("authority__name")
    )
    return [
        {
            "authority": row["authority__name"],
            "certificates": row["certificates"],
            "last_not_after": row["last"].isoformat(),
        }
        for row in rows
    ]


def former_in_use() -> list[PkiUrl]:
    """Return former URLs that unexpired certificates carry, the newest first."""
    url, now = settings.SEALWRIGHT["PKI_URL"], clock.now()
    rows = PkiUrl.objects.filter(is_current=False).exclude(url=url)
    return [row for row in rows if (row.needed_until or now) > now]


def authorities_with(url: str) -> list[str]:
    """Return the authorities whose own certificate carries a URL; renewing them replaces it.

    Only those that can be renewed: a disabled or revoked authority keeps the certificate it has.
    """
    rows = (
        AuthorityCertificate.objects.filter(is_current=True)
        .exclude(authority__state__in=[AuthorityState.DISABLED, AuthorityState.REVOKED])
        .select_related("authority")
    )
    # A URI is an IA5String, which DER holds octet by octet.
    carried = [row for row in rows if f"{url}/".encode() in bytes(row.der)]
    return sorted(row.authority.name for row in carried)


def account(pki_url: PkiUrl) -> str:
    """Return in plain words what a former URL still means."""
    count = sum(one["certificates"] for one in pki_url.carriers)
    until = pki_url.needed_until
    if until is None:
        return f"No valid certificate carries {pki_url.url}: nothing needs it any more."
    text = (
        f"{count} valid certificates carry {pki_url.url}: it must lead to this installation until "
        f"{until:%Y-%m-%d %H:%M} UTC, or relying parties find neither CRL nor OCSP of them."
    )
    names = authorities_with(pki_url.url)
    if names:
        text += f" Renew the certificates of these authorities early: {', '.join(names)}."
    return text


def readiness() -> str:
    """Return one line for ``/readyz`` if this process issues with another URL than the others."""
    recorded = PkiUrl.objects.filter(is_current=True).values_list("url", flat=True).first()
    if recorded in {None, settings.SEALWRIGHT["PKI_URL"]}:
        return ""
    return "This process has another SEALWRIGHT_PKI_URL than the one that was started last."


def _carried_by_authorities(url: str) -> PkiUrl | None:
    """Return what an installation from before this record has used, from its newest certificate."""
    rows = AuthorityCertificate.objects.filter(authority__parent__isnull=False)
    newest = rows.order_by("-id").first()
    carried = _url_in(bytes(newest.der)) if newest else ""
    if not carried or carried == url:
        return None
    first = IssuedSerial.objects.order_by("id").values_list("created_at", flat=True).first()
    return PkiUrl.objects.create(url=carried, adopted_at=first or clock.now())


def _url_in(der: bytes) -> str:
    """Return the PKI URL that a certificate of ours carries; empty for another certificate."""
    certificate = x509.load_der_x509_certificate(der)
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    for one in access.value:
        if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS:
            base, found, _ = str(one.access_location.value).partition("/pki/")
            return base if found else ""
    return ""


def _panel(_: HttpRequest) -> dict[str, Any]:
    return {"accounts": [account(row) for row in former_in_use()]}


PANEL = DashboardPanel("authorities/pki_urls_panel.html", _panel, order=12)
