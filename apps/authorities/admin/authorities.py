"""Admin pages of authorities: list, creation, details, actions and downloads."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from apps.authorities import ca_revocation, selectors, services, signing
from apps.authorities.admin import forms
from apps.authorities.admin.actions import OBJECT_ACTIONS, has_certificate, is_offline_signed
from apps.authorities.health import crl_badge
from apps.authorities.models import Authority, AuthorityCertificate, AuthorityKind
from apps.errors import SealwrightError
from apps.principals import Principal
from apps.site.display import NOTHING, admin_url, badge, expiry_badge, link, state_badge
from apps.site.forms import ServiceForm
from apps.site.model_admin import GovernedAdmin
from apps.site.pages import Detail, Download, Section, details
from apps.site.principal import principal_of_user
from pki import bundles, names
from pki.describe import describe_certificate

_Data = dict[str, Any]
_PUBLIC_FILES = {
    "certificate-pem": "PEM",
    "certificate": "DER",
    "chain-pem": "Chain",
    "chain-p7b": "P7B",
    "crl": "CRL",
}


@admin.register(Authority)
class AuthorityAdmin(GovernedAdmin):
    """The certificate authorities that Sealwright runs."""

    add_form = forms.RootForm
    edit_form = forms.PublicationForm
    removable = True
    remove_note = (
        "The private key is destroyed with it. An authority that has issued, or that profiles or "
        "other authorities use, cannot be deleted; disable it instead."
    )
    list_display = (
        "name",
        "kind",
        "state_shown",
        "algorithm",
        "parent_link",
        "expires",
        "crl_health",
    )
    list_filter = ("state", "kind", "key__algorithm")
    search_fields = ("name__icontains",)
    serial_columns = ("certificates__serial_number",)
    digest_columns = ("certificates__fingerprint_sha256",)
    search_help_text = "Name, or serial number or fingerprint of a certificate"
    ordering = ("name",)
    empty_text = "No authorities yet. Start with a root, then put an issuing intermediate under it."
    object_actions = OBJECT_ACTIONS

    def get_urls(self) -> list[URLPattern]:
        """Add the URL of the CSR download."""
        return [self._route("<str:object_id>/csr/", "csr", self.csr_view), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Authority]:
        """Return the authorities with key, parent and current certificate."""
        return selectors.authorities()

    @admin.display(description="State", ordering="state")
    def state_shown(self, authority: Authority) -> str:
        """Return a coloured badge with the state."""
        return state_badge(authority)

    @admin.display(description="Key", ordering="key__algorithm")
    def algorithm(self, authority: Authority) -> str:
        """Return the name of the key algorithm."""
        return str(authority.key.get_algorithm_display())

    @admin.display(description="Parent", ordering="parent__name")
    def parent_link(self, authority: Authority) -> str:
        """Return a link to the parent."""
        return link(authority.parent)

    @admin.display(description="Expires in")
    def expires(self, authority: Any) -> str:
        """Return how long its certificate is still valid."""
        rows = authority.current_certificates
        return expiry_badge(rows[0].not_after) if rows else NOTHING

    @admin.display(description="CRL")
    def crl_health(self, authority: Authority) -> str:
        """Return whether its CRL is current."""
        return crl_badge(selectors.latest_crl(authority.pk))

    def form_for_add(self, request: HttpRequest) -> type[ServiceForm]:
        """Return the form of the chosen tab: root or intermediate."""
        return forms.IntermediateForm if _wants_intermediate(request) else forms.RootForm

    def add_context(self, request: HttpRequest) -> _Data:
        """Return the two kinds as tabs."""
        chosen = _wants_intermediate(request)
        tabs = [
            {"label": "Root", "href": "?kind=root", "current": not chosen},
            {"label": "Intermediate", "href": "?kind=intermediate", "current": chosen},
        ]
        return {"tabs": tabs, "tabs_label": "Kind"}

    def create(self, request: HttpRequest, principal: Principal, data: _Data) -> Authority:
        """Create an authority of the chosen kind."""
        kind = AuthorityKind.INTERMEDIATE if _wants_intermediate(request) else AuthorityKind.ROOT
        return services.create_authority(principal, forms.spec_of(data, kind))

    def update(
        self, request: HttpRequest, principal: Principal, obj: Authority, data: _Data
    ) -> None:
        """Change how CRLs and OCSP are published."""
        services.update_authority(principal, obj, **data)

    def remove(self, principal: Principal, obj: Authority) -> None:
        """Delete an authority that nothing depends on."""
        services.delete_authority(principal, obj)

    def downloads(self, obj: Authority) -> list[Download]:
        """Return the CSR of an offline-signed authority; certificate, chain and CRL once there are any."""
        csr = f"{admin_url(obj, 'change').removesuffix('change/')}csr/"
        shown = [Download("CSR", csr)] if is_offline_signed(obj) else []
        if not has_certificate(obj):
            return shown
        return shown + [
            Download(label, reverse(f"authorities:{name}", args=[obj.name]))
            for name, label in _PUBLIC_FILES.items()
        ]

    def csr_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Serve the CSR of an authority that an offline CA certifies."""
        obj = self._object_or_404(request, object_id)
        try:
            content = services.authority_csr(principal_of_user(request), obj)
        except SealwrightError as error:
            return self.refuse_file(request, obj, error)
        response = HttpResponse(content, content_type="application/pkcs10")
        response.headers["Content-Disposition"] = f'attachment; filename="{obj.name}.csr"'
        return response

    def sections(self, request: HttpRequest, obj: Authority) -> list[Section]:
        """Return its facts, its certificates over time, its CRLs and the decoded current certificate."""
        current = selectors.current_certificate(obj.pk)
        shown = [
            *_after_revocation(obj),
            details("Authority", _details(obj, current)),
            _certificates(obj),
            _below(obj),
            _crls(obj),
        ]
        if current is None:
            return shown
        der = bytes(current.der)
        decoded = {"decoded": describe_certificate(der), "pem": bundles.to_pem([der])}
        return [*shown, Section("Certificate", "admin/includes/decoded.html", decoded)]


