"""Which paths does the plain-HTTP listener serve? ``/pki/``, ``/ocsp/`` and ``/livez``."""

from django.urls import include, path

from apps.web import health

urlpatterns = [
    path("livez", health.livez),
    path("", include("apps.authorities.urls")),
]

handler400 = "apps.web.problems.handler400"
handler403 = "apps.web.problems.handler403"
handler404 = "apps.web.problems.handler404"
handler500 = "apps.web.problems.handler500"
