"""URLs of policies below ``/api/v1/``."""

from django.urls import path

from apps.policies.api import views

_ONE = "policies/<slug:reference>/"

urlpatterns = [
    path("policy-presets/", views.PolicyPresetsView.as_view()),
    path("policies/", views.PoliciesView.as_view()),
    path(_ONE, views.PolicyView.as_view()),
    path(f"{_ONE}versions/", views.PolicyVersionsView.as_view()),
    path(f"{_ONE}versions/<int:number>/", views.PolicyVersionView.as_view()),
]
