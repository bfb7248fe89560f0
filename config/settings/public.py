"""Settings of the plain-HTTP listener: the same product behind a much smaller door."""

from config.settings.production import *  # noqa: F403 - Django's settings idiom

ROOT_URLCONF = "config.urls_public"
WSGI_APPLICATION = "config.wsgi_public.application"
# Clients name this host as the certificates do, or by address, or by a mirror's name; no view
# here builds anything from the Host header, so there is nothing to poison.
ALLOWED_HOSTS = ["*"]
# No sessions, no cookies, no authentication: nothing here is anybody's.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "apps.web.middleware.trace_requests",
    "apps.web.middleware.bound_requests",
    "apps.web.middleware.CommonMiddleware",
]
