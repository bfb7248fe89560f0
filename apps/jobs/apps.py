"""Registers background jobs."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Durable background work on top of django-q2."""

    name = "apps.jobs"
    verbose_name = "Jobs"
