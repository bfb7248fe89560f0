"""URL paths of the product; the front server decides which of them each listener serves."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from apps.accounts.views import change_own_password
from apps.web import health, root, schema

# Tried from the top for each request: machines, who ask most, come first.
urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("", include("apps.authorities.urls")),
    path("", include("apps.enrollment.urls")),
    path("api/v1/", include("apps.certificates.api.urls")),
    path("api/v1/", include("apps.authorities.api.urls")),
    path("api/v1/", include("apps.policies.api.urls")),
    path("api/v1/", include("apps.profiles.api.urls")),
    path("api/v1/", include("apps.applications.api.urls")),
    path("api/v1/", include("apps.jobs.api.urls")),
    path("api/v1/", include("apps.audit.api.urls")),
    path("api/v1/", root.RootViewSet.as_view({"get": "read"}, basename="root"), name="api-root"),
    path("api/", root.entrance),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/password_change/", admin.site.admin_view(change_own_password)),
    path("admin/", admin.site.urls),
    path("api/schema/", schema.SchemaView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(template_name="api-docs.html")),
]

handler400 = "apps.web.problems.handler400"
handler403 = "apps.web.problems.handler403"
handler404 = "apps.web.problems.handler404"
handler500 = "apps.web.problems.handler500"
