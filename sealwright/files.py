"""Files of the command line: read and written with errors that name the file and the reason."""

import errno
import os
import stat
from pathlib import Path

from sealwright.errors import SealwrightClientError

_REASONS: dict[int | None, str] = {
    errno.ENOENT: "there is no such file or folder",
    errno.EEXIST: "it exists already, and nothing is overwritten",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "too many symbolic links",
}


def told(error: OSError) -> str:
    """Return file and reason of a failed operation, without numbers of the operating system."""
    reason = _REASONS.get(error.errno) or (error.strerror or "it cannot be used").lower()
    return f"{error.filename}: {reason}." if error.filename else f"{reason.capitalize()}."


def read_text(source: Path) -> str:
    """Return the content of a text file.

    Raises:
        SealwrightClientError: not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SealwrightClientError(f"{source}: not a text file in UTF-8.") from error


def check_new(*targets: Path | None) -> None:
    """Refuse files of keys that exist or cannot be made, before anything is requested.

    Raises:
        SealwrightClientError: lists what is wrong.
    """
    said = [f"{t}: {_REASONS[errno.EEXIST]}." for t in targets if t is not None and t.exists()]
    if said:
        raise SealwrightClientError("\n".join(said))
    check_writable(*targets)


def check_writable(*targets: Path | None) -> None:
    """Refuse files that cannot be written, before anything is requested.

    Raises:
        SealwrightClientError: lists what is wrong.
    """
    said = []
    for target in targets:
        if target is None:
            continue
        if target.is_dir():
            said.append(f"{target}: {_REASONS[errno.EISDIR]}.")
        elif not target.parent.is_dir():
            said.append(f"{target.parent}: {_REASONS[errno.ENOENT]}.")
        elif not os.access(target if target.exists() else target.parent, os.W_OK):
            said.append(f"{target}: {_REASONS[errno.EACCES]}.")
    if said:
        raise SealwrightClientError("\n".join(said))


def write_secret(target: Path, content: bytes) -> None:
    """Write a new file that only its owner can read.

    Raises:
        FileExistsError: a file with a key in it is never overwritten.
    """
    mode = stat.S_IRUSR | stat.S_IWUSR
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
