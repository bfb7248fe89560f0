"""App configuration of policies."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.policies"
    verbose_name = "Policies"
