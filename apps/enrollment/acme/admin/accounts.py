"""Admin pages of ACME accounts."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.enrollment.acme import selectors
from apps.enrollment.acme.admin import display
from apps.enrollment.acme.models import AcmeAccount
from apps.enrollment.acme.services import account_revocation
from apps.enrollment.acme.states import AccountStatus
from apps.principals import Principal
from apps.site.display import admin_url, link
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Confirmation, Detail, ObjectAction, Section, details

_NEWEST = 20


def _revoke(_: HttpRequest, principal: Principal, account: AcmeAccount, _data: Any) -> str:
    account_revocation.revoke_account(principal, account)
    return f"{account} is revoked."


class _Failing(admin.SimpleListFilter):
    """Narrows to clients that fail."""

    title = "failing"
    parameter_name = "failing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "failed within 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(selectors.has_failed()) if self.value() == "yes" else queryset


@admin.register(AcmeAccount)
class AcmeAccountAdmin(ReadOnlyAdmin):
    """Accounts register themselves; this page shows and revokes them."""

    list_display = (
        "client",
        "status_shown",
        "where",
        "order_count",
        "failure_count",
        "created_ip",
        "created_at",
    )
    list_display_links = ("client",)
    list_filter = (_Failing, "status", "endpoint__pairing__application")
    search_fields = (
        "url_id__exact",
        "thumbprint__exact",
        "eab_key__kid__exact",
        "eab_key__name__icontains",
    )
    search_help_text = "Account, thumbprint of its key, or EAB key"
    ordering = ("-id",)
    sortable_by = ()
    empty_text = "No ACME client has registered yet."
    object_actions: ClassVar = (
        ObjectAction(
            name="revoke",
            label="Revoke…",
            form=Confirmation,
            run=_revoke,
            danger=True,
            intro="The account can make no further requests; its certificates stay valid. "
            "This cannot be undone.",
            available=lambda account: account.status == AccountStatus.VALID,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AcmeAccount]:
        """Return the accounts with counts of orders and recent failures."""
        return selectors.accounts()

    @admin.display(description="Client")
    def client(self, account: AcmeAccount) -> str:
        """Return contacts, or the account's identifier."""
        return ", ".join(account.contacts) or account.url_id

    @admin.display(description="Status")
    def status_shown(self, account: AcmeAccount) -> str:
        """Return the status, coloured."""
        return display.status_badge(account.status)

    @admin.display(description="Endpoint")
    def where(self, account: AcmeAccount) -> str:
        """Return where it registered."""
        return link(account.endpoint, account.endpoint.pairing)

    @admin.display(description="Orders")
    def order_count(self, account: Any) -> int:
        """Return how many orders it made."""
        return int(account.order_count)

    @admin.display(description="Failures")
    def failure_count(self, account: Any) -> int:
        """Return how many of its validations failed within a week."""
        return int(account.failure_count)

    def sections(self, request: HttpRequest, obj: AcmeAccount) -> list[Section]:
        """Show what is known of the client and its newest orders."""
        rows = [
            (
                link(row),
                display.status_badge(row.status),
                display.day(row.created_at),
                selectors.reason_of(row),
            )
            for row in obj.orders.order_by("-id")[:_NEWEST]
        ]
        key = obj.eab_key
        return [
            details(
                "Account",
                [
                    Detail("Account", obj.url_id, mono=True),
                    Detail("Status", display.status_badge(obj.status)),
                    Detail("Endpoint", obj.endpoint.pairing, admin_url(obj.endpoint)),
                    Detail("Contacts", obj.contacts),
                    Detail("EAB key", key, admin_url(key) if key else ""),
                    Detail("Key thumbprint", obj.thumbprint, mono=True),
                    Detail("Registered from", obj.created_ip),
                    Detail("Created", obj.created_at),
                ],
            ),
            display.table(
                "Newest orders", ["Names", "Status", "Created", "Error"], rows, "No orders yet."
            ),
        ]
