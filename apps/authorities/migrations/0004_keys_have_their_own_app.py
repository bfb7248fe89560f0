# Points the keys of authorities and OCSP responders to keys.Key, which is the same table, and lets
# go of authorities.Key. Nothing changes in the database (ADR 0017).

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('authorities', '0003_requests_with_certificates'),
        ('keys', '0001_initial'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='authority',
                    name='key',
                    field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='authority', to='keys.key'),
                ),
                migrations.AlterField(
                    model_name='ocspresponder',
                    name='key',
                    field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='responder', to='keys.key'),
                ),
                migrations.DeleteModel(
                    name='Key',
                ),
            ],
            database_operations=[],
        ),
    ]
