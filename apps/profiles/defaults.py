"""Parser of a profile's defaults, and their check against the profile's policy.

The document format is described in docs/profiles.md.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from apps.errors import InvalidInput
from apps.policies import evaluation
from apps.policies.document import DocumentReader
from apps.policies.durations import format_duration
from apps.policies.rules import Rules, ValueRule
from apps.policies.verdicts import Verdict
from apps.profiles.requested_content import DEFAULT_TTL, Defaults
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import Violation
from pki.names import subject_violations
from pki.template import (
    EXTENDED_KEY_USAGES,
    KEY_USAGES,
    RESERVED_USAGES,
    SUBJECT_ATTRIBUTES,
    TypeValue,
)

_MAX_PATH_LENGTH = 32
_KEYS = (
    "ttl",
    "subject",
    "key_algorithm",
    "signature_algorithm",
    "key_usages",
    "extended_key_usages",
    "basic_constraints",
)


def parse_defaults(document: object) -> Defaults:
    """Return a profile's defaults.

    Raises:
        InvalidInput: lists everything that is wrong, each with its path below ``defaults``.
    """
    reader = DocumentReader("profile")
    given = reader.mapping(document, "defaults", _KEYS)
    read: dict[str, Any] = {}
    if "ttl" in given:
        read["ttl"] = reader.duration(given["ttl"], "defaults.ttl")
    if "subject" in given:
        read["subject"] = _subject(reader, given["subject"])
    for name, algorithms in (
        ("key_algorithm", KeyAlgorithm),
        ("signature_algorithm", SignatureAlgorithm),
    ):
        if name in given:
            choice = reader.choice(given[name], f"defaults.{name}", [a.value for a in algorithms])
            read[name] = algorithms(choice) if choice else None
    for name, usages in (("key_usages", KEY_USAGES), ("extended_key_usages", EXTENDED_KEY_USAGES)):
        if name in given:
            known = [usage for usage in usages if usage not in RESERVED_USAGES]
            read[name] = reader.choices(given[name], f"defaults.{name}", known)
    if "basic_constraints" in given:
        read |= _basic_constraints(reader, given["basic_constraints"])
    if reader.violations:
        raise InvalidInput(reader.violations)
    defaults = Defaults(**read)
    return replace(defaults, document=_document(defaults))


def violations_against(defaults: Defaults, rules: Rules) -> tuple[Violation, ...]:
    """Return the violations of a policy by defaults, each checked against its own section.

    A value without a default is no violation: requesters may supply it. The fallback for
    ``ttl`` counts as a default.
    """
    verdicts: list[Verdict] = []
    if rules.subject is not None and defaults.subject:
        kinds = {kind for kind, _ in defaults.subject}
        section = {
            kind: rule if kind in kinds else _optional(rule) for kind, rule in rules.subject.items()
        }
        verdicts += evaluation.subject_verdicts(section, defaults.subject)
    if rules.key_usages is not None and defaults.key_usages is not None:
        usages = frozenset(defaults.key_usages)
        verdicts += evaluation.usage_verdicts(rules.key_usages, "key_usages", usages)
    if rules.extended_key_usages is not None and defaults.extended_key_usages is not None:
        verdicts += evaluation.usage_verdicts(
            rules.extended_key_usages, "extended_key_usages", defaults.extended_key_usages
        )
    for name, accepted, algorithm in (
        ("key_algorithm", rules.key_algorithms, defaults.key_algorithm),
        ("signature_algorithm", rules.signature_algorithms, defaults.signature_algorithm),
    ):
        if accepted is not None and algorithm is not None:
            verdicts.append(evaluation.algorithm_verdict(name, accepted, algorithm))
    if rules.validity is not None:
        verdicts += evaluation.validity_verdicts(rules.validity, defaults.ttl or DEFAULT_TTL)
    if defaults.is_ca is not None:
        verdicts += evaluation.basic_constraints_verdicts(
            rules.basic_constraints, defaults.is_ca, defaults.path_length
        )
    return tuple(_below_defaults(v) for v in evaluation.violations_of(verdicts))


def _optional(rule: ValueRule) -> ValueRule:
    """Return a rule that no longer requires presence; values must still match."""
    return replace(rule, required=(), allowed=(*rule.allowed, *rule.required))


def _below_defaults(violation: Violation) -> Violation:
    name = "ttl" if violation.field == "validity" else violation.field
    return replace(violation, field=f"defaults.{name}")


def _subject(reader: DocumentReader, value: object) -> tuple[TypeValue, ...]:
    """Return ``{"organization": "Example", "organizational_unit": ["a", "b"]}`` as pairs."""
    pairs: list[TypeValue] = []
    for attribute, given in reader.mapping(value, "defaults.subject", SUBJECT_ATTRIBUTES).items():
        path = f"defaults.subject.{attribute}"
        for item in given if isinstance(given, list) else [given]:
            text = reader.text(item, path)
            if text is not None:
                pairs.append((attribute, text))
    for violation in subject_violations(pairs, field="defaults.subject"):
        reader.violations.append(violation)
    return tuple(pairs)


def _basic_constraints(reader: DocumentReader, value: object) -> dict[str, Any]:
    path = "defaults.basic_constraints"
    given = reader.mapping(value, path, ("is_ca", "path_length"))
    is_ca, path_length = given.get("is_ca", False), given.get("path_length")
    if not isinstance(is_ca, bool):
        reader.wrong("wrong_type", f"{path}.is_ca", str(is_ca), "This must be true or false.")
        is_ca = False
    if path_length is not None and (
        isinstance(path_length, bool)
        or not isinstance(path_length, int)
        or not 0 <= path_length <= _MAX_PATH_LENGTH
        or not is_ca
    ):
        reader.wrong(
            "value_invalid",
            f"{path}.path_length",
            str(path_length),
            "A path length is a whole number and goes with is_ca.",
            f"0 to {_MAX_PATH_LENGTH}, only with is_ca true.",
        )
        path_length = None
    return {"is_ca": is_ca, "path_length": path_length}


def _document(defaults: Defaults) -> dict[str, Any]:
    """Return the canonical form: fixed order, single subject values as plain text."""
    form: dict[str, Any] = {}
    if defaults.ttl is not None:
        form["ttl"] = format_duration(defaults.ttl)
    if defaults.subject:
        form["subject"] = _grouped(defaults.subject)
    for name in ("key_algorithm", "signature_algorithm"):
        if (algorithm := getattr(defaults, name)) is not None:
            form[name] = algorithm.value
    for name in ("key_usages", "extended_key_usages"):
        if (usages := getattr(defaults, name)) is not None:
            form[name] = list(usages)
    if defaults.is_ca is not None:
        form["basic_constraints"] = {"is_ca": defaults.is_ca}
        if defaults.path_length is not None:
            form["basic_constraints"]["path_length"] = defaults.path_length
    return form


def _grouped(pairs: Sequence[TypeValue]) -> dict[str, str | list[str]]:
    values: dict[str, list[str]] = {}
    for attribute, value in pairs:
        values.setdefault(attribute, []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}
