"""App configuration of policies."""

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """Policies, their versions and rules."""

    name = "apps.policies"
    verbose_name = "Policies"
