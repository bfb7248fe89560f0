"""App configuration that replaces Django's default admin site with Sealwright's."""

from django.contrib.admin.apps import AdminConfig


class SealwrightAdminConfig(AdminConfig):
    """Makes ``admin.site`` an instance of ``SealwrightAdminSite``."""

    default_site = "apps.site.site.SealwrightAdminSite"