def _wants_intermediate(request: HttpRequest) -> bool:
    return request.GET.get("kind") == AuthorityKind.INTERMEDIATE


def _details(authority: Authority, current: Any) -> list[Detail]:
    urls = signing.publication_of(authority)
    constraints = authority.name_constraints or {}
    path = authority.path_length
    return [
        Detail("Kind", authority.get_kind_display()),
        Detail("State", state_badge(authority)),
        Detail("Subject", names.rfc4514([(kind, value) for kind, value in authority.subject])),
        Detail("Key", authority.key.get_algorithm_display()),
        Detail("Key backend", authority.key.backend),
        Detail("SPKI SHA-256", authority.key.spki_sha256, mono=True),
        Detail("Parent", authority.parent, admin_url(authority.parent) if authority.parent else ""),
        Detail("Path length", "no limit" if path is None else str(path)),
        Detail("Permitted names", [": ".join(pair) for pair in constraints.get("permitted", [])]),
        Detail("Excluded names", [": ".join(pair) for pair in constraints.get("excluded", [])]),
        Detail("Expires", current.not_after if current else "no certificate yet"),
        Detail("CRL URLs", list(urls.crl_urls), mono=True),
        Detail("OCSP", list(urls.ocsp_urls), mono=True),
        Detail("CA certificate", list(urls.ca_issuers_urls), mono=True),
        Detail("Created", authority.created_at),
    ]


def _after_revocation(authority: Authority) -> list[Section]:
    """Return what happened and what is left to do, for a revoked authority."""
    found = ca_revocation.aftermath(authority)
    if found is None:
        return []
    listed = f"{reverse('admin:certificates_certificate_changelist')}?authority__id__exact={authority.pk}"
    lines = [
        Detail("Revoked", found.revoked_at),
        Detail("Reason", found.reason.value),
        Detail("Certificates in force below", str(found.certificates_in_force), listed),
        *(Detail(f"Step {number}", step) for number, step in enumerate(found.next_steps, start=1)),
    ]
    return [details("What to do after the revocation", lines)]


def _below(authority: Authority) -> Section:
    rows = [
        (link(one), state_badge(one), link(one.parent)) for one in selectors.descendants(authority)
    ]
    return Section(
        "Authorities below",
        "admin/includes/table.html",
        {"head": ["Name", "State", "Parent"], "rows": rows, "empty": "None."},
    )


def _certificates(authority: Authority) -> Section:
    rows = [
        (
            link(row, row.serial_number),
            _certificate_state(row),
            f"{row.not_before:%Y-%m-%d}",
            f"{row.not_after:%Y-%m-%d}",
        )
        for row in authority.certificates.order_by("-id")
    ]
    head = ["Serial number", "State", "Not before", "Not after"]
    empty = "No certificate yet. Download the CSR, have it signed, and install the answer."
    return Section(
        "Certificates", "admin/includes/table.html", {"head": head, "rows": rows, "empty": empty}
    )


def _certificate_state(row: AuthorityCertificate) -> str:
    if row.revoked_at is not None:
        return badge(f"revoked: {row.revocation_reason}", "bad")
    return badge("current", "good") if row.is_current else badge("earlier")


def _crls(authority: Authority) -> Section:
    newest = authority.crls.order_by("-number")[:5]
    rows = [
        (
            link(crl, f"#{crl.number}"),
            f"{crl.this_update:%Y-%m-%d %H:%M}",
            f"{crl.next_update:%Y-%m-%d %H:%M}",
            str(crl.entry_count),
        )
        for crl in newest
    ]
    head = ["Number", "This update", "Next update", "Entries"]
    return Section(
        "Newest CRLs",
        "admin/includes/table.html",
        {"head": head, "rows": rows, "empty": "No CRL has been published yet."},
    )
