"""The API of background jobs: product administrators watch, repeat and cancel them."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.errors import AccessDenied
from apps.jobs import services
from apps.jobs.api.filters import JobFilter
from apps.jobs.api.serializers import JobSerializer
from apps.jobs.models import Job
from apps.web.callers import governor_of, reader_or_actor_of, require_sight_of_all
from apps.web.openapi import problems
from apps.web.serializers import NoBody
from apps.web.viewsets import ReadViewSet


@extend_schema_view(
    list=extend_schema(description="List background jobs; product administrators only."),
    retrieve=extend_schema(description="Read a job."),
)
class JobViewSet(ReadViewSet):
    """All jobs."""

    serializer_class = JobSerializer
    filterset_class = JobFilter
    governed = ("list",)
    sorts = {"kind": "kind"}
    lookup_field = "pk"
    lookup_url_kwarg = "job_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Job]:
        """Return all jobs, to those who govern."""
        principal = reader_or_actor_of(self.request)
        if self.action == "list" and not principal.governs:
            raise AccessDenied("Only product administrators may do this.")
        require_sight_of_all(principal)
        return Job.objects.all()

    @extend_schema(request=None, responses={200: JobSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, **_url: Any) -> Response:
        """Repeat a job; one that has ended or waits starts afresh."""
        job, principal = self.get_object(), governor_of(request)
        NoBody.parse(request.data)
        return self.answer(services.retry(principal, job))

    @extend_schema(request=None, responses={200: JobSerializer} | problems(409))
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_url: Any) -> Response:
        """Cancel a job that has not ended."""
        job, principal = self.get_object(), governor_of(request)
        NoBody.parse(request.data)
        return self.answer(services.cancel(principal, job))
