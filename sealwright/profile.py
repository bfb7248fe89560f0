"""Stored login of the command line, in a file that only its owner can read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from sealwright import files
from sealwright.errors import SealwrightClientError

_STORED = ("url", "token", "ca_file")
_AGAIN = " Mend the file, or log in again: sealwright login."
_QUICKSTART = {"https_url": "url", "token": "token", "ca_file": "ca_file"}


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
        SealwrightClientError: nobody has logged in, or the file is broken.
    """
    target = path()
    stored = _texts_of(target, _STORED, _AGAIN) if target.exists() else {}
    url = os.environ.get("SEALWRIGHT_CLI_URL") or stored.get("url", "")
    token = os.environ.get("SEALWRIGHT_CLI_TOKEN") or stored.get("token", "")
    if not url or not token:
        raise SealwrightClientError(
            "Not logged in. Run 'sealwright login', or set SEALWRIGHT_CLI_URL and SEALWRIGHT_CLI_TOKEN."
        )
    ca_file = os.environ.get("SEALWRIGHT_CLI_CA_FILE") or stored.get("ca_file", "")
    return Login(url, token, ca_file)


def of_quickstart(source: Path) -> Login:
    """Return the login that a server's first start wrote down in ``quickstart.json``.

    Raises:
        SealwrightClientError: the file is not what a first start writes.
    """
    found = _texts_of(source, tuple(_QUICKSTART))
    missing = [name for name in _QUICKSTART if not found.get(name)]
    if missing:
        raise SealwrightClientError(f"{source}: {', '.join(missing)} missing.")
    return Login(**{field: found[name] for name, field in _QUICKSTART.items()})


def _texts_of(source: Path, names: tuple[str, ...], advice: str = "") -> dict[str, str]:
    """Return the named texts of a JSON file.

    Raises:
        SealwrightClientError: names the file, and the line where it is broken.
    """
    content = files.read_text(source)
    if not content.strip():
        raise SealwrightClientError(f"{source} is empty.{advice}")
    try:
        found = json.loads(content)
    except json.JSONDecodeError as error:
        raise SealwrightClientError(
            f"{source}, line {error.lineno}, column {error.colno}: not valid JSON.{advice}"
        ) from error
    except RecursionError as error:
        raise SealwrightClientError(f"{source}: not a login.{advice}") from error
    if not isinstance(found, dict):
        raise SealwrightClientError(f"{source}: not a JSON object.{advice}")
    wrong = [name for name in names if not isinstance(found.get(name, ""), str)]
    if wrong:
        raise SealwrightClientError(f"{source}: {', '.join(wrong)} must be a text.{advice}")
    return {name: found.get(name, "") for name in names}


def forget() -> bool:
    """Remove the stored login; tell whether there was one."""
    target = path()
    existed = target.exists()
    target.unlink(missing_ok=True)
    return existed
