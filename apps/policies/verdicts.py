"""Result of one rule, as evaluation returns it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pki.findings import Violation

_SHOWN_VALUE = 200
_SHOWN_PATTERNS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of one rule for one field.

    Attributes:
        rule: identifier of the rule, e.g. ``subject_alt_names.dns_name.allowed``.
        field: path of the field, e.g. ``subject_alt_names[2].value``.
        passed: whether the rule is met.
        violation: what is wrong; present exactly when not passed.
    """

    rule: str
    field: str
    passed: bool
    violation: Violation | None = None

    def placed(self, positions: Mapping[str, Sequence[int]]) -> "Verdict":
        """Return the verdict with the index in its field taken from ``positions``.

        Args:
            positions: by section, for each value judged its index in the list that was sent.
        """
        section, bracket, rest = self.field.partition("[")
        index, end, tail = rest.partition("]")
        places = positions.get(section, ())
        if not bracket or not end or int(index) >= len(places) or places[int(index)] == int(index):
            return self
        where = f"{section}[{places[int(index)]}]{tail}"
        violation = self.violation
        if violation is not None:
            violation = replace(violation, field=where)
        return replace(self, field=where, violation=violation)


def passed(rule: str, field: str) -> Verdict:
    """Return the verdict of a rule that is met."""
    return Verdict(rule, field, True)


def failed(rule: str, code: str, field: str, value: str, reason: str, hint: str = "") -> Verdict:
    """Return the verdict of a rule that is broken."""
    return Verdict(rule, field, False, Violation(code, field, value[:_SHOWN_VALUE], reason, hint))


def violations_of(verdicts: Iterable[Verdict]) -> tuple[Violation, ...]:
    """Return the violations among verdicts, in order.

    A verdict that neither passed nor has a violation counts as broken: it fails closed.
    """
    return tuple(
        verdict.violation
        or Violation(verdict.rule, verdict.field, "", f"The rule {verdict.rule} is not met.")
        for verdict in verdicts
        if not verdict.passed or verdict.violation is not None
    )


def listed(words: Sequence[str], nothing: str = "nothing") -> str:
    """Return words for people to read, shortened when there are many."""
    if not words:
        return nothing
    shown = ", ".join(words[:_SHOWN_PATTERNS])
    more = len(words) - _SHOWN_PATTERNS
    return f"{shown} and {more} more" if more > 0 else shown
