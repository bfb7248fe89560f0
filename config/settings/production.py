"""Settings for every real run, from ``make run`` on one machine to a cluster."""

from pathlib import Path

from config.first_start import explained, keep_private, secret_key
from config.settings.base import *  # noqa: F403 - Django's settings idiom
from config.settings.base import DATABASES, HOME, SECRET_KEY, env

env.finish()
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    with explained("DATABASE_URL" if env.text("DATABASE_URL") else "HOME"):
        keep_private(Path(DATABASES["default"]["NAME"]))
# The first start writes a random key into the data directory; a cluster sets the variable.
with explained("HOME"):
    SECRET_KEY = SECRET_KEY or secret_key(HOME)
