"""Stored login of the command line, in a file that only its owner can read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from sealwright.errors import SealwrightClientError


@dataclass(frozen=True)
class Login:
    """A server, a token for it, and the CA file to trust."""

    url: str
    token: str
    ca_file: str = ""


def path() -> Path:
    """Return the path: ``SEALWRIGHT_CLI_CONFIG``, or one below the user's configuration folder."""
    chosen = os.environ.get("SEALWRIGHT_CLI_CONFIG")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "sealwright" / "login.json"


def save(login: Login) -> Path:
    """Write the login atomically, with mode 0600."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = target.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(login), file)
    scratch.replace(target)
    return target


def load() -> Login:
    """Return the login; environment variables take precedence over the file.

    ``SEALWRIGHT_CLI_URL``, ``SEALWRIGHT_CLI_TOKEN`` and ``SEALWRIGHT_CLI_CA_FILE``.

    Raises:
        SealwrightClientError: nobody has logged in.
    """
    stored: dict[str, str] = {}
    target = path()
    if target.exists():
        stored = json.loads(target.read_text())
    url = os.environ.get("SEALWRIGHT_CLI_URL") or stored.get("url", "")
    token = os.environ.get("SEALWRIGHT_CLI_TOKEN") or stored.get("token", "")
    if not url or not token:
        raise SealwrightClientError(
            "Not logged in. Run 'sealwright login', or set SEALWRIGHT_CLI_URL and SEALWRIGHT_CLI_TOKEN."
        )
    ca_file = os.environ.get("SEALWRIGHT_CLI_CA_FILE") or stored.get("ca_file", "")
    return Login(url, token, ca_file)


def forget() -> bool:
    """Remove the stored login; tell whether there was one."""
    target = path()
    existed = target.exists()
    target.unlink(missing_ok=True)
    return existed
