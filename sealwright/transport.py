"""HTTP calls of the client: one session with one server, its errors, repeats and pages."""

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests

from sealwright import unreachable
from sealwright.errors import ApiError, ConnectionFailed, SealwrightClientError

_PAGE = 200
_FIRST_REDIRECT = 300
_FIRST_ERROR = 400
_BUSY = frozenset({429, 503})
# Answers that a proxy before the server gives in its own words.
_FROM_PROXIES = frozenset({407, 429, 502, 503, 504})


class Transport:
    """Calls below ``/api/v1/`` of one server, with a bearer token.

    Args:
        url: origin of the server.
        token: API token.
        ca_file: PEM file to trust instead of the system's store; empty for the latter.
        timeout_s: for each call.
        patience_s: how long a call that may be repeated waits altogether for a busy server.
        on_wait: called with the seconds of each such wait.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_file: str,
        timeout_s: float,
        patience_s: float,
        on_wait: Callable[[int], None],
    ) -> None:
        self.url = unreachable.checked_origin(url)
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._on_wait = on_wait
        self._session = requests.Session()
        # A netrc entry must not replace the token, and no proxy variable may redirect it.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {_checked_token(token)}"
        self._session.headers["Accept"] = "application/json"
        self._session.verify = ca_file or True

    def pages(self, path: str, filters: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of every page of a list."""
        parameters: dict[str, Any] = {"limit": _PAGE, **filters}
        url: str | None = path
        while url:
            page = self.json("GET", url, params=parameters)
            yield from page["results"]
            url, parameters = page["next"], {}

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Return the object that a call answers."""
        response = self.call(method, path, **options)
        try:
            found = response.json()
        except ValueError as error:
            said = unreachable.foreign_answer(response, self.url)
            raise ConnectionFailed(said) from error
        if not isinstance(found, dict):
            raise ConnectionFailed(unreachable.foreign_answer(response, self.url))
        return found

    def call(
        self, method: str, path: str, *, repeatable: bool = False, **options: Any
    ) -> requests.Response:
        """Return the answer of a call.

        Args:
            method: of HTTP; a GET may always be repeated.
            path: below ``/api/v1/``, or the full address of a next page.
            repeatable: whether a repeat has no second effect.
            options: of the HTTP library.

        Raises:
            ApiError: the server refused.
            ConnectionFailed: it was not reached, or something else answered.
        """
        repeatable = repeatable or method == "GET"
        left_s = self._patience_s if repeatable else 0
        while True:
            response = self._sent(method, path, options, repeatable=repeatable)
            if response.status_code < _FIRST_ERROR:
                break
            refused = self._problem(response)
            wait_s = refused.retry_after_s
            if refused.status not in _BUSY or wait_s is None or wait_s > left_s:
                raise refused
            # At least a second, so that "0" does not become a storm of calls.
            wait_s = max(1, wait_s)
            left_s -= wait_s
            self._on_wait(wait_s)
            time.sleep(wait_s)
        kind = response.headers.get("Content-Type", "")
        if response.status_code >= _FIRST_REDIRECT or kind.startswith("text/html"):
            raise ConnectionFailed(unreachable.foreign_answer(response, self.url))
        return response

    def _sent(
        self, method: str, path: str, options: dict[str, Any], *, repeatable: bool
    ) -> requests.Response:
        """Send a call, once more where that is safe and the connection broke on the way."""
        url = path if path.startswith(self.url + "/") else f"{self.url}/api/v1/{path}"
        for last in (not repeatable, True):
            try:
                return self._session.request(
                    method, url, timeout=self._timeout_s, allow_redirects=False, **options
                )
            except requests.RequestException as error:
                # What is wrong with a certificate does not change within a second.
                if last or isinstance(error, requests.exceptions.SSLError):
                    said = unreachable.sentence(error, self.url, self._ca_file)
                    raise ConnectionFailed(said) from error
        raise AssertionError("the last attempt returns or raises")

    def _problem(self, response: requests.Response) -> ApiError:
        """Return the refusal.

        Raises:
            ConnectionFailed: it is none of the API, nor of a proxy before it.
        """
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            if response.status_code not in _FROM_PROXIES:
                raise ConnectionFailed(unreachable.foreign_answer(response, self.url))
            document = {"detail": f"The server, or a proxy before it, says: {response.reason}."}
        return ApiError(
            status=response.status_code,
            code=str(document.get("code", "unknown")),
            detail=str(document.get("detail", response.reason)),
            errors=list(document.get("errors", [])),
            retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")),
            document=document,
        )


def checked_ca_file(ca_file: str | Path | None) -> str:
    """Return the path of a file with certificates in PEM; empty where none was given.

    Raises:
        SealwrightClientError: there is none, or it holds none.
    """
    if not ca_file:
        return ""
    path = Path(ca_file)
    if not path.is_file():
        raise SealwrightClientError(f"The CA file {path} does not exist.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise SealwrightClientError(
            f"The CA file {path} holds no certificate in PEM, or a broken one."
        ) from error
    return str(path)


def _checked_token(token: str) -> str:
    if not token or not all("!" <= character <= "~" for character in token):
        raise SealwrightClientError(
            "This is not an API token: it has spaces, line ends or other characters in it."
            if token
            else "The API token is empty."
        )
    return token


def _retry_after_s(value: str) -> int | None:
    """Return the seconds of a Retry-After header, of either form (RFC 9110 section 10.2.3)."""
    if value.isdecimal():
        return int(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0, int((then - datetime.now(UTC)).total_seconds()))
