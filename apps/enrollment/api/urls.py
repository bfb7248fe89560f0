"""Which paths does the API door have?"""

from django.urls import path

from apps.enrollment.acme.api import urls as acme_urls
from apps.enrollment.api import bulk_views, views

urlpatterns = [
    path("certificate-requests/", views.CertificateRequestsView.as_view()),
    path("certificate-requests/evaluate/", views.EvaluateView.as_view()),
    path("certificate-requests/bulk/", bulk_views.BulkView.as_view()),
    path("certificate-requests/<uuid:request_id>/", views.CertificateRequestView.as_view()),
    path("certificate-requests/<uuid:request_id>/approve/", views.ApproveView.as_view()),
    path("certificate-requests/<uuid:request_id>/deny/", views.DenyView.as_view()),
    path("certificate-requests/<uuid:request_id>/cancel/", views.CancelView.as_view()),
    path("certificates/", views.CertificatesView.as_view()),
    path("certificates/<uuid:certificate_id>/", views.CertificateView.as_view()),
    path("certificates/<uuid:certificate_id>/download/", views.DownloadView.as_view()),
    path("certificates/<uuid:certificate_id>/export/", views.ExportView.as_view()),
    path("certificates/<uuid:certificate_id>/revoke/", views.RevokeView.as_view()),
    path("certificates/<uuid:certificate_id>/release/", views.ReleaseView.as_view()),
    path("certificates/<uuid:certificate_id>/renew/", views.RenewView.as_view()),
    *acme_urls.urlpatterns,
]
