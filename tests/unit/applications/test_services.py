"""Services of applications, members, pairings and machines: rights and audit events."""

import pytest
from django.contrib.auth.models import Group

from apps.accounts.models import AccountKind
from apps.applications import access, services
from apps.applications.models import Application, MachineIdentity, Membership, Pairing
from apps.applications.roles import PERMISSIONS_OF, Role
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.certificates.models import CertificateRequest
from apps.errors import AccessDenied, AlreadyExists, InUse, InvalidInput, Malformed, NotFound
from apps.policies.models import PolicyVersion
from tests.factories.accounts import make_person, principal_for
from tests.unit.applications.conftest import SYSTEM, member

pytestmark = pytest.mark.django_db


def events(event: Event) -> int:
    return AuditEvent.objects.filter(event=event).count()


# --- applications ---------------------------------------------------------------------------


def test_only_product_administrators_create_applications(governor, payments):
    services.create_application(governor, name="new", description="Ours")
    assert events(Event.APPLICATION_CREATED) == 2
    with pytest.raises(AccessDenied):
        services.create_application(member(payments, Role.ADMIN), name="other")
    assert not Application.objects.filter(name="other").exists()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "a b",
        "a_b",
        "-a",
        "a-",
        "a" * 65,
        "a/b",
        "..",
        "ä",
        "a\0",
        "a\n",
        "0190a000-0000-7000-8000-000000000000",
    ],
)
def test_pv19_names_have_one_spelling(name):
    with pytest.raises(InvalidInput):
        services.create_application(SYSTEM, name=name)


def test_everything_wrong_is_listed_at_once():
    with pytest.raises(InvalidInput) as caught:
        services.create_application(SYSTEM, name="A", description="x" * 256)
    assert [v.field for v in caught.value.violations] == ["name", "description"]


def test_a_taken_name_is_refused(payments):
    with pytest.raises(AlreadyExists):
        services.create_application(SYSTEM, name="payments")
    assert events(Event.APPLICATION_CREATED) == 1


def test_application_admin_describes_it_and_operator_does_not(payments):
    services.update_application(member(payments, Role.ADMIN), payments, description="New")
    payments.refresh_from_db()
    assert payments.description == "New"
    assert AuditEvent.objects.get(event=Event.APPLICATION_UPDATED).data["after"] == {
        "description": "New"
    }
    with pytest.raises(AccessDenied):
        services.update_application(member(payments, Role.OPERATOR), payments, description="x")


def test_deleting_takes_members_pairings_and_rights_along(payments, profile):
    principal = member(payments, Role.ADMIN)
    services.attach_profile(SYSTEM, payments, profile)
    key = payments.pk
    services.delete_application(principal, payments)
    assert not Membership.objects.exists()
    assert not Pairing.objects.exists()
    assert access.rights_in(principal, key) == frozenset()
    assert events(Event.APPLICATION_DELETED) == 1


def test_an_application_in_use_is_kept(payments, profile):
    version = PolicyVersion.objects.create(
        policy=profile.policy, number=1, rules={}, created_by="x"
    )
    CertificateRequest.objects.create(
        application=payments,
        profile=profile,
        profile_revision=1,
        policy_version=version,
        state="rejected",
        method="api",
        requested_by="user:1",
        leaf={},
    )
    with pytest.raises(InUse, match="1 certificate request"):
        services.delete_application(SYSTEM, payments)
    assert Application.objects.filter(pk=payments.pk).exists()


def test_operators_and_strangers_delete_nothing(payments, billing):
    with pytest.raises(AccessDenied):
        services.delete_application(member(payments, Role.OPERATOR), payments)
    with pytest.raises(NotFound):
        services.delete_application(member(billing, Role.ADMIN), payments)


# --- members --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_only_admins_manage_members(payments, role):
    principal = member(payments, role)
    with pytest.raises(AccessDenied):
        services.add_member(principal, payments, user=make_person("eve"), role=Role.AUDITOR)
    membership = payments.memberships.get()
    with pytest.raises(AccessDenied):
        services.remove_member(principal, membership)


