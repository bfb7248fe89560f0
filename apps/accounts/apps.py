"""App configuration of the accounts of people and machine identities."""

from datetime import timedelta

from django.apps import AppConfig

from apps import registry


class AccountsConfig(AppConfig):
    """User accounts, groups, sign-in and lock-out."""

    name = "apps.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Record sign-ins in the audit log, and register the sweep of sign-in counters."""
        from apps.accounts import lockout, logins

        logins.listen()
        registry.register_jobs(
            [registry.JobKind("accounts.sweep_login_counters", lockout.sweep)],
            [registry.Recurring("accounts.sweep_login_counters", timedelta(hours=1))],
        )
