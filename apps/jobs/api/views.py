"""The API of background jobs: product administrators watch, repeat and cancel them."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.errors import AccessDenied
from apps.jobs import services
from apps.jobs.api.filters import JobFilter
from apps.jobs.api.serializers import JobPageSerializer, JobSerializer
from apps.jobs.models import Job
from apps.principals import Principal
from apps.web.callers import governor_of, principal_of, reader_of, require_sight_of_all
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import first_of
from apps.web.serializers import NoBody


def _found(principal: Principal, job_id: UUID) -> Job:
    require_sight_of_all(principal)
    return first_of(Job.objects.filter(pk=job_id))


class JobsView(APIView):
    """All jobs."""

    @extend_schema(
        operation_id="jobs_list",
        parameters=[*paging("kind"), *JobFilter.parameters()],
        responses=JobPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List background jobs; product administrators only."""
        if not reader_of(request).governs:
            raise AccessDenied("Only product administrators may do this.")
        rows = JobFilter.apply(request, Job.objects.all())
        return page_of(request, rows, JobSerializer.of, sorts={"kind": "kind"})


class JobView(APIView):
    """One job."""

    @extend_schema(operation_id="jobs_read", responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        """Read a job."""
        return Response(JobSerializer.of(_found(reader_of(request), job_id)))


class RetryJobView(APIView):
    """Another try."""

    @extend_schema(
        operation_id="jobs_retry", request=None, responses={200: JobSerializer} | problems(409)
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """Start an ended or waiting job afresh."""
        job, principal = _found(principal_of(request), job_id), governor_of(request)
        NoBody.parse(request.data)
        return Response(JobSerializer.of(services.retry(principal, job)))


class CancelJobView(APIView):
    """The end of a job."""

    @extend_schema(
        operation_id="jobs_cancel", request=None, responses={200: JobSerializer} | problems(409)
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """Take an open job off the list."""
        job, principal = _found(principal_of(request), job_id), governor_of(request)
        NoBody.parse(request.data)
        return Response(JobSerializer.of(services.cancel(principal, job)))
