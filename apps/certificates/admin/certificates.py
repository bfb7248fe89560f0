"""Admin pages of the inventory of certificates."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.safestring import SafeString

from apps import clock
from apps.certificates import export
from apps.certificates.admin.actions import OBJECT_ACTIONS, RevokeForm, keeps_key, revoke
from apps.certificates.admin.notes import notes_section
from apps.certificates.export import ExportFormat
from apps.certificates.models import Certificate, CertificateState
from apps.errors import SealwrightError
from apps.site.display import (
    NOTHING,
    admin_url,
    badge,
    expiry_badge,
    link,
    state_badge,
    tone_of,
)
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Detail, Download, Section, details
from apps.site.principal import principal_of_user
from pki import bundles
from pki.describe import describe_certificate

_FILES = {
    ExportFormat.PEM: "PEM",
    ExportFormat.DER: "DER",
    ExportFormat.CHAIN: "Chain",
    ExportFormat.FULL_CHAIN: "Full chain",
    ExportFormat.P7B: "P7B",
}


class ExpiryFilter(admin.SimpleListFilter):
    """What expires soon."""

    title = "expiry"
    parameter_name = "expires"
    _days: ClassVar = {"7": 7, "30": 30, "90": 90}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(key, f"Within {days} days") for key, days in self._days.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Certificate]) -> Any:
        """Narrow the list to active certificates that end within the span."""
        days = self._days.get(self.value() or "")
        if days is None:
            return queryset
        now = clock.now()
        return queryset.filter(
            state=CertificateState.ACTIVE, not_after__range=(now, now + timedelta(days=days))
        )


class StateFilter(admin.SimpleListFilter):
    """What the certificate is now."""

    title = "state"
    parameter_name = "state__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [(state.value, str(state.label)) for state in CertificateState]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Narrow the list to certificates in the state chosen."""
        if self.value() not in CertificateState.values:
            return queryset
        return queryset.in_state(self.value())


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin):
    """Read-only admin of certificates; actions call the services."""

    list_display = (
        "name",
        "state_shown",
        "expires",
        "application",
        "profile",
        "not_after",
    )
    list_display_links = ("name",)
    list_filter = (
        StateFilter,
        ExpiryFilter,
        "source",
        "application",
        "profile",
        "authority",
        "key_algorithm",
    )
    serial_columns = ("serial_number",)
    digest_columns = ("fingerprint_sha256", "spki_sha256")
    name_columns = ("search_text",)
    search_fields = ("id__exact",)
    search_help_text = "Names, serial number or fingerprint, in any spelling"
    sortable_by = ("expires", "not_after")
    list_select_related = ("application", "profile")
    ordering = ("-id",)
    actions: Any = ("revoke_chosen",)
    empty_text = (
        "No certificates yet. They appear here once an application has a profile and asks for one."
    )
    object_actions = OBJECT_ACTIONS

    def get_urls(self) -> list[URLPattern]:
        """Add files to download."""
        return [
            self._route("<str:object_id>/download/<str:name>/", "download", self.download_view),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Certificate]:
        """Leave sealed keys in the database: no page shows them."""
        return super().get_queryset(request).defer("sealed_private_key")

    @admin.display(description="Name")
    def name(self, certificate: Certificate) -> str:
        """Return how people know it."""
        return str(certificate)

    @admin.display(description="State")
    def state_shown(self, certificate: Certificate) -> str:
        """Return the state, coloured."""
        return _state(certificate)

    @admin.display(description="Expires in", ordering="not_after")
    def expires(self, certificate: Certificate) -> str:
        """Return how long it lasts; nothing for what is revoked."""
        return _time_left(certificate)

    def downloads(self, obj: Certificate) -> list[Download]:
        """Offer the forms without a key."""
        base = admin_url(obj, "change").removesuffix("change/")
        return [Download(label, f"{base}download/{form.value}/") for form, label in _FILES.items()]

    def download_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Serve one of the forms; the audit log remembers it."""
        obj = self._object_or_404(request, object_id)
        if name not in {form.value for form in _FILES}:
            raise Http404("No such form.")
        try:
            file = export.export_public(principal_of_user(request), obj, ExportFormat(name))
        except SealwrightError as error:
            return self.refuse_file(request, obj, error)
        response = HttpResponse(file.content, content_type=file.content_type)
        response.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
        return response

    @admin.action(description="Revoke chosen certificates…", permissions=["view"])
    def revoke_chosen(
        self, request: HttpRequest, chosen: QuerySet[Certificate]
    ) -> HttpResponse | None:
        """Ask for the reason once, then revoke one by one: a refusal does not hide the others."""
        confirmed = "confirmed" in request.POST
        form = RevokeForm(request.POST if confirmed else None)
        if not (confirmed and form.is_valid()):
            keys = [("_selected_action", str(row.pk)) for row in chosen]
            return self._page(
                request,
                "admin/form_page.html",
                title=f"Revoke certificates: {len(keys)} chosen",
                form=form,
                intro="This cannot be undone. Each is revoked for the same reason.",
                danger=True,
                submit_label="Revoke",
                cancel_url=self._list_url(),
                chosen=list(chosen),
                hidden_values=[("action", "revoke_chosen"), ("confirmed", "yes"), *keys],
            )
        done = 0
        for certificate in chosen:
            try:
                revoke(request, principal_of_user(request), certificate, form.cleaned_data)
                done += 1
            except SealwrightError as error:
                self.message_user(
                    request, f"Not revoked: {certificate}. {error.detail}", messages.ERROR
                )
        if done:
            self.message_user(request, f"Revoked: {done} of {len(chosen)}.", messages.SUCCESS)
        return None

    def sections(self, request: HttpRequest, obj: Certificate) -> list[Section]:
        """Show its life here, who stands above it, and what it says."""
        der = bytes(obj.der)
        decoded = {"decoded": describe_certificate(der), "pem": bundles.to_pem([der])}
        return [
            details("In Sealwright", _details(obj)),
            _chain(obj),
            *(
                [notes_section(obj.request)]
                if obj.request is not None and obj.request.notes
                else []
            ),
            Section("Decoded", "admin/includes/decoded.html", decoded),
        ]


def _details(certificate: Certificate) -> list[Detail]:
    def to(label: str, other: Any) -> Detail:
        return Detail(label, other, admin_url(other) if other is not None else "")

    successor = Certificate.objects.filter(replaces=certificate).first()
    version = certificate.policy_version
    lines = [
        Detail("State", _state(certificate)),
        Detail("Expires in", _time_left(certificate)),
        to("Application", certificate.application),
        to("Profile", certificate.profile),
        to("Policy version", version),
        to("Authority", certificate.authority),
        to("Request", certificate.request),
        to("Replaces", certificate.replaces),
        to("Replaced by", successor),
        Detail("Came from", certificate.get_source_display()),
        Detail("Names", [f"{kind}: {value}" for kind, value in certificate.subject_alt_names]),
        Detail("Private key", "kept here, sealed" if keeps_key(certificate) else "not kept here"),
    ]
    if certificate.revoked_at is not None:
        lines.append(Detail("Revoked", f"{certificate.revoked_at:%Y-%m-%d %H:%M:%S} UTC"))
        lines.append(Detail("Reason", certificate.revocation_reason))
    return lines


def _state(certificate: Certificate) -> SafeString:
    state = certificate.current_state
    return badge(state.label, tone_of(state))


def _time_left(certificate: Certificate) -> str:
    if certificate.state == CertificateState.REVOKED:
        return NOTHING
    return expiry_badge(certificate.not_after)


def _chain(certificate: Certificate) -> Section:
    rows = []
    current = certificate.issuer_certificate
    if current is not None:
        authority: Any = current.authority
        while authority is not None:
            rows.append((link(authority), authority.get_kind_display(), state_badge(authority)))
            authority = authority.parent
    head = ["Authority", "Kind", "State"]
    empty = "It was not issued by an authority here."
    return Section(
        "Chain", "admin/includes/table.html", {"head": head, "rows": rows, "empty": empty}
    )
