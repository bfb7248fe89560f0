"""URLs of profiles below ``/api/v1/``."""

from django.urls import path

from apps.profiles.api import views

urlpatterns = [
    path("profiles/", views.ProfilesView.as_view()),
    path("profiles/<slug:reference>/", views.ProfileView.as_view()),
]
