"""The model of idempotent calls goes to the certificates app; its table stays as it is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("enrollment", "0004_plain_help_texts"),
        ("certificates", "0008_idempotent_calls"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.DeleteModel(name="IdempotentCall")]
        )
    ]
