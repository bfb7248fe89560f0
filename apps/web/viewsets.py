"""Base classes of the REST API's views: lists, single objects and 201 answers.

Rows come from selectors, which know what the caller may see; changes are made by services,
which check the rights. A view set joins them to the serializers of its bodies and answers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework.exceptions import (
    ErrorDetail,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
)
from rest_framework.filters import BaseFilterBackend
from rest_framework.metadata import SimpleMetadata
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.pagination import BasePagination
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ViewSet

from apps.principals import Scope
from apps.web.filters import StrictFilterBackend, StrictFilterSet, refuse_unknown_parameters
from apps.web.pagination import NewestFirst
from apps.web.references import row_named, row_with
from apps.web.serializers import Answer


class Metadata(SimpleMetadata):
    """Answers to OPTIONS without fields of bodies, which the OpenAPI document describes."""

    def determine_actions(self, request: Request, view: Any) -> dict[str, Any]:  # noqa: ARG002 - DRF's signature
        """Return nothing."""
        return {}


def scopes_of(view: Any, action: str, method: str) -> tuple[Scope, ...]:
    """Return the scopes that a token needs for an action of a view set: all of them."""
    usual = Scope.READ if method.upper() in SAFE_METHODS else Scope.MANAGE
    found = view.scopes.get(action, usual)
    if found is None:
        return ()
    return (found,) if isinstance(found, Scope) else tuple(found)


class StrictViewSet(ViewSet):
    """A view set whose refusals say what would be accepted; nothing sent is ignored.

    Attributes:
        scopes: what a token needs for an action, where that is not ``read`` for reading and
            ``manage`` for everything else; several are needed together. It describes what services
            check, and decides nothing.
        governed: actions of product administrators only, where the URL names no object; likewise.
        tag: heading of the operations in the OpenAPI document; empty for that of the URL.
        parameters: query parameters of an action, where it is not a list.
        files: actions that answer with a file, of whatever type the client would accept.
    """

    scopes: ClassVar[Mapping[str, Scope | tuple[Scope, ...] | None]] = {}
    governed: ClassVar[Sequence[str]] = ()
    tag: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, Sequence[str]]] = {}
    files: ClassVar[Sequence[str]] = ()

    def initial(self, request: Request, *args: Any, **url: Any) -> None:
        """Refuse what would be ignored, once it is known who asks.

        Raises:
            Malformed: a query parameter that the action does not take: one that was misspelt,
                or meant for another action, must not look as if it had been obeyed.
        """
        super().initial(request, *args, **url)
        filtered = self.action == "list" and bool(getattr(self, "filter_backends", False))
        if self.action not in {None, "metadata"} and not filtered:
            refuse_unknown_parameters(request, self.parameters.get(self.action, ()))

    def http_method_not_allowed(self, request: Request, *args: Any, **url: Any) -> Any:  # type: ignore[override]  # DRF's own has another type than Django's
        """Refuse a method, naming those that there are."""
        del args, url
        possible = ", ".join(self.allowed_methods)
        detail = f"{request.method} is not possible at this URL; use one of: {possible}."
        raise MethodNotAllowed(str(request.method), detail=detail)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Return what writes the answer.

        Raises:
            NotAcceptable: the client accepts none of the types that there are.
        """
        try:
            return super().perform_content_negotiation(request, force or self.action in self.files)
        except NotAcceptable as error:
            offered = ", ".join(str(writer.media_type) for writer in self.get_renderers())
            raise NotAcceptable(f"Answers are of the type {offered}; accept that.") from error

    def handle_exception(self, exc: Exception) -> Response:
        """Say which types bodies may have, where one has another."""
        if isinstance(exc, UnsupportedMediaType):
            read = ", ".join(str(reader.media_type) for reader in self.get_parsers())
            exc.detail = ErrorDetail(f"Send the body as {read}, with that Content-Type.")
        return super().handle_exception(exc)


class ResourceViewSet(StrictViewSet, GenericViewSet[Any]):
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
        return row_with(self.get_queryset(), self.lookup_field, value)

    def answer(self, instance: Any) -> Response:
        """Answer an object as it is now."""
        return Response(self.get_serializer_class().of(instance))

    def created(self, instance: Any, location: str) -> Response:
        """Answer 201 with a new object and its URL."""
        shown = self.get_serializer_class().of(instance)
        return Response(shown, status=201, headers={"Location": location})


class ReadViewSet(ListModelMixin, RetrieveModelMixin, ResourceViewSet):
    """A list and its single objects."""
