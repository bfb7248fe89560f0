"""Which admin site do all apps register with? Ours: branded, strict, governed by product roles."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse

from apps import registry
from apps.principals import ProductRole


class SealwrightAdminSite(AdminSite):
    """The security team's front end; panels on its front page come from the registry."""

    site_header = "Sealwright"
    site_title = "Sealwright"
    index_title = "Certificates at a glance"
    index_template = "admin/dashboard.html"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Let product administrators in: active staff whose product role is ``admin``."""
        user: Any = request.user
        return bool(
            super().has_permission(request)
            and getattr(user, "product_role", "") == ProductRole.ADMIN.value
        )

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the registered panels above the list of objects."""
        panels = [
            {"template": panel.template, "context": panel.context(request)}
            for panel in sorted(registry.dashboard_panels, key=lambda panel: panel.order)
        ]
        return super().index(request, {"panels": panels} | (extra_context or {}))

