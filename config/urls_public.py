"""Which paths does the plain-HTTP listener serve? ``/pki/``, ``/ocsp/`` and ``/livez``."""

from django.urls import include, path

from apps.rest import health

urlpatterns = [
    path("livez", health.livez),
    path("", include("apps.authorities.urls")),
]

handler400 = "apps.rest.problems.handler400"
handler403 = "apps.rest.problems.handler403"
handler404 = "apps.rest.problems.handler404"
handler500 = "apps.rest.problems.handler500"
