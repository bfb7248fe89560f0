"""The model of idempotent calls comes from the enrollment app; its table stays as it is."""

from django.db import migrations, models

import apps.clock
import apps.ids


class Migration(migrations.Migration):
    dependencies = [
        ("certificates", "0007_references"),
        ("enrollment", "0004_plain_help_texts"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="IdempotentCall",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=apps.ids.uuid7,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "caller",
                            models.CharField(help_text="actor, e.g. machine:demo", max_length=200),
                        ),
                        ("endpoint", models.CharField(help_text="method and path", max_length=200)),
                        ("key", models.CharField(max_length=255)),
                        ("body_sha256", models.CharField(max_length=64)),
                        (
                            "subject_id",
                            models.UUIDField(
                                default=apps.ids.uuid7,
                                help_text="identifier given to whatever the call creates",
                            ),
                        ),
                        ("started_at", models.DateTimeField(default=apps.clock.now)),
                        ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                        (
                            "sealed_answer",
                            models.BinaryField(
                                blank=True,
                                default=b"",
                                help_text="the answer, sealed: it may hold a private key",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "enrollment_idempotentcall",
                        "indexes": [
                            models.Index(fields=["started_at"], name="idempotent_started")
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("caller", "endpoint", "key"), name="idempotent_call"
                            )
                        ],
                    },
                )
            ]
        )
    ]
