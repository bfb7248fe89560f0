"""Admin site of Sealwright, open to product administrators only."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps as installed
from django.contrib.admin import AdminSite
from django.db.models.base import ModelBase
from django.http import HttpRequest
from django.template.response import TemplateResponse

from apps import registry
from apps.principals import ProductRole
from apps.site.login import LoginForm

# Groups are listed with accounts: the heading of Django's own app means nothing to users.
_SHOWN_UNDER = {"auth": "accounts"}


class SealwrightAdminSite(AdminSite):
    """Admin pages of the security team; panels on the front page come from the registry."""

    site_header = "Sealwright"
    site_title = "Sealwright"
    index_title = "Certificates at a glance"
    index_template = "admin/dashboard.html"
    login_form = LoginForm
    enable_nav_sidebar = True
    site_url = None

    def register(
        self,
        model_or_iterable: ModelBase | Iterable[ModelBase],
        admin_class: Any = None,
        **options: Any,
    ) -> None:
        """Register an admin class only if it writes through services.

        Classes of third-party packages are ignored: they would change rows directly, without
        authorisation and audit.
        """
        from apps.site.model_admin import GovernedAdmin

        if admin_class is not None and issubclass(admin_class, GovernedAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Admit product administrators: active staff whose product role is ``admin``."""
        user: Any = request.user
        return bool(
            super().has_permission(request)
            and getattr(user, "product_role", "") == ProductRole.ADMIN.value
        )

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the registered panels above the list of objects."""
        panels = [
            {"template": panel.template, "context": panel.context(request)}
            for panel in sorted(registry.dashboard_panels, key=lambda panel: panel.order)
        ]
        return super().index(request, {"panels": panels} | (extra_context or {}))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Order apps from upper to lower layers: certificates first, accounts and jobs last."""
        listed: dict[str, Any] = {
            app["app_label"]: app for app in super().get_app_list(request, app_label)
        }
        for guest, host in _SHOWN_UNDER.items():
            if guest in listed and host in listed:
                listed[host]["models"] += listed.pop(guest)["models"]
        order = [config.label for config in reversed(list(installed.get_app_configs()))]
        return sorted(listed.values(), key=lambda app: order.index(app["app_label"]))
