#!/usr/bin/env python3
"""Django's command line for Sealwright."""

import os
import sys


def main() -> None:
    """Run one management command; unusable settings are a list of mistakes and exit status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
