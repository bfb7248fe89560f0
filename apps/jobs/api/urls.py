"""URLs of the job API."""

from django.urls import path

from apps.jobs.api import views

_ONE = "jobs/<uuid:job_id>/"

urlpatterns = [
    path("jobs/", views.JobsView.as_view()),
    path(_ONE, views.JobView.as_view()),
    path(f"{_ONE}retry/", views.RetryJobView.as_view()),
    path(f"{_ONE}cancel/", views.CancelJobView.as_view()),
]
