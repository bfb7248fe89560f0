"""Puts our admin site in the place of Django's default one, and finds this app's commands."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class SealwrightAdminConfig(AdminConfig):
    """Every ``admin.site`` in the project is then ``SealwrightAdminSite``."""

    default_site = "apps.site.site.SealwrightAdminSite"


class SiteConfig(AppConfig):
    """The frame itself: no models, but the command that serves."""

    name = "apps.site"
