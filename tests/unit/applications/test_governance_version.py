"""The governance version: any change of a governed table is another one, and caches obey it."""

import re
import threading
from dataclasses import replace

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request

from apps import clock, principals
from apps.accounts.models import User
from apps.applications import access, governance_version, pairings, services
from apps.applications.models import (
    ApiToken,
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
    GovernanceChange,
    Pairing,
)
from apps.applications.roles import Permission, Role
from apps.applications.tokens import BearerAuthentication
from apps.enrollment.acme import endpoint_config
from apps.enrollment.acme.services import endpoints as acme
from apps.errors import NotFound
from tests.factories.applications import Team, make_machine, make_token

pytestmark = pytest.mark.django_db

TABLES = sorted(model._meta.db_table for model in governance_version.governed_models())
# What is read beside governed tables: names of permissions, which migrations write.
NEVER_CACHED = {"applications_governancechange", "auth_permission"}


def now() -> str:
    return governance_version.current()


@pytest.fixture
def governed(team: Team) -> Team:
    """Every governed table has a row."""
    acme.enable_acme(team.principal(Role.ADMIN), team.pairing, skip_validation=True)
    group = Group.objects.create(name="ops")
    group.user_set.add(team.people[Role.OPERATOR])
    services.add_member(
        principals.system("tests"), team.application, group=group, role=Role.AUDITOR
    )
    make_token(make_machine(team.application))
    return team


@pytest.mark.parametrize(
    "model", governance_version.governed_models(), ids=lambda model: model._meta.db_table
)
def test_any_change_of_a_governed_table_is_another_version(governed, model):
    assert model._default_manager.exists()
    before = now()
    key = model._meta.pk.name
    model._default_manager.update(**{key: F(key)})
    changed = now()
    assert changed != before
    assert now() == changed
    with connection.cursor() as cursor:
        cursor.execute(f'DELETE FROM "{model._meta.db_table}" WHERE 1 = 0')
    quiet = connection.vendor == "sqlite"  # there, triggers are for rows
    assert (now() == changed) is quiet


@pytest.mark.parametrize(("model", "column"), [(User, "last_login"), (ApiToken, "last_used_at")])
def test_what_only_notes_a_use_is_no_change(governed, model, column):
    before = now()
    model.objects.update(**{column: clock.now()})
    assert now() == before


@pytest.mark.postgres
def test_a_trigger_from_before_a_column_was_added_does_not_count():
    assert governance_version.missing_triggers() == ""
    table = User._meta.db_table
    (name,) = triggers_on(table)
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TRIGGER "{name}" ON "{table}" RENAME TO governed_0badcafe')
    assert table in governance_version.missing_triggers()


def test_what_is_rolled_back_was_no_change_and_its_version_never_returns(governed):
    before = now()
    with transaction.atomic():
        Pairing.objects.update(api_enabled=False)
        gone = now()
        transaction.set_rollback(True)
    assert now() == before
    Pairing.objects.update(api_enabled=False)
    assert now() not in {before, gone}


def test_no_cache_is_filled_from_a_table_that_is_not_governed(governed, rf):
    principal = governed.principal(Role.OPERATOR)
    token = make_token(make_machine(governed.application, name="other"))
    request = Request(rf.get("/", headers={"Authorization": f"Bearer {token}"}))
    BearerAuthentication().authenticate(request)  # the first use is written down
    Pairing.objects.update(api_enabled=True)  # another version: nothing cached counts
    with CaptureQueriesContext(connection) as asked:
        BearerAuthentication().authenticate(request)
        access.rights_in(replace(principal, governance_version=now()), governed.application.pk)
        pairing = pairings.pairing_for(
            governed.application.name, governed.profile.name, version=now()
        )
        assert endpoint_config.is_open(pairing)
        endpoint_config.config_for(governed.application.name, governed.profile.name)
    read = {
        table
        for one in asked.captured_queries
        for table in re.findall(r'(?:FROM|JOIN) "(\w+)"', one["sql"])
    }
    assert read - set(TABLES) <= NEVER_CACHED
    assert len(read) > 8


def test_nothing_is_read_again_under_a_version_and_all_of_it_under_the_next(
    governed, django_assert_num_queries
):
    names = governed.application.name, governed.profile.name
    version = now()
    first = pairings.pairing_for(*names, version=version)
    with django_assert_num_queries(0):
        assert pairings.pairing_for(*names, version=version) is first
    Pairing.objects.update(api_enabled=False)
    changed = now()
    with django_assert_num_queries(3):  # the version again, the pairing, its issuer
        assert not pairings.pairing_for(*names, version=changed).api_enabled


