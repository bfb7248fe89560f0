"""Command that rotates the key-encryption key while the product runs."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps import keyring, principals, registry
from apps.audit.events import Event
from apps.audit.record import record
from apps.keys import sealed_columns


class Command(BaseCommand):
    """``manage.py rotate_kek``: add a key, re-wrap all secrets, drop keys that nothing needs."""

    help = (
        "Add a key-encryption key, move every sealed value to it, and drop the keys that nothing "
        "needs any more. After an interruption run it again with --resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--resume", action="store_true", help="add no key, finish an earlier rotation"
        )
        parser.add_argument(
            "--grace-s",
            type=int,
            default=60,
            help="seconds to wait for secrets that other processes are just writing (default 60)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self._rotate(resume=options["resume"], grace_s=options["grace_s"])
        except keyring.SealingError as error:
            raise CommandError(error.detail) from error

    def _rotate(self, *, resume: bool, grace_s: int) -> None:
        if not resume:
            self.stdout.write(f"New key-encryption key {keyring.add_key()}.")
        moved = self._rewrap_all()
        # A process that read the old keyring may still be about to commit.
        if self._retired_keys():
            time.sleep(grace_s)
            moved += self._rewrap_all()
        dropped = self._drop_unused()
        current = keyring.load_keyring().current
        with transaction.atomic():
            record(
                Event.KEK_ROTATED,
                principal=principals.system("rotate_kek"),
                current_key_id=current,
                moved_count=moved,
                dropped_ids=dropped,
            )
        self.stdout.write(self.style.SUCCESS(f"{moved} values moved to {current}."))
        self.stdout.write(self._about_backups())

    def _about_backups(self) -> str:
        place = (
            "SEALWRIGHT_KEK"
            if keyring.comes_from_environment()
            else str(settings.SEALWRIGHT["KEK_FILE"])
        )
        return (
            f"Back up {place} now, apart from the database: everything sealed from now on needs it."
            "\nKeep its earlier copy as long as backups of the database from before this rotation:"
            " they open with that copy only."
        )

    def _rewrap_all(self) -> int:
        moved = 0
        for sealed in registry.sealed_fields:
            while batch := sealed_columns.rewrap_batch(sealed):
                moved += batch
                self.stdout.write(f"{sealed.model}.{sealed.field}: {batch} moved, {moved} in all")
        return moved

    def _retired_keys(self) -> list[str]:
        ring = keyring.load_keyring()
        return [key_id for key_id in ring.keys if key_id != ring.current]

    def _drop_unused(self) -> list[str]:
        in_use, dropped = sealed_columns.key_ids_in_use(), []
        for key_id in self._retired_keys():
            if in_use[key_id]:
                self.stdout.write(f"{key_id} stays: {in_use[key_id]} values need it.")
            elif keyring.comes_from_environment():
                self.stdout.write(f"{key_id} is not needed: remove it from SEALWRIGHT_KEK.")
            else:
                keyring.drop_key(key_id)
                dropped.append(key_id)
                self.stdout.write(f"{key_id} dropped: nothing needs it.")
        return dropped
