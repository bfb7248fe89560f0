"""Steps of a start whose failure must not stop it."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from apps.errors import SealwrightError

logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def attempt(what: str, step: Callable[[], _Result], warnings: list[str]) -> _Result | None:
    """Run one step; a failure becomes a warning, because CRLs and OCSP have to be served anyway.

    Args:
        what: what the step does, as the beginning of a sentence.
        step: the step.
        warnings: takes a sentence for a failure.

    Returns:
        What the step returns, ``None`` when it failed.

    Raises:
        OperationalError, InterfaceError, OSError: the database or the data directory is unusable.
    """
    try:
        return step()
    except (OperationalError, InterfaceError, OSError):
        raise
    except SealwrightError as error:
        reason = error.detail
        logger.warning("%s: %s", what, reason)
    except Exception:  # whatever the data has come to: the server must start
        reason = "unexpected error, see the log"
        logger.exception("%s", what)
    warnings.append(f"{what}: {reason}")
    return None
