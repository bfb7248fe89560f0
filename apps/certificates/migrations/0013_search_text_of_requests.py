from django.db import migrations

_BATCH = 1000


def fill(apps, schema_editor):
    """Write what earlier requests are searched by: the names asked for, and who asked."""
    requests = apps.get_model("certificates", "CertificateRequest").objects
    reached = None
    while True:
        rows = requests.order_by("pk").only("leaf", "requester_label")
        batch = list(rows.filter(pk__gt=reached)[:_BATCH] if reached else rows[:_BATCH])
        if not batch:
            return
        for row in batch:
            row.search_text = _search_text(row)
        requests.bulk_update(batch, ["search_text"])
        reached = batch[-1].pk


def _search_text(row):
    leaf = row.leaf or {}
    common = [value for kind, value in leaf.get("subject", []) if kind == "common_name"][:1]
    names = [*common, *(value for _, value in leaf.get("subject_alt_names", []))]
    words = dict.fromkeys([*(name.lower() for name in names), row.requester_label.lower()])
    return " ".join(word for word in words if word)


class Migration(migrations.Migration):

    dependencies = [
        ('certificates', '0012_list_indexes'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
