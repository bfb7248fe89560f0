"""Admin pages of ACME endpoints."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from apps.enrollment import trust_anchor
from apps.enrollment.acme import limit_usage, selectors, snippets
from apps.enrollment.acme.admin import display, forms
from apps.enrollment.acme.models import AcmeEndpoint, EabKey
from apps.enrollment.acme.services import eab, eab_keys, rights
from apps.enrollment.acme.services import endpoints as services
from apps.principals import Principal
from apps.registry import Snippet
from apps.site.display import admin_url, badge, link
from apps.site.model_admin import GovernedAdmin
from apps.site.pages import Detail, ObjectAction, Section, details

_Data = dict[str, Any]


def texts(endpoint: AcmeEndpoint, **known: Any) -> tuple[Snippet, ...]:
    """Return what to paste into clients of an endpoint, filled in as far as ``known``."""
    return snippets.snippets(
        snippets.Setting(
            directory_url=selectors.directory_url(endpoint),
            eab=endpoint.require_eab,
            ca_pem=trust_anchor.root_pem(),
            **known,
        )
    )


def secret_page(request: HttpRequest, key: EabKey, secret: str) -> HttpResponse:
    """Return the page with a key's secret: a redirect would need to store the secret."""
    context = admin.site.each_context(request) | {
        "title": "The EAB key",
        "opts": EabKey._meta,  # noqa: SLF001 - Django's documented Meta API
        "original": key,
        "object_url": admin_url(key),
        "kid": key.kid,
        "secret": secret,
        "snippets": texts(key.endpoint, kid=key.kid, hmac_key=secret),
    }
    return TemplateResponse(request, "enrollment/eab_secret.html", context)


def _create_key(
    request: HttpRequest, principal: Principal, endpoint: AcmeEndpoint, data: _Data
) -> HttpResponse:
    key = eab_keys.create_eab_key(principal, endpoint, **data)
    return secret_page(request, key, eab_keys.reveal_eab_key(principal, key))


@admin.register(AcmeEndpoint)
class AcmeEndpointAdmin(GovernedAdmin):
    """ACME endpoints of application-profile pairs."""

    add_form = forms.NewEndpointForm
    edit_form = forms.SettingsForm
    list_display = ("pair", "open", "require_eab", "validates", "accounts", "created_at")
    list_display_links = ("pair",)
    list_filter = ("enabled", "pairing__application", "pairing__profile")
    search_fields = ("pairing__application__name__icontains", "pairing__profile__name__icontains")
    ordering = ("pairing__application__name", "pairing__profile__name")
    empty_text = (
        "No ACME endpoints yet. An endpoint lets certbot, Caddy, cert-manager and others "
        "get certificates of one application and profile."
    )
    object_actions: ClassVar = (
        ObjectAction(
            name="create-eab-key",
            label="Create EAB key…",
            form=forms.NewEabKeyForm,
            run=_create_key,
            intro="A client registers with it. Its secret is shown once, on the next page.",
            refusal=lambda principal, endpoint: rights.why_no_admission(
                principal, endpoint.pairing
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AcmeEndpoint]:
        """Return the endpoints with their pairs and the number of accounts."""
        return (
            super()
            .get_queryset(request)
            .select_related("pairing__application", "pairing__profile")
            .annotate(account_count=Count("accounts", distinct=True))
        )

    @admin.display(description="Application and profile", ordering="pairing__application__name")
    def pair(self, endpoint: AcmeEndpoint) -> str:
        """Return the pair."""
        return str(endpoint.pairing)

    @admin.display(description="State", ordering="enabled")
    def open(self, endpoint: AcmeEndpoint) -> str:
        """Return whether clients are served."""
        return badge("open", "good") if endpoint.enabled else badge("closed")

    @admin.display(boolean=True, description="Validation", ordering="skip_validation")
    def validates(self, endpoint: AcmeEndpoint) -> bool:
        """Tell whether every name must be proven."""
        return not endpoint.skip_validation

    @admin.display(ordering="account_count")
    def accounts(self, endpoint: Any) -> int:
        """Return how many clients have registered."""
        return int(endpoint.account_count)

    def create(self, request: HttpRequest, principal: Principal, data: _Data) -> AcmeEndpoint:
        """Set ACME up for a pair."""
        settings = {name: value for name, value in data.items() if name != "pairing"}
        return services.enable_acme(principal, data["pairing"], **settings)

    def update(
        self, request: HttpRequest, principal: Principal, obj: AcmeEndpoint, data: _Data
    ) -> None:
        """Change settings."""
        services.update_acme(principal, obj, **data)

    def title_of(self, obj: AcmeEndpoint) -> str:
        """Return the pair."""
        return str(obj.pairing)

    def sections(self, request: HttpRequest, obj: AcmeEndpoint) -> list[Section]:
        """Show address, failing clients, limits, EAB keys and client snippets."""
        pairing = obj.pairing
        return [
            details(
                "Endpoint",
                [
                    Detail("Directory", selectors.directory_url(obj), mono=True),
                    Detail("Application", pairing.application, admin_url(pairing.application)),
                    Detail("Profile", pairing.profile, admin_url(pairing.profile)),
                    Detail("Approval", "required" if pairing.requires_approval else "not required"),
                    Detail("Created", obj.created_at),
                ],
            ),
            display.failing(selectors.failing_clients(endpoint=obj)),
            display.limits(limit_usage.usage(obj)),
            _keys(obj),
            Section("Clients", "enrollment/snippets.html", {"snippets": texts(obj)}),
        ]


def _keys(endpoint: AcmeEndpoint) -> Section:
    rows = [
        (
            link(key),
            display.status_badge(eab.state_of(key)),
            "any number" if key.reusable else "one",
            str(key.used_count),
            display.day(key.last_used_at),
            display.day(key.expires_at),
        )
        for key in endpoint.eab_keys.defer("sealed_hmac_key")
    ]
    head = ["Key", "State", "For accounts", "Used", "Last used", "Expires"]
    return display.table("EAB keys", head, rows, "No key yet: without one no client can register.")
