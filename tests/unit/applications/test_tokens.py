"""Tokens authenticate their owner within scopes, networks and lifetime."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed as InvalidCredentials
from rest_framework.request import Request

from apps import clock
from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import ApiToken
from apps.applications.roles import Role
from apps.applications.tokens import BearerAuthentication, client_address, principal_of
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.errors import (
    AccessDenied,
    AuthenticationFailed,
    InvalidInput,
    InvalidTransition,
    NotFound,
)
from apps.principals import ProductRole, Scope
from tests.factories.accounts import make_person, principal_for
from tests.unit.applications.conftest import SYSTEM, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot(db):
    return services.create_machine_identity(SYSTEM, name="robot")


def request_with(header: str | None, address: str = "192.0.2.1") -> Request:
    headers = {} if header is None else {"Authorization": header}
    raw = RequestFactory().get("/api/v1/x", headers=headers, REMOTE_ADDR=address)
    return Request(raw, authenticators=[BearerAuthentication()])


def signed_in(text: str, address: str = "192.0.2.1"):
    return BearerAuthentication().authenticate(request_with(f"Bearer {text}", address))


def refused(text: str, address: str = "192.0.2.1") -> str:
    with pytest.raises(InvalidCredentials) as caught:
        signed_in(text, address)
    return str(caught.value.detail)


def make(robot, **options) -> tuple[ApiToken, str]:
    options = {"name": "ci", "scopes": [Scope.READ], **options}
    return services.create_token(SYSTEM, robot, **options)


# --- authentication ---------------------------------------------------------------------------


def test_a_token_speaks_for_its_owner_within_its_scopes(robot, payments):
    _, text = make(robot, scopes=[Scope.REQUEST, "read"], application=payments)
    request = request_with(f"Bearer {text}")
    principal = principal_of(request)
    assert principal.actor == "machine:robot"
    assert principal.label == "robot"
    assert principal.user_id == robot.user_id
    assert principal.scopes == {Scope.READ, Scope.REQUEST}
    assert principal.application_id == payments.pk
    assert principal.ip == "192.0.2.1"


def test_only_the_digest_is_kept(robot):
    row, text = make(robot)
    assert text.startswith("swt_")
    assert row.digest == hash_token(text)
    kept = " ".join(str(value) for value in ApiToken.objects.values().get().values())
    assert text not in kept
    assert text not in str(AuditEvent.objects.values_list("data", "subject_label"))


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "Token abc"])
def test_other_credentials_are_left_alone(header):
    assert BearerAuthentication().authenticate(request_with(header)) is None


@pytest.mark.parametrize(
    "text",
    ["", "x", "swt_", "swt_" + "g" * 64, "swt_" + "0" * 63, "a b", "swt_" + "0" * 65, "\xff"],
)
def test_junk_is_refused_without_a_query(text, django_assert_num_queries):
    with django_assert_num_queries(0):
        refused(text)


def test_authentication_costs_one_query(robot, django_assert_num_queries):
    _, text = make(robot)
    signed_in(text)
    with django_assert_num_queries(1):
        signed_in(text)


def test_pv20_only_the_bearer_of_a_token_hears_what_became_of_it(robot, frozen_clock):
    row, revoked = make(robot)
    services.revoke_token(SYSTEM, row)
    _, elsewhere = make(robot, allowed_networks=["10.0.0.0/8"])
    _, expired = make(robot, lifetime_days=1)
    frozen_clock.shift(timedelta(days=1))
    _, of_disabled = make(robot)
    told = {"revoked": refused(revoked), "address": refused(elsewhere)}
    told["expired"] = refused(expired)
    services.disable_machine_identity(SYSTEM, robot)
    told["disabled"] = refused(of_disabled)
    assert all(word in text for word, text in told.items())
    # Half a token, or one with a wrong character, is as good as none.
    for text in (revoked, elsewhere, expired, of_disabled):
        wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
        assert refused(wrong) == refused("swt_" + "0" * 64)
        assert refused(text[:30]) == refused("junk")


def test_expired_tokens_are_kept_as_evidence(robot, frozen_clock):
    _, text = make(robot, lifetime_days=1)
    frozen_clock.shift(timedelta(days=1, seconds=-1))
    signed_in(text)
    frozen_clock.shift(timedelta(seconds=1))
    refused(text)
    assert ApiToken.objects.count() == 1


def test_a_token_without_expiry_is_refused(robot):
    _, text = make(robot)
    ApiToken.objects.update(expiry=None)
    refused(text)


def test_disabling_and_enabling_the_machine_takes_effect_at_once(robot):
    _, text = make(robot)
    services.disable_machine_identity(SYSTEM, robot)
    refused(text)
    services.enable_machine_identity(SYSTEM, robot)
    signed_in(text)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("11.0.0.1", False),
        ("2001:db9::1", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_networks_bound_where_a_token_works(robot, address, allowed):
    _, text = make(robot, allowed_networks=["10.0.0.0/8", "2001:db8::/32"])
    if allowed:
        signed_in(text, address)
    else:
        refused(text, address)


def test_forwarding_headers_are_not_believed():
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "10.0.0.1"})
    assert client_address(request) == "127.0.0.1"


def test_use_is_noted_once_a_minute(robot, frozen_clock):
    row, text = make(robot)
    signed_in(text)
    first = clock.now()
    frozen_clock.shift(timedelta(seconds=59))
    signed_in(text)
    row.refresh_from_db()
    assert row.last_used_at == first
    frozen_clock.shift(timedelta(seconds=1))
    signed_in(text)
    row.refresh_from_db()
    assert row.last_used_at == clock.now()


def test_a_session_speaks_for_the_person_with_every_scope():
    request = RequestFactory().get("/")
    request.user = make_person("ada", role=ProductRole.ADMIN)
    principal = principal_of(request)
    assert principal.actor == f"user:{request.user.pk}"
    assert principal.scopes is None
    assert principal.governs


def test_nobody_is_nobody():
    request = RequestFactory().get("/")
    for user in (None, AnonymousUser(), User(is_active=False)):
        request.user = user
        with pytest.raises(AuthenticationFailed):
            principal_of(request)


def test_scopes_of_another_version_allow_nothing(robot):
    _, text = make(robot)
    ApiToken.objects.update(scopes=["everything", "read"])
    assert principal_of(request_with(f"Bearer {text}")).scopes == {Scope.READ}


# --- making and ending tokens -----------------------------------------------------------------


def test_product_administrators_make_tokens_for_machines(robot, governor, payments):
    services.create_token(governor, robot, name="ci", scopes=[Scope.READ])
    assert AuditEvent.objects.get(event=Event.TOKEN_CREATED).data["token_name"] == "ci"
    with pytest.raises(AccessDenied):
        services.create_token(member(payments, Role.ADMIN), robot, name="ci", scopes=[Scope.READ])


def test_a_machine_makes_no_tokens_for_itself(robot):
    with pytest.raises(AccessDenied):
        services.create_token(principal_for(robot.user), robot, name="more", scopes=[Scope.READ])


def test_people_make_tokens_for_themselves_only(governor):
    user = make_person("eve")
    services.create_token(principal_for(user), user, name="cli", scopes=[Scope.READ])
    with pytest.raises(AccessDenied):
        services.create_token(governor, user, name="cli", scopes=[Scope.READ])


def test_pv32_a_token_is_never_wider_than_its_maker(payments, billing):
    user = make_person("eve")
    services.add_member(SYSTEM, payments, user=user, role=Role.OPERATOR)
    session = principal_for(user)
    narrow = replace(session, scopes=frozenset({Scope.READ, Scope.MANAGE}))
    with pytest.raises(AccessDenied, match="revoke"):
        services.create_token(narrow, user, name="x", scopes=[Scope.READ, Scope.REVOKE])
    with pytest.raises(AccessDenied, match="manage"):
        services.create_token(
            replace(session, scopes=frozenset({Scope.READ})), user, name="x", scopes=[Scope.READ]
        )
    confined = replace(session, application_id=payments.pk)
    with pytest.raises(AccessDenied, match="confined"):
        services.create_token(confined, user, name="x", scopes=[Scope.READ])
    with pytest.raises(NotFound):
        services.create_token(session, user, name="x", scopes=[Scope.READ], application=billing)
    services.create_token(confined, user, name="x", scopes=[Scope.READ], application=payments)
    assert ApiToken.objects.count() == 1


def test_everything_wrong_with_a_token_is_listed(robot):
    with pytest.raises(InvalidInput) as caught:
        make(
            robot,
            name=" ",
            scopes=["read", "root"],
            lifetime_days=366,
            allowed_networks=["10.0.0.1/8", "10.0.0.0/8", "x"],
        )
    assert [violation.field for violation in caught.value.violations] == [
        "name",
        "scopes[1]",
        "lifetime_days",
        "allowed_networks[0]",
        "allowed_networks[2]",
    ]
    for options in ({"scopes": []}, {"lifetime_days": 0}, {"name": "a\0b"}, {"name": "x" * 101}):
        with pytest.raises(InvalidInput):
            make(robot, **options)


def test_lifetime_comes_from_the_settings(robot, settings, frozen_clock):
    row, _ = make(robot)
    days = settings.SEALWRIGHT["TOKEN_LIFETIME_DAYS"]
    assert row.expiry == clock.now() + timedelta(days=days)


def test_disabled_owners_get_no_tokens(robot):
    services.disable_machine_identity(SYSTEM, robot)
    with pytest.raises(InvalidTransition):
        make(robot)


def test_owners_and_administrators_end_tokens_and_strangers_see_none(robot, governor):
    user = make_person("eve")
    session = principal_for(user)
    row, text = services.create_token(session, user, name="cli", scopes=[Scope.READ])
    with pytest.raises(NotFound):
        services.revoke_token(principal_for(make_person("oscar")), row)
    with pytest.raises(AccessDenied):
        services.revoke_token(replace(session, scopes=frozenset({Scope.READ})), row)
    signed_in(text)
    services.revoke_token(session, row)
    refused(text)
    services.revoke_token(governor, row)
    assert AuditEvent.objects.filter(event=Event.TOKEN_REVOKED).count() == 1
