from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('applications', '0003_api_enabled_help'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppliedRoleTable',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('applied_at', models.DateTimeField(editable=False)),
            ],
        ),
    ]
