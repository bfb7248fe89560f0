"""Look-ups and lists contain exactly what the principal may see."""

from dataclasses import replace
from uuid import uuid4

import pytest
from django.db import transaction

from apps.applications import access, pairings, selectors, services
from apps.applications.roles import Permission, Role
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.audit.record import record
from apps.errors import AccessDenied, NotFound
from apps.principals import Scope
from tests.factories.accounts import make_person, principal_for
from tests.unit.applications.conftest import SYSTEM, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def pairing(payments, profile):
    return services.attach_profile(SYSTEM, payments, profile)


def pairing_for(principal, application, profile):
    """Find a pairing and ask for the right to request there, as every enrollment method does."""
    found = pairings.pairing_for(application, profile)
    access.require(
        principal, Permission.REQUEST_CERTIFICATES, found.application, pairing_id=found.pk
    )
    return found


def test_a_pair_is_found_by_names_or_identifiers(pairing):
    principal = member(pairing.application, Role.OPERATOR)
    for application in ("payments", pairing.application_id, str(pairing.application_id)):
        for profile in ("tls", pairing.profile_id, str(pairing.profile_id)):
            assert pairing_for(principal, application, profile) == pairing


def test_every_look_up_takes_the_same_spelling_of_an_identifier(pairing):
    principal = member(pairing.application, Role.OPERATOR)
    assert pairings.pairing_for(str(pairing.application_id), "tls") == pairing
    for other in (pairing.application_id.hex, f"{{{pairing.application_id}}}"):
        with pytest.raises(NotFound):
            pairings.pairing_for(other, "tls")
        with pytest.raises(NotFound):
            selectors.application_for(principal, other)


def test_pv24_pairs_out_of_sight_and_pairs_that_are_not_sound_alike(pairing, billing, profile):
    stranger = member(billing, Role.ADMIN)
    insider = member(pairing.application, Role.OPERATOR)
    texts = set()
    for principal, application, name in [
        (stranger, "payments", "tls"),
        (stranger, str(pairing.application_id), str(pairing.profile_id)),
        (stranger, "billing", "tls"),
        (stranger, "absent", "tls"),
        (stranger, str(uuid4()), str(uuid4())),
        (insider, "payments", "absent"),
        (insider, "PAYMENTS", "tls"),
        (insider, "payments%", "tls"),
        (insider, "", ""),
    ]:
        with pytest.raises(NotFound) as caught:
            pairing_for(principal, application, name)
        texts.add(caught.value.detail)
    assert len(texts) == 1


def test_a_token_that_may_only_request_finds_its_pair(pairing):
    principal = member(pairing.application, Role.OPERATOR)
    narrow = replace(principal, scopes=frozenset({Scope.REQUEST}))
    assert pairing_for(narrow, "payments", "tls") == pairing


def test_a_pair_costs_two_queries(pairing, django_assert_num_queries):
    with django_assert_num_queries(2):  # with the issuer that cached values depend on
        found = pairings.pairing_for("payments", "tls")
        assert found.profile.policy.name
        assert found.profile.authority is None
        assert found.application.name


def test_applications_out_of_sight_are_not_found(payments, billing):
    principal = member(payments, Role.AUDITOR)
    assert selectors.application_for(principal, "payments") == payments
    for reference in ("billing", str(billing.pk), str(uuid4()), "absent"):
        with pytest.raises(NotFound):
            selectors.application_for(principal, reference)


def test_members_and_profiles_are_for_the_team(pairing, billing):
    application = pairing.application
    auditor = member(application, Role.AUDITOR)
    assert [row.role for row in selectors.members_of(auditor, application)] == ["auditor"]
    assert list(selectors.pairings_of(auditor, application)) == [pairing]
    stranger = member(billing, Role.ADMIN)
    for act in (selectors.members_of, selectors.pairings_of):
        with pytest.raises(NotFound):
            act(stranger, application)


def test_tokens_and_machines_are_for_their_owner_and_governance(governor):
    robot = services.create_machine_identity(SYSTEM, name="robot")
    token, _ = services.create_token(SYSTEM, robot, name="ci", scopes=[Scope.READ])
    stranger = principal_for(make_person("oscar"))
    for principal in (governor, principal_for(robot.user)):
        assert list(selectors.tokens_visible_to(principal)) == [token]
        assert list(selectors.machines_visible_to(principal)) == [robot]
    assert not selectors.tokens_visible_to(stranger).exists()
    assert not selectors.machines_visible_to(stranger).exists()


def test_events_are_for_the_team_and_governance(payments, billing, governor):
    auditor = member(payments, Role.AUDITOR)
    with transaction.atomic():
        record(Event.SETTINGS_INITIALISED, principal=SYSTEM)
    seen = selectors.events_visible_to(auditor)
    assert {row.application_id for row in seen} == {payments.pk}
    assert list(selectors.events_visible_to(auditor, application=payments)) == list(seen)
    assert selectors.events_visible_to(governor).count() == AuditEvent.objects.count()
    with pytest.raises(NotFound):
        selectors.events_visible_to(auditor, application=billing)
    with pytest.raises(AccessDenied):
        selectors.events_visible_to(replace(auditor, scopes=frozenset({Scope.REQUEST})))
