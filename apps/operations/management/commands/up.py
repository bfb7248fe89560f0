"""Command of ``make run``: migrates, installs and serves in one process."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django_q.tasks import async_task

from apps.jobs import schedules
from apps.operations import database, start_checks
from apps.operations.management.commands.serve import serve
from apps.web.health import missing_migrations


class Command(BaseCommand):
    """``manage.py up``: migrate and quickstart as needed, then ``serve``."""

    help = "Migrate if needed, quickstart, then serve until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        start_checks.refuse_second_start()
        # Before anything is written: the first start writes the ports into certificates.
        # A look at SQLite's file would make it.
        is_new = database.missing_file() is not None
        found = [] if is_new else database.problems(migrated=False)
        start_checks.refuse([*start_checks.machine_problems(), *found])
        if not is_new:
            start_checks.require_keyring()
        with start_checks.only_start():
            start_checks.make_home()
            if is_new:
                start_checks.refuse(database.problems(migrated=False))
            self._prepare()
            serve(self.stdout)

    def _prepare(self) -> None:
        if missing_migrations():
            self.stdout.write("Bringing the database up to date ...")
            call_command("migrate", interactive=False, verbosity=0)
        else:
            schedules.upsert(connection.alias)  # data may change without a migration
        call_command("quickstart", stdout=self.stdout, skip_checks=True)
        # Work that fell due while nothing ran need not wait for the first minute to pass.
        async_task("apps.jobs.tasks.sweep", task_name="sweep at start")
