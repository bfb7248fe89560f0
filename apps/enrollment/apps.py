"""Django app of the enrollment methods."""

from django.apps import AppConfig


class EnrollmentConfig(AppConfig):
    """API, ACME, EST and SCEP: each translates its protocol to ``certificates.issuance``."""

    name = "apps.enrollment"
    verbose_name = "Enrollment"

    def ready(self) -> None:
        """Register the methods."""
        from apps.enrollment import wiring

        wiring.register()
