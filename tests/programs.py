"""Programs from outside that tests run, and what happens where one is missing.

``@pytest.mark.program("curl", "keytool")`` skips a test where a program is missing; with
``CI=true`` in the environment the test fails instead, so that no tool gets lost unseen.
"""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
CERTBOT = CACHE / "clients" / "certbot" / "bin" / "certbot"
NODE_MODULES = CACHE / "clients" / "node" / "node_modules"
OPENSSL_35 = CACHE / "openssl35" / "openssl"

# Programs that are not on the path, by the name under which tests ask for them.
_PLACES = {
    "certbot": CERTBOT,
    "acme library": CERTBOT.parent / "python",
    "acme-client": NODE_MODULES / "acme-client",
    "openssl 3.5": OPENSSL_35,
}
# Daemons are on root's path only; Chromium is named differently by distributions.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_NAMES = {"chromium": ("chromium", "chromium-browser")}


def find_program(name: str) -> str | None:
    """Return the path of a program (or module), ``None`` where it is missing."""
    if name in _PLACES:
        return str(_PLACES[name]) if _PLACES[name].exists() else None
    candidates = (shutil.which(one, path=_PATH) for one in _NAMES.get(name, (name,)))
    return next(filter(None, candidates), None)


def require_program(name: str) -> str:
    """Return the path of a program; skip the test without it, fail it in CI."""
    found = find_program(name)
    if found is not None:
        return found
    reason = f"{name} is not here; scripts/install-test-tools installs it"
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