def test_a_role_that_is_taken_away_takes_its_rights_along(governed, django_assert_num_queries):
    def held() -> frozenset[Permission]:
        principal = replace(governed.principal(Role.OPERATOR), governance_version=now())
        rights = access.rights_in(principal, governed.application.pk)
        with django_assert_num_queries(0):
            assert access.rights_in(principal, governed.application.pk) == rights
        return rights

    assert Permission.REQUEST_CERTIFICATES in held()
    user_id = governed.people[Role.OPERATOR].pk
    ApplicationUserObjectPermission.objects.filter(user_id=user_id).delete()
    left = held()  # what the group gives
    assert Permission.REQUEST_CERTIFICATES not in left
    assert Permission.VIEW in left
    ApplicationGroupObjectPermission.objects.all().delete()
    assert not held()


def test_rights_read_in_a_transaction_that_fails_do_not_count_afterwards(governed):
    principal = replace(governed.principal(Role.OPERATOR), governance_version=now())
    application_id = governed.application.pk
    with transaction.atomic():
        ApplicationUserObjectPermission.objects.all().delete()
        ApplicationGroupObjectPermission.objects.all().delete()
        # The principal knows the version from before the transaction's own change.
        assert not access.rights_in(principal, application_id)
        transaction.set_rollback(True)
    assert access.rights_in(replace(principal, governance_version=now()), application_id)


def test_without_a_version_nothing_cached_counts(governed, django_assert_num_queries):
    names = governed.application.name, governed.profile.name
    pairings.pairing_for(*names, version=now())
    GovernanceChange.objects.all().delete()
    assert now() == ""
    for _ in range(2):
        with django_assert_num_queries(2):
            pairings.pairing_for(*names, version="")


def test_a_closed_method_is_closed_at_once(governed):
    names = governed.application.name, governed.profile.name
    assert endpoint_config.config_for(*names).enabled
    acme.update_acme(
        governed.principal(Role.ADMIN), acme_endpoint_of(governed.pairing), enabled=False
    )
    with pytest.raises(NotFound):
        endpoint_config.config_for(*names)


def test_whether_acme_is_open_is_read_once_under_a_version(governed, django_assert_num_queries):
    names = governed.application.name, governed.profile.name
    pairing = pairings.pairing_for(*names, version=now())
    assert endpoint_config.is_open(pairing)
    with django_assert_num_queries(0):
        assert endpoint_config.is_open(pairing)
    acme.update_acme(
        governed.principal(Role.ADMIN), acme_endpoint_of(governed.pairing), enabled=False
    )
    assert not endpoint_config.is_open(pairings.pairing_for(*names, version=now()))


def acme_endpoint_of(pairing: Pairing):
    return Pairing.objects.get(pk=pairing.pk).acme


@pytest.mark.postgres
def test_changes_of_a_session_that_fires_no_other_trigger_count(governed):
    before = now()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f'UPDATE "{Pairing._meta.db_table}" SET api_enabled = false')
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert now() != before


@pytest.mark.postgres
@pytest.mark.parametrize("state", ["DISABLE TRIGGER", "ENABLE TRIGGER", "ENABLE REPLICA TRIGGER"])
def test_a_trigger_that_does_not_always_fire_is_reported_and_made_anew(state):
    table = Pairing._meta.db_table
    (name,) = triggers_on(table)
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{table}" {state} "{name}"')
    assert table in governance_version.missing_triggers()
    governance_version.install_triggers("default")
    assert governance_version.missing_triggers() == ""


def test_many_changes_become_one(governed):
    assert GovernanceChange.objects.count() > 20
    before = now()
    assert governance_version.compact().startswith("replaced")
    assert GovernanceChange.objects.count() == 1
    assert now() != before
    assert governance_version.compact() == "nothing to do"


def test_a_lost_trigger_is_reported_and_put_back():
    assert governance_version.missing_triggers() == ""
    table = Pairing._meta.db_table
    with connection.cursor() as cursor:
        on = f'ON "{table}"' if connection.vendor == "postgresql" else ""
        cursor.execute(f'DROP TRIGGER "{triggers_on(table)[0]}" {on}')
    assert table in governance_version.missing_triggers()
    before = now()
    governance_version.install_triggers("default")
    assert governance_version.missing_triggers() == ""
    assert now() != before  # nobody knows what has changed without it


def triggers_on(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND relname = %s"
            if connection.vendor == "postgresql"
            else "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_changes_do_not_wait_for_each_other_and_count_once_committed(governed):
    names = []
    before = now()

    def elsewhere() -> None:
        try:
            with transaction.atomic():
                Pairing.objects.update(api_enabled=True)
                names.append(now())
        finally:
            connections.close_all()

    with transaction.atomic():
        Group.objects.get().user_set.clear()
        mine = now()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        assert now() not in {before, mine, *names}
    assert now() not in {before, mine, *names}
