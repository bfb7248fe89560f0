"""Registers people and machines that can sign in."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who exists, and who signed in."""

    name = "apps.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Let the audit log hear of logins."""
        from apps.accounts import logins

        logins.listen()
