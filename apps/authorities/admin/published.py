"""Read-only admin pages of authority certificates and CRLs, decoded."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from apps.authorities import crl_contents
from apps.authorities.health import crl_badge
from apps.authorities.models import CRL, AuthorityCertificate, PkiUrl
from apps.errors import NotFound
from apps.site.display import admin_url, badge, link
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Detail, Section, details
from pki import bundles
from pki.describe import describe_certificate, describe_crl

_MAX_SHOWN = 1024 * 1024


@admin.register(AuthorityCertificate)
class AuthorityCertificateAdmin(ReadOnlyAdmin):
    """Certificates of authorities; linked from the authority's page."""

    list_display = ("serial_number", "authority", "not_before", "not_after", "is_current")
    list_filter = ("authority", "is_current")
    search_fields = ("authority__name__icontains",)
    serial_columns = ("serial_number",)
    digest_columns = ("fingerprint_sha256",)
    search_help_text = "Authority, serial number or fingerprint, in any spelling"
    list_select_related = ("authority",)
    ordering = ("-id",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Hide the list from the menu."""
        return False

    def sections(self, request: HttpRequest, obj: AuthorityCertificate) -> list[Section]:
        """Return the decoded certificate."""
        der = bytes(obj.der)
        return [
            details(
                "Belongs to",
                [
                    Detail("Authority", obj.authority, admin_url(obj.authority)),
                    Detail("Current", "yes" if obj.is_current else "no"),
                    *_revocation(obj),
                ],
            ),
            Section(
                "Certificate",
                "admin/includes/decoded.html",
                {"decoded": describe_certificate(der), "pem": bundles.to_pem([der])},
            ),
        ]


def _revocation(certificate: AuthorityCertificate) -> list[Detail]:
    if certificate.revoked_at is None:
        return []
    reason = Detail("Reason", certificate.revocation_reason)
    return [Detail("Revoked", certificate.revoked_at), reason]


@admin.register(CRL)
class CRLAdmin(ReadOnlyAdmin):
    """All published CRLs."""

    list_display = (
        "number_shown",
        "authority_link",
        "health",
        "this_update",
        "next_update",
        "entry_count",
    )
    list_display_links = ("number_shown",)
    list_filter = ("authority", "this_update")
    search_fields = ("authority__name__icontains", "number__exact")
    digest_columns = ("sha256",)
    search_help_text = "Authority, CRL number or SHA-256"
    list_select_related = ("authority",)
    ordering = ("-id",)
    empty_text = "No CRL has been published yet. Each active authority publishes one by itself."

    def get_queryset(self, request: HttpRequest) -> QuerySet[CRL]:
        """Annotate the number of the newest CRL."""
        same = CRL.objects.filter(authority_id=OuterRef("authority_id")).order_by("-number")
        newest = Subquery(same.values("number")[:1])
        return super().get_queryset(request).annotate(newest_number=newest)

    @admin.display(description="Number", ordering="number")
    def number_shown(self, crl: CRL) -> str:
        """Return the number."""
        return f"#{crl.number}"

    @admin.display(description="Authority", ordering="authority__name")
    def authority_link(self, crl: CRL) -> str:
        """Return a link to the issuer."""
        return link(crl.authority)

    @admin.display(description="Health")
    def health(self, crl: Any) -> str:
        """Return ``superseded``, or the freshness of the newest CRL."""
        return badge("superseded") if crl.number != crl.newest_number else crl_badge(crl)

    def sections(self, request: HttpRequest, obj: CRL) -> list[Section]:
        """Return the decoded CRL, if it is still kept and not too large for a page."""
        shown = [
            details(
                "Published",
                [
                    Detail("Authority", obj.authority, admin_url(obj.authority)),
                    Detail("Number", str(obj.number), mono=True),
                    Detail("Size", f"{obj.size} bytes"),
                    Detail("SHA-256", obj.sha256, mono=True),
                ],
            ),
        ]
        if obj.size > _MAX_SHOWN:
            return shown
        try:
            decoded = describe_crl(crl_contents.der_of(obj))
        except NotFound:
            return shown
        return [*shown, Section("CRL", "admin/includes/decoded.html", {"decoded": decoded})]


@admin.register(PkiUrl)
class PkiUrlAdmin(ReadOnlyAdmin):
    """Values of SEALWRIGHT_PKI_URL, and how long certificates need the earlier ones."""

    list_display = ("url", "is_current", "adopted_at", "replaced_at", "needed")
    ordering = ("-id",)
    empty_text = "The next start writes the URL down."

    @admin.display(description="Needed until")
    def needed(self, pki_url: PkiUrl) -> Any:
        """Return the end of the last certificate that carries it."""
        return pki_url.needed_until

    def sections(self, request: HttpRequest, obj: PkiUrl) -> list[Section]:
        """Return the period, and what carries the URL."""
        period = [
            Detail("In force since", obj.adopted_at),
            Detail("Replaced", obj.replaced_at),
            Detail("Needed until", obj.needed_until),
        ]
        carriers = [
            Detail(
                str(one["authority"]),
                f"{one['certificates']} certificates until {one['last_not_after']}",
            )
            for one in obj.carriers
        ]
        return [details("PKI URL", period), details("Carried by certificates of", carriers)]
