"""The OpenAPI document, made once in each process."""

import hashlib
import threading
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.encoding import force_bytes
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

# The text and its entity tag, by the renderer's format. Making the document takes a second, and anybody may ask for it.
documents: dict[str, tuple[bytes, str]] = {}
# The generator loads its extensions when they are first needed, which two threads must not do at once.
_making = threading.Lock()


class SchemaView(SpectacularAPIView):
    """Serves the document as YAML or JSON, with an entity tag (RFC 9110 section 8.8.3)."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *_args: Any, **_kwargs: Any) -> Any:
        """Return the document, or 304 to a client that has it."""
        renderer: Any = request.accepted_renderer
        content, etag = _document(renderer)
        response = HttpResponse(content, content_type=renderer.media_type)
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "no-cache"
        return get_conditional_response(request, etag=etag, response=response)


def _document(renderer: Any) -> tuple[bytes, str]:
    found = documents.get(renderer.format)
    if found is not None:
        return found
    with _making:
        if renderer.format not in documents:
            schema = SchemaGenerator().get_schema(request=None, public=True)
            content = force_bytes(renderer.render(schema, renderer_context={}))
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            documents[renderer.format] = content, etag
    return documents[renderer.format]
