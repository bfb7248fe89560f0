#!/usr/bin/env python3
"""Django's command line for Sealwright."""

import os
import sys

from config import first_start
from config.entry import mistakes_as_list


def main() -> None:
    """Run one management command; an unusable setting or database is told without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    first_start.told(sys.argv[1:])
    with mistakes_as_list():
        from django.core.management import execute_from_command_line
        from django.db import Error

        try:
            execute_from_command_line(sys.argv)
        except Error as error:
            _explain(error)


def _explain(error: Exception) -> None:
    """Say what is wrong with the database as a whole; an error of another kind stays one."""
    from apps.operations import database

    found = database.problems()
    if not found:
        raise error
    sys.exit("\n  - ".join(["The database cannot be used:", *found]))


if __name__ == "__main__":
    main()
