"""Admin pages of EAB keys."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from apps.enrollment.acme.admin import display, forms
from apps.enrollment.acme.admin.endpoints import secret_page
from apps.enrollment.acme.models import EabKey
from apps.enrollment.acme.services import eab, eab_keys, rights
from apps.principals import Principal
from apps.site.display import admin_url, link
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Confirmation, Detail, ObjectAction, Section, details

_Data = dict[str, Any]
_SHOWN_ACCOUNTS = 20


def _reveal(request: HttpRequest, principal: Principal, key: EabKey, _data: _Data) -> HttpResponse:
    return secret_page(request, key, eab_keys.reveal_eab_key(principal, key))


def _rotate(request: HttpRequest, principal: Principal, key: EabKey, _data: _Data) -> HttpResponse:
    return secret_page(request, key, eab_keys.rotate_eab_key(principal, key))


def _revoke(_: HttpRequest, principal: Principal, key: EabKey, data: _Data) -> str:
    eab_keys.revoke_eab_key(principal, key, accounts=data["accounts"])
    return f"Nobody registers with “{key}” any more."


def _no_admission(principal: Principal, key: EabKey) -> str:
    return rights.why_no_admission(principal, key.endpoint.pairing)


def _alive(key: EabKey) -> bool:
    return key.revoked_at is None


@admin.register(EabKey)
class EabKeyAdmin(ReadOnlyAdmin):
    """Keys are created on the page of their endpoint; here they are seen, rotated and revoked."""

    list_display = ("label", "kid", "endpoint_link", "state", "used_count", "expires_at")
    list_display_links = ("label",)
    list_filter = ("endpoint__pairing__application", "reusable", "expires_at")
    search_fields = ("name__icontains", "kid__exact")
    ordering = ("-id",)
    empty_text = "No EAB keys yet. They are created on the page of an ACME endpoint."
    object_actions: ClassVar = (
        ObjectAction(
            name="reveal",
            label="Show secret…",
            form=Confirmation,
            run=_reveal,
            intro="The secret is shown once.",
            available=lambda key: _alive(key) and key.revealed_at is None,
            refusal=_no_admission,
        ),
        ObjectAction(
            name="rotate",
            label="New secret…",
            form=Confirmation,
            run=_rotate,
            intro="The key gets another secret, shown once on the next page. Clients that have "
            "registered with the old one stay.",
            available=_alive,
            refusal=_no_admission,
        ),
        ObjectAction(
            name="revoke",
            label="Revoke…",
            form=forms.RevokeEabKeyForm,
            run=_revoke,
            danger=True,
            intro="No client can register with it any more. This cannot be undone.",
            available=_alive,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EabKey]:
        """Leave sealed secrets in the database: no page shows them."""
        return (
            super()
            .get_queryset(request)
            .defer("sealed_hmac_key")
            .select_related("endpoint__pairing__application", "endpoint__pairing__profile")
        )

    @admin.display(description="Key", ordering="name")
    def label(self, key: EabKey) -> str:
        """Return name or kid."""
        return str(key)

    @admin.display(description="Endpoint")
    def endpoint_link(self, key: EabKey) -> str:
        """Return where it is good."""
        return link(key.endpoint, key.endpoint.pairing)

    @admin.display
    def state(self, key: EabKey) -> str:
        """Return whether it lets clients in."""
        return display.status_badge(eab.state_of(key))

    def sections(self, request: HttpRequest, obj: EabKey) -> list[Section]:
        """Show its terms and the accounts made with it."""
        accounts = obj.accounts.order_by("-id")[:_SHOWN_ACCOUNTS]
        rows = [
            (link(row, row.url_id), display.status_badge(row.status), ", ".join(row.contacts))
            for row in accounts
        ]
        return [
            details(
                "EAB key",
                [
                    Detail("Kid", obj.kid, mono=True),
                    Detail("State", display.status_badge(eab.state_of(obj))),
                    Detail("Endpoint", obj.endpoint.pairing, admin_url(obj.endpoint)),
                    Detail("For accounts", "any number" if obj.reusable else "one"),
                    Detail("Used", str(obj.used_count)),
                    Detail("Last used", obj.last_used_at),
                    Detail("Expires", obj.expires_at or "never"),
                    Detail("Identifiers", obj.identifiers or "any", mono=bool(obj.identifiers)),
                    Detail("Networks", obj.networks or "any", mono=bool(obj.networks)),
                    Detail("Secret shown", obj.revealed_at or "not yet"),
                    Detail("Revoked", obj.revoked_at),
                    Detail("Created", f"{obj.created_at:%Y-%m-%d %H:%M} by {obj.created_by}"),
                ],
            ),
            display.table(
                "Newest accounts",
                ["Account", "Status", "Contacts"],
                rows,
                "Nobody has registered with it.",
            ),
        ]
