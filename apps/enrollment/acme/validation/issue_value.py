"""Syntax of issue-values, for CAA and dns-persist-01 (RFC 8659 section 4.2)."""

import re
from dataclasses import dataclass

_WSP = " \t"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TAG = re.compile(_LABEL)
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]*")


@dataclass(frozen=True, slots=True)
class Grant:
    """A well-formed value that names an authority.

    Attributes:
        domain: the issuer-domain-name in lower case.
        parameters: (tag in lower case, value), in their order, repeated ones too.
    """

    domain: str
    parameters: tuple[tuple[str, str], ...]

    def values(self, tag: str) -> list[str]:
        """Return every value of a parameter."""
        return [value for name, value in self.parameters if name == tag]


def parse(text: str) -> Grant | None:
    """Read a value; ``None`` when it is malformed or names no authority."""
    domain, _, rest = text.partition(";")
    domain = domain.strip(_WSP)
    if not DOMAIN.fullmatch(domain):
        return None
    parameters = []
    for part in rest.split(";") if rest.strip(_WSP) else ():
        tag, equals, value = part.strip(_WSP).partition("=")
        tag, value = tag.strip(_WSP), value.strip(_WSP)
        if not equals or not _TAG.fullmatch(tag) or not _VALUE.fullmatch(value):
            return None
        parameters.append((tag.lower(), value))
    return Grant(domain.lower(), tuple(parameters))


def issuer_of(text: str) -> str:
    """Return whom a value is about, well-formed or not: lower case, without a dot at the end."""
    return text.partition(";")[0].strip(_WSP).lower().removesuffix(".")
