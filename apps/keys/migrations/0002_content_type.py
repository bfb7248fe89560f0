# Renames the content type, so that permissions and admin log entries of keys stay with the model.

from django.db import migrations


def _renamed(apps, schema_editor, before, after):
    types = apps.get_model('contenttypes', 'ContentType').objects.using(schema_editor.connection.alias)
    if not types.filter(app_label=after, model='key').exists():
        types.filter(app_label=before, model='key').update(app_label=after)


def forwards(apps, schema_editor):
    _renamed(apps, schema_editor, 'authorities', 'keys')


def backwards(apps, schema_editor):
    _renamed(apps, schema_editor, 'keys', 'authorities')


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0001_initial'),
        ('authorities', '0004_keys_have_their_own_app'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
