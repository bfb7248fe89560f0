"""App configuration of profiles."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """Profiles: an issuer, a policy and defaults."""

    name = "apps.profiles"
    verbose_name = "Profiles"
