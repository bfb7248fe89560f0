"""Collection of static files into ``STATIC_ROOT``, where the front server reads them."""

import fcntl
import hashlib
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

_STAMP = ".collected"


def collect_if_stale() -> bool:
    """Collect when a library or one of our own static files has changed since the last time."""
    target = Path(settings.STATIC_ROOT)
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = target / _STAMP, _digest_of_sources()
        if stamp.exists() and stamp.read_text() == wanted:
            return False
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(wanted)
        return True


def _digest_of_sources() -> str:
    """Return what changes with the pinned libraries and with each of our own files.

    Sizes and times suffice: a wrong guess costs one more collection, or one more edit.
    """
    digest = hashlib.sha256()
    base = Path(settings.BASE_DIR)
    digest.update((base / "requirements" / "base.txt").read_bytes())
    for folder in [base / "static", *sorted((base / "apps").glob("*/static"))]:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = path.stat()
                line = f"{path.relative_to(base)}\0{info.st_size}\0{info.st_mtime_ns}\n"
                digest.update(line.encode())
    return digest.hexdigest()