def test_a_product_administrator_mends_membership(payments, governor):
    services.add_member(governor, payments, user=make_person("eve"), role=Role.ADMIN)
    assert payments.memberships.get().role == Role.ADMIN
    assert events(Event.MEMBER_ADDED) == 1


def test_pv25_nobody_gives_themselves_a_role(payments, governor):
    admin = member(payments, Role.ADMIN)
    own = payments.memberships.get()
    with pytest.raises(AccessDenied, match="cannot give yourself a role"):
        services.change_role(admin, own, Role.ADMIN)
    from apps.accounts.models import User

    with pytest.raises(AccessDenied, match="cannot give yourself a role"):
        services.add_member(
            governor, payments, user=User.objects.get(pk=governor.user_id), role=Role.OPERATOR
        )
    assert payments.memberships.count() == 1


def test_pv25_nor_through_a_group(payments, governor):
    from apps.accounts.models import User

    group = Group.objects.create(name="security")
    User.objects.get(pk=governor.user_id).groups.add(group)
    with pytest.raises(AccessDenied, match="cannot give yourself a role"):
        services.add_member(governor, payments, group=group, role=Role.OPERATOR)
    other = services.add_member(SYSTEM, payments, group=group, role=Role.AUDITOR)
    with pytest.raises(AccessDenied, match="cannot give yourself a role"):
        services.change_role(governor, other, Role.ADMIN)


def test_pv24_admin_of_one_application_manages_no_other(payments, billing):
    admin = member(payments, Role.ADMIN)
    foreign = services.add_member(SYSTEM, billing, user=make_person("bob"), role=Role.AUDITOR)
    for act in (
        lambda: services.add_member(admin, billing, user=make_person("eve"), role=Role.ADMIN),
        lambda: services.change_role(admin, foreign, Role.ADMIN),
        lambda: services.remove_member(admin, foreign),
        lambda: services.bulk_add(admin, billing, names=["bob"], role=Role.ADMIN),
    ):
        with pytest.raises(NotFound):
            act()
    foreign.refresh_from_db()
    assert foreign.role == Role.AUDITOR


def test_a_member_is_one_thing(payments):
    group = Group.objects.create(name="g")
    with pytest.raises(Malformed):
        services.add_member(SYSTEM, payments, role=Role.AUDITOR)
    with pytest.raises(Malformed):
        services.add_member(
            SYSTEM, payments, user=make_person("eve"), group=group, role=Role.AUDITOR
        )


def test_nobody_is_a_member_twice(payments):
    user = make_person("eve")
    services.add_member(SYSTEM, payments, user=user, role=Role.AUDITOR)
    with pytest.raises(AlreadyExists):
        services.add_member(SYSTEM, payments, user=user, role=Role.ADMIN)
    assert access.rights_in(principal_for(user), payments.pk) == PERMISSIONS_OF[Role.AUDITOR]


def test_unknown_roles_are_refused(payments):
    with pytest.raises(InvalidInput):
        services.add_member(SYSTEM, payments, user=make_person("eve"), role="owner")


def test_a_membership_removed_meanwhile_is_not_found(payments):
    membership = services.add_member(SYSTEM, payments, user=make_person("eve"), role=Role.ADMIN)
    Membership.objects.filter(pk=membership.pk).delete()
    with pytest.raises(NotFound):
        services.change_role(SYSTEM, membership, Role.AUDITOR)


def test_bulk_addition_tells_what_became_of_each(payments, governor):
    make_person("eve")
    make_person("bob")
    services.create_machine_identity(SYSTEM, name="robot")
    services.bulk_add(governor, payments, names=["bob"], role=Role.AUDITOR)
    result = services.bulk_add(
        governor,
        payments,
        names=["eve", "bob", "robot", "nobody", "eve", "gwen", "machine:robot"],
        role=Role.OPERATOR,
    )
    assert result.added == ("eve", "robot")
    assert result.skipped == ("bob", "gwen")
    assert result.unresolved == ("nobody", "machine:robot")


# --- pairings -------------------------------------------------------------------------------


