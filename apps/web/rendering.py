"""How do answers become JSON? As DRF would do it, without asking for what hardly anybody wants."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from apps import json_text

JSON = "application/json"
_ANYTHING = frozenset({"*/*", JSON})
_OPTIONS: Any = {"allow_nan": False, "separators": (",", ":"), "check_circular": False}
_encode = json_text.writer(JSONEncoder(ensure_ascii=False, **_OPTIONS))
_encode_ascii = json_text.writer(JSONEncoder(ensure_ascii=True, **_OPTIONS))


class PlainNegotiation(DefaultContentNegotiation):
    """Takes ``Accept`` apart only where it says something."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and the media type of the answer."""
        asked = request.META.get("HTTP_ACCEPT", "*/*")
        if asked in _ANYTHING and not format_suffix:
            first = next(iter(renderers))
            return first, str(first.media_type)
        chosen: tuple[BaseRenderer, str] = super().select_renderer(
            request, renderers, format_suffix
        )
        return chosen


class CompactJSONRenderer(JSONRenderer):
    """JSON in UTF-8 without spaces; clients that ask for an indentation get it."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the encoded body; empty for nothing."""
        if data is None or accepted_media_type != self.media_type:
            indented: bytes = super().render(data, accepted_media_type, renderer_context)
            return indented
        # Most answers are plain ASCII, and the encoder that escapes all else is a third quicker.
        text = _encode_ascii(data)
        if "\\u" not in text:
            return text.encode("ascii")
        text = _encode(data)
        # Legal in JSON, line ends in JavaScript.
        return text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029").encode()
