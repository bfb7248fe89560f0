"""Registers the enrollment doors."""

from django.apps import AppConfig


class EnrollmentConfig(AppConfig):
    """API, ACME, EST and SCEP: each a translation to the one issuance pipeline."""

    name = "apps.enrollment"
    verbose_name = "Enrollment"

    def ready(self) -> None:
        """Announce jobs."""
        from apps.enrollment import wiring

        wiring.register()
