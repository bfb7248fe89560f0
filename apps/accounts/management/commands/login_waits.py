"""Management command that lists and clears counted sign-in failures."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from apps import principals
from apps.accounts import lockout
from apps.accounts.models import LoginCounter, User
from apps.errors import InvalidInput
from pki.addresses import quoted


class Command(BaseCommand):
    """Lists counters, or clears those that are chosen."""

    help = "List counted sign-in failures, or clear those of a person, of an address, or all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clear", action="store_true", help="clear what is listed")
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--user", help="user name of a person")
        chosen.add_argument("--address", help="IP address; for IPv6 its whole /64")
        chosen.add_argument("--all", action="store_true", help="every counter")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["clear"] and not (options["user"] or options["address"] or options["all"]):
            raise CommandError("Name --user, --address or --all.")
        user, counters = _chosen(options["user"], options["address"])
        if options["clear"]:
            principal = principals.system("command line")
            number = lockout.clear(principal, counters, subject=user)
            self.stdout.write(f"cleared {number}")
            return
        for row in counters.filter(failures__gt=0).select_related("user").order_by("counted_at"):
            until = f", waits until {row.blocked_until:%F %T} UTC" if row.blocked_until else ""
            self.stdout.write(f"{row}: {row.failures} failures{until}")


def _chosen(
    username: str | None, address: str | None
) -> tuple[User | None, QuerySet[LoginCounter]]:
    if username:
        user = User.objects.filter(username__iexact=username).first()
        if user is None:
            raise CommandError(f"There is no person {quoted(username)}.")
        return user, lockout.counters_of_user(user)
    if address:
        try:
            return None, lockout.counters_of_address(address)
        except InvalidInput as error:
            raise CommandError(f"{quoted(address)} is not an IP address.") from error
    return None, LoginCounter.objects.all()
