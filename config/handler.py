"""What surrounds a request in a server process? Django's handler, without idle work.

Django does by signals, before and after each request, what most settings need. Ours leave one
thing to do: a database connection that broke, was left in a transaction or is too old is closed.
"""

from typing import Any

from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, reset_queries


def application() -> WSGIHandler:
    """Return the WSGI application of this process, which serves nothing else from now on."""
    handler = get_wsgi_application()
    # Queries are logged in debug mode only, and there is none here.
    request_started.disconnect(reset_queries)
    # Neither of our caches (``CACHES``) holds anything open that would have to be closed.
    request_finished.disconnect(close_caches)
    # There is one URLconf, which each request sets anew.
    request_finished.disconnect(reset_urlconf)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
        signal.connect(close_old_connection, weak=False)
    return handler


def close_old_connection(**_sent: Any) -> None:
    """Do as Django's ``close_old_connections`` for the one database that there is."""
    connection.close_if_unusable_or_obsolete()
