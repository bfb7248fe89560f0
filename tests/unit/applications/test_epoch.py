"""Does nobody rely on rights, pairings or doors that have changed meanwhile?"""

import re
import threading

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from knox.crypto import hash_token

from apps import clock, principals
from apps.accounts.models import User
from apps.applications import access, epoch, pairings, services, tokens
from apps.applications.models import (
    ApiToken,
    ApplicationGroupObjectPermission,
    ApplicationUserObjectPermission,
    GovernanceChange,
    Pairing,
)
from apps.applications.roles import Permission, Role
from apps.authorities import signing
from apps.enrollment.acme import endpoint_config as doors
from apps.enrollment.acme.services import endpoints as acme
from apps.errors import NotFound
from tests.factories.applications import Team, make_machine, make_token

pytestmark = pytest.mark.django_db

TABLES = sorted(model._meta.db_table for model in epoch.governed())
# What is read beside governed tables: names of permissions, which migrations write.
NEVER_KEPT = {"applications_governancechange", "auth_permission"}


def now() -> str:
    found = epoch.of(epoch.EPOCH.all())
    assert found
    return found


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


@pytest.mark.parametrize("model", epoch.governed(), ids=lambda model: model._meta.db_table)
def test_any_change_of_a_governed_table_is_another_epoch(governed, model):
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


def test_a_trigger_from_before_a_column_was_added_does_not_count(monkeypatch):
    assert epoch.missing() == ""
    monkeypatch.setitem(epoch._INDIFFERENT, User._meta.db_table, frozenset())
    assert User._meta.db_table in epoch.missing()


def test_what_is_rolled_back_was_no_change_and_its_epoch_never_returns(governed):
    before = now()
    with transaction.atomic():
        Pairing.objects.update(api_enabled=False)
        gone = now()
        transaction.set_rollback(True)
    assert now() == before
    Pairing.objects.update(api_enabled=False)
    assert now() not in {before, gone}


def test_no_cache_is_filled_from_a_table_that_is_not_governed(governed):
    principal = governed.principal(Role.OPERATOR)
    token = hash_token(make_token(make_machine(governed.application, name="other")))
    for kept in (access._kept, pairings._kept, doors._kept, tokens._kept):
        kept._values.clear()
    signing._handles.clear()
    with CaptureQueriesContext(connection) as asked:
        tokens._kept.read(token, tokens._made, (tokens._BY_DIGEST, (token,)))
        access.rights_in(principal, governed.application.pk)
        pairings.named(governed.application.name, governed.profile.name)
        doors.door_named(governed.application.name, governed.profile.name)
    assert len(asked) == 5
    read = {
        table
        for one in asked.captured_queries
        for table in re.findall(r'(?:FROM|JOIN) "(\w+)"', one["sql"])
    }
    assert read - set(TABLES) <= NEVER_KEPT
    assert len(read) > 8


def test_nothing_is_asked_again_within_an_epoch_and_all_of_it_in_the_next(
    governed, django_assert_num_queries
):
    names = governed.application.name, governed.profile.name
    first = pairings.named(*names)
    with django_assert_num_queries(0):
        assert pairings.named(*names, epoch=pairings._kept._values[names][0]) is first
    Pairing.objects.update(api_enabled=False)
    assert not pairings.named(*names, epoch=now()).api_enabled
    with django_assert_num_queries(1):
        assert pairings.named(*names) is not first


def test_a_role_that_is_taken_away_takes_its_rights_along(governed):
    principal = governed.principal(Role.OPERATOR)
    application_id, user_id = governed.application.pk, principal.user_id
    held = access._held(user_id, application_id, now())
    assert Permission.REQUEST_CERTIFICATES in held
    assert access._held(user_id, application_id, now()) is held
    ApplicationUserObjectPermission.objects.filter(user_id=user_id).delete()
    left = access._held(user_id, application_id, now())  # what the group gives
    assert Permission.REQUEST_CERTIFICATES not in left
    assert Permission.VIEW in left
    ApplicationGroupObjectPermission.objects.all().delete()
    assert not access._held(user_id, application_id, now())


def test_rights_seen_in_a_transaction_that_fails_are_not_believed_afterwards(governed):
    principal = governed.principal(Role.OPERATOR)
    before = now()
    with transaction.atomic():
        ApplicationUserObjectPermission.objects.all().delete()
        ApplicationGroupObjectPermission.objects.all().delete()
        # The request knows the epoch from before its own change.
        assert not access._held(principal.user_id, governed.application.pk, before)
        transaction.set_rollback(True)
    assert access._held(principal.user_id, governed.application.pk, now())


def test_without_an_epoch_nothing_kept_is_believed(governed, django_assert_num_queries):
    names = governed.application.name, governed.profile.name
    pairings.named(*names)
    with django_assert_num_queries(1):
        pairings.named(*names)
    GovernanceChange.objects.all().delete()
    assert epoch.of(epoch.EPOCH.all()) == ""
    with django_assert_num_queries(2):
        pairings.named(*names, epoch="")
        pairings.named(*names, epoch="")


def test_a_closed_door_is_closed_at_once(governed):
    names = governed.application.name, governed.profile.name
    assert doors.door_named(*names).enabled
    acme.update_acme(
        governed.principal(Role.ADMIN), acme_endpoint_of(governed.pairing), enabled=False
    )
    with pytest.raises(NotFound):
        doors.door_named(*names)


def acme_endpoint_of(pairing: Pairing):
    return Pairing.objects.get(pk=pairing.pk).acme


def test_many_changes_become_one(governed):
    assert GovernanceChange.objects.count() > 20
    before = now()
    assert epoch.compact().startswith("replaced")
    assert GovernanceChange.objects.count() == 1
    assert now() != before
    assert epoch.compact() == "nothing to do"


def test_a_lost_trigger_is_reported_and_put_back():
    assert epoch.missing() == ""
    table = Pairing._meta.db_table
    with connection.cursor() as cursor:
        name, _ = epoch._triggers(connection, table)[0]
        on = f'ON "{table}"' if connection.vendor == "postgresql" else ""
        cursor.execute(f'DROP TRIGGER "{name}" {on}')
    assert table in epoch.missing()
    before = now()
    epoch.install("default")
    assert epoch.missing() == ""
    assert now() != before  # nobody knows what has changed without it


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
