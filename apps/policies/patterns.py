"""Table of the pattern class for each subject attribute and name type."""

import re
import unicodedata
from collections.abc import Callable
from typing import Protocol

from apps.policies.names import (
    AddressPattern,
    CommonNamePattern,
    DnsPattern,
    EmailPattern,
    PatternError,
    TextPattern,
)
from apps.policies.uris import UriPattern
from pki.addresses import quoted
from pki.findings import UnusableName
from pki.names import canonical_san, subject_violations
from pki.template import SAN_TYPES

MAX_PATTERN_LENGTH = 512


class Pattern(Protocol):
    """One compiled pattern; ``text`` is its canonical spelling."""

    @property
    def text(self) -> str:
        """Return the canonical spelling."""
        ...

    def covers(self, value: str) -> bool:
        """Tell whether everything the value stands for falls under the pattern."""
        ...

    def overlaps(self, value: str) -> bool:
        """Tell whether anything the value stands for falls under the pattern."""
        ...


def compile_pattern(kind: str, text: str) -> Pattern:
    """Return the pattern for values of one subject attribute or SAN type.

    Raises:
        PatternError: it could never match a value of this kind, or is ambiguous.
    """
    if not text or len(text) > MAX_PATTERN_LENGTH:
        raise PatternError(f"A pattern has 1 to {MAX_PATTERN_LENGTH} characters.")
    if text != text.strip() or any(unicodedata.category(c).startswith("C") for c in text):
        raise PatternError("A pattern has no surrounding spaces and no control characters.")
    pattern = _COMPILERS.get(kind, TextPattern.compile)(text)
    if "*" not in text:
        _refuse_unusable(kind, pattern.text if kind in SAN_TYPES else text)
    return pattern


def _refuse_unusable(kind: str, value: str) -> None:
    """Reject a pattern without ``*`` whose value no certificate can contain."""
    if kind == "ip_address":
        return  # a network is not a value of a certificate
    if kind not in SAN_TYPES:
        # Stored policies may name characters that nobody sees in order to deny them.
        found = tuple(
            violation
            for violation in subject_violations([(kind, value)])
            if violation.code != "name.invisible_character"
        )
    else:
        try:
            canonical_san(kind, value)
        except UnusableName as error:
            found = error.violations
        else:
            return
    if found:
        raise PatternError(f"{quoted(value)} can never match: {found[0].reason}", found[0].hint)


def _common_name(text: str) -> Pattern:
    """Return a host-name pattern where the text looks like one, otherwise free text."""
    labels = text.removesuffix(".").split(".")
    if len(labels) > 1 and all(_LOOKS_LIKE_LABEL.fullmatch(label) for label in labels):
        try:
            return CommonNamePattern.compile(text)
        except PatternError:
            pass  # an address or a version number: compared as text
    return TextPattern.compile(text)


_LOOKS_LIKE_LABEL = re.compile(r"[A-Za-z0-9*](?:[A-Za-z0-9*-]*[A-Za-z0-9*])?")

_COMPILERS: dict[str, Callable[[str], Pattern]] = {
    "dns_name": DnsPattern.compile,
    "ip_address": AddressPattern.compile,
    "email": EmailPattern.compile,
    "uri": UriPattern.compile,
    "email_address": EmailPattern.compile,
    "common_name": _common_name,
}
