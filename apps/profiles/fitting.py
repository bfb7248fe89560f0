"""Adjustment of defaults to a policy that was tightened since they were written.

Only what nobody asked for is adjusted, and only to less or to a neighbour that the policy accepts:
each function returns the value to use, and a note when it is another one than the default.
"""

from collections.abc import Iterable

from apps.policies.rules import Rules, UsageRule
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import Note


def key_algorithm(default: KeyAlgorithm, rules: Rules) -> tuple[KeyAlgorithm, Note | None]:
    """Return the algorithm for a key made here: the default, or the nearest that is accepted."""
    accepted = rules.key_algorithms
    if accepted is None or default in accepted:
        return default, None
    others = [algorithm for algorithm in KeyAlgorithm if algorithm in accepted]
    if not others:
        return default, None  # the policy accepts none; it says so
    order = list(KeyAlgorithm)
    family = default.value.rpartition("-")[0]
    # The same family first, and rather stronger than weaker (the members are in that order).
    chosen = min(
        others,
        key=lambda one: (
            one.value.rpartition("-")[0] != family,
            order.index(one) < order.index(default),
            abs(order.index(one) - order.index(default)),
        ),
    )
    what = f"The key is {chosen.label} instead of the default, {default.label}."
    return chosen, Note("request.key_algorithm_changed", what, "The policy does not accept it.")


def signature_algorithm(
    default: SignatureAlgorithm, possible: Iterable[SignatureAlgorithm], rules: Rules
) -> tuple[SignatureAlgorithm, Note | None]:
    """Return the signature to use: the default, or the first accepted one that the issuer makes."""
    accepted = rules.signature_algorithms
    if accepted is None or default in accepted:
        return default, None
    chosen = next((one for one in possible if one in accepted), None)
    if chosen is None:
        return default, None
    what = f"The signature is {chosen.value} instead of the default, {default.value}."
    return chosen, Note(
        "request.signature_algorithm_changed", what, "The policy does not accept it."
    )


def usages(
    default: tuple[str, ...], rule: UsageRule | None, kind: str
) -> tuple[tuple[str, ...], Note | None]:
    """Return the default usages that the policy grants.

    The last one is never left out unless the policy grants none at all: a certificate without
    usages would be valid for all of them, so the policy is to refuse it by name.

    Args:
        default: in order.
        rule: of the policy; ``None`` without.
        kind: what they are, for people.
    """
    if rule is None:
        return default, None
    granted = (*rule.allowed, *rule.required)
    kept = tuple(
        usage
        for usage in default
        if not rule.nothing and usage not in rule.denied and (not granted or usage in granted)
    )
    if kept == default or not (kept or rule.nothing):
        return default, None
    dropped = ", ".join(usage for usage in default if usage not in kept)
    what = f"The {kind} {dropped} was left out."
    return kept, Note("request.usage_left_out", what, "The policy does not allow it.")
