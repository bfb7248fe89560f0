"""Which paths does the plain-HTTP listener serve? ``/pki/``, ``/ocsp/`` and ``/livez``."""

from django.urls import include, path

from apps.rest import health

urlpatterns = [
    path("livez", health.livez),
    path("", include("apps.authorities.urls")),
]
