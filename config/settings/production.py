"""Settings for every real run, from ``make run`` on one machine to a cluster."""

from pathlib import Path

from apps import data_directory
from config import first_start
from config.first_start import Use, explained
from config.settings.base import *  # noqa: F403 - Django's settings idiom
from config.settings.base import DATABASES, HOME, SEALWRIGHT, SECRET_KEY, env

env.finish()
_use = first_start.use()
_is_sqlite = DATABASES["default"]["ENGINE"].endswith("sqlite3")
_sqlite = Path(DATABASES["default"]["NAME"]) if _is_sqlite else None
_key_file = data_directory.key_file(HOME)
if _use is Use.NEED:
    first_start.require(HOME, _sqlite, has_key=bool(SECRET_KEY) or _key_file.exists())
if _sqlite is not None and (_use is Use.MAKE or _sqlite.exists()):
    with explained("DATABASE_URL" if env.text("DATABASE_URL") else "HOME"):
        data_directory.keep_private(_sqlite)
if not SECRET_KEY:
    # A cluster sets the variable; elsewhere the first start writes a random key.
    SECRET_KEY = data_directory.new_key()
    if _use in {Use.MAKE, Use.NEED} or _key_file.exists():
        with explained("HOME"):
            SECRET_KEY = data_directory.keep_key(_key_file, SECRET_KEY)
    else:
        SEALWRIGHT["NEW_KEY_FILE"] = _key_file
