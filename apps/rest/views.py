"""How is a view of the API run? As DRF runs it, by a shorter way for what machines usually send.

DRF serves any media type in any form; nearly all calls here are a JSON object that asks for a
JSON object. Whatever else comes takes DRF's own way and ends as it would there.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.utils.datastructures import MultiValueDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Empty, Request
from rest_framework.views import APIView

from apps.rest.rendering import JSON


class JsonAnswer(HttpResponse):
    """An answer in JSON; ``ApiView`` encodes it. DRF's own is a template with all that goes on it.

    Attributes:
        data: what is encoded.
    """

    def __init__(
        self, data: Any, status: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status=status, headers=headers, content_type=JSON)
        self.data = data


class JsonRequest(Request):
    """DRF's request, which takes the body by the first parser if it is named to the letter."""

    parsers: Sequence[BaseParser]
    # DRF's own, unknown to its type stubs.
    _data: Any
    _files: Any
    _full_data: Any
    _authenticate: Callable[[], None]

    def __init__(self, request: HttpRequest, **options: Any) -> None:
        super().__init__(request, **options)
        # Everything else that Django's request has is found by DRF's, but after a search.
        self.META = request.META
        self.method = request.method

    @property
    def data(self) -> Any:
        """Return the parsed body.

        Raises:
            Malformed: see ``StrictJSONParser.parse``.
            UnsupportedMediaType: there is no parser for it.
        """
        if self._full_data is Empty and self._is_plain():
            # What remains when the parser refuses: DRF does not let it do that twice, either.
            self._data = self._full_data = {}
            self._files = MultiValueDict()
            parsed = self.parsers[0].parse(self.stream, self.content_type, self.parser_context)
            self._data = self._full_data = parsed
        return super().data

    def _is_plain(self) -> bool:
        return self.content_type == self.parsers[0].media_type and self.stream is not None


class ApiView(APIView):
    """DRF's view, which answers with ``JsonAnswer`` as well as with DRF's ``Response``."""

    format_kwarg = None

    def initialize_request(self, request: HttpRequest, *_args: Any, **_names: Any) -> JsonRequest:
        """Return the request as views see it."""
        return JsonRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *_args: Any, **_names: Any) -> None:
        """Do what comes before the view's method; no URL names a format or a version here."""
        form = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = form
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)

    def perform_authentication(self, request: Request) -> None:
        """Find out who sent the request."""
        # ``request.user`` does the same, guarded against what attributes make of AttributeError.
        cast("JsonRequest", request)._authenticate()  # noqa: SLF001

    def finalize_response(self, request: Request, response: Any, *args: Any, **names: Any) -> Any:
        """Encode the answer in the form that was negotiated, and add the headers of the view."""
        if isinstance(response, JsonAnswer):
            renderer, form = request.accepted_renderer, request.accepted_media_type
            response.content = body = renderer.render(response.data, form, {})
            if not body:
                del response.headers["Content-Type"]
        return super().finalize_response(request, response, *args, **names)
