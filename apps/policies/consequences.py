"""Removal of violations that only follow from another fault.

A value that cannot be read is left out of the content, or a stand-in takes its place, so that
everything else can be evaluated. What the rules then say of the gap or the stand-in is no fault of
the requester: once the first fault is mended, it is gone.
"""

import re
from collections.abc import Callable, Sequence

from pki.findings import Violation

# How ``pki.addresses.visible`` writes what nobody sees.
_ESCAPED = re.compile(r"\\u[0-9a-f]{4,6}")
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
    """Tell whether the name that is missed is there, but cannot be read.

    Characters that nobody sees, or an end that does not belong to it, leave it recognisable.
    """
    sent = _ESCAPED.sub("", fault.value.lower())
    return _NAMES(fault, consequence) and sent.startswith(consequence.value.lower())


def _host_not_listed(fault: Violation, consequence: Violation) -> bool:
    """Tell whether it is the common name itself that cannot be certified, or its listed twin."""
    about_it = fault.code == "name.several_common_names" or fault.field.endswith(".common_name")
    return _same_name_left_out(fault, consequence) or (about_it and _SUBJECT(fault, consequence))


def _no_ca_at_all(fault: Violation, consequence: Violation) -> bool:
    """Tell whether what a CA certificate would need is asked of a request that cannot be for one."""
    # A usage with a value is one that the key cannot serve, whatever the certificate is.
    return fault.code == "policy.ca_denied" and (
        consequence.code != "rule.key_usage_fits" or not consequence.value
    )


_NAMES = _left_out("subject_alt_names")
_SUBJECT = _left_out("subject")
_ANY_NAME = _left_out("subject", "subject_alt_names")
_TIMES = _left_out("ttl", "not_before", "not_after")

_EXPLAINED_BY: dict[str, _Explains] = {
    "rule.names_present": _ANY_NAME,
    "rule.server_without_name": _ANY_NAME,
    "rule.common_name_listed": _host_not_listed,
    "rule.email_listed": _same_name_left_out,
    "policy.san_required": _NAMES,
    "policy.subject_required": _SUBJECT,
    "profile.self_signed_needs_subject": _SUBJECT,
    "policy.validity_too_long": _TIMES,
    "policy.validity_too_short": _TIMES,
    "rule.validity_ordered": _TIMES,
    "rule.key_usage_fits": _no_ca_at_all,
    "policy.path_length_required": _no_ca_at_all,
    "policy.path_length_too_long": _no_ca_at_all,
    "certificate.path_length": _no_ca_at_all,
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
