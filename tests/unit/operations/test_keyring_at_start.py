"""An installation on disk survives a rotation killed half-way, and refuses a wrong keyring.

Real commands as processes of their own, on a data directory of their own.
"""

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from apps import keyring
from tests.interop.server import free_port

KEYS = 450  # rotation commits every 200
_SET_UP = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", interactive=False, verbosity=0)
from apps import keyring, sealing
from apps.keys.services import generate_key
from apps.keys.models import Key
from pki.algorithms import KeyAlgorithm
keyring.ensure_keyring()
Key.objects.bulk_create([generate_key(KeyAlgorithm.ED25519) for _ in range({keys})])
"""
# Dies by SIGKILL inside the second transaction, with the first one committed.
_KILLED = """
import os, signal, django; django.setup()
from django.core.management import call_command
from apps import keyring, sealing
real, done = sealing.rewrap, []
def dying(sealed, context):
    done.append(context)
    if len(done) == 300:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(sealed, context)
sealing.rewrap = dying
call_command("rotate_kek", "--grace-s", "0")
"""
_LOOK = """
import json, django; django.setup()
from apps import keyring, sealing
from apps.keys import sealed_columns
from apps.keys.software import SoftwareBackend
from apps.keys.models import Key
from pki.algorithms import SignatureAlgorithm
for key in Key.objects.all():
    assert SoftwareBackend().sign(key, b"data", SignatureAlgorithm.ED25519)
ring = keyring.load_keyring()
print(json.dumps({
    "problems": sealed_columns.problems(), "in_use": dict(sealed_columns.key_ids_in_use()),
    "current": ring.current, "held": sorted(ring.keys),
}))
"""


def python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as this installation would."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SEALWRIGHT_") and name != "DJANGO_SETTINGS_MODULE"
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env=environment
        | {
            "SEALWRIGHT_HOME": str(home),
            "SEALWRIGHT_HTTPS_PORT": str(free_port()),
            "SEALWRIGHT_HTTP_PORT": str(free_port()),
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def look(home: Path) -> dict[str, object]:
    done = python(home, "-c", _LOOK)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def contents(home: Path) -> dict[str, str]:
    """Return a digest of each file; SQLite's log of a reader is no change."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def another_keyring() -> str:
    key = secrets.token_bytes(keyring.KEY_BYTES)
    key_id = keyring.key_id_for(key)
    return json.dumps({"current": key_id, "keys": {key_id: base64.b64encode(key).decode()}})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with many sealed keys."""
    home = tmp_path_factory.mktemp("installation")
    done = python(home, "-c", _SET_UP.format(keys=KEYS))
    assert done.returncode == 0, done.stderr
    return home


def test_k4_rotation_killed_half_way_loses_nothing_and_is_resumed(home):
    old = look(home)["current"]

    killed = python(home, "-c", _KILLED)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    half = look(home)  # opens and uses every key
    assert half["problems"] == []
    assert half["current"] != old
    assert half["held"] == sorted([old, half["current"]])
    assert half["in_use"] == {old: KEYS - 200, half["current"]: 200}

    resumed = python(home, "manage.py", "rotate_kek", "--resume", "--grace-s", "0")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{KEYS - 200} values moved" in resumed.stdout
    after = look(home)
    assert after["in_use"] == {half["current"]: KEYS}
    assert after["held"] == [half["current"]]


@pytest.mark.parametrize(
    ("command", "keyring"), [("up", "another"), ("quickstart", "none"), ("serve", "another")]
)
def test_ac13_a_wrong_keyring_is_refused_before_anything_is_written(home, command, keyring):
    file = home / "keys" / "kek.json"
    right = file.read_bytes()
    try:
        file.unlink()
        if keyring == "another":
            file.write_text(another_keyring())
            file.chmod(0o600)
        before = contents(home)

        refused = python(home, "manage.py", command)

        assert refused.returncode != 0
        assert "Refusing to start" in refused.stderr
        assert f"{KEYS} sealed values" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert contents(home) == before
        assert file.exists() == (keyring == "another")
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(right)
        file.chmod(0o600)


def test_ac13_a_wrong_keyring_is_refused_before_migrations(home):
    """A database from before the latest migrations is looked at as far as it goes."""
    back = python(home, "manage.py", "migrate", "enrollment", "zero", "--skip-checks")
    assert back.returncode == 0, back.stderr
    file = home / "keys" / "kek.json"
    right = file.read_bytes()
    try:
        file.unlink()
        before = contents(home)
        refused = python(home, "manage.py", "up")
        assert refused.returncode != 0
        assert f"{KEYS} sealed values" in refused.stderr
        assert contents(home) == before
    finally:
        file.write_bytes(right)
        file.chmod(0o600)
