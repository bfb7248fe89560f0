"""Content to hold against rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.policies.evaluation import evaluate, violations_of
from apps.policies.rules import parse_rules
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import Violation
from pki.template import Leaf

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def with_lifetime(leaf: Leaf, lifetime: timedelta) -> Leaf:
    """Return the same content with a lifetime, counted with both its ends."""
    return leaf.with_validity(NOW, NOW + lifetime - timedelta(seconds=1))


LEAF = with_lifetime(
    Leaf(
        subject=(("common_name", "www.example.com"),),
        subject_alt_names=(("dns_name", "www.example.com"),),
        public_key_der=b"",
        key_algorithm=KeyAlgorithm.EC_P256,
        signature_algorithm=SignatureAlgorithm.ECDSA_SHA256,
        key_usage=frozenset({"digital_signature"}),
        extended_key_usage=("server_auth",),
        not_before=NOW,
        not_after=NOW,
    ),
    timedelta(days=90),
)


def leaf(**changes: Any) -> Leaf:
    """Return ``LEAF`` with changes."""
    return replace(LEAF, **changes)


def dns(*names: str, **changes: Any) -> Leaf:
    """Return content with these host names."""
    return leaf(subject_alt_names=tuple(("dns_name", name) for name in names), **changes)


def against(document: dict[str, Any], content: Leaf = LEAF) -> tuple[Violation, ...]:
    """Return what stands against ``content`` under a rule document."""
    return violations_of(evaluate(parse_rules(document), content))


def codes(violations: tuple[Violation, ...]) -> list[str]:
    """Return the machine codes alone."""
    return [violation.code for violation in violations]
