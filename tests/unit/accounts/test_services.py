"""Services of accounts: people get accounts, roles and passwords from administrators only."""

import pytest

from apps import principals
from apps.accounts import services
from apps.accounts.models import AccountKind, User
from apps.applications.services import create_machine_identity
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.errors import AccessDenied, AlreadyExists, InvalidInput, InvalidTransition
from apps.principals import ProductRole, Scope
from tests.factories.accounts import PASSWORD, make_person, principal_for

SYSTEM = principals.system("tests")

pytestmark = pytest.mark.django_db


def test_an_administrator_is_created_with_the_right_to_the_admin_site():
    user = services.create_person(
        SYSTEM, username="ada", password=PASSWORD, product_role=ProductRole.ADMIN
    )
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert (user.kind, user.product_role) == (AccountKind.PERSON, "admin")
    assert user.is_staff
    assert AuditEvent.objects.get(event=Event.ACCOUNT_CREATED).subject_label == "ada"
    assert PASSWORD not in str(list(AuditEvent.objects.values()))


def test_members_stay_out_of_the_admin_site(admin):
    user = services.create_person(admin, username="eve", password=PASSWORD)
    assert not user.is_staff
    assert not user.is_superuser


def test_members_create_nobody(outsider):
    with pytest.raises(AccessDenied):
        services.create_person(outsider, username="eve", password=PASSWORD)


def test_a_token_needs_the_scope_manage(admin):
    from dataclasses import replace

    reader = replace(admin, scopes=frozenset({Scope.READ}))
    with pytest.raises(AccessDenied):
        services.create_person(reader, username="eve", password=PASSWORD)


def test_everything_wrong_is_listed_and_the_password_is_not_echoed():
    with pytest.raises(InvalidInput) as caught:
        services.create_person(SYSTEM, username="a:b", password="hunter2", email="x")
    fields = [violation.field for violation in caught.value.violations]
    assert fields[:2] == ["username", "email"]
    assert set(fields[2:]) == {"password"}
    assert "hunter2" not in str(caught.value.violations)


@pytest.mark.parametrize("username", ["", "x" * 151, "a b", "machine:robot", "a\0", "a\n"])
def test_unusable_user_names_are_refused(username):
    with pytest.raises(InvalidInput):
        services.create_person(SYSTEM, username=username, password=PASSWORD)


@pytest.mark.parametrize("username", ["ada", "ADA", "\N{FULLWIDTH LATIN SMALL LETTER A}da"])
def test_pv19_lookalike_names_are_one_name(username):
    services.create_person(SYSTEM, username="ada", password=PASSWORD)
    with pytest.raises(AlreadyExists):
        services.create_person(SYSTEM, username=username, password=PASSWORD)


def test_the_last_administrator_stays(admin):
    ada = User.objects.get(pk=admin.user_id)
    for act in (
        lambda: services.change_product_role(SYSTEM, ada, ProductRole.MEMBER),
        lambda: services.disable_person(SYSTEM, ada),
    ):
        with pytest.raises(InvalidTransition, match="last administrator"):
            act()
    make_person("bea", role=ProductRole.ADMIN)
    services.change_product_role(SYSTEM, ada, ProductRole.MEMBER)
    ada.refresh_from_db()
    assert (ada.product_role, ada.is_staff, ada.is_superuser) == ("member", False, False)


def test_pv25_nobody_changes_their_own_role(admin):
    make_person("bea", role=ProductRole.ADMIN)
    own = User.objects.get(pk=admin.user_id)
    with pytest.raises(AccessDenied):
        services.change_product_role(admin, own, ProductRole.MEMBER)
    with pytest.raises(AccessDenied):
        services.disable_person(admin, own)


def test_machines_never_govern(admin):
    machine = create_machine_identity(SYSTEM, name="robot")
    with pytest.raises(InvalidTransition):
        services.change_product_role(admin, machine.user, ProductRole.ADMIN)
    with pytest.raises(InvalidTransition):
        services.set_password(admin, machine.user, PASSWORD)


def test_disabling_and_enabling_is_recorded(admin):
    eve = make_person("eve")
    services.disable_person(admin, eve)
    eve.refresh_from_db()
    assert not eve.is_active
    services.enable_person(admin, eve)
    eve.refresh_from_db()
    assert eve.is_active
    assert AuditEvent.objects.filter(event=Event.ACCOUNT_DISABLED).count() == 1


def test_passwords_are_changed_by_oneself_or_an_administrator(admin, outsider):
    eve = make_person("eve")
    new = "another correct horse"
    with pytest.raises(AccessDenied):
        services.set_password(outsider, eve, new)
    with pytest.raises(InvalidInput):
        services.set_password(principal_for(eve), eve, "short")
    services.set_password(principal_for(eve), eve, new)
    services.set_password(admin, eve, new + "!")
    eve.refresh_from_db()
    assert eve.check_password(new + "!")
    assert new not in str(list(AuditEvent.objects.values()))
