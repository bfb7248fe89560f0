"""Registers certificate authorities."""

from django.apps import AppConfig


class AuthoritiesConfig(AppConfig):
    """CAs, keys, ledgers and publication."""

    name = "apps.authorities"
    verbose_name = "Certificate authorities"

    def ready(self) -> None:
        """Announce jobs, sealed columns and readiness checks."""
        from apps.authorities import wiring

        wiring.register()
