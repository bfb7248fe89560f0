"""Rights are role and token together; other applications are invisible."""

from dataclasses import replace
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group

from apps.accounts.models import User
from apps.applications import access, services
from apps.applications.access import SCOPE_OF
from apps.applications.models import Application
from apps.applications.roles import GOVERNANCE_FALLBACK, PERMISSIONS_OF, Permission, Role
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.errors import AccessDenied, NotFound
from apps.principals import Principal, Scope
from tests.factories.accounts import make_person, principal_for
from tests.unit.applications.conftest import SYSTEM, member

pytestmark = pytest.mark.django_db


def test_every_permission_needs_a_scope():
    assert set(SCOPE_OF) == set(Permission)


@pytest.mark.parametrize("role", Role)
def test_rights_are_exactly_those_of_the_role(payments, role):
    assert access.rights_in(member(payments, role), payments.pk) == PERMISSIONS_OF[role]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_require_agrees_with_the_role_table(payments, role, permission):
    principal = member(payments, role)
    if permission in PERMISSIONS_OF[role]:
        access.require(principal, permission, payments)
    else:
        with pytest.raises(AccessDenied):
            access.require(principal, permission, payments)


@pytest.mark.parametrize("permission", Permission)
def test_pv06_another_team_sees_nothing_and_learns_nothing(payments, billing, permission):
    principal = member(billing, Role.ADMIN)
    absent = Application(name="absent")
    texts = []
    for application in (payments, absent, None):
        with pytest.raises(NotFound) as caught:
            access.require(principal, permission, application)
        texts.append(caught.value.detail)
    assert len(set(texts)) == 1
    assert access.rights_in(principal, payments.pk) == frozenset()


def test_governing_is_not_operating(payments, governor):
    assert access.rights_in(governor, payments.pk) == GOVERNANCE_FALLBACK
    for permission in (Permission.REQUEST_CERTIFICATES, Permission.READ_PRIVATE_KEYS):
        with pytest.raises(AccessDenied):
            access.require(governor, permission, payments)


def test_an_administrator_with_a_confined_token_does_not_govern(payments, billing, governor):
    confined = replace(governor, application_id=payments.pk)
    assert access.rights_in(confined, payments.pk) == frozenset()
    assert access.rights_in(confined, billing.pk) == frozenset()
    assert access.visible_application_ids(confined, Permission.VIEW) == []


def test_sealwright_itself_may_do_everything(payments):
    assert access.rights_in(SYSTEM, payments.pk) == frozenset(Permission)
    assert access.visible_application_ids(SYSTEM, Permission.READ_PRIVATE_KEYS) is None


def test_objects_of_no_application_are_for_those_who_govern(payments, governor):
    access.require(governor, Permission.VIEW_CERTIFICATES, None)
    with pytest.raises(AccessDenied):
        access.require(governor, Permission.REVOKE_CERTIFICATES, None)
    with pytest.raises(NotFound):
        access.require(member(payments, Role.ADMIN), Permission.VIEW_CERTIFICATES, None)


@pytest.mark.parametrize("permission", Permission)
def test_pv32_a_token_narrows_and_never_widens(payments, permission):
    operator = member(payments, Role.OPERATOR)
    for scope in Scope:
        rights = access.rights_in(replace(operator, scopes=frozenset({scope})), payments.pk)
        expected = permission in PERMISSIONS_OF[Role.OPERATOR] and SCOPE_OF[permission] == scope
        assert (permission in rights) == expected


def test_a_token_without_scopes_allows_nothing(payments):
    principal = replace(member(payments, Role.ADMIN), scopes=frozenset())
    assert access.rights_in(principal, payments.pk) == frozenset()
    with pytest.raises(AccessDenied, match="scope 'read'"):
        access.require(principal, Permission.VIEW, payments)
    with pytest.raises(AccessDenied):
        access.visible_application_ids(principal, Permission.VIEW)


def test_a_confined_token_touches_one_application_only(payments, billing):
    user = make_person("both")
    for application in (payments, billing):
        services.add_member(SYSTEM, application, user=user, role=Role.OPERATOR)
    confined = replace(principal_for(user), application_id=payments.pk)
    assert access.rights_in(confined, payments.pk) == PERMISSIONS_OF[Role.OPERATOR]
    assert access.visible_application_ids(confined, Permission.VIEW) == [payments.pk]
    assert list(access.applications_visible_to(confined)) == [payments]
    with pytest.raises(NotFound):
        access.require(confined, Permission.VIEW, billing)


def test_pv32_a_change_of_role_takes_effect_at_once(payments):
    principal = member(payments, Role.OPERATOR)
    membership = payments.memberships.get()
    services.change_role(SYSTEM, membership, Role.AUDITOR)
    assert access.rights_in(principal, payments.pk) == PERMISSIONS_OF[Role.AUDITOR]
    services.remove_member(SYSTEM, membership)
    assert access.rights_in(principal, payments.pk) == frozenset()


def test_rights_of_groups_and_persons_add_up(payments):
    group = Group.objects.create(name="ops")
    user = make_person("grace")
    user.groups.add(group)
    services.add_member(SYSTEM, payments, user=user, role=Role.AUDITOR)
    services.add_member(SYSTEM, payments, group=group, role=Role.OPERATOR)
    principal = principal_for(user)
    assert access.rights_in(principal, payments.pk) == PERMISSIONS_OF[Role.OPERATOR]
    assert access.visible_application_ids(principal, Permission.VIEW) == [payments.pk]
    user.groups.clear()
    assert access.rights_in(principal, payments.pk) == PERMISSIONS_OF[Role.AUDITOR]


