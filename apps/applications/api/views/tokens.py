"""The API of tokens: made with their text shown once, listed without it, revoked."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.applications import selectors, services
from apps.applications.api.filters import TokenFilter
from apps.applications.api.serializers import (
    CreatedTokenSerializer,
    NewTokenSerializer,
    TokenPageSerializer,
    TokenSerializer,
)
from apps.applications.models import ApiToken
from apps.principals import Principal
from apps.web.callers import principal_of, reader_of
from apps.web.openapi import paging, problems
from apps.web.pagination import page_of
from apps.web.references import first_of, row_named
from apps.web.serializers import NoBody

_SORTS = {"name": "name"}
# The primary key is the digest, which stays inside; the public identifier rises with time, too.
_KEY = "public_id"


def _found(principal: Principal, token_id: UUID) -> ApiToken:
    return first_of(selectors.tokens_visible_to(principal).filter(public_id=token_id))


def _owner(request: Request, principal: Principal, machine: str | None) -> Any:
    """Return the machine in sight that is to own the token, or the caller's own account."""
    if machine is None:
        return request.user
    return row_named(selectors.machines_visible_to(principal), machine)


class TokensView(APIView):
    """The tokens in sight."""

    @extend_schema(
        operation_id="tokens_list",
        parameters=[*paging(*_SORTS), *TokenFilter.parameters()],
        responses=TokenPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List your tokens, without their texts; all tokens, if you govern."""
        rows = TokenFilter.apply(request, selectors.tokens_visible_to(reader_of(request)))
        return page_of(request, rows, TokenSerializer.of, sorts=_SORTS, key=_KEY)

    @extend_schema(
        operation_id="tokens_create",
        request=NewTokenSerializer,
        responses={201: CreatedTokenSerializer} | problems(404, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """Create a token for yourself or, if you govern, for a machine identity.

        Its text is in this answer and nowhere else.
        """
        principal = principal_of(request)
        sent = NewTokenSerializer.parse(request.data)
        machine, reference = sent.pop("machine_identity", None), sent.pop("application", None)
        application = (
            selectors.application_for(principal, reference, scoped=False)
            if reference is not None
            else None
        )
        token, text = services.create_token(
            principal, _owner(request, principal, machine), application=application, **sent
        )
        return Response(
            TokenSerializer.of(token) | {"token": text},
            status=201,
            headers={
                "Cache-Control": "no-store",
                "Location": f"/api/v1/tokens/{token.public_id}/",
            },
        )


class TokenView(APIView):
    """One token."""

    @extend_schema(operation_id="tokens_read", responses=TokenSerializer)
    def get(self, request: Request, token_id: UUID) -> Response:
        """Read what may be shown of a token."""
        return Response(TokenSerializer.of(_found(reader_of(request), token_id)))


class RevokeTokenView(APIView):
    """The end of a token."""

    @extend_schema(operation_id="tokens_revoke", request=None, responses=TokenSerializer)
    def post(self, request: Request, token_id: UUID) -> Response:
        """End a token now; harmless to repeat."""
        principal = principal_of(request)
        token = _found(principal, token_id)
        NoBody.parse(request.data)
        services.revoke_token(principal, token)
        return Response(TokenSerializer.of(token))
