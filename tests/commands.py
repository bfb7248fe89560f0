"""Commands of the product, run as processes with settings of their own."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

_TIMEOUT_S = 120


def inherited_environment() -> dict[str, str]:
    """Return the environment of the tests, without any setting of the product or the test runner."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEALWRIGHT_", "DJANGO_", "PYTEST_"))
    }


def run_on_own_home(
    tmp_path: Path, *command: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of Python on the data directory ``home`` in ``tmp_path``.

    Args:
        tmp_path: the data directory is not made.
        command: arguments of the interpreter, e.g. ``manage.py``, ``check``.
        variables: settings without their prefix.
    """
    given = {f"SEALWRIGHT_{name}": value for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=inherited_environment() | {"SEALWRIGHT_HOME": str(tmp_path / "home")} | given,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
