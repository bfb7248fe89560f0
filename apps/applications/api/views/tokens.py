"""The API of tokens: made with their text shown once, listed without it, revoked."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import selectors, services
from apps.applications.api.filters import TokenFilter
from apps.applications.api.serializers import (
    CreatedTokenSerializer,
    NewTokenSerializer,
    TokenSerializer,
)
from apps.applications.models import ApiToken
from apps.principals import Principal
from apps.web.callers import principal_of, reader_or_actor_of
from apps.web.openapi import problems
from apps.web.references import gathered, row_named
from apps.web.serializers import NoBody
from apps.web.viewsets import ReadViewSet


def _resolved(
    request: Request, principal: Principal, machine: str | None, application: str | None
) -> dict[str, Any]:
    """Return the machine in sight that is to own the token, or the caller's own account, and the only application that it may touch.

    Raises:
        NotFound: a reference leads nowhere; all of those are listed.
    """
    return gathered(
        owner=lambda: (
            row_named(selectors.machines_visible_to(principal), machine)
            if machine is not None
            else request.user
        ),
        application=lambda: (
            selectors.application_for(principal, application, scoped=False)
            if application is not None
            else None
        ),
    )


@extend_schema_view(
    list=extend_schema(
        description="List your tokens, without their texts; all tokens, if you govern."
    ),
    retrieve=extend_schema(description="Read a token, without its text."),
)
class TokenViewSet(ReadViewSet):
    """The tokens in sight."""

    serializer_class = TokenSerializer
    filterset_class = TokenFilter
    sorts = {"name": "name"}
    # The primary key is the digest, which stays inside; the public identifier rises with time, too.
    sort_key = lookup_field = "public_id"
    lookup_url_kwarg = "token_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ApiToken]:
        """Return the tokens in sight."""
        return selectors.tokens_visible_to(reader_or_actor_of(self.request))

    @extend_schema(
        request=NewTokenSerializer,
        responses={201: CreatedTokenSerializer} | problems(404, 409, 422),
    )
    def create(self, request: Request) -> Response:
        """Create a token for yourself or, if you govern, for a machine identity.

        Its text is in this answer and nowhere else.
        """
        principal = principal_of(request)
        sent = NewTokenSerializer.parse(request.data)
        machine, reference = sent.pop("machine_identity", None), sent.pop("application", None)
        resolved = _resolved(request, principal, machine, reference)
        token, text = services.create_token(principal, **resolved, **sent)
        response = self.created(token, f"/api/v1/tokens/{token.public_id}/")
        response.data["token"] = text
        response.headers["Cache-Control"] = "no-store"
        return response

    @extend_schema(request=None, responses=TokenSerializer)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, **_url: Any) -> Response:
        """Revoke a token; it ends now. Harmless to repeat."""
        token = self.get_object()
        NoBody.parse(request.data)
        services.revoke_token(principal_of(request), token)
        return self.answer(token)
