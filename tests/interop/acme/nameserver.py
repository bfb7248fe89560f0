"""BIND on loopback as the name server of the tests, changed by nsupdate."""

import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.server import free_port
from tests.programs import require_program

ZONE = "example.test"
_PARENT = "test"  # CAA is asked for upwards, so somebody must answer for it
_SECRET = "c2VhbHdyaWdodC1pbnRlcm9wLWtleS1mb3ItdGVzdHM="  # guards a server on loopback
_START_S = 20
_STOP_S = 10
_CONFIGURATION = """
options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  recursion no;
  dnssec-validation no;
}};
controls {{ }};
key "tests" {{ algorithm hmac-sha256; secret "{secret}"; }};
zone "{zone}" {{ type primary; file "zone"; allow-update {{ key "tests"; }}; }};
zone "{parent}" {{ type primary; file "parent"; }};
"""
# Every name leads here, except what a record of its own says otherwise.
_RECORDS = f"""$TTL 1
@ SOA ns.{ZONE}. nobody.{ZONE}. 1 60 60 600 1
@ NS ns.{ZONE}.
@ A 127.0.0.1
* A 127.0.0.1
ns A 127.0.0.1
forbidden CAA 0 issue "another-ca.test"
forbidden A 127.0.0.1
allowed CAA 0 issue "ca.{ZONE}"
allowed A 127.0.0.1
"""
_PARENT_RECORDS = f"""$TTL 1
@ SOA ns.{ZONE}. nobody.{ZONE}. 1 60 60 600 1
@ NS ns.{ZONE}.
{ZONE}. NS ns.{ZONE}.
ns.{ZONE}. A 127.0.0.1
"""


@dataclass
class NameServer:
    """A primary name server for ``example.test``.

    Attributes:
        folder: its data; ``key`` in it is what nsupdate needs.
        port: on 127.0.0.1, UDP and TCP.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def address(self) -> str:
        """Return ``address:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def key_file(self) -> Path:
        """Return the TSIG key, as ``nsupdate -k`` reads it."""
        return self.folder / "key"

    def lego_environment(self) -> dict[str, str]:
        """Return what lego's RFC 2136 provider needs."""
        return {
            "RFC2136_NAMESERVER": self.address,
            "RFC2136_TSIG_KEY": "tests.",
            "RFC2136_TSIG_SECRET": _SECRET,
            "RFC2136_TSIG_ALGORITHM": "hmac-sha256.",
            "RFC2136_TTL": "1",
            "RFC2136_POLLING_INTERVAL": "1",
            "RFC2136_SEQUENCE_INTERVAL": "1",  # a minute unless told otherwise
        }

    def hook(self, path: Path, *, add: str, delete: str, name: str, value: str) -> Path:
        """Write a script that puts up and takes down TXT records.

        Args:
            path: where.
            add, delete: shell conditions under which it does either.
            name, value: shell words for the domain and the record's content.
        """
        path.write_text(
            "#!/bin/sh -e\n"
            f"change() {{ printf 'server 127.0.0.1 {self.port}\\nzone {ZONE}\\nupdate %s\\nsend\\n' \"$1\""
            f" | nsupdate -k {self.key_file}; }}\n"
            f'if {add}; then change "add _acme-challenge.{name}. 1 TXT \\"{value}\\""; fi\n'
            f'if {delete}; then change "delete _acme-challenge.{name}. TXT"; fi\n'
        )
        path.chmod(0o755)
        return path

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(_STOP_S)


def start(folder: Path) -> NameServer:
    """Serve the zone on a free port; returns when it answers."""
    program = require_program("named")
    port = free_port()
    (folder / "zone").write_text(_RECORDS)
    (folder / "parent").write_text(_PARENT_RECORDS)
    (folder / "key").write_text(f'key "tests" {{ algorithm hmac-sha256; secret "{_SECRET}"; }};\n')
    configuration = folder / "named.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=port, secret=_SECRET, zone=ZONE, parent=_PARENT)
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-g", "-n", "1", "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = NameServer(folder, port, process)
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return server
    if process.poll() is None:
        server.stop()
    raise RuntimeError((folder / "log").read_text()[-3000:])
