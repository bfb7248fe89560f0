"""Atomic writing of files that hold secrets, and of other small files that are read while replaced."""

import os
import secrets
from pathlib import Path

OWNER_ONLY = 0o600
PUBLIC = 0o644


def write(path: Path, content: bytes, *, mode: int = OWNER_ONLY, replace: bool = True) -> bool:
    """Put ``content`` at ``path`` as a whole: readers see the old file, the new one or none.

    The content is written aside, synchronised to disk and then linked or renamed, so that a crash
    never leaves half a file. Missing folders are made for the owner only.

    Args:
        path: where the file goes.
        content: all of it.
        mode: permissions of the file, whatever the process's umask is.
        replace: whether an existing file is replaced; without it the first writer wins.

    Returns:
        ``False`` when the file existed and ``replace`` is not set.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    _synchronise(path.parent)
    return True


def write_if_changed(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> bool:
    """Put ``content`` at ``path`` unless it is there already; tell whether it was written."""
    if path.exists() and path.read_bytes() == content:
        return False
    return write(path, content, mode=mode)


def _synchronise(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
