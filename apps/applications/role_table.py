"""The table of roles that members' rights were derived from, and new rights when it changes.

What a member may do is stored in django-guardian's rows, derived from the member's role when it
is given. A new version may give a role other permissions: after ``migrate`` the rows of all
members follow, once.
"""

import hashlib
import json
from typing import Any

from django.contrib.auth.models import Permission as PermissionRow
from django.db import connections, transaction
from django.db.models import Exists, Model, OuterRef

from apps import clock
from apps.applications.models import (
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
    AppliedRoleTable,
    Membership,
)
from apps.applications.roles import PERMISSIONS_OF, Role
from apps.audit.events import Event
from apps.audit.record import record
from apps.principals import system

_BATCH = 1000
_ONLY = 1
_STORED_IN: tuple[tuple[str, Any], ...] = (
    ("user", ApplicationUserObjectPermission),
    ("group", ApplicationGroupObjectPermission),
)


def digest() -> str:
    """Return a digest of the table in ``roles.py``."""
    table = {role.value: sorted(right.value for right in PERMISSIONS_OF[role]) for role in Role}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def apply_if_changed(using: str) -> None:
    """Derive the rights of all members again if the table is another one than last time.

    Connected to ``post_migrate``. While nothing has changed it costs two queries, however many
    members there are.
    """
    table = AppliedRoleTable._meta.db_table  # noqa: SLF001 - Django's documented Meta API
    # After a migration backwards it is gone; rights are read from the default database.
    if using != "default" or table not in connections[using].introspection.table_names():
        return
    if AppliedRoleTable.objects.filter(pk=_ONLY, digest=digest()).exists():
        return
    with transaction.atomic():
        given, taken = rebuild_rights()
        AppliedRoleTable.objects.update_or_create(
            pk=_ONLY, defaults={"digest": digest(), "applied_at": clock.now()}
        )
        if given or taken:
            record(
                Event.ROLE_TABLE_APPLIED,
                principal=system("upgrade"),
                rights_given=given,
                rights_taken=taken,
            )


def rebuild_rights() -> tuple[int, int]:
    """Make the stored rights of all members those of their roles; harmless at any time.

    Returns:
        How many rights were given, and how many taken away.
    """
    rows = {
        row.codename: row.pk
        for row in PermissionRow.objects.filter(content_type__app_label="applications")
    }
    given = taken = 0
    with transaction.atomic():
        for role in Role:
            wanted = {rows[right.value] for right in PERMISSIONS_OF[role]}
            for member, rights in _STORED_IN:
                taken += _take(role, member, rights, wanted)
                given += sum(_give(role, member, rights, right) for right in sorted(wanted))
    return given, taken


def _take(role: Role, member: str, rights: Any, wanted: set[int]) -> int:
    """Remove what members of a role have beyond ``wanted``."""
    of_role = Membership.objects.filter(
        **{member: OuterRef(member)}, application=OuterRef("content_object"), role=role
    )
    beyond = rights.objects.filter(Exists(of_role)).exclude(permission_id__in=wanted)
    count, _ = beyond.delete()
    return int(count)


def _give(role: Role, member: str, rights: Any, right: int) -> int:
    """Add one right to the members of a role who lack it."""
    has = rights.objects.filter(
        **{member: OuterRef(member)}, content_object=OuterRef("application"), permission_id=right
    )
    lacking = Membership.objects.filter(~Exists(has), role=role, **{f"{member}__isnull": False})
    missing: list[Model] = [
        rights(**{f"{member}_id": who}, content_object_id=application, permission_id=right)
        for who, application in lacking.values_list(f"{member}_id", "application_id")
    ]
    rights.objects.bulk_create(missing, batch_size=_BATCH, ignore_conflicts=True)
    return len(missing)
