"""Settings for every real run, from ``make run`` on one machine to a cluster."""

from config.first_start import secret_key
from config.settings.base import *  # noqa: F403 - Django's settings idiom
from config.settings.base import HOME, SECRET_KEY, env

env.finish()
# The first start writes a random key into the data directory; a cluster sets the variable.
SECRET_KEY = SECRET_KEY or secret_key(HOME)
