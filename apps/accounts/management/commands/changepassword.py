"""Django's ``changepassword``, with an audit event."""

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.db import transaction

from apps import principals
from apps.accounts.models import User
from apps.audit.events import Event
from apps.audit.record import record


class Command(changepassword.Command):
    """Asks for a new password of a person, sets it, and writes it down."""

    def handle(self, *args: Any, **options: Any) -> str:
        """Change the password as Django does; without a transaction, as it asks a person."""
        done = str(super().handle(*args, **options))
        user = User.objects.get(username=options["username"] or getpass.getuser())
        with transaction.atomic():
            record(
                Event.ACCOUNT_UPDATED,
                principal=principals.system("changepassword"),
                subject=user,
                changed=["password"],
            )
        return done
