"""Base classes of the REST API's views: lists, single objects and 201 answers.

Rows come from selectors, which know what the caller may see; changes are made by services,
which check the rights. A view set joins them to the serializers of its bodies and answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework.filters import BaseFilterBackend
from rest_framework.metadata import SimpleMetadata
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.web.filters import StrictFilterBackend, StrictFilterSet
from apps.web.pagination import NewestFirst
from apps.web.references import first_of, row_named
from apps.web.serializers import Answer


class Metadata(SimpleMetadata):
    """Answers to OPTIONS without fields of bodies, which the OpenAPI document describes."""

    def determine_actions(self, request: Request, view: Any) -> dict[str, Any]:  # noqa: ARG002 - DRF's signature
        """Return nothing."""
        return {}


class ResourceViewSet(GenericViewSet[Any]):
    """The objects of one kind that are in the caller's sight (``get_queryset``).

    Attributes:
        serializer_class: writes one object.
        row_serializer_class: writes an object in the list, where that is less than the whole.
        filterset_class: query parameters of the list.
        sorts: what the list can be sorted by beyond its age; see ``NewestFirst``.
        sort_key: unique column that rises with time.
        lookup_field: column that the URL names; ``reference`` for an identifier or a name.
    """

    metadata_class = Metadata
    pagination_class: type[BasePagination] = NewestFirst
    filter_backends: Sequence[type[BaseFilterBackend]] = (StrictFilterBackend,)
    filterset_class: type[StrictFilterSet] = StrictFilterSet
    row_serializer_class: type[Answer] | None = None
    sorts: ClassVar[Mapping[str, str]] = {}
    sort_key = "pk"
    lookup_field = "reference"
    lookup_value_converter = "slug"

    def get_serializer_class(self) -> Any:
        """Return what writes the answer of the action."""
        if self.action == "list" and self.row_serializer_class is not None:
            return self.row_serializer_class
        return super().get_serializer_class()

    def get_object(self) -> Any:
        """Return the object that the URL names.

        Raises:
            NotFound: there is none in sight.
        """
        value = self.kwargs[self.lookup_url_kwarg or self.lookup_field]
        if self.lookup_field == "reference":
            return row_named(self.get_queryset(), value)
        return first_of(self.get_queryset().filter(**{self.lookup_field: value}))

    def answer(self, instance: Any) -> Response:
        """Answer an object as it is now."""
        return Response(self.get_serializer_class().of(instance))

    def created(self, instance: Any, location: str) -> Response:
        """Answer 201 with a new object and its URL."""
        shown = self.get_serializer_class().of(instance)
        return Response(shown, status=201, headers={"Location": location})


class ReadViewSet(ListModelMixin, RetrieveModelMixin, ResourceViewSet):
    """A list and its single objects."""
