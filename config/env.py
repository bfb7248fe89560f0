"""Settings from environment variables; the only reader of ``os.environ``.

Every variable starts with ``SEALWRIGHT_`` and may also be given as a file
(``SEALWRIGHT_SECRET_KEY_FILE=/run/secrets/key``), except ``SEALWRIGHT_KEK``: its
``SEALWRIGHT_KEK_FILE`` is the path of the keyring. All mistakes are collected and
reported together, so that one start shows everything that is wrong.
"""

import difflib
import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env, FileAwareEnv

from apps import keyring
from apps.origins import ANY, Schemes, is_host, parsed_origin

PREFIX = "SEALWRIGHT_"
Network = IPv4Network | IPv6Network
_reader = FileAwareEnv()
_reader_without_files = Env()
_MAX_PORT = 65535
_FILE = "_FILE"
# Of the command line client, which may share an environment with the server.
_CLIENT = f"{PREFIX}CLI_"
_CLIENT_NAMES = ("CLI_URL", "CLI_TOKEN", "CLI_CA_FILE", "CLI_CONFIG")
# Kubernetes tells each container the addresses of every service of its namespace, and one called
# "sealwright" gives names that begin as ours do.
_KUBERNETES = re.compile(
    r"_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP)(_[A-Z]+)?)\Z"
)
_KUBERNETES_PORT = re.compile(r"(tcp|udp)://")
# Of difflib's ratio: below, two names have little in common.
_ALIKE = 0.6
_CREDENTIALS = re.compile(r"//[^/@]*@")


