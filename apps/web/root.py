"""The API's root: which resources there are for the caller, and where they are described."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, get_resolver
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.principals import Principal, Scope
from apps.web.callers import principal_of
from apps.web.serializers import Answer
from apps.web.viewsets import StrictViewSet, scopes_of

PREFIX = "api/v1/"
_OF_ALL = {"list", "create"}
_PARAMETER = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


class ResourceSerializer(Answer):
    """A collection of objects."""

    name = serializers.CharField()
    url = serializers.CharField(help_text="a URI template (RFC 6570) where a part is in braces")
    methods = serializers.ListField(
        child=serializers.CharField(), help_text="those that your token and product role allow"
    )
    description = serializers.CharField()


class CallerSerializer(Answer):
    """Who sent the request."""

    kind = serializers.CharField()
    name = serializers.CharField(source="label")
    governs = serializers.BooleanField(help_text="whether you are a product administrator")
    scopes = serializers.ListField(
        child=serializers.ChoiceField([(scope.value, scope.value) for scope in Scope])
    )
    application_id = serializers.UUIDField(
        allow_null=True, help_text="the only application that the token may touch"
    )

    def to_representation(self, instance: Principal) -> dict[str, Any]:
        """Return the principal, with the scopes in their order."""
        return {
            "kind": instance.kind,
            "name": instance.label,
            "governs": instance.governs,
            "scopes": [scope.value for scope in Scope if instance.has_scope(scope)],
            "application_id": str(instance.application_id) if instance.application_id else None,
        }


class RootSerializer(Answer):
    """Where everything is."""

    caller = CallerSerializer()
    resources = ResourceSerializer(many=True)
    schema = serializers.CharField(help_text="the OpenAPI document")
    docs = serializers.CharField(help_text="the same as pages")


class RootViewSet(StrictViewSet):
    """Where to start."""

    # The router's part, which this one URL does without.
    basename = "root"
    tag = "root"
    # Any token may ask who it is and what it may do.
    scopes = {"read": None}

    @extend_schema(responses=RootSerializer)
    def read(self, request: Request) -> Response:
        """List the resources; with who you are and what your token may do there."""
        principal = principal_of(request)
        return Response(
            {
                "caller": CallerSerializer.of(principal),
                "resources": list(_resources_for(principal)),
                **_descriptions(),
            }
        )


@require_safe
def entrance(_request: HttpRequest) -> HttpResponse:
    """Answer ``/api/`` with where the API and its description are; open to everybody."""
    return JsonResponse({"api": f"{_base()}/{PREFIX}", **_descriptions()})


def _base() -> str:
    url: str = settings.SEALWRIGHT["PUBLIC_URL"]
    return url


def _descriptions() -> dict[str, str]:
    return {"schema": f"{_base()}/api/schema/", "docs": f"{_base()}/api/docs/"}


def _resources_for(principal: Principal) -> Iterator[dict[str, Any]]:
    """Return the collections with a method that the principal may use."""
    for route, name, view, actions in _collections():
        methods = [
            method.upper()
            for method, action in actions.items()
            if all(principal.has_scope(scope) for scope in scopes_of(view, action, method))
            and (principal.governs or action not in view.governed)
        ]
        if methods:
            yield {
                "name": name,
                "url": f"{_base()}/{route}",
                "methods": sorted(methods),
                "description": str(view.__doc__).partition("\n")[0],
            }


@cache
def _collections() -> list[tuple[str, str, Any, dict[str, str]]]:
    """Return URI template, name, view set and actions of each collection, by URL."""
    found = []
    for route, callback in _routes(get_resolver(), ""):
        view: Any = getattr(callback, "cls", None)
        actions: dict[str, str] | None = getattr(callback, "actions", None)
        if not route.startswith(PREFIX) or not actions or route == PREFIX:
            continue
        if getattr(callback, "initkwargs", {}).get("detail") or not set(actions.values()) & _OF_ALL:
            continue
        template = _PARAMETER.sub(r"{\1}", route)
        name = callback.initkwargs.get("basename") or view.basename
        own = {verb: action for verb, action in actions.items() if verb != "head"}
        found.append((template, name, view, own))
    return sorted(found, key=lambda one: one[0])


def _routes(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from _routes(pattern, route)
