"""URL patterns of every registered enrollment method, each below its own prefix."""

from django.urls import include, path

from apps import registry

urlpatterns = [
    path(method.url_prefix, include(method.urlconf))
    for method in registry.enrollment_methods.values()
    if method.urlconf
]
