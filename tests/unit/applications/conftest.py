"""People, applications and profiles for these tests, without keys."""

import pytest

from apps import principals
from apps.applications import services
from apps.applications.models import Application
from apps.applications.roles import Role
from apps.policies.models import Policy
from apps.principals import Principal, ProductRole
from apps.profiles.models import IssuerType, Profile
from tests.factories.accounts import make_person, principal_for

SYSTEM = principals.system("tests")


@pytest.fixture
def payments(db: None) -> Application:
    """An application."""
    return services.create_application(SYSTEM, name="payments")


@pytest.fixture
def billing(db: None) -> Application:
    """Another team's application."""
    return services.create_application(SYSTEM, name="billing")


@pytest.fixture
def profile(db: None) -> Profile:
    """A self-signed profile: the only kind that needs no authority."""
    policy = Policy.objects.create(name="any")
    return Profile.objects.create(name="tls", policy=policy, issuer_type=IssuerType.SELF_SIGNED)


@pytest.fixture
def governor(db: None) -> Principal:
    """A product administrator who is no member anywhere."""
    return principal_for(make_person("gwen", role=ProductRole.ADMIN))


def member(application: Application, role: Role, name: str = "") -> Principal:
    """Return a new person's principal with a role in the application."""
    user = make_person(name or f"{application.name}-{role.value}")
    services.add_member(SYSTEM, application, user=user, role=role)
    return principal_for(user)
