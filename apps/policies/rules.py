"""Parser of rule documents into compiled, immutable rules.

An absent section restricts nothing, an empty one allows nothing, one with rules is a whitelist.
Unknown keys are errors everywhere: a misspelt restriction must not be ignored.
The document format is described in docs/policies.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from apps.errors import InvalidInput
from apps.policies.document import DocumentReader
from apps.policies.durations import format_duration
from apps.policies.names import PatternError
from apps.policies.patterns import Pattern, compile_pattern
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.durations import in_words
from pki.template import (
    EXTENDED_KEY_USAGES,
    KEY_USAGES,
    RESERVED_USAGES,
    SAN_TYPES,
    SUBJECT_ATTRIBUTES,
)

MODES = ("allowed", "required", "denied")
UNLIMITED_PATH_LENGTH = -1
_MAX_PATTERNS = 500
_MAX_PATH_LENGTH = 32

_VALUE_KEYS = ("type", *MODES)
SECTIONS = (
    "subject",
    "subject_alt_names",
    "key_usages",
    "extended_key_usages",
    "key_algorithms",
    "signature_algorithms",
    "validity",
    "basic_constraints",
)


@dataclass(frozen=True, slots=True)
class ValueRule:
    """What one subject attribute or name type may hold.

    Attributes:
        kind: the attribute or type.
        allowed: each value must match one of these or of ``required``; with neither, everything
            that is not denied is allowed.
        required: patterns that must be matched, see ``evaluation``.
        denied: patterns that no value may match; checked first.
        wildcards: whether names such as ``*.example.com`` may be certified at all.
    """

    kind: str
    allowed: tuple[Pattern, ...] = ()
    required: tuple[Pattern, ...] = ()
    denied: tuple[Pattern, ...] = ()
    wildcards: bool = False

    def document(self) -> dict[str, Any]:
        """Return the canonical form."""
        form: dict[str, Any] = {"type": self.kind}
        for mode in MODES:
            if patterns := getattr(self, mode):
                form[mode] = [pattern.text for pattern in patterns]
        if self.wildcards:
            form["wildcards"] = "allowed"
        return form


@dataclass(frozen=True, slots=True)
class UsageRule:
    """Allowed, required and denied (extended) key usages.

    With only ``denied``, everything else is allowed; an empty rule allows nothing.
    """

    allowed: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Tell whether the section is present but empty: no usage is allowed."""
        return not (self.allowed or self.required or self.denied)

    def admits(self, usage: str) -> bool:
        """Tell whether a certificate may have this usage."""
        granted = (*self.allowed, *self.required)
        return not (
            usage in self.denied or self.nothing or (bool(granted) and usage not in granted)
        )

    def document(self) -> dict[str, Any]:
        """Return the canonical form."""
        return {mode: list(getattr(self, mode)) for mode in MODES if getattr(self, mode)}


