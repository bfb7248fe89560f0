"""A new version's table of roles reaches the rights of members from before."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db.models.signals import post_migrate

from apps.accounts import groups
from apps.applications import access, governance_version, role_table, roles, services
from apps.applications.models import (
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
    AppliedRoleTable,
)
from apps.applications.roles import PERMISSIONS_OF, Permission, Role
from apps.audit.models import AuditEvent
from tests.factories.accounts import make_person, principal_for
from tests.unit.applications.conftest import SYSTEM, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def migrate():
    """What Django sends after each ``migrate``."""

    def send():
        post_migrate.send(
            sender=apps.get_app_config("auth"),
            app_config=apps.get_app_config("auth"),
            verbosity=0,
            interactive=False,
            using="default",
            plan=[],
            apps=apps,
        )

    return send


@pytest.fixture
def by_group(payments):
    person = make_person("gina")
    group = groups.create_group(SYSTEM, name="team", people=[person])
    services.add_member(SYSTEM, payments, group=group, role=Role.OPERATOR)
    assert Group.objects.count() == 1
    return principal_for(person)


def another_table(monkeypatch):
    """Let operators approve, and no longer revoke."""
    changed = PERMISSIONS_OF[Role.OPERATOR] | {Permission.APPROVE_REQUESTS}
    changed -= {Permission.REVOKE_CERTIFICATES}
    monkeypatch.setitem(roles.PERMISSIONS_OF, Role.OPERATOR, changed)
    return changed


def test_members_from_before_get_the_rights_of_the_new_table(
    payments, billing, by_group, migrate, monkeypatch
):
    operator, auditor = member(payments, Role.OPERATOR), member(billing, Role.AUDITOR)
    migrate()
    version = governance_version.current()
    wanted = another_table(monkeypatch)
    migrate()
    for principal in (operator, by_group):
        assert access.rights_in(principal, payments.pk) == wanted
        assert access.rights_in(principal, billing.pk) == frozenset()
    assert access.rights_in(auditor, billing.pk) == PERMISSIONS_OF[Role.AUDITOR]
    # Running processes notice.
    assert governance_version.current() != version
    (event,) = AuditEvent.objects.filter(event="role_table.applied").order_by("-pk")[:1]
    assert (event.data["rights_given"], event.data["rights_taken"]) == (2, 2)


def test_nothing_is_derived_while_the_table_is_the_same(
    payments, migrate, django_assert_max_num_queries
):
    operator = member(payments, Role.OPERATOR)
    migrate()
    ApplicationUserObjectPermission.objects.all().delete()
    with django_assert_max_num_queries(2):
        role_table.apply_if_changed("default")
    assert access.rights_in(operator, payments.pk) == frozenset()


def test_what_is_lost_is_derived_anew(payments, by_group, migrate):
    operator = member(payments, Role.OPERATOR)
    migrate()
    ApplicationUserObjectPermission.objects.all().delete()
    ApplicationGroupObjectPermission.objects.all().delete()
    AppliedRoleTable.objects.all().delete()
    migrate()
    for principal in (operator, by_group):
        assert access.rights_in(principal, payments.pk) == PERMISSIONS_OF[Role.OPERATOR]


def test_a_database_knows_its_table_after_its_first_migrate():
    assert AppliedRoleTable.objects.get().digest == role_table.digest()
