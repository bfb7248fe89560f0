"""Admin pages of ACME orders, authorizations and challenges; they are read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.certificates.admin.notes import notes_section
from apps.enrollment.acme import selectors
from apps.enrollment.acme.admin import display
from apps.enrollment.acme.models import AcmeAuthorization, AcmeChallenge, AcmeOrder
from apps.site.display import admin_url, link
from apps.site.model_admin import ReadOnlyAdmin
from apps.site.pages import Detail, Section, details


@admin.register(AcmeOrder)
class AcmeOrderAdmin(ReadOnlyAdmin):
    """What clients ordered, and how far it is."""

    list_display = ("names", "status_shown", "where", "client", "reason", "created_at")
    list_display_links = ("names",)
    list_filter = ("status", "account__endpoint__pairing__application", "created_at")
    search_fields = ("url_id__exact", "account__url_id__exact")
    name_columns = ("authorizations__identifier_value",)
    search_help_text = "Name, order or account"
    ordering = ("-id",)
    sortable_by = ()
    empty_text = "No ACME client has ordered anything yet."

    def get_queryset(self, request: HttpRequest) -> QuerySet[AcmeOrder]:
        """Return the orders with account and endpoint."""
        return selectors.orders()

    @admin.display(description="Names")
    def names(self, order: AcmeOrder) -> str:
        """Return the first names."""
        return str(order)

    @admin.display(description="Status")
    def status_shown(self, order: AcmeOrder) -> str:
        """Return the status, coloured."""
        return display.status_badge(order.status)

    @admin.display(description="Endpoint")
    def where(self, order: AcmeOrder) -> str:
        """Return where it was made."""
        return link(order.account.endpoint, order.account.endpoint.pairing)

    @admin.display
    def client(self, order: AcmeOrder) -> str:
        """Return who ordered."""
        return link(order.account, ", ".join(order.account.contacts) or order.account.url_id)

    @admin.display(description="Error")
    def reason(self, order: AcmeOrder) -> str:
        """Return why it failed."""
        return selectors.reason_of(order)

    def sections(self, request: HttpRequest, obj: AcmeOrder) -> list[Section]:
        """Show its course, then each name with every attempt to prove it."""
        request_row, certificate = obj.certificate_request, obj.certificate
        account = obj.account
        course = details(
            "Order",
            [
                Detail("Status", display.status_badge(obj.status)),
                Detail("Names", [item["value"] for item in obj.identifiers]),
                Detail("Error", selectors.reason_of(obj)),
                Detail("Account", account, admin_url(account)),
                Detail("Endpoint", account.endpoint.pairing, admin_url(account.endpoint)),
                Detail("Request", request_row, admin_url(request_row) if request_row else ""),
                Detail("Certificate", certificate, admin_url(certificate) if certificate else ""),
                Detail("Replaces", obj.replaces, mono=True),
                Detail("Not before", obj.not_before),
                Detail("Not after", obj.not_after),
                Detail("Expires", obj.expires_at),
                Detail("Created", obj.created_at),
            ],
        )
        found = selectors.with_challenges(AcmeOrder.objects.filter(pk=obj.pk)).get()
        # What of the CSR was ignored or changed: clients see nothing of it, operators look here.
        noted = [notes_section(request_row)] if request_row is not None else []
        return [course, *noted, *[display.challenges(row) for row in found.authorizations.all()]]


@admin.register(AcmeAuthorization)
class AcmeAuthorizationAdmin(ReadOnlyAdmin):
    """What clients have proven, or failed to."""

    list_display = ("name", "status_shown", "account", "expires_at", "created_at")
    list_display_links = ("name",)
    list_filter = ("status", "wildcard")
    search_fields = ("url_id__exact", "account__url_id__exact")
    name_columns = ("identifier_value",)
    list_select_related = ("account",)
    ordering = ("-id",)
    sortable_by = ()
    empty_text = "No name has been asked for yet."

    @admin.display(description="Name")
    def name(self, row: AcmeAuthorization) -> str:
        """Return the identifier."""
        return str(row)

    @admin.display(description="Status")
    def status_shown(self, row: AcmeAuthorization) -> str:
        """Return the status, coloured."""
        return display.authorization_badge(row)

    def sections(self, request: HttpRequest, obj: AcmeAuthorization) -> list[Section]:
        """Show whose it is, its challenges, and the orders that count on it."""
        rows = [
            (link(row), display.status_badge(row.status), display.day(row.created_at))
            for row in obj.orders.order_by("-id")
        ]
        return [
            details(
                "Authorization",
                [
                    Detail("Identifier", f"{obj.identifier_type} {obj}"),
                    Detail("Status", display.authorization_badge(obj)),
                    Detail("Account", obj.account, admin_url(obj.account)),
                    Detail("Expires", obj.expires_at),
                    Detail("Created", obj.created_at),
                ],
            ),
            display.challenges(obj, "Challenges"),
            display.table("Orders", ["Order", "Status", "Created"], rows, "No order counts on it."),
        ]


@admin.register(AcmeChallenge)
class AcmeChallengeAdmin(ReadOnlyAdmin):
    """Every way of proving, with what each attempt saw."""

    list_display = ("name", "type", "status_shown", "attempt_count", "reason", "settled_at")
    list_display_links = ("name",)
    list_filter = ("status", "type", "settled_at")
    search_fields = ("url_id__exact",)
    name_columns = ("authorization__identifier_value",)
    list_select_related = ("authorization",)
    ordering = ("-id",)
    sortable_by = ()
    empty_text = "No challenge has been given out yet."

    @admin.display(description="Name")
    def name(self, row: AcmeChallenge) -> str:
        """Return the identifier."""
        return str(row.authorization)

    @admin.display(description="Status")
    def status_shown(self, row: AcmeChallenge) -> str:
        """Return the status, coloured."""
        return display.status_badge(row.status)

    @admin.display(description="Attempts")
    def attempt_count(self, row: AcmeChallenge) -> int:
        """Return how often it was tried."""
        return len(row.attempts)

    @admin.display(description="Error")
    def reason(self, row: AcmeChallenge) -> str:
        """Return what the client is told."""
        return selectors.reason_of(row)

    def trail_of(self, obj: Any) -> dict[str, str]:
        """Return the story of the authorization, to which the log writes."""
        label = AcmeAuthorization._meta.label_lower  # noqa: SLF001 - Django's documented Meta API
        return {"subject_type": label, "subject_id": str(obj.authorization_id)}

    def sections(self, request: HttpRequest, obj: AcmeChallenge) -> list[Section]:
        """Show its course and its attempts."""
        return [
            details(
                "Challenge",
                [
                    Detail("Type", obj.type),
                    Detail("Status", display.status_badge(obj.status)),
                    Detail("Authorization", obj.authorization, admin_url(obj.authorization)),
                    Detail("Token", obj.token, mono=True),
                    Detail("Error", selectors.reason_of(obj)),
                    Detail("First tried", obj.started_at),
                    Detail("Settled", obj.settled_at),
                ],
            ),
            display.attempts(obj),
        ]
