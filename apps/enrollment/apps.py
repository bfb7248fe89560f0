"""Django app of the enrollment methods."""

from django.apps import AppConfig


class EnrollmentConfig(AppConfig):
    """API, ACME, EST and SCEP: each translates its protocol to ``certificates.issuance``."""

    name = "apps.enrollment"
    verbose_name = "Enrollment"

    def ready(self) -> None:
        """Register the methods; what clients ask most comes first in the URLs."""
        from apps.enrollment.acme import method as acme
        from apps.enrollment.acme.models import AcmeAuthorization
        from apps.enrollment.api import method as api
        from apps.statements import text_index

        acme.register()
        api.register()
        text_index.register(self, text_index.TextIndex(AcmeAuthorization, ("identifier_value",)))
