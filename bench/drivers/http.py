"""HTTP client of the load generators: one persistent connection, standard library only."""

import http.client
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_TIMEOUT_S = 60


@dataclass
class Client:
    """A connection to ``url``, opened again when the server has closed it.

    Attributes:
        url: scheme, host and port; always a loopback address here.
        ca_file: trust anchor for the TLS server's chain.
        headers: sent with each request.
    """

    url: str
    ca_file: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    _connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a body; return status and answer."""
        return self._ask("POST", path, body)

    def get(self, path: str) -> tuple[int, bytes]:
        """Fetch something; return status and answer."""
        return self._ask("GET", path, None)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._open()
        try:
            self._connection.request(method, path, body, self.headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # An idle connection was closed; nothing of this request was answered.
            self.close()
            raise
        return answer.status, content

    def _open(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca_file)
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=_TIMEOUT_S, context=context
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)
