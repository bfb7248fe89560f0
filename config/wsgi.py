"""The TLS listener's WSGI application: admin, API, enrollment."""

import os

from django.core.cache import close_caches
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_wsgi_application()
# Neither of our caches (``CACHES``) holds anything open that would have to be closed.
request_finished.disconnect(close_caches)
