"""A change of a password is on record, whichever way it was made."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.principals import ProductRole
from tests.factories.accounts import make_person
from tests.served import Client

pytestmark = pytest.mark.django_db
NEW = "a new password of some length"


def changes() -> list[tuple[str, str, object]]:
    rows = AuditEvent.objects.filter(event="account.updated")
    return [(row.actor, row.subject_label, row.data) for row in rows]


def test_the_command_writes_its_change_down(monkeypatch):
    person = make_person("nina")
    monkeypatch.setattr("getpass.getpass", lambda *_args, **_named: NEW)
    call_command("changepassword", "nina", verbosity=0)
    person.refresh_from_db()
    assert person.check_password(NEW)
    assert changes() == [("system:changepassword", "nina", {"changed": ["password"]})]


@pytest.mark.parametrize(("repeated", "changed"), [(NEW, True), ("another", False)])
def test_the_page_writes_a_change_down_and_a_mistake_not(repeated, changed):
    person = make_person("nina", role=ProductRole.ADMIN)
    person.set_password("the old password of nina")
    person.save()
    client = Client()
    client.force_login(person)
    answer = client.post(
        reverse("admin:password_change"),
        {
            "old_password": "the old password of nina",
            "new_password1": NEW,
            "new_password2": repeated,
        },
        secure=True,
    )
    assert answer.status_code == (302 if changed else 200), answer.content
    person.refresh_from_db()
    assert person.check_password(NEW) is changed
    wanted = [(f"user:{person.pk}", "nina", {"changed": ["password"]})]
    assert changes() == (wanted if changed else [])
