"""Patterns for URIs, with a strict parser for comparing them.

``urllib.parse.urlsplit`` is lenient (it drops tabs and newlines, keeps user names); a value that
is compared with a rule must have exactly one reading.
"""

import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from apps.policies.names import (
    AddressPattern,
    DnsPattern,
    PatternError,
    address_of,
    glob_matches,
)
from pki.addresses import quoted

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):([!-~]+)")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]@:]+)(?::([0-9]{1,5}))?")
_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|%2[EeFf]|%5[Cc]|%00")


@dataclass(frozen=True, slots=True)
class UriParts:
    """An absolute URI, split.

    Attributes:
        scheme: lower case.
        host: lower case; ``None`` for URIs without authority such as ``urn:uuid:...``.
        port: decimal text, empty when absent.
        segments: path segments without the final empty one; the whole rest without authority.
        has_suffix: whether a query or fragment follows.
    """

    scheme: str
    host: str | None
    port: str
    segments: tuple[str, ...]
    has_suffix: bool

    @property
    def is_encoded(self) -> bool:
        """Tell whether percent-encoding hides characters of the path."""
        return any("%" in segment for segment in self.segments)

    def decoded(self) -> "UriParts":
        """Return the same with the path's percent-encoding undone."""
        return replace(self, segments=tuple(unquote(segment) for segment in self.segments))


def split_uri(text: str) -> UriParts | None:
    """Return the parts of an absolute URI, ``None`` when it is ambiguous.

    Refused: user names, backslashes, spaces and control characters, dot segments and empty
    segments, encoded dots, slashes and NULs.
    """
    found = _URI.fullmatch(text)
    if found is None or "\\" in text or _ENCODED.search(text):
        return None
    scheme, rest = found[1].lower(), found[2]
    body = rest.split("#", 1)[0].split("?", 1)[0]
    has_suffix = body != rest
    if not body.startswith("//"):
        return UriParts(scheme, None, "", (body,), has_suffix) if body else None
    authority, _, path = body[2:].partition("/")
    place = _AUTHORITY.fullmatch(authority)
    if place is None:
        return None
    segments = tuple(path.removesuffix("/").split("/")) if path else ()
    if any(segment in ("", ".", "..") for segment in segments):
        return None
    return UriParts(scheme, place[1].lower(), place[2] or "", segments, has_suffix)


@dataclass(frozen=True, slots=True)
class UriPattern:
    """Scheme, host and path prefix; the path is compared segment by segment."""

    text: str
    _scheme: str = field(compare=False, repr=False)
    _host: DnsPattern | AddressPattern | None = field(
        compare=False, repr=False
    )  # None: no authority (urn:...)
    _port: str = field(compare=False, repr=False)
    _segments: tuple[str, ...] = field(compare=False, repr=False)

    @classmethod
    def compile(cls, text: str) -> "UriPattern":
        """Return the pattern; ``*`` alone means any URI, a final slash means nothing.

        Raises:
            PatternError: no absolute URI, or with user, query or fragment.
        """
        if text == "*":
            return cls(text, "", None, "", ())
        parts = split_uri(text)
        if parts is None or parts.has_suffix or parts.is_encoded:
            raise PatternError(
                f"{quoted(text)} is no pattern for absolute URIs without query, fragment and encoding.",
                "Examples: spiffe://example.org/ns/*/sa/web, https://*.example.com/app, urn:uuid:*.",
            )
        if "*" in parts.scheme or "*" in parts.port:
            raise PatternError("Scheme and port of a URI pattern are literal.")
        if parts.host is None:
            canonical = f"{parts.scheme}:{parts.segments[0]}"
            return cls(canonical, parts.scheme, None, "", parts.segments)
        host = _host_pattern(parts.host)
        place = f"[{host.text}]" if ":" in host.text else host.text
        port = f":{parts.port}" if parts.port else ""
        path = "".join(f"/{segment}" for segment in parts.segments)
        canonical = f"{parts.scheme}://{place}{port}{path}"
        return cls(canonical, parts.scheme, host, parts.port, parts.segments)

    def covers(self, value: str) -> bool:
        """Compare exactly; a query, a fragment or dot segments are never covered."""
        parts = split_uri(value)
        if parts is None:
            return False
        if self.text == "*":
            return True
        if parts.has_suffix or parts.is_encoded or parts.port != self._port:
            return False
        return self._same_place(parts, strictly=True) and all(
            map(glob_matches, self._segments, parts.segments)
        )

    def overlaps(self, value: str) -> bool:
        """Compare without regard to case, port, query, fragment and percent-encoding."""
        parts = split_uri(value)
        if parts is None or self.text == "*":
            return True
        if self._host is None and self._segments == ("*",):
            # "javascript:*" denies the scheme, also where something like a host follows.
            return parts.scheme == self._scheme
        have = parts.decoded()
        return self._same_place(have, strictly=False) and all(
            glob_matches(want.casefold(), segment.casefold())
            for want, segment in zip(self._segments, have.segments, strict=False)
        )

    def _same_place(self, parts: UriParts, *, strictly: bool) -> bool:
        """Tell whether scheme and host fit and the path is long enough."""
        if parts.scheme != self._scheme or len(parts.segments) < len(self._segments):
            return False
        if self._host is None or parts.host is None:
            return self._host is None and parts.host is None
        host = _bare_host(parts.host)
        if (address_of(host) is not None) != isinstance(self._host, AddressPattern):
            return False
        if strictly:
            return "*" not in host and self._host.covers(host)
        return self._host.overlaps(host)


def _bare_host(host: str) -> str:
    return host.removeprefix("[").removesuffix("]")


def _host_pattern(host: str) -> DnsPattern | AddressPattern:
    """Return the pattern for the host of a URI: one address, or DNS labels."""
    bare = _bare_host(host)
    return DnsPattern.compile(host) if address_of(bare) is None else AddressPattern.compile(bare)