@dataclass(frozen=True, slots=True)
class ValidityRule:
    """Bounds of the lifetime, both inclusive."""

    longest: timedelta | None = None
    shortest: timedelta | None = None

    def document(self) -> dict[str, Any]:
        """Return the canonical form."""
        bounds = {"max": self.longest, "min": self.shortest}
        return {name: format_duration(bound) for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class BasicConstraintsRule:
    """Whether CA certificates may be issued, and how deep.

    Attributes:
        is_ca: ``allowed``, ``required`` or ``denied``.
        max_path_length: longest path length; ``None`` is unlimited.
    """

    is_ca: str = "denied"
    max_path_length: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the canonical form."""
        form: dict[str, Any] = {"is_ca": self.is_ca}
        if self.is_ca != "denied" and self.max_path_length is not None:
            form["max_path_length"] = self.max_path_length
        return form


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rules:
    """A compiled rule document. ``None`` = section absent = anything is allowed.

    Objects compare by identity, so that they are cheap keys of the evaluation caches.

    ``basic_constraints`` is never ``None``: when the section is absent, CA certificates are
    denied. ``document`` is the canonical JSON form, which is stored.
    """

    subject: Mapping[str, ValueRule] | None = None
    subject_alt_names: Mapping[str, ValueRule] | None = None
    key_usages: UsageRule | None = None
    extended_key_usages: UsageRule | None = None
    key_algorithms: frozenset[str] | None = None
    signature_algorithms: frozenset[str] | None = None
    validity: ValidityRule | None = None
    basic_constraints: BasicConstraintsRule = BasicConstraintsRule()
    document: dict[str, Any] = field(default_factory=dict, repr=False)


NO_RULES = Rules()
"""Rules that restrict nothing, save that CA certificates are denied."""


def parse_rules(document: object) -> Rules:
    """Return the compiled form of a rule document.

    Raises:
        InvalidInput: lists everything that is wrong, each with its path below ``rules``.
    """
    reader = DocumentReader("policy")
    sections = reader.mapping(document, "rules", SECTIONS)
    read: dict[str, Any] = {}
    for name in ("subject", "subject_alt_names"):
        if name in sections:
            read[name] = _value_rules(reader, name, sections[name])
    for name, known in (("key_usages", KEY_USAGES), ("extended_key_usages", EXTENDED_KEY_USAGES)):
        if name in sections:
            read[name] = _usage_rule(reader, f"rules.{name}", sections[name], known)
    for name, algorithms in _ALGORITHMS.items():
        if name in sections:
            read[name] = reader.choices(sections[name], f"rules.{name}", algorithms)
    if "validity" in sections:
        read["validity"] = _validity(reader, sections["validity"])
    if "basic_constraints" in sections:
        read["basic_constraints"] = _basic_constraints(reader, sections["basic_constraints"])
    if reader.violations:
        raise InvalidInput(reader.violations)
    return _rules(read)


_ALGORITHMS: dict[str, tuple[str, ...]] = {
    "key_algorithms": tuple(a.value for a in KeyAlgorithm),
    "signature_algorithms": tuple(a.value for a in SignatureAlgorithm),
}


def _rules(read: dict[str, Any]) -> Rules:
    """Assemble rules and their canonical document from sections without faults."""
    form: dict[str, Any] = {}
    for name in SECTIONS:
        if name not in read:
            continue
        section = read[name]
        if isinstance(section, dict):
            form[name] = [rule.document() for rule in section.values()]
        elif isinstance(section, tuple):
            form[name] = list(section)
            read[name] = frozenset(section)
        else:
            form[name] = section.document()
    return Rules(**read, document=form)


def _value_rules(reader: DocumentReader, section: str, value: object) -> dict[str, ValueRule]:
    """Return the rules of a list section by type; rules of the same type are merged."""
    path = f"rules.{section}"
    kinds = SUBJECT_ATTRIBUTES if section == "subject" else SAN_TYPES
    merged: dict[str, ValueRule] = {}
    for index, item in enumerate(reader.items(value, path)):
        rule = _value_rule(reader, f"{path}[{index}]", item, kinds)
        if rule is not None:
            known = merged.get(rule.kind)
            merged[rule.kind] = rule if known is None else _merged(known, rule)
    for rule in merged.values():
        _refuse_contradiction(reader, path, rule)
    return merged


def _value_rule(
    reader: DocumentReader, path: str, item: object, kinds: tuple[str, ...]
) -> ValueRule | None:
    """Return one rule, ``None`` when it cannot be read."""
    can_be_wildcard = isinstance(item, dict) and item.get("type") == "dns_name"
    keys = (*_VALUE_KEYS, "wildcards") if can_be_wildcard else _VALUE_KEYS
    rule = reader.mapping(item, path, keys)
    kind = reader.choice(rule.get("type"), f"{path}.type", kinds)
    if kind is None:
        return None
    lists = {
        mode: _patterns(reader, f"{path}.{mode}", kind, rule[mode])
        for mode in MODES
        if mode in rule
    }
    if not any(rule.get(mode) for mode in MODES):
        reader.wrong(
            "rule_empty",
            path,
            kind,
            f"The rule for {kind} says nothing.",
            "Give it at least one of allowed, required and denied, or leave the rule out.",
        )
    wildcards = "denied"
    if "wildcards" in rule:
        choice = reader.choice(rule["wildcards"], f"{path}.wildcards", ("allowed", "denied"))
        wildcards = choice or "denied"
    return ValueRule(kind, **lists, wildcards=wildcards == "allowed")


def _patterns(reader: DocumentReader, path: str, kind: str, value: object) -> tuple[Pattern, ...]:
    """Return the compiled patterns of one list, in order and without duplicates."""
    found: dict[str, Pattern] = {}
    items = reader.items(value, path)
    if len(items) > _MAX_PATTERNS:
        reader.wrong(
            "too_many", path, str(len(items)), f"A list holds at most {_MAX_PATTERNS} patterns."
        )
        return ()
    for index, item in enumerate(items):
        place = f"{path}[{index}]"
        text = reader.text(item, place)
        if text is None:
            continue
        try:
            pattern = compile_pattern(kind, text)
        except PatternError as error:
            reader.wrong("pattern_invalid", place, text, error.reason, error.hint)
            continue
        if pattern.text in found:
            reader.duplicate(place, text)
        found[pattern.text] = pattern
    return tuple(found.values())


def _merged(first: ValueRule, second: ValueRule) -> ValueRule:
    """Return both rules as one."""
    lists = {
        mode: tuple({p.text: p for p in (*getattr(first, mode), *getattr(second, mode))}.values())
        for mode in MODES
    }
    return ValueRule(first.kind, **lists, wildcards=first.wildcards or second.wildcards)


def _refuse_contradiction(reader: DocumentReader, path: str, rule: ValueRule) -> None:
    """Reject a pattern that is both denied and allowed: one of the two is a mistake."""
    granted = {pattern.text for pattern in (*rule.allowed, *rule.required)}
    for pattern in rule.denied:
        if pattern.text in granted:
            reader.contradiction(path, pattern.text)


def _usage_rule(
    reader: DocumentReader, path: str, value: object, known: tuple[str, ...]
) -> UsageRule:
    rule = reader.mapping(value, path, MODES)
    lists = {
        mode: reader.choices(rule[mode], f"{path}.{mode}", known) for mode in MODES if mode in rule
    }
    usages = UsageRule(**lists)
    granted = (*usages.allowed, *usages.required)
    for usage in usages.denied:
        if usage in granted:
            reader.contradiction(path, usage)
    for usage in dict.fromkeys(granted):
        if usage in RESERVED_USAGES:
            reader.wrong(
                "usage_reserved",
                path,
                usage,
                f"{usage} is never granted through enrollment.",
                "Sealwright makes OCSP responder certificates itself; leave this usage out.",
            )
    if rule and not any(rule.values()):
        reader.wrong(
            "rule_empty",
            path,
            "",
            "The lists are empty.",
            "Name usages, or write {} to allow none at all.",
        )
    return usages


def _validity(reader: DocumentReader, value: object) -> ValidityRule:
    path = "rules.validity"
    rule = reader.mapping(value, path, ("max", "min"))
    longest, shortest = (
        reader.duration(rule[name], f"{path}.{name}") if name in rule else None
        for name in ("max", "min")
    )
    if not rule and isinstance(value, dict):
        reader.wrong(
            "rule_empty", path, "", "Validity needs max or min.", 'Example: {"max": "90d"}.'
        )
    if longest is not None and shortest is not None and shortest > longest:
        reader.wrong(
            "contradiction",
            f"{path}.min",
            in_words(shortest),
            "The shortest validity is longer than the longest.",
            f"At most {in_words(longest)}.",
        )
    return ValidityRule(longest, shortest)


def _basic_constraints(reader: DocumentReader, value: object) -> BasicConstraintsRule:
    path = "rules.basic_constraints"
    rule = reader.mapping(value, path, ("is_ca", "max_path_length"))
    is_ca = None
    if "is_ca" in rule:
        is_ca = reader.choice(rule["is_ca"], f"{path}.is_ca", MODES)
    limit = rule.get("max_path_length", UNLIMITED_PATH_LENGTH)
    if (
        isinstance(limit, bool)
        or not isinstance(limit, int)
        or not UNLIMITED_PATH_LENGTH <= limit <= _MAX_PATH_LENGTH
    ):
        reader.wrong(
            "value_invalid",
            f"{path}.max_path_length",
            str(limit),
            "The longest path length is a whole number.",
            f"0 to {_MAX_PATH_LENGTH}, or -1 for no limit.",
        )
        limit = UNLIMITED_PATH_LENGTH
    return BasicConstraintsRule(is_ca or "denied", None if limit < 0 else limit)
