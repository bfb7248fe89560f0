"""What every entry point of the product does with settings that cannot be used."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured


@contextmanager
def mistakes_as_list(status: int = 1) -> Iterator[None]:
    """End the process with the list of mistakes and no traceback.

    Args:
        status: exit status.
    """
    try:
        yield
    except ImproperlyConfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(status)
