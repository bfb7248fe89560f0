"""Evaluation of the content to be signed against the rules of a policy.

Pure, and it fails closed: a value that cannot be compared with an allowed pattern is not
allowed, one that cannot be compared with a denied pattern is denied. Order within a section:
denied, then allowed (or required), then the required values of the section as a whole.

``hard_rules`` are the rules that no policy can lift.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from apps.policies.fixed_rules import hard_rules
from apps.policies.patterns import Pattern
from apps.policies.rules import BasicConstraintsRule, Rules, UsageRule, ValidityRule, ValueRule
from apps.policies.verdicts import Verdict, failed, listed, passed, violations_of
from pki.addresses import quoted
from pki.durations import in_words
from pki.template import Leaf, TypeValue

__all__ = ["Verdict", "evaluate", "hard_rules", "violations_of"]

_ONE_SECOND = timedelta(seconds=1)


def evaluate(rules: Rules, leaf: Leaf) -> tuple[Verdict, ...]:
    """Check final content against a policy; every rule is reported, met or broken."""
    verdicts: list[Verdict] = []
    if rules.subject is not None:
        verdicts += subject_verdicts(rules.subject, leaf.subject)
    if rules.subject_alt_names is not None:
        verdicts += san_verdicts(rules.subject_alt_names, leaf.subject_alt_names)
    if rules.key_usages is not None:
        verdicts += usage_verdicts(rules.key_usages, "key_usages", leaf.key_usage)
    if rules.extended_key_usages is not None:
        verdicts += usage_verdicts(
            rules.extended_key_usages, "extended_key_usages", leaf.extended_key_usage
        )
    if rules.key_algorithms is not None:
        verdicts.append(
            algorithm_verdict("key_algorithm", rules.key_algorithms, leaf.key_algorithm)
        )
    if rules.signature_algorithms is not None:
        verdicts.append(
            algorithm_verdict(
                "signature_algorithm", rules.signature_algorithms, leaf.signature_algorithm
            )
        )
    if rules.validity is not None:
        lifetime = leaf.not_after - leaf.not_before + _ONE_SECOND  # both ends count
        verdicts += validity_verdicts(rules.validity, lifetime)
    verdicts += basic_constraints_verdicts(rules.basic_constraints, leaf.is_ca, leaf.path_length)
    return tuple(verdicts)


def subject_verdicts(
    section: Mapping[str, ValueRule], subject: Sequence[TypeValue]
) -> list[Verdict]:
    """Check each attribute, then that each required attribute is present and matches."""
    found = _value_verdicts("subject", section, subject)
    for rule in section.values():
        if rule.required:
            found.append(_required_attribute(rule, subject))
    return found


def _required_attribute(rule: ValueRule, subject: Sequence[TypeValue]) -> Verdict:
    values = [value for kind, value in subject if kind == rule.kind]
    name = f"subject.{rule.kind}.required"
    if not values:
        return failed(
            name,
            "policy.subject_required",
            "subject",
            "",
            f"The subject lacks the required attribute {rule.kind}.",
            f"Accepted values of {rule.kind}: {_texts(rule.required)}.",
        )
    if not any(_covered(rule.required, value) for value in values):
        return failed(
            name,
            "policy.subject_required",
            "subject",
            values[0],
            f"No {rule.kind} matches a required pattern.",
            f"At least one {rule.kind} must match: {_texts(rule.required)}.",
        )
    return passed(name, "subject")


def san_verdicts(section: Mapping[str, ValueRule], names: Sequence[TypeValue]) -> list[Verdict]:
    """Check each name, then that each required pattern is met by at least one."""
    found = _value_verdicts("subject_alt_names", section, names)
    for rule in section.values():
        for pattern in rule.required:
            found.append(_required_name(rule.kind, pattern, names))
    return found


def _required_name(wanted: str, pattern: Pattern, names: Sequence[TypeValue]) -> Verdict:
    name = f"subject_alt_names.{wanted}.required"
    if any(kind == wanted and pattern.covers(value) for kind, value in names):
        return passed(name, "subject_alt_names")
    return failed(
        name,
        "policy.san_required",
        "subject_alt_names",
        "",
        f"No {wanted} matches the required pattern {pattern.text}.",
        f"Add a {wanted} that matches {pattern.text}.",
    )


def admits(section: Mapping[str, ValueRule] | None, kind: str, value: str) -> bool:
    """Tell whether a section of names allows this value; an absent one allows all."""
    if section is None:
        return True
    rule = section.get(kind)
    return rule is not None and _value_verdict("subject_alt_names", rule, 0, value).passed


def usage_verdicts(rule: UsageRule, section: str, usages: Iterable[str]) -> Iterator[Verdict]:
    """Check usages: none denied, all within allowed and required, all required ones present.

    A certificate without the extension is valid for every use (RFC 5280 sections 4.2.1.3 and
    4.2.1.12); so rules that name usages reject its absence.
    """
    code = section.removesuffix("s")
    granted = (*rule.allowed, *rule.required)
    present = sorted(usages) if isinstance(usages, frozenset) else list(usages)
    for usage in present:
        name = f"{section}.allowed"
        if usage in rule.denied:
            yield failed(
                f"{section}.denied",
                f"policy.{code}_denied",
                section,
                usage,
                f"The usage {usage} is denied.",
                _accepted(granted, f"Anything but {listed(rule.denied)}"),
            )
        elif not rule.admits(usage):
            yield failed(
                name,
                f"policy.{code}_not_allowed",
                section,
                usage,
                f"The usage {usage} is not allowed.",
                _accepted(granted, "No usage may be asked for"),
            )
        else:
            yield passed(name, section)
    for usage in rule.required:
        if usage in present:
            yield passed(f"{section}.required", section)
        else:
            yield failed(
                f"{section}.required",
                f"policy.{code}_required",
                section,
                "",
                f"The required usage {usage} is missing.",
                f"Required: {listed(rule.required)}.",
            )
    if not present and not rule.nothing and not rule.required:
        yield failed(
            f"{section}.present",
            f"policy.{code}_missing",
            section,
            "",
            "No usage is given, which would make the certificate good for every use.",
            _accepted(granted, f"Anything but {listed(rule.denied)}"),
        )


def algorithm_verdict(field: str, accepted: frozenset[str], algorithm: str) -> Verdict:
    """Check that an algorithm is accepted."""
    if algorithm in accepted:
        return passed(f"{field}s", field)
    label = field.replace("_", " ")
    return failed(
        f"{field}s",
        f"policy.{field}_not_allowed",
        field,
        str(algorithm),
        f"The {label} {algorithm!s:.50} is not allowed.",
        f"Accepted: {listed(sorted(accepted))}.",
    )


def validity_verdicts(rule: ValidityRule, lifetime: timedelta) -> list[Verdict]:
    """Check a lifetime, counted with both its ends, against its bounds."""
    found: list[Verdict] = []
    if rule.longest is not None:
        if lifetime <= rule.longest:
            found.append(passed("validity.max", "validity"))
        else:
            asked, limit = in_words(lifetime), in_words(rule.longest)
            reason = f"The validity of {asked} exceeds the maximum of {limit}."
            code, hint = "policy.validity_too_long", f"At most {limit}."
            found.append(failed("validity.max", code, "validity", asked, reason, hint))
    if rule.shortest is not None:
        if lifetime >= rule.shortest:
            found.append(passed("validity.min", "validity"))
        else:
            asked, limit = in_words(lifetime), in_words(rule.shortest)
            reason = f"The validity of {asked} falls short of the minimum of {limit}."
            code, hint = "policy.validity_too_short", f"At least {limit}."
            found.append(failed("validity.min", code, "validity", asked, reason, hint))
    return found


def basic_constraints_verdicts(
    rule: BasicConstraintsRule, is_ca: bool, path_length: int | None
) -> list[Verdict]:
    """Check whether a CA certificate may be, or must be, issued and how long its path may be."""
    field = "basic_constraints.is_ca"
    if is_ca and rule.is_ca == "denied":
        reason = "CA certificates are not issued under this policy."
        hint = "Ask for an end-entity certificate."
        return [failed(field, "policy.ca_denied", field, "true", reason, hint)]
    if not is_ca and rule.is_ca == "required":
        reason = "Only CA certificates are issued under this policy."
        hint = "Ask for basic_constraints with is_ca true."
        return [failed(field, "policy.ca_required", field, "false", reason, hint)]
    allowed = passed(field, field)
    limit = rule.max_path_length
    if not is_ca or limit is None:
        return [allowed]
    return [allowed, _path_length_verdict(limit, path_length)]


def _path_length_verdict(limit: int, path_length: int | None) -> Verdict:
    field = "basic_constraints.path_length"
    hint = f"0 to {limit}." if limit else "Only 0."
    if path_length is None:
        reason = "A path length is required."
        return failed(field, "policy.path_length_required", field, "", reason, hint)
    if path_length > limit:
        reason = f"The path length {path_length} exceeds the maximum of {limit}."
        return failed(field, "policy.path_length_too_long", field, str(path_length), reason, hint)
    return passed(field, field)


_SINGULAR = {"subject": "subject", "subject_alt_names": "san"}


def _value_verdicts(
    section: str, rules: Mapping[str, ValueRule], pairs: Sequence[TypeValue]
) -> list[Verdict]:
    """Check values one by one: denied first, then the whitelist."""
    found: list[Verdict] = []
    for index, (kind, value) in enumerate(pairs):
        rule = rules.get(kind)
        if rule is not None:
            found.append(_value_verdict(section, rule, index, value))
            continue
        found.append(
            failed(
                section,
                f"policy.{_SINGULAR[section]}_type_not_allowed",
                f"{section}[{index}].type",
                kind,
                f"{kind} {quoted(value)} is not allowed: the policy has no rule for {kind}.",
                f"Accepted: {listed(list(rules))}.",
            )
        )
    return found


def _value_verdict(section: str, rule: ValueRule, index: int, value: str) -> Verdict:
    """Check one value against the rule of its type."""
    for pattern in rule.denied:
        if pattern.overlaps(value):
            return _denied(section, rule, index, value, pattern)
    if rule.kind == "dns_name" and "*" in value and not rule.wildcards:
        return failed(
            f"{section}.{rule.kind}.wildcards",
            "policy.wildcard_not_allowed",
            f"{section}[{index}].value",
            value,
            f"The wildcard name {quoted(value)} is not allowed.",
            'List the host names; or the rule needs "wildcards": "allowed".',
        )
    free = not rule.allowed and not rule.required
    if free or _covered(rule.allowed, value) or _covered(rule.required, value):
        return passed(f"{section}.{rule.kind}.allowed", f"{section}[{index}].value")
    return failed(
        f"{section}.{rule.kind}.allowed",
        f"policy.{_SINGULAR[section]}_not_allowed",
        f"{section}[{index}].value",
        value,
        f"{rule.kind} {quoted(value)} does not match an allowed pattern.",
        _accepted_values(rule),
    )


def _denied(section: str, rule: ValueRule, index: int, value: str, pattern: Pattern) -> Verdict:
    return failed(
        f"{section}.{rule.kind}.denied",
        f"policy.{_SINGULAR[section]}_denied",
        f"{section}[{index}].value",
        value,
        f"{rule.kind} {quoted(value)} matches the denied pattern {pattern.text}.",
        _accepted_values(rule),
    )


def _accepted_values(rule: ValueRule) -> str:
    """Return which values would do: patterns that are denied narrow those that are granted."""
    granted = (*rule.allowed, *rule.required)
    if not granted:
        return f"Accepted: anything but {_texts(rule.denied)}."
    but = f", but not {_texts(rule.denied)}" if rule.denied else ""
    return f"Accepted: {_texts(granted)}{but}."


def _covered(patterns: Iterable[Pattern], value: str) -> bool:
    for pattern in patterns:  # noqa: SIM110 - a generator for each value doubles the cost
        if pattern.covers(value):
            return True
    return False


def _texts(patterns: Iterable[Pattern]) -> str:
    return listed([pattern.text for pattern in patterns])


def _accepted(granted: Sequence[str], otherwise: str) -> str:
    return f"Accepted: {listed(granted)}." if granted else f"{otherwise}."
