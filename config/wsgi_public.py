"""The plain-HTTP listener's WSGI application: public PKI resources only."""

import os

from django.conf import settings
from django.utils.functional import empty

from config.handler import application as make_application

# Not a default: the settings of ``manage.py serve`` are in the environment already, and in
# force where this process is a fork of it. They are read anew from here.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.public"
settings._wrapped = empty  # noqa: SLF001 - what Django's own override_settings does
application = make_application()