def test_attaching_is_an_act_of_governance(payments, profile, governor):
    with pytest.raises(AccessDenied):
        services.attach_profile(member(payments, Role.ADMIN), payments, profile)
    pairing = services.attach_profile(governor, payments, profile, requires_approval=True)
    assert pairing.requires_approval
    with pytest.raises(AlreadyExists):
        services.attach_profile(governor, payments, profile)
    assert events(Event.PAIRING_ATTACHED) == 1


def test_switches_belong_to_admins_and_governance(payments, billing, profile, governor):
    pairing = services.attach_profile(SYSTEM, payments, profile)
    services.update_pairing(member(payments, Role.ADMIN), pairing, api_enabled=False)
    services.update_pairing(governor, pairing, requires_approval=True)
    pairing.refresh_from_db()
    assert (pairing.api_enabled, pairing.requires_approval) == (False, True)
    with pytest.raises(AccessDenied):
        services.update_pairing(member(payments, Role.OPERATOR), pairing, api_enabled=True)
    with pytest.raises(NotFound):
        services.update_pairing(member(billing, Role.ADMIN), pairing, api_enabled=True)


def test_detaching_is_an_act_of_governance(payments, profile, governor):
    pairing = services.attach_profile(SYSTEM, payments, profile)
    with pytest.raises(AccessDenied):
        services.detach_profile(member(payments, Role.ADMIN), pairing)
    services.detach_profile(governor, pairing)
    assert not Pairing.objects.exists()
    assert events(Event.PAIRING_DETACHED) == 1


# --- machine identities -----------------------------------------------------------------------


def test_a_machine_has_no_password_and_cannot_pass_for_a_person(governor):
    machine = services.create_machine_identity(governor, name="robot", description="CI")
    assert machine.user.kind == AccountKind.MACHINE
    assert not machine.user.has_usable_password()
    assert machine.user.username == "machine:robot"
    assert events(Event.MACHINE_CREATED) == 1


def test_machines_are_governed(payments, governor):
    machine = services.create_machine_identity(governor, name="robot")
    admin = member(payments, Role.ADMIN)
    for act in (
        lambda: services.create_machine_identity(admin, name="other"),
        lambda: services.update_machine_identity(admin, machine, description="x"),
        lambda: services.disable_machine_identity(admin, machine),
        lambda: services.enable_machine_identity(admin, machine),
        lambda: services.delete_machine_identity(admin, machine),
    ):
        with pytest.raises(AccessDenied):
            act()
    assert MachineIdentity.objects.get().user.is_active


def test_a_taken_machine_name_is_refused():
    services.create_machine_identity(SYSTEM, name="robot")
    with pytest.raises(AlreadyExists):
        services.create_machine_identity(SYSTEM, name="robot")


def test_deleting_a_machine_takes_its_rights_along(payments):
    machine = services.create_machine_identity(SYSTEM, name="robot")
    services.add_member(SYSTEM, payments, machine=machine, role=Role.OPERATOR)
    principal = principal_for(machine.user)
    services.delete_machine_identity(SYSTEM, machine)
    assert access.rights_in(principal, payments.pk) == frozenset()
    assert AuditEvent.objects.get(event=Event.MACHINE_DELETED).subject_label == "robot"


@pytest.mark.parametrize(
    "act",
    [
        services.delete_application,
        lambda principal, gone: services.update_application(principal, gone, description="new"),
    ],
)
def test_an_act_on_an_application_that_has_just_gone_finds_nothing(governor, payments, act):
    services.delete_application(governor, Application.objects.get(pk=payments.pk))
    with pytest.raises(NotFound):
        act(governor, payments)
    assert events(Event.APPLICATION_DELETED) == 1


@pytest.mark.parametrize(
    "act",
    [
        services.delete_machine_identity,
        services.disable_machine_identity,
        services.enable_machine_identity,
        lambda principal, gone: services.update_machine_identity(
            principal, gone, description="new"
        ),
    ],
)
def test_an_act_on_a_machine_that_has_just_gone_finds_nothing(governor, act):
    machine = services.create_machine_identity(governor, name="robot")
    services.delete_machine_identity(governor, MachineIdentity.objects.get(pk=machine.pk))
    before = AuditEvent.objects.count()
    with pytest.raises(NotFound):
        act(governor, machine)
    assert AuditEvent.objects.count() == before
