"""App configuration of certificates."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """See ``models.py`` for what lives here."""

    name = "apps.certificates"
    verbose_name = "Certificates"

    def ready(self) -> None:
        """Announce jobs and sealed columns."""
        from apps.certificates import wiring

        wiring.register()
