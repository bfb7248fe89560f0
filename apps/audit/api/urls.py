"""URLs of the audit log below ``/api/v1/``."""

from django.urls import path

from apps.audit.api import views

urlpatterns = [
    path("audit-events/", views.AuditEventsView.as_view()),
    path("audit-events/<int:event_id>/", views.AuditEventView.as_view()),
]
