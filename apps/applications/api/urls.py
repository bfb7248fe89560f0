"""Which paths under ``/api/v1/`` tell about applications and their audit log."""

from django.urls import path

from apps.applications.api import views

urlpatterns = [
    path("applications/", views.ApplicationsView.as_view()),
    path("applications/<slug:reference>/", views.ApplicationView.as_view()),
    path("audit-events/", views.AuditEventsView.as_view()),
]
