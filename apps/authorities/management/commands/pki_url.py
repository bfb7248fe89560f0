"""Command that shows what a change of the PKI URL means for certificates already issued."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.authorities import checks, pki_urls
from apps.authorities.models import PkiUrl
from apps.origins import parsed_origin


class Command(BaseCommand):
    """``manage.py pki_url``: shows; ``--plan URL`` shows what a change would mean."""

    help = "Show the PKI URL, the former ones that certificates need, and what a change would mean."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--plan",
            metavar="URL",
            help="a value that SEALWRIGHT_PKI_URL is to get; changes nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = settings.SEALWRIGHT["PKI_URL"]
        self.stdout.write(f"New certificates carry {url}.")
        former = pki_urls.former_in_use()
        for row in former:
            self.stdout.write(pki_urls.account(row))
        if not former:
            self.stdout.write("No valid certificate carries another one.")
        if options["plan"]:
            self._plan(url, options["plan"])

    def _plan(self, url: str, wanted: str) -> None:
        try:
            new = parsed_origin(wanted)
        except ValueError as error:
            raise CommandError(f"{wanted} {error}") from error
        if new == url:
            self.stdout.write(f"\n{new} is in force already.")
            return
        current = PkiUrl.objects.filter(is_current=True).first()
        then = PkiUrl(url=url)
        if current is not None:
            then.carriers = pki_urls.carriers_since(current.adopted_at)
        self.stdout.write(f"\nWith {new}:")
        for warning in checks.warnings_about(new):
            self.stdout.write(f"Warning: {warning.msg} {warning.hint}")
        self.stdout.write(pki_urls.account(then))
        for one in then.carriers:
            last = datetime.fromisoformat(one["last_not_after"]).astimezone(UTC)
            self.stdout.write(
                f"  {one['authority']}: {one['certificates']} until {last:%Y-%m-%d %H:%M:%S} UTC"
            )
        self.stdout.write(
            f"To change it: let {new} lead to the plain listener, set SEALWRIGHT_PKI_URL={new} on "
            "every host and start all processes again. New certificates carry it from then on."
        )
