"""Puts our admin site in the place of Django's default one."""

from django.contrib.admin.apps import AdminConfig


class SealwrightAdminConfig(AdminConfig):
    """Every ``admin.site`` in the project is then ``SealwrightAdminSite``."""

    default_site = "apps.site.site.SealwrightAdminSite"
