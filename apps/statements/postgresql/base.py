"""What does Sealwright ask of PostgreSQL beyond Django's own backend? Two things, for speed.

* ``prepared_cursor``: statements that the server parses and plans once per connection.
* A kept connection that was used a moment ago is believed to be alive, unless its socket says
  otherwise. Django's health check costs every request a round trip.
"""

import select
import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base

_TRUSTED_S = 20.0


class _PreparedCursor(psycopg.Cursor[Any]):
    """Binds on the server; psycopg keeps count of what each connection has prepared."""

    def execute(self, query: Any, params: Any = None, **_options: Any) -> "_PreparedCursor":
        """Run a statement, prepared at its first run."""
        return super().execute(query, params, prepare=True)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's PostgreSQL with the above; everything else is inherited."""

    _alive_at = 0.0

    def get_connection_params(self) -> dict[str, Any]:
        """Return what psycopg connects with; ``None`` would switch preparing off altogether."""
        # Only ``prepared_cursor`` prepares: Django's cursors bind on the client and never do.
        return super().get_connection_params() | {"prepare_threshold": 0}

    def prepared_cursor(self) -> Any:
        """Return a cursor like ``cursor()``, whose statements are prepared on the server."""
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            return self._prepare_cursor(_PreparedCursor(self.connection))

    def is_usable(self) -> bool:
        """Tell whether a kept connection still works.

        A server that shut down, or ended this connection, has said so on the socket; a path
        that was cut silently shows only after a while, hence the bound.
        """
        now = time.monotonic()
        if now - self._alive_at < _TRUSTED_S and self._is_silent():
            return True
        usable: bool = super().is_usable()
        if usable:
            self._alive_at = now
        return usable

    def connect(self) -> None:
        """Connect, which proves the connection."""
        super().connect()
        self._alive_at = time.monotonic()

    def _is_silent(self) -> bool:
        """Tell whether nothing has come in that nobody asked for."""
        try:
            readable, _, _ = select.select([self.connection.fileno()], [], [], 0)
        except (OSError, ValueError, psycopg.Error):
            return False
        return not readable
