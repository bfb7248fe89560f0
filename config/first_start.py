"""What a process may do with the data directory, and where the run folder is."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


class Use(Enum):
    """What a process does with the data directory."""

    NONE = auto()
    """Reads settings only."""
    NEED = auto()
    """Works on an installation, and makes none."""
    MAKE = auto()
    """Makes what is missing at once."""
    MAKE_LATER = auto()
    """Makes what is missing when its own checks have passed (``up``)."""


_WITHOUT = frozenset(
    {"help", "version", "--version", "check", "spectacular", "collectstatic", "diffsettings"}
)
_MAKERS = frozenset({"migrate", "quickstart", "test", "makemigrations"})
# Without a command line of ours: the application server, which a cluster starts by itself.
_use = Use.MAKE


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what the file system refuses into a mistake in a setting.

    Args:
        name: of the setting that leads to the file, without the prefix.

    Raises:
        ImproperlyConfigured: names setting, path and reason.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        path = getattr(error, "filename", None) or "a file"
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ImproperlyConfigured(
            f"Unusable settings:\n  - SEALWRIGHT_{name}: {path}: {reason}"
        ) from error


def told(arguments: list[str]) -> None:
    """Take the arguments of ``manage.py``, before the settings are read."""
    global _use  # noqa: PLW0603 - one command a process
    _use = _use_of(arguments)


def use() -> Use:
    """Return what this process does with the data directory."""
    return _use


def _use_of(arguments: list[str]) -> Use:
    command = arguments[0] if arguments else "help"
    if command in _WITHOUT or {"--help", "-h"} & set(arguments):
        return Use.NONE
    if command in _MAKERS:
        return Use.MAKE
    return Use.MAKE_LATER if command == "up" else Use.NEED


def require(home: Path, database: Path | None, *, has_key: bool) -> None:
    """Refuse a command for an installation where there is none.

    Args:
        home: the data directory.
        database: SQLite's file; ``None`` for a database server.
        has_key: whether Django's secret key is known.

    Raises:
        ImproperlyConfigured: names the folder and the setting that leads there.
    """
    advice = "Set it to the data directory of your installation; `make run` makes a new one."
    if database is not None and not database.exists():
        setting = "HOME" if database.parent == home else "DATABASE_URL"
        raise ImproperlyConfigured(
            f"There is no database in {database.parent} (SEALWRIGHT_{setting}). {advice}"
        )
    if database is None and not has_key:
        raise ImproperlyConfigured(
            f"There is no secret key in {home}/keys (SEALWRIGHT_HOME or SEALWRIGHT_SECRET_KEY). "
            f"{advice}"
        )


def run_folder(home: Path) -> Path:
    """Return where the application's socket and the front server's working files are by default.

    Started by root, the front server's workers run as another user, who cannot enter the data
    directory: the folder is then outside of it, one for each data directory.
    """
    if os.geteuid():
        return home / "front"
    return Path("/run/sealwright") / hashlib.sha256(str(home).encode()).hexdigest()[:12]
