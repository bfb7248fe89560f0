"""Violations of rules, the exceptions that carry them, and notes on what was changed."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

# NUL and surrogates, which no database and no UTF-8 holds, and other controls, which nobody sees.
_UNSTORABLE = re.compile("[\0-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def storable(text: str) -> str:
    """Return a text that every database and every reader can take: controls are escaped."""
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule, with everything its reader needs to mend the request.

    Attributes:
        code: stable machine code, e.g. ``policy.san_not_allowed``.
        field: path of the offending field, e.g. ``subject_alt_names[2].value``.
        value: the offending value as text; empty when a value is missing.
        reason: what is wrong, one sentence.
        hint: what would be accepted; may be empty.
    """

    code: str
    field: str
    value: str
    reason: str
    hint: str = ""

    @property
    def located(self) -> str:
        """Return the reason after the field, unless the reason names the element itself."""
        speaks = self.code.startswith("csr.") or self.reason.startswith(
            (f"{self.field}:", "subjectAltName ", "The subject attribute ")
        )
        return self.reason if speaks or not self.field else f"{self.field}: {self.reason}"

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form used by the API, the request record and the audit log."""
        return {name: storable(text) for name, text in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Note:
    """Something of a request that was changed or left out; nothing is refused.

    Attributes:
        code: stable machine code, e.g. ``csr.extension_ignored``; docs/api.md lists them.
        what: what was done, one sentence, with object identifier and value where there are any.
        why: the reason, one sentence; may be empty.
    """

    code: str
    what: str
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form used by the API, the request record and the audit log."""
        return {name: storable(text) for name, text in asdict(self).items()}


class PkiError(ValueError):
    """Bytes or values that cannot be used; ``violations`` lists everything that is wrong."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(v.reason for v in violations))


class UnusableCSR(PkiError):
    """A PKCS#10 request that cannot be read, or whose proof of possession fails."""


class UnusableKey(PkiError):
    """A public or private key that cannot be read or must not be used."""


class UnusableCertificate(PkiError):
    """A certificate that cannot be read or breaks RFC 5280."""


class UnusableName(PkiError):
    """A name or address that is malformed or misleading."""


class UnsupportedBundle(PkiError):
    """A container format that cannot carry what was asked for."""


def shown(value: object) -> str:
    """Return how a violation shows a value that was sent: text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
