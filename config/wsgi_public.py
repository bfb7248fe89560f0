"""The plain-HTTP listener's WSGI application: public PKI resources only."""

import os

from django.core.wsgi import get_wsgi_application

# Not a default: the supervisor's own settings module is in the environment already.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.public"
application = get_wsgi_application()
