"""Registers applications."""

from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.applications"
    verbose_name = "Applications"
