"""Registers applications."""

from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.applications"
    verbose_name = "Applications"

    def ready(self) -> None:
        """Tell the endpoints of lower layers who calls, and which applications are theirs."""
        from apps import registry
        from apps.applications import access, tokens
        from apps.applications.roles import Permission

        registry.callers.append(
            registry.Callers(
                principal_of=tokens.principal_of,
                application_ids_in_sight=lambda principal: access.visible_application_ids(
                    principal, Permission.VIEW_ENROLLMENT
                ),
            )
        )
