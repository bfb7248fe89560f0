"""Settings from environment variables; the only reader of ``os.environ``.

Every variable starts with ``SEALWRIGHT_`` and may also be given as a file
(``SEALWRIGHT_SECRET_KEY_FILE=/run/secrets/key``), except ``SEALWRIGHT_KEK``: its
``SEALWRIGHT_KEK_FILE`` is the path of the keyring. All mistakes are collected and
reported together, so that one start shows everything that is wrong.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env, FileAwareEnv

PREFIX = "SEALWRIGHT_"
Network = IPv4Network | IPv6Network
_reader = FileAwareEnv()
_reader_without_files = Env()
_MAX_PORT = 65535


@dataclass
class Environment:
    """Reads typed values and remembers each one that is unusable."""

    problems: list[str] = field(default_factory=list)

    def text(self, name: str, default: str = "") -> str:
        """Return the variable as text, ``default`` when it is unset or empty."""
        try:
            value = _reader.str(PREFIX + name, default="")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            self.problems.append(f"{PREFIX}{name}_FILE cannot be read: {reason}")
            return default
        return str(value).strip() or default

    def text_without_file(self, name: str) -> str:
        """Return the variable as text; a variable with ``_FILE`` appended is another setting."""
        return str(_reader_without_files.str(PREFIX + name, default="")).strip()

    def path(self, name: str, default: Path) -> Path:
        """Return the variable as an absolute path."""
        return Path(self.text(name, str(default))).expanduser().absolute()

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

    def origin(self, name: str, default: str) -> str:
        """Return an http(s) origin such as ``https://pki.example:8443``, without a path."""
        raw = self.text(name, default).rstrip("/")
        return raw if self._is_origin(name, raw) else default

    def origins(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated list of origins."""
        listed = [word.rstrip("/") for word in self.words(name)]
        return tuple(raw for raw in listed if self._is_origin(name, raw))

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of ``choices``, whatever its case."""
        value = self.text(name, default).lower()
        if value not in choices:
            self.problems.append(f"{PREFIX}{name}={value!r} is none of {', '.join(choices)}")
            return default
        return value

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
            except ValueError:
                self.problems.append(f"{PREFIX}{name}: {word!r} is not an address or a network")
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

    def _is_origin(self, name: str, raw: str) -> bool:
        """Tell whether a text is an origin; one that is not becomes a problem."""
        try:
            parts = urlsplit(raw)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.path or parts.query or parts.fragment or parts.username:
            self.problems.append(f"{PREFIX}{name}={raw!r} is not an origin (scheme://host[:port])")
            return False
        return True

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's settings for a ``postgres://`` or ``sqlite:///`` URL."""
        raw = self.text(name, default)
        if urlsplit(raw).scheme not in {"postgres", "postgresql", "sqlite"}:
            self.problems.append(f"{PREFIX}{name} must start with postgres:// or sqlite:///")
            raw = default
        return dict(FileAwareEnv.db_url_config(raw))

    def finish(self) -> None:
        """Raise when any variable was unusable, naming each one."""
        if self.problems:
            listing = "\n  - ".join(self.problems)
            raise ImproperlyConfigured(f"Unusable settings:\n  - {listing}")


def host_of(origin: str) -> str:
    """Return the host of an origin as ``ALLOWED_HOSTS`` wants it: IPv6 in brackets, no port."""
    host = urlsplit(origin).hostname or ""
    return f"[{host}]" if ":" in host else host
