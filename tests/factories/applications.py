"""Factories of teams: an application with people and tokens."""

from dataclasses import dataclass

from apps import principals
from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import Application, MachineIdentity, Pairing
from apps.applications.roles import Role
from apps.authorities.models import Authority
from apps.principals import Principal, Scope
from apps.profiles.models import Profile
from tests.factories.accounts import make_person, principal_for
from tests.factories.authorities import make_issuing
from tests.factories.profiles import make_profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """An application with a TLS profile and one person in each role."""

    application: Application
    authority: Authority
    profile: Profile
    pairing: Pairing
    people: dict[Role, User]

    def principal(self, role: Role = Role.OPERATOR) -> Principal:
        """Return the principal of the person in this role."""
        return principal_for(self.people[role])


def make_application(name: str) -> Application:
    """Return an application without members."""
    return services.create_application(principals.system("tests"), name=name, description="")


def make_team(name: str, *, authority: Authority | None = None) -> Team:
    """Return an application with a profile, ``<name>-admin``, ``-operator`` and ``-auditor``."""
    system = principals.system("tests")
    application = make_application(name)
    authority = authority or make_issuing()
    profile = make_profile(f"{name}-tls", authority=authority)
    pairing = services.attach_profile(system, application, profile)
    people = {}
    for role in Role:
        people[role] = make_person(f"{name}-{role.value}")
        services.add_member(system, application, user=people[role], role=role)
    return Team(
        application=application,
        authority=authority,
        profile=profile,
        pairing=pairing,
        people=people,
    )


def make_machine(
    application: Application, name: str = "robot", *, role: Role = Role.OPERATOR
) -> MachineIdentity:
    """Return a machine identity that is a member of the application."""
    system = principals.system("tests")
    machine = services.create_machine_identity(system, name=name, description="")
    services.add_member(system, application, machine=machine, role=role)
    return machine


def make_token(
    machine: MachineIdentity, *scopes: Scope, lifetime_days: int = 1, **options: object
) -> str:
    """Return a bearer token's text; every scope unless some are named."""
    _row, text = services.create_token(
        principals.system("tests"),
        machine,
        name="tests",
        scopes=list(scopes or Scope),
        lifetime_days=lifetime_days,
        **options,
    )
    return text
