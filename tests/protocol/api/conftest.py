"""Callers of the API in these tests: tokens of people and machines in every role."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.accounts.models import User
from apps.applications import services
from apps.applications.roles import Role
from apps.principals import ProductRole, Scope
from tests.factories.accounts import make_person, principal_for
from tests.factories.applications import Team
from tests.served import Client

PREFIX = "/api/v1/"
ABSENT = "0190a000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Caller:
    """Calls with one bearer token; paths are below ``/api/v1/``."""

    token: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request; a path that starts with a slash or a scheme is taken as it is."""
        url = path if path.startswith(("/", "http")) else PREFIX + path
        given = {} if body is None else {"data": json.dumps(body)}
        return self.client.generic(
            method,
            url,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}"},
            **given,
        )

    def get(self, path: str) -> Any:
        return self("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self("DELETE", path)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return the rows of all pages of a list."""
        found, url = [], path
        while url:
            answer = self.get(url)
            assert answer.status_code == 200, answer.content
            found += answer.json()["results"]
            url = answer.json()["next"]
        return found


def token_of(user: User, *scopes: Scope, **options: Any) -> str:
    """Return the text of a token that the person made."""
    _row, text = services.create_token(
        principal_for(user), user, name="tests", scopes=list(scopes or Scope), **options
    )
    return text


def code_of(answer: Any, status: int) -> str:
    """Return the code of a problem, which must have this status and the common form."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return str(answer.json()["code"])


def fields_of(answer: Any) -> set[str]:
    """Return the fields that a problem names."""
    return {error["field"] for error in answer.json()["errors"]}


def bare(answer: Any) -> dict[str, Any]:
    """Return a problem without what differs between any two: its instance, and what was sent."""
    problem: dict[str, Any] = answer.json()
    text = json.dumps({key: value for key, value in problem.items() if key != "instance"})
    for error in problem["errors"]:
        if error["code"] == "reference.not_found":
            text = text.replace(error["value"], "*")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def governor_account(db: None) -> User:
    return make_person("gwen", role=ProductRole.ADMIN)


@pytest.fixture
def governor(governor_account: User, keyring: None) -> Caller:
    """A product administrator who is no member anywhere."""
    return Caller(token_of(governor_account))


@pytest.fixture
def reading_governor(governor_account: User) -> Caller:
    """The same person with a token that may only read."""
    return Caller(token_of(governor_account, Scope.READ))


@pytest.fixture
def stranger(db: None) -> Caller:
    """A product member who belongs to no application."""
    return Caller(token_of(make_person("sam")))


@pytest.fixture
def members(team: Team) -> dict[Role, Caller]:
    """The people of ``team``, by role."""
    return {role: Caller(token_of(person)) for role, person in team.people.items()}