def test_somebody_without_an_account_has_no_rights(payments):
    nobody = Principal(kind="acme", id="1", label="account 1")
    assert access.rights_in(nobody, payments.pk) == frozenset()
    assert access.visible_application_ids(nobody, Permission.VIEW) == []
    assert not access.applications_visible_to(nobody).exists()


def test_a_person_in_no_group_does_not_match_rows_of_groups(payments):
    services.add_member(SYSTEM, payments, group=Group.objects.create(name="empty"), role=Role.ADMIN)
    nobody = Principal(kind="acme", id="1", label="account 1")
    for principal in (nobody, principal_for(make_person("oscar"))):
        assert access.rights_in(principal, payments.pk) == frozenset()
        assert not access.applications_visible_to(principal).exists()


def test_lists_hold_only_what_is_in_sight(payments, billing, governor):
    principal = member(payments, Role.AUDITOR)
    assert list(access.applications_visible_to(principal)) == [payments]
    assert list(access.applications_visible_to(governor)) == [billing, payments]
    assert access.visible_application_ids(principal, Permission.REQUEST_CERTIFICATES) == []


def test_rights_cost_one_query(payments, django_assert_num_queries):
    principal = member(payments, Role.OPERATOR)
    with django_assert_num_queries(1):
        access.rights_in(principal, payments.pk)
    with django_assert_num_queries(1):
        access.require(principal, Permission.REQUEST_CERTIFICATES, payments)
    with django_assert_num_queries(1):
        access.visible_application_ids(principal, Permission.VIEW)


def test_denials_are_recorded_and_floods_are_cut(payments):
    principal = member(payments, Role.AUDITOR)
    for _ in range(40):
        with pytest.raises(AccessDenied):
            access.require(principal, Permission.REVOKE_CERTIFICATES, payments)
    events = AuditEvent.objects.filter(event=Event.ACCESS_DENIED)
    assert events.count() == 30
    assert events[0].data == {"permission": "revoke_certificates"}
    assert events[0].application_id == payments.pk


def test_guardian_agrees_with_our_reading(payments):
    principal = member(payments, Role.OPERATOR)
    user = User.objects.get(pk=principal.user_id)
    for permission in Permission:
        held = permission in PERMISSIONS_OF[Role.OPERATOR]
        assert user.has_perm(f"applications.{permission.value}", payments) == held


def test_an_unknown_application_gives_nothing_to_members(payments):
    assert access.rights_in(member(payments, Role.ADMIN), uuid4()) == frozenset()


def test_permissions_of_another_version_allow_nothing(payments):
    from django.contrib.auth.models import Permission as PermissionRow

    principal = member(payments, Role.AUDITOR)
    PermissionRow.objects.filter(codename="view_audit").update(codename="view_future")
    assert access.rights_in(principal, payments.pk) == PERMISSIONS_OF[Role.AUDITOR] - {
        Permission.VIEW_AUDIT
    }


def protocol_account(application, **changes):
    account = Principal(
        kind="acme",
        id="1",
        label="ACME account x",
        application_id=application.pk,
        pairing_id=uuid4(),
    )
    return replace(account, **changes)


def test_a_protocol_account_requests_and_revokes_at_home_and_nothing_else(payments):
    account = protocol_account(payments)
    allowed = {Permission.REQUEST_CERTIFICATES, Permission.REVOKE_CERTIFICATES}
    assert access.rights_in(account, payments.pk) == allowed
    for permission in Permission:
        if permission in allowed:
            access.require(account, permission, payments)
            access.require(account, permission, payments, pairing_id=account.pairing_id)
        else:
            with pytest.raises(AccessDenied):
                access.require(account, permission, payments)


@pytest.mark.parametrize("permission", list(Permission))
def test_a_protocol_account_finds_nothing_elsewhere(payments, billing, permission):
    account = protocol_account(payments)
    for application in (billing, None):
        with pytest.raises(NotFound):
            access.require(account, permission, application)
        assert not access.rights_in(account, application.pk if application else None)


def test_a_protocol_account_is_confined_to_its_pairing(payments):
    account = protocol_account(payments)
    with pytest.raises(NotFound):
        access.require(account, Permission.REQUEST_CERTIFICATES, payments, pairing_id=uuid4())
    for unconfined in (
        replace(account, pairing_id=None),
        replace(account, application_id=None),
    ):
        with pytest.raises(NotFound):
            access.require(unconfined, Permission.REQUEST_CERTIFICATES, payments)


def test_a_protocol_account_never_governs_whatever_else_it_claims(payments, governor):
    account = protocol_account(
        payments, product_role=governor.product_role, user_id=governor.user_id
    )
    with pytest.raises(AccessDenied):
        access.require(account, Permission.VIEW, payments)
    unconfined = replace(account, application_id=None)
    assert access.visible_application_ids(unconfined, Permission.VIEW) == []
    assert not access.applications_visible_to(protocol_account(payments)).exists()


def test_people_are_not_confined_by_a_pairing(payments):
    somebody = member(payments, Role.OPERATOR)
    access.require(somebody, Permission.REQUEST_CERTIFICATES, payments, pairing_id=uuid4())