@dataclass
class Environment:
    """Reads typed values and remembers each one that is unusable.

    Attributes:
        problems: what is wrong, each with the variable's name.
        names: names that were asked for, without the prefix.
    """

    problems: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def text(self, name: str, default: str = "") -> str:
        """Return the variable as text, ``default`` when it is unset or empty."""
        self.names.add(name)
        if os.environ.get(PREFIX + name) and os.environ.get(PREFIX + name + _FILE):
            self.problems.append(f"{PREFIX}{name} and {PREFIX}{name}{_FILE} are both set: keep one")
        try:
            value = _reader.str(PREFIX + name, default="")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            self.problems.append(f"{PREFIX}{name}_FILE cannot be read: {reason}")
            return default
        text = str(value).strip()
        if "\0" in text:
            self.problems.append(f"{PREFIX}{name} holds a NUL octet")
            return default
        return text or default

    def text_without_file(self, name: str) -> str:
        """Return the variable as text; a variable with ``_FILE`` appended is another setting."""
        self.names.add(name)
        return str(_reader_without_files.str(PREFIX + name, default="")).strip()

    def path(self, name: str, default: Path) -> Path:
        """Return the variable as an absolute path."""
        raw = self.text(name, str(default))
        try:
            return Path(raw).expanduser().absolute()
        except RuntimeError:
            self.problems.append(f"{PREFIX}{name}={raw!r} names the home of an unknown user")
            return default

    def folder(self, name: str, default: Path) -> Path:
        """Return the absolute path of a folder, which may be missing yet but is nothing else."""
        path = self.path(name, default)
        for place in (path, *path.parents):
            # Not Path.exists(), which raises for a folder that cannot be entered.
            if os.path.lexists(place):
                if not os.path.isdir(place):  # noqa: PTH112 - as above
                    shown = "" if place == path else f": {place} is a file"
                    self.problems.append(f"{PREFIX}{name}={str(path)!r} is not a directory{shown}")
                    return default
                break
        return path

    def keys(self, name: str) -> str:
        """Return keys of 32 octets in base64, separated by commas; empty when unset.

        The value is never shown.
        """
        text = self.text_without_file(name)
        if text and not keyring.is_list_of_keys(text):
            self.problems.append(
                f"{PREFIX}{name} is not {keyring.KEY_BYTES} bytes in base64 (such as "
                "`openssl rand -base64 32` makes; several are separated by commas)"
            )
            return ""
        return text

    def file(self, name: str) -> str:
        """Return the absolute path of a file to write, whose folder is there; empty when unset."""
        if not self.text(name):
            return ""
        path = self.path(name, Path())
        if path.is_dir() or not path.parent.is_dir():
            self.problems.append(
                f"{PREFIX}{name}={str(path)!r} is not a file in an existing folder"
            )
            return ""
        return str(path)

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number between ``low`` and ``high``, both included."""
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = int(raw)
        except ValueError:
            self.problems.append(f"{PREFIX}{name}={raw!r} is not a whole number")
            return default
        if not low <= value <= high:
            self.problems.append(f"{PREFIX}{name}={value} is outside {low}..{high}")
            return default
        return value

    def port(self, name: str, default: int) -> int:
        """Return a TCP port number."""
        return self.integer(name, default, low=1, high=_MAX_PORT)

    def origin(self, name: str, default: str, *, schemes: Schemes = ANY) -> str:
        """Return an origin such as ``https://pki.example:8443``, without a path.

        Args:
            name: of the variable, without the prefix.
            default: the value when it is unset.
            schemes: which may be used.
        """
        raw = self.text(name, default)
        try:
            return parsed_origin(raw, schemes)
        except ValueError as error:
            shown = _CREDENTIALS.sub("//***@", raw)
            self.problems.append(f"{PREFIX}{name}={shown!r} {error}")
            return default

    def origins(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated list of origins, as they were written."""
        found = []
        for word in self.words(name):
            try:
                parsed_origin(word)
            except ValueError as error:
                shown = _CREDENTIALS.sub("//***@", word)
                self.problems.append(f"{PREFIX}{name}: {shown!r} {error}")
            else:
                found.append(word.rstrip("/"))
        return tuple(found)

    def address(self, name: str, default: str) -> str:
        """Return an IP address of this machine to listen on, IPv6 without brackets."""
        raw = self.text(name, default)
        bare = raw[1:-1] if raw.startswith("[") and raw.endswith("]") else raw
        try:
            return str(ip_address("" if "%" in bare else bare))
        except ValueError:
            self.problems.append(
                f"{PREFIX}{name}={raw!r} is not an IP address (127.0.0.1 for this machine only, "
                "0.0.0.0 for every IPv4 address, :: for every address)"
            )
            return default

    def ports(self, name: str) -> tuple[int, ...]:
        """Return a comma-separated list of TCP port numbers."""
        found = []
        for word in self.words(name):
            if word.isdecimal() and 1 <= int(word) <= _MAX_PORT:
                found.append(int(word))
            else:
                self.problems.append(f"{PREFIX}{name}: {word!r} is not a port (1..{_MAX_PORT})")
        return tuple(found)

    def hosts(self, name: str, default: tuple[str, ...]) -> list[str]:
        """Return a comma-separated list of host names and addresses, IPv6 in brackets."""
        found = []
        for word in self.words(name, default):
            bare = word.removeprefix(".")
            if word == "*" or is_host(bare):
                found.append(word.lower())
            elif is_host(f"[{word}]"):
                found.append(f"[{word}]")
            else:
                self.problems.append(
                    f"{PREFIX}{name}: {word!r} is not a host (a name or an address, without "
                    "scheme, port and path)"
                )
        return found

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of ``choices``, whatever its case."""
        value = self.text(name, default)
        if value.lower() not in choices:
            self.problems.append(f"{PREFIX}{name}={value!r} is none of {', '.join(choices)}")
            return default
        return value.lower()

    def words(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Return a comma-separated list."""
        raw = self.text(name)
        return [word.strip() for word in raw.split(",") if word.strip()] if raw else list(default)

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return a comma-separated list of addresses and networks (``10.0.0.0/8``)."""
        found = []
        for word in self.words(name):
            try:
                found.append(ip_network(word))
            except ValueError as error:
                # "has host bits set": the standard library's own words say what is wrong
                hint = f" ({error})" if "host bits" in str(error) else ""
                self.problems.append(
                    f"{PREFIX}{name}: {word!r} is not an address or a network{hint}"
                )
        return tuple(found)

    def endpoint(self, name: str) -> str:
        """Return ``address:port`` (IPv6 in brackets) to listen on; empty when unset."""
        raw = self.text(name)
        if not raw:
            return ""
        host, _, port = raw.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            usable = (":" in bare) == (bare != host) and 0 < int(port) <= _MAX_PORT
            ip_address(bare)
        except ValueError:
            usable = False
        if not usable:
            self.problems.append(f"{PREFIX}{name}={raw!r} is not address:port")
            return ""
        return raw

    def secret(self, name: str) -> str:
        """Return a shared secret that can stand in a header field; empty when unset."""
        raw = self.text(name)
        if raw and re.fullmatch(r"[A-Za-z0-9._~+/=-]{32,256}", raw) is None:
            self.problems.append(f"{PREFIX}{name} must be 32 to 256 letters, digits or ._~+/=-")
            return ""
        return raw

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's settings for a ``postgres://`` or ``sqlite:///`` URL.

        The value is never shown: it may hold a password.
        """
        raw = self.text(name, default)
        scheme, separator, rest = raw.partition("://")
        if not separator or scheme not in {"postgres", "postgresql", "sqlite"}:
            self.problems.append(f"{PREFIX}{name} must begin with postgres:// or sqlite:///")
            return dict(FileAwareEnv.db_url_config(default))
        try:
            found = dict(FileAwareEnv.db_url_config(raw))
        except ValueError:
            found = {}
        if scheme == "sqlite":
            if not rest.startswith("/") or found.get("NAME") in {None, "", ":memory:"}:
                self.problems.append(f"{PREFIX}{name} names no file: sqlite:////path/to/file")
                return dict(FileAwareEnv.db_url_config(default))
        elif not found.get("NAME"):
            self.problems.append(
                f"{PREFIX}{name} is not postgres://user:password@host:port/name; special "
                "characters in user and password are written as %XX"
            )
            return dict(FileAwareEnv.db_url_config(default))
        return found

    def refuse_unknown(self) -> None:
        """Add a problem for each ``SEALWRIGHT_`` variable that nothing has asked for."""
        listed = [*sorted(self.names), *_CLIENT_NAMES]
        known = {PREFIX + name for name in self.names}
        known |= {f"{name}{_FILE}" for name in known} - {f"{PREFIX}KEK_FILE{_FILE}"}
        for name, value in sorted(os.environ.items()):
            if not name.startswith(PREFIX) or name in known or name.startswith(_CLIENT):
                continue
            if _KUBERNETES.search(name) or _KUBERNETES_PORT.match(value):
                continue
            asked = name.removeprefix(PREFIX)
            alike = difflib.get_close_matches(asked, listed, n=1, cutoff=_ALIKE)
            hint = f"; did you mean {PREFIX}{alike[0]}?" if alike else ""
            self.problems.append(f"{name} is not a setting{hint}")

    def finish(self) -> None:
        """Raise when any variable was unusable, naming each one."""
        if self.problems:
            listing = "\n  - ".join(self.problems)
            raise ImproperlyConfigured(f"Unusable settings:\n  - {listing}")
