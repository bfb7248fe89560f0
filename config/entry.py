"""What every entry point of the product does with settings that cannot be used."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured


@contextmanager
def mistakes_as_list() -> Iterator[None]:
    """End the process with the list of mistakes (exit status 1) and no traceback."""
    try:
        yield
    except ImproperlyConfigured as error:
        sys.exit(str(error))
