"""Virtual environments of Python peers, one for each, under ``.cache/bench``."""

import subprocess
import sys
from pathlib import Path

from bench.peers.base import PeerUnavailableError

_ROOT = Path(__file__).resolve().parents[2]
_HOME = _ROOT / ".cache" / "bench"
_INSTALL_S = 600


def environment(name: str, *packages: str, python: str = sys.executable) -> Path:
    """Return the ``bin`` folder of an environment with these packages, made when missing.

    Args:
        name: of the folder.
        packages: as pip takes them, with versions.
        python: the interpreter that the peer needs.

    Raises:
        PeerUnavailableError: the interpreter or the packages cannot be had.
    """
    folder = _HOME / name
    stamp, wanted = folder / ".installed", " ".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        for command in (
            [python, "-m", "venv", "--clear", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", "--no-input", *packages],
        ):
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_S)
            except (OSError, subprocess.SubprocessError) as error:
                raise PeerUnavailableError(f"cannot install {wanted}: {error}") from error
        stamp.write_text(wanted)
    return folder / "bin"
