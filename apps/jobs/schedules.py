"""Which schedules does django-q2 hold? Exactly those of ``tasks.SCHEDULES``, one row each."""

from django.db import connections, transaction
from django_q.models import Schedule

from apps.jobs.tasks import SCHEDULES

_PREFIX = "sealwright."


def upsert(using: str) -> None:
    """Make the rows follow the data: insert, correct, and remove what is no longer there.

    django-q2 does not keep names unique, so duplicates under our prefix go too. Schedules of
    other names are left alone.
    """
    table = Schedule._meta.db_table  # noqa: SLF001 - documented Meta API
    if table not in connections[using].introspection.table_names():
        return  # a partial migrate; the complete one comes back here
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
