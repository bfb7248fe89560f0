"""URLs of certificate requests below ``/api/v1/``."""

from django.urls import path

from apps.enrollment.api import bulk_views, views

urlpatterns = [
    path("certificate-requests/", views.CertificateRequestsView.as_view()),
    path("certificate-requests/evaluate/", views.EvaluateView.as_view()),
    path("certificate-requests/bulk/", bulk_views.BulkView.as_view()),
    path("certificate-requests/<uuid:request_id>/", views.CertificateRequestView.as_view()),
    path("certificate-requests/<uuid:request_id>/approve/", views.ApproveView.as_view()),
    path("certificate-requests/<uuid:request_id>/deny/", views.DenyView.as_view()),
    path("certificate-requests/<uuid:request_id>/cancel/", views.CancelView.as_view()),
]
