"""The TLS listener's WSGI application: admin, API, enrollment."""

import os

from config.handler import application as make_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = make_application()
