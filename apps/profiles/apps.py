"""App configuration of profiles."""

from django.apps import AppConfig

from apps import registry


class ProfilesConfig(AppConfig):
    """Profiles: an issuer, a policy and defaults."""

    name = "apps.profiles"
    verbose_name = "Profiles"

    def ready(self) -> None:
        """Register what policies ask about profiles."""
        from apps.profiles import selectors

        registry.policy_checks.append(selectors.warnings_about)
