# Takes the model over from the app "authorities". The table exists already: authorities 0001 made
# it and it keeps its name, so only Django's view of it changes (ADR 0017).

import apps.clock
import apps.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('authorities', '0003_requests_with_certificates'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name='Key',
                    fields=[
                        ('id', models.UUIDField(default=apps.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                        ('backend', models.CharField(default='software', editable=False, max_length=30)),
                        ('algorithm', models.CharField(choices=[('rsa-2048', 'RSA 2048'), ('rsa-3072', 'RSA 3072'), ('rsa-4096', 'RSA 4096'), ('ec-p256', 'ECDSA P-256'), ('ec-p384', 'ECDSA P-384'), ('ec-p521', 'ECDSA P-521'), ('ed25519', 'Ed25519'), ('ed448', 'Ed448'), ('ml-dsa-44', 'ML-DSA-44'), ('ml-dsa-65', 'ML-DSA-65'), ('ml-dsa-87', 'ML-DSA-87')], editable=False, max_length=20)),
                        ('public_key_der', models.BinaryField(help_text='SubjectPublicKeyInfo, DER')),
                        ('spki_sha256', models.CharField(editable=False, max_length=64, unique=True)),
                        ('sealed_private_key', models.BinaryField(blank=True, default=b'', help_text='PKCS#8 DER under envelope encryption; software only')),
                        ('reference', models.CharField(blank=True, help_text='label inside the backend; hardware only', max_length=200)),
                        ('created_at', models.DateTimeField(default=apps.clock.now, editable=False)),
                        ('destroyed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        'db_table': 'authorities_key',
                    },
                ),
            ],
            database_operations=[],
        ),
    ]
