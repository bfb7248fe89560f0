"""How is a view of the API run? As DRF runs it, by a shorter way for what machines usually send.

DRF serves any media type in any form, and makes parsers, authenticators and all the rest anew for
each request; nearly all calls here are a JSON object that asks for a JSON object. Whatever else
comes takes DRF's own way and ends as it would there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.cookie import SimpleCookie
from django.http.response import ResponseHeaders
from django.utils.datastructures import MultiValueDict
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Empty, Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from apps.web.headers import put
from apps.web.rendering import JSON

_TYPE = "content-type"
_NO_FILES: MultiValueDict[str, Any] = MultiValueDict()


class JsonAnswer(HttpResponse):
    """An answer in JSON; ``ApiView`` encodes it. DRF's own is a template with all that goes on it.

    Attributes:
        data: what is encoded.
    """

    def __init__(
        self, data: Any = None, status: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        # What Django's constructors set, without asking what is known here.
        self.headers = ResponseHeaders({})
        self.headers._store[_TYPE] = ("Content-Type", JSON)  # noqa: SLF001 - see ``headers.put``
        for name, value in (headers or {}).items():
            put(self.headers, name, value)
        self.status_code = status or HTTPStatus.OK
        self.cookies = SimpleCookie()
        self.closed = False
        vars(self).update(
            _charset=None,
            _resource_closers=[],
            _handler_class=None,
            _reason_phrase=None,
            _container=[b""],
        )
        self.data = data


@dataclass(frozen=True, slots=True)
class _Equipment:
    """What DRF makes anew for each request of a view. None of ours keeps anything of a request.

    Attributes:
        parsers, authenticators, permissions, throttles, renderers, negotiator: see ``APIView``.
        methods: names of the view's methods, by those of HTTP.
        headers: of each answer.
    """

    parsers: Sequence[BaseParser]
    authenticators: Sequence[Any]
    permissions: Sequence[Any]
    throttles: Sequence[BaseThrottle]
    renderers: Sequence[BaseRenderer]
    negotiator: BaseContentNegotiation
    methods: dict[str, str]
    headers: dict[str, str]

    @classmethod
    def of(cls, view: APIView) -> "_Equipment":
        return cls(
            parsers=view.get_parsers(),
            authenticators=view.get_authenticators(),
            permissions=view.get_permissions(),
            throttles=view.get_throttles(),
            renderers=view.get_renderers(),
            negotiator=view.get_content_negotiator(),
            methods=_methods(type(view)),
            headers=dict(view.default_response_headers),
        )


def _methods(kind: type[APIView]) -> dict[str, str]:
    found = {name.upper(): name for name in kind.http_method_names if hasattr(kind, name)}
    return {"HEAD": "get"} | found if "GET" in found else found


class JsonRequest(Request):
    """DRF's request, which takes the body by the first parser if it is named to the letter."""

    parsers: Sequence[BaseParser]
    # DRF's own, unknown to its type stubs.
    _request: Any
    _data: Any
    _files: Any
    _full_data: Any
    _content_type: Any
    _stream: Any
    _authenticate: Callable[[], None]

    def __init__(self, request: HttpRequest, has: "_Equipment", view: "ApiView") -> None:
        # What DRF's constructor sets, but for users that its test client forces upon it.
        self._request = request
        self.parsers, self.authenticators = has.parsers, has.authenticators
        self.negotiator = has.negotiator
        self.parser_context = {
            "view": view,
            "args": view.args,
            "kwargs": view.kwargs,
            "request": self,
            "encoding": request.encoding or "utf-8",
        }
        self._data = self._files = self._full_data = self._content_type = self._stream = Empty
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
        if self._full_data is not Empty:
            return self._full_data
        parser = self.parsers[0]
        if self.META.get("CONTENT_TYPE") != parser.media_type or self.stream is None:
            return super().data
        # What remains when the parser refuses: DRF does not let it do that twice, either.
        self._data = self._full_data = {}
        self._files = _NO_FILES
        parsed = parser.parse(self.stream, parser.media_type, self.parser_context)
        self._data = self._full_data = parsed
        return parsed


class ApiView(APIView):
    """DRF's view, which answers with ``JsonAnswer`` as well as with DRF's ``Response``."""

    format_kwarg = None
    headers: dict[str, str]
    response: Any
    _equipment: _Equipment

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the function that URLs name; its views share their equipment."""
        theirs = super().as_view(**initkwargs)
        made: list[_Equipment] = []

        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            self = cls(**initkwargs)
            if not made:
                self.setup(request, *args, **kwargs)
                made.append(_Equipment.of(self))
            self._equipment = made[0]  # two first requests at once may have made two
            return self.dispatch(request, *args, **kwargs)

        return update_wrapper(view, theirs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer a request; no URL names a format or a version here."""
        self.args, self.kwargs = args, kwargs
        has = self._equipment
        mine = JsonRequest(request, has, self)
        self.request: Any = mine
        try:
            self._admit(mine)
            name = has.methods.get(mine.method or "")
            handler = self.http_method_not_allowed if name is None else getattr(self, name)
            response = handler(mine, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - DRF's handler raises again what is not for it
            response = self.handle_exception(error)
        self.response = self.finalize_response(mine, response)
        return self.response

    def _admit(self, request: JsonRequest) -> None:
        """Do what comes before the view's method, as DRF's ``initial``."""
        has = self._equipment
        request.accepted_renderer, request.accepted_media_type = has.negotiator.select_renderer(
            request, has.renderers, None
        )
        # ``request.user`` does the same, guarded against what attributes make of AttributeError.
        request._authenticate()  # noqa: SLF001
        for permission in has.permissions:
            if not permission.has_permission(request, self):
                message, code = (getattr(permission, n, None) for n in ("message", "code"))
                self.permission_denied(request, message, code)
        for throttle in has.throttles:
            if not throttle.allow_request(request, self):
                wait: Any = throttle.wait()  # ``None`` where it cannot tell
                self.throttled(request, wait)

    def finalize_response(self, request: Request, response: Any, *args: Any, **names: Any) -> Any:
        """Encode the answer in the form that was negotiated, and add the headers of the view."""
        headers = self._equipment.headers
        if isinstance(response, JsonAnswer):
            renderer, form = request.accepted_renderer, request.accepted_media_type
            response.content = body = renderer.render(response.data, form, {})
            if not body:
                del response.headers["Content-Type"]
            if "Vary" not in headers:
                for name, value in headers.items():
                    put(response.headers, name, value)
                return response
        self.headers = dict(headers)
        return super().finalize_response(request, response, *args, **names)
