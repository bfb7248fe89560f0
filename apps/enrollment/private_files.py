"""How is a file with a secret replaced? Written aside for its owner only, then renamed into place."""

import os
import secrets
from pathlib import Path

OWNER_ONLY = 0o600
PUBLIC = 0o644


def replace(path: Path, content: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Put ``content`` at ``path`` as a whole: readers see the old file or the new one.

    Missing folders are made for the owner only.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
