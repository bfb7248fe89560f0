"""Removal of violations that only follow from another fault.

A value that cannot be read is left out of the content, or a stand-in takes its place, so that
everything else can be evaluated. What the rules then say of the gap or the stand-in is no fault of
the requester: once the first fault is mended, it is gone.
"""

from collections.abc import Callable, Sequence

from pki.findings import Violation

_Explains = Callable[[Violation, Violation], bool]


def _left_out(*sections: str) -> _Explains:
    """Return whether a fault tells that a value of these sections cannot be read."""

    def explains(fault: Violation, _: Violation) -> bool:
        # Rules judge values that are there; everything else tells of values that cannot be.
        section = fault.field.partition("[")[0].partition(".")[0]
        is_rule = fault.code.startswith(("policy.", "rule.")) or fault.code in _EXPLAINED_BY
        return section in sections and not is_rule

    return explains


def _same_name_left_out(fault: Violation, consequence: Violation) -> bool:
    """Tell whether the name that is missed is there, but cannot be read."""
    return _NAMES(fault, consequence) and fault.value.lower() == consequence.value.lower()


_NAMES = _left_out("subject_alt_names")
_SUBJECT = _left_out("subject")
_ANY_NAME = _left_out("subject", "subject_alt_names")
_TIMES = _left_out("ttl", "not_before", "not_after")

_EXPLAINED_BY: dict[str, _Explains] = {
    "rule.names_present": _ANY_NAME,
    "rule.server_without_name": _ANY_NAME,
    "rule.common_name_listed": _same_name_left_out,
    "rule.email_listed": _same_name_left_out,
    "policy.san_required": _NAMES,
    "policy.subject_required": _SUBJECT,
    "profile.self_signed_needs_subject": _SUBJECT,
    "policy.validity_too_long": _TIMES,
    "policy.validity_too_short": _TIMES,
    "rule.validity_ordered": _TIMES,
    "policy.signature_algorithm_not_allowed": _left_out("signature_algorithm"),
}


def without_consequences(found: Sequence[Violation]) -> tuple[Violation, ...]:
    """Return the violations that stand for themselves, in order and each once."""
    return tuple(
        item
        for item in dict.fromkeys(found)
        if (explains := _EXPLAINED_BY.get(item.code)) is None
        or not any(explains(fault, item) for fault in found)
    )
