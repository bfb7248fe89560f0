"""Python client of the API: one method for each call; results are plain dictionaries.

client = Client("https://pki.example:8443", token, ca_file="root.pem")
issued = client.request("demo", "tls-server", csr=csr_pem)
print(issued["certificate"]["pem"])
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sealwright.errors import ApiError, SealwrightClientError
from sealwright.transport import Transport, checked_ca_file

_TIMEOUT_S = 60.0
_PATIENCE_S = 30.0
_NOT_FOUND = 404
_OPEN_STATES = frozenset({"pending_approval", "approved", "signing", "submitted"})
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SERIAL_NUMBER = re.compile(r"\s*(0x)?[0-9a-f][0-9a-f:\s]*", re.IGNORECASE)


class Client:
    """A session with one server, authenticated by a bearer token.

    Args:
        url: origin of the server, e.g. ``https://pki.example:8443``.
        token: API token.
        ca_file: PEM file to trust instead of the system's store.
        timeout_s: for each call.
        patience_s: how long a call that is safe to repeat waits for a server that is busy
            (429 and 503 with ``Retry-After``) before it raises ``ApiError``; 0 never waits.
        on_wait: called with the seconds of each such wait.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca_file: str | Path | None = None,
        timeout_s: float = _TIMEOUT_S,
        patience_s: float = _PATIENCE_S,
        on_wait: Callable[[int], None] = lambda _seconds: None,
    ) -> None:
        self._http = Transport(
            url,
            token,
            ca_file=checked_ca_file(ca_file),
            timeout_s=timeout_s,
            patience_s=patience_s,
            on_wait=on_wait,
        )
        self.url = self._http.url

    def request(
        self,
        application: str,
        profile: str,
        *,
        csr: str | None = None,
        key_algorithm: str | None = None,
        idempotency_key: str | None = None,
        **requested: Any,
    ) -> dict[str, Any]:
        """Request a certificate from a CSR (PEM), or with a key made by the server.

        Args:
            application: name or id.
            profile: name or id.
            csr: PKCS#10 as PEM; without it the server makes the key.
            key_algorithm: algorithm of the server's key; by default the profile's.
            idempotency_key: makes a repeat safe; a random one unless given.
            requested: further fields of the request body, e.g. ``ttl="30d"``.

        Returns:
            The request; ``certificate`` is ``None`` while it is pending.

        Raises:
            ApiError: refused; ``errors`` lists every broken rule.
        """
        body = self._request_body(application, profile, csr, key_algorithm, requested)
        return self._repeatable("certificate-requests/", body, idempotency_key)

    def request_many(
        self,
        application: str,
        profile: str,
        requests: Sequence[dict[str, Any]],
        *,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Request up to a hundred certificates by one call.

        Args:
            application: name or id.
            profile: name or id.
            requests: for each ``{"csr": ..., **requested}``, as for ``request``.
            idempotency_key: makes a repeat safe; a random one unless given.

        Returns:
            ``issued``, ``pending``, ``refused`` and ``results``, in order: each has a
            ``status``, and a ``request`` or a ``problem``.

        Raises:
            ApiError: the call as a whole was refused.
        """
        body = {"application": application, "profile": profile, "requests": list(requests)}
        return self._repeatable("certificate-requests/bulk/", body, idempotency_key)

    def evaluate(
        self,
        application: str,
        profile: str,
        *,
        csr: str | None = None,
        key_algorithm: str | None = None,
        **requested: Any,
    ) -> dict[str, Any]:
        """Return every rule with its verdict and the certificate that would be issued."""
        body = self._request_body(application, profile, csr, key_algorithm, requested)
        return self._http.json("POST", "certificate-requests/evaluate/", json=body, repeatable=True)

    def read_request(self, request_id: str) -> dict[str, Any]:
        """Return a request; once issued, its certificate is part of it."""
        return self._http.json("GET", f"certificate-requests/{_path(request_id)}/")

    def certificate_requests(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield requests, newest first."""
        return self._http.pages("certificate-requests/", filters)

    def wait(
        self, request_id: str, *, timeout_s: float = 3600.0, every_s: float = 5.0
    ) -> dict[str, Any]:
        """Poll a pending request until it has ended, and return it.

        Raises:
            SealwrightClientError: it still waits after ``timeout_s`` seconds.
        """
        end = time.monotonic() + timeout_s
        while True:
            found = self.read_request(request_id)
            if found["state"] not in _OPEN_STATES:
                return found
            if time.monotonic() + every_s > end:
                raise SealwrightClientError(f"The request is still {found['state']}.")
            time.sleep(every_s)

    def certificates(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield certificates, newest first; filters as in the API, e.g. ``state="active"``."""
        return self._http.pages("certificates/", filters)

    def certificate_id(self, reference: str) -> str:
        """Return the id of a certificate named by its id or its serial number.

        Args:
            reference: an id, or a serial number in hex: any case, colons, ``0x``, leading zeros.

        Raises:
            ApiError: no certificate that the token may see has this serial number.
            SealwrightClientError: several have it, from different authorities; lists their ids.
        """
        if is_id(reference):
            return _path(reference)
        if not _SERIAL_NUMBER.fullmatch(reference):
            raise SealwrightClientError(f"{reference!r} is neither an id nor a serial number.")
        found = list(self.certificates(serial_number=reference))
        if not found:
            detail = f"There is no certificate with serial number {reference}."
            raise ApiError(_NOT_FOUND, "not_found", detail)
        if len(found) > 1:
            ids = "".join(f"\n  {one['id']} (issued by {one['issuer']})" for one in found)
            raise SealwrightClientError(f"Several certificates have this serial number:{ids}")
        return str(found[0]["id"])

    def read_certificate(self, certificate_id: str) -> dict[str, Any]:
        """Return a certificate with its PEM and chain."""
        return self._http.json("GET", f"certificates/{_path(certificate_id)}/")

    def download(self, certificate_id: str, form: str = "pem") -> bytes:
        """Return a certificate as ``pem``, ``chain``, ``fullchain``, ``der`` or ``p7b``."""
        path = f"certificates/{_path(certificate_id)}/download/"
        return self._http.call("GET", path, params={"format": form}).content

    def export(
        self,
        certificate_id: str,
        form: str = "pkcs12",
        *,
        password: str = "",
        legacy: bool = False,
        on_note: Callable[[str], None] = lambda _note: None,
    ) -> bytes:
        """Return the key stored by the server: ``pkcs12`` (needs a password) or ``private-key``.

        Args:
            certificate_id: whose key.
            form: see above.
            password: protects the file.
            legacy: PKCS#12 with triple DES and SHA-1, for old devices only.
            on_note: called with what the server notes about the file, if it does.
        """
        body: dict[str, Any] = {"format": form} | ({"password": password} if password else {})
        if legacy:
            body["legacy"] = True
        answer = self._http.call("POST", f"certificates/{_path(certificate_id)}/export/", json=body)
        note = answer.headers.get("Sealwright-Note")
        if note:
            on_note(note)
        return answer.content

    def revoke(
        self, certificate_id: str, reason: str = "unspecified", *, allow_expired: bool = False
    ) -> dict[str, Any]:
        """Revoke a certificate for a reason of RFC 5280, e.g. ``keyCompromise``.

        One that has expired is revoked only with ``allow_expired``.
        """
        body: dict[str, Any] = {"reason": reason}
        if allow_expired:
            body["allow_expired"] = True
        return self._repeatable(f"certificates/{_path(certificate_id)}/revoke/", body)

    def revoke_by_serial_number(
        self,
        serial_number: str,
        reason: str = "unspecified",
        *,
        authority: str = "",
        allow_expired: bool = False,
    ) -> dict[str, Any]:
        """Revoke the certificate with a serial number; a token needs no scope to read for it.

        Args:
            serial_number: hex in any spelling.
            reason: of RFC 5280.
            authority: name or id of the issuer, where several have used the number.
            allow_expired: revoke one that has expired, too.
        """
        body: dict[str, Any] = {"serial_number": serial_number, "reason": reason}
        if authority:
            body["authority"] = authority
        if allow_expired:
            body["allow_expired"] = True
        return self._repeatable("certificates/revoke/", body)

    def release(self, certificate_id: str) -> dict[str, Any]:
        """Take a certificate off hold."""
        return self._http.json("POST", f"certificates/{_path(certificate_id)}/release/")

    def renew(
        self, certificate_id: str, *, key: str = "new", csr: str | None = None
    ) -> dict[str, Any]:
        """Issue a successor with the same names; ``key`` is ``new``, ``reuse`` or ``csr``."""
        body = {"key": "csr", "csr": csr} if csr else {"key": key}
        return self._repeatable(f"certificates/{_path(certificate_id)}/renew/", body)

    def authorities(self) -> Iterator[dict[str, Any]]:
        """Yield the authorities."""
        return self._http.pages("authorities/", {})

    def revoke_authority(
        self,
        name: str,
        reason: str,
        *,
        serial_number: str | None = None,
        invalidity_date: str | None = None,
    ) -> dict[str, Any]:
        """Revoke an authority at its parent for a reason of RFC 5280, e.g. ``cACompromise``.

        Args:
            name: or id.
            reason: any but ``certificateHold``.
            serial_number: only this earlier certificate, which a renewal has replaced.
            invalidity_date: RFC 3339; since when the key is doubted.
        """
        given = {"serial_number": serial_number, "invalidity_date": invalidity_date}
        body = {"reason": reason} | {
            field: value for field, value in given.items() if value is not None
        }
        return self._http.json("POST", f"authorities/{quote(name, safe='')}/revoke/", json=body)

    def applications(self) -> Iterator[dict[str, Any]]:
        """Yield the applications that the token may see."""
        return self._http.pages("applications/", {})

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """Return any other resource below ``/api/v1/``."""
        return self._http.json("GET", path, params=parameters)

    @staticmethod
    def _request_body(
        application: str,
        profile: str,
        csr: str | None,
        key_algorithm: str | None,
        requested: dict[str, Any],
    ) -> dict[str, Any]:
        body = {"application": application, "profile": profile, **requested}
        if csr is not None:
            body["csr"] = csr
        else:
            body["key"] = {"algorithm": key_algorithm} if key_algorithm else {}
        return body

    def _repeatable(
        self, path: str, body: dict[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """POST with an idempotency key, which makes a repeat safe."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._http.json("POST", path, json=body, headers=headers, repeatable=True)


def is_id(reference: str) -> bool:
    """Tell whether a text is an identifier of the API; a certificate's serial number is none."""
    return _ID.fullmatch(reference) is not None


def _path(identifier: str) -> str:
    """Return the identifier in canonical form, so that it cannot change the path of a URL."""
    try:
        return str(uuid.UUID(str(identifier)))
    except ValueError as error:
        raise SealwrightClientError(
            f"{identifier!r} is not an id: ids look like 0195f1a2-6b3c-7d4e-8f50-123456789abc."
        ) from error
