"""URLs of the inventory below ``/api/v1/``."""

from django.urls import path

from apps.certificates.api import views

_ONE = "certificates/<uuid:certificate_id>/"

urlpatterns = [
    path("certificates/", views.CertificatesView.as_view()),
    path(_ONE, views.CertificateView.as_view()),
    path(f"{_ONE}download/", views.DownloadView.as_view()),
    path(f"{_ONE}export/", views.ExportView.as_view()),
    path(f"{_ONE}revoke/", views.RevokeView.as_view()),
    path(f"{_ONE}release/", views.ReleaseView.as_view()),
    path(f"{_ONE}renew/", views.RenewView.as_view()),
]
