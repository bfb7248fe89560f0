"""Serializers of audit events."""

from rest_framework import serializers

from apps.audit.events import Event
from apps.web.serializers import Answer


class AuditEventSerializer(Answer):
    """One event."""

    id = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    event = serializers.ChoiceField([(event.value, event.value) for event in Event])
    actor = serializers.CharField()
    actor_label = serializers.CharField()
    subject_type = serializers.CharField()
    subject_id = serializers.CharField()
    subject_label = serializers.CharField()
    application_id = serializers.UUIDField(allow_null=True)
    ip = serializers.CharField()
    trace_id = serializers.CharField()
    data = serializers.DictField(help_text="details of the act; never secrets")
