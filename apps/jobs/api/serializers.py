"""Serializers of background jobs."""

from rest_framework import serializers

from apps.jobs.models import JobState
from apps.web.serializers import Answer


class JobSerializer(Answer):
    """A piece of background work."""

    id = serializers.UUIDField()
    kind = serializers.CharField(help_text="e.g. crl.publish")
    # Identifiers, never secrets.
    arguments = serializers.DictField(help_text="identifiers of what it works on")
    state = serializers.ChoiceField(JobState.choices)
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField()
    progress = serializers.CharField()
    result = serializers.CharField()
    last_error = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
