"""Delete serial numbers whose authority is gone, so that the next migration can add its reference.

The constraint was missing for a while, and an authority that never issued anything could be removed
while a serial number was being reserved. Nobody can ask for the status of such a number.
"""

from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef


def delete_orphans(apps: Any, schema_editor: Any) -> None:
    issued = apps.get_model("authorities", "IssuedSerial").objects.using(schema_editor.connection.alias)
    authority = apps.get_model("authorities", "Authority").objects.filter(pk=OuterRef("authority_id"))
    issued.filter(~Exists(authority)).delete()


class Migration(migrations.Migration):

    dependencies = [("authorities", "0004_keys_have_their_own_app")]

    operations = [migrations.RunPython(delete_orphans, migrations.RunPython.noop, elidable=True)]
