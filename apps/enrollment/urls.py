"""URL patterns of every registered enrollment method, and of its part of the API."""

from django.urls import include, path

from apps import registry

_METHODS = registry.enrollment_methods.values()
urlpatterns = [
    *(path(method.url_prefix, include(method.urlconf)) for method in _METHODS if method.urlconf),
    *(
        path("api/v1/", include(method.management_urlconf))
        for method in _METHODS
        if method.management_urlconf
    ),
]
