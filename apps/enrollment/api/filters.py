"""Which rows does a list show? Query parameters that narrow requests and certificates."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from apps.certificates.models import (
    Certificate,
    CertificateRequest,
    CertificateState,
    EnrollmentMethod,
    RequestState,
)
from apps.errors import Malformed, Violation
from apps.rest.pagination import PAGING_PARAMETERS

Row = TypeVar("Row", bound=Model)


class StrictFilterSet(filters.FilterSet):
    """A filter set that refuses parameters it does not know, naming each."""

    @classmethod
    def parameters(cls) -> list[OpenApiParameter]:
        """Return the query parameters for the OpenAPI document."""
        return [
            OpenApiParameter(name, str, description=str(item.label or ""))
            for name, item in cls.base_filters.items()
        ]

    @classmethod
    def apply(cls, request: Request, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Return the narrowed rows.

        Raises:
            Malformed: unknown parameters or unusable values, all of them.
        """
        query: Any = request.query_params
        violations = [
            Violation(
                "request.parameter_unknown",
                name[:100],
                "",
                f"There is no parameter {name!r:.100}.",
                f"Known: {', '.join(cls.base_filters)}.",
            )
            for name in query
            if name not in cls.base_filters and name not in PAGING_PARAMETERS
        ]
        found = cls(data=query, queryset=rows, request=request)
        if not found.is_valid():
            violations += [
                Violation("request.parameter_invalid", name, query.get(name, "")[:100], str(text))
                for name, texts in found.errors.items()
                for text in texts
            ]
        if violations:
            raise Malformed(violations=violations)
        return found.qs


class CertificateFilter(StrictFilterSet):
    """Narrows the inventory."""

    application = filters.CharFilter("application__name", label="application name")
    profile = filters.CharFilter("profile__name", label="profile name")
    state = filters.ChoiceFilter(choices=CertificateState.choices, label="state")
    serial_number = filters.CharFilter("serial_number", label="serial number, hex")
    fingerprint_sha256 = filters.CharFilter("fingerprint_sha256", label="SHA-256 of the DER, hex")
    name = filters.CharFilter("search_text", lookup_expr="icontains", label="part of a name")
    lineage = filters.UUIDFilter("lineage_id", label="a certificate and its renewals")
    not_after_before = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="lt", label="expires before"
    )
    not_after_after = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="gte", label="expires after"
    )

    class Meta:
        """The model behind the filters."""

        model = Certificate
        fields: tuple[str, ...] = ()


class RequestFilter(StrictFilterSet):
    """Narrows the list of requests."""

    application = filters.CharFilter("application__name", label="application name")
    profile = filters.CharFilter("profile__name", label="profile name")
    state = filters.ChoiceFilter(choices=RequestState.choices, label="state")
    method = filters.ChoiceFilter(choices=EnrollmentMethod.choices, label="enrollment method")

    class Meta:
        """The model behind the filters."""

        model = CertificateRequest
        fields: tuple[str, ...] = ()
