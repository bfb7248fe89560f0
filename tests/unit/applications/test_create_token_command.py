"""Command that creates tokens."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.applications.models import ApiToken
from apps.principals import ProductRole
from tests.factories.accounts import make_person
from tests.factories.applications import make_application, make_machine

pytestmark = pytest.mark.django_db


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("create_token", *arguments, stdout=out)
    return out.getvalue().strip()


def test_an_administrators_token_governs_by_api(client):
    make_person("ada", role=ProductRole.ADMIN)
    token = printed("ada")
    answer = client.get("/api/v1/authorities/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_scopes_application_and_lifetime_are_taken_over():
    application = make_application("shop")
    make_machine(application, "robot")
    printed("robot", "--scope", "read", "--application", "shop", "--days", "3", "--name", "probe")
    row = ApiToken.objects.get()
    assert (row.scopes, row.application, row.name) == (["read"], application, "probe")
    assert (row.expiry - row.created).days in {2, 3}


@pytest.mark.parametrize(
    "arguments", [("nobody",), ("ada", "--application", "none"), ("ada", "--days", "900")]
)
def test_mistakes_are_named_and_nothing_is_printed(arguments):
    make_person("ada")
    with pytest.raises(CommandError):
        printed(*arguments)
    assert not ApiToken.objects.exists()
