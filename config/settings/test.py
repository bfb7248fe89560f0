"""Settings of the test suite: real code paths, cheap passwords, data in a scratch folder."""

import atexit
import shutil
import tempfile
from pathlib import Path

from config.settings.base import *  # noqa: F403 - Django's settings idiom
from config.settings.base import CACHES, SEALWRIGHT, STORAGES, env

env.finish()
SECRET_KEY = "tests-only"  # noqa: S105 - signs nothing outside the test run
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = CACHES | {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
_SCRATCH = Path(tempfile.mkdtemp(prefix="sealwright-test-"))
atexit.register(shutil.rmtree, _SCRATCH, ignore_errors=True)
SEALWRIGHT = SEALWRIGHT | {
    "HOME": _SCRATCH,
    "RUN_FOLDER": _SCRATCH / "run",
    "KEK_FILE": _SCRATCH / "kek.json",
    # All tests come from one address, and many show bad tokens; its own test sets the limit.
    "AUTH_FAILURES_PER_MINUTE": 0,
    # Names of tests are proven by the tests that are about it.
    "ACME_INLINE_VALIDATION_MS": 0,
}
STATIC_ROOT = _SCRATCH / "static"
