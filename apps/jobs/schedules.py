"""Rows of django-q2 schedules, kept equal to ``tasks.SCHEDULES``."""

from django.db import connections, transaction
from django_q.models import Schedule

from apps.jobs.tasks import SCHEDULES

_PREFIX = "sealwright."


def upsert(using: str) -> None:
    """Insert, correct and remove rows until they are those of ``tasks.SCHEDULES``.

    django-q2 does not keep names unique, so duplicates with our prefix are removed as well.
    Schedules with other names are left alone.

    Args:
        using: alias of the database.
    """
    table = Schedule._meta.db_table  # noqa: SLF001 - documented Meta API
    if table not in connections[using].introspection.table_names():
        return  # a partial migrate; the complete one calls this again
    with transaction.atomic(using=using):
        keep = []
        for wanted in SCHEDULES:
            values = {
                "func": wanted.func,
                "schedule_type": Schedule.MINUTES,
                "minutes": wanted.minutes,
                "repeats": -1,
            }
            found = Schedule.objects.using(using).filter(name=wanted.name).order_by("pk").first()
            if found is None:
                found = Schedule(name=wanted.name, **values)
                found.save(using=using)
            elif any(getattr(found, name) != value for name, value in values.items()):
                Schedule.objects.using(using).filter(pk=found.pk).update(**values)
            keep.append(found.pk)
        Schedule.objects.using(using).filter(name__startswith=_PREFIX).exclude(pk__in=keep).delete()
