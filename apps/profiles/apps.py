"""App configuration of profiles."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.profiles"
    verbose_name = "Profiles"
