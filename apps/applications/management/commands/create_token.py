"""Management command that creates an API token, for example the first one of a server."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps import principals
from apps.accounts.models import User
from apps.applications import services
from apps.applications.models import Application, MachineIdentity
from apps.errors import SealwrightError
from apps.principals import Scope
from pki.addresses import quoted


class Command(BaseCommand):
    """Prints only the new token on standard output."""

    help = (
        "Create an API token for a person or a machine identity and print it once. "
        "A token of an administrator with the scope 'manage' governs the product by API."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("owner", help="user name of a person, or name of a machine identity")
        parser.add_argument("--name", default="command line", help="label of the token")
        parser.add_argument(
            "--scope",
            action="append",
            choices=[scope.value for scope in Scope],
            help="what it may be used for; may be repeated; default: everything",
        )
        parser.add_argument("--application", help="the only application it may touch")
        parser.add_argument("--days", type=int, help="lifetime, 1 to 365")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = _owner(options["owner"])
        application = None
        if options["application"]:
            application = Application.objects.filter(name=options["application"]).first()
            if application is None:
                raise CommandError(f"There is no application {quoted(options['application'])}.")
        try:
            _row, text = services.create_token(
                principals.system("command line"),
                owner,
                name=options["name"],
                scopes=options["scope"] or list(Scope),
                application=application,
                lifetime_days=options["days"],
            )
        except SealwrightError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(text)


def _owner(name: str) -> User | MachineIdentity:
    found = (
        MachineIdentity.objects.select_related("user").filter(name=name).first()
        or User.objects.filter(username=name).first()
    )
    if found is None:
        raise CommandError(f"There is neither a person nor a machine identity {quoted(name)}.")
    return found
