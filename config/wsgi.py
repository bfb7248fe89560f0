"""The WSGI application, for every listener of the front server."""

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from apps.web import media_types
from apps.web.links import one_link_a_line
from config.entry import mistakes_as_list

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
_PIECE = 64 * 1024
# gunicorn gives up, instead of starting the next worker, when one ends with this status.
with mistakes_as_list(status=3):
    _django = one_link_a_line(get_wsgi_application())


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request with Django, and read what the view has left of its body.

    A socket that is closed with unread data is reset, and the front server then loses the answer
    (502). It has the whole body, within ``MAX_BODY_BYTES``, before it asks: nobody waits here.
    """
    media_types.make_readable(environ)
    answer: Iterable[bytes] = _django(environ, start_response)
    with contextlib.suppress(OSError):
        while environ["wsgi.input"].read(_PIECE):
            pass
    return answer
