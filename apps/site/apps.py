"""App configuration that replaces Django's default admin site with Sealwright's."""

from django.contrib.admin.apps import AdminConfig


class SealwrightAdminConfig(AdminConfig):
    """Every ``admin.site`` in the project is then ``SealwrightAdminSite``."""

    default_site = "apps.site.site.SealwrightAdminSite"
