"""Failures of a command as a message on standard error and an exit code."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from sealwright import files, output
from sealwright.errors import ApiError, ConnectionFailed, SealwrightClientError

FAILED, REFUSED, NOT_ALLOWED, NOT_FOUND, CONFLICT, UNAVAILABLE, PENDING = 1, 3, 4, 5, 6, 7, 8

EXIT_CODES = (
    "Exit codes: 0 done, 1 other failure, 2 wrong usage, 3 refused by policy or unusable request, "
    "4 not allowed, 5 not found, 6 conflict, 7 server not reached or unavailable, 8 still pending."
)
_OF_STATUS = {
    400: REFUSED,
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    409: CONFLICT,
    413: REFUSED,
    422: REFUSED,
    407: UNAVAILABLE,
    429: UNAVAILABLE,
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: UNAVAILABLE,
}
_ADVICE = {
    401: "Log in with a valid token: sealwright login.",
    403: "Your token or its owner's role does not allow this.",
}


@contextmanager
def reported() -> Iterator[None]:
    """Turn failures into a message on standard error and an exit code."""
    try:
        yield
    except ApiError as error:
        output.fail(_told(error))
        raise typer.Exit(_OF_STATUS.get(error.status, FAILED)) from error
    except ConnectionFailed as error:
        output.fail(str(error))
        raise typer.Exit(UNAVAILABLE) from error
    except SealwrightClientError as error:
        output.fail(str(error))
        raise typer.Exit(FAILED) from error
    except OSError as error:
        # The reader of a pipe has gone ("| head"): nothing to say, and nobody to say it to.
        if error.errno == errno.EPIPE:
            raise
        output.fail(files.told(error))
        raise typer.Exit(FAILED) from error


def _told(error: ApiError) -> str:
    """Return the refusal with what to do next."""
    said = str(error)
    if error.retry_after_s is not None:
        said += f"\nTry again in {max(1, error.retry_after_s)} s."
    elif error.status in _ADVICE:
        said += f"\n{_ADVICE[error.status]}"
    return said
