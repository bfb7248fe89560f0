"""Merge of CSR, requested content and defaults into the content to be signed.

Requested content takes precedence over the CSR, and the CSR over the profile's defaults. Nothing
here raises: violations are collected and the content stays complete, so that the policy can be
evaluated on it as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TypeVar

from apps.policies.fixed_rules import usages_of
from apps.policies.rules import NO_RULES, Rules
from apps.profiles import fitting
from apps.profiles.lifetime import validity
from apps.profiles.requested_content import (
    Defaults,
    IssuerLimits,
    RequestedContent,
    Shaped,
)
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.csr import ParsedCSR
from pki.findings import Note, UnusableName, Violation
from pki.names import canonical_san, subject_violations
from pki.template import Leaf, TypeValue

_T = TypeVar("_T")

# From the widest to the narrowest, as names are written (X.501).
_BROAD_TO_NARROW = (
    "domain_component",
    "country",
    "state",
    "locality",
    "postal_code",
    "street_address",
    "organization",
    "organizational_unit",
    "user_id",
    "serial_number",
    "email_address",
)


@dataclass(slots=True)
class _Report:
    """Violations and notes collected while content is merged."""

    violations: list[Violation] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def wrong(self, code: str, path: str, value: object, reason: str, hint: str = "") -> None:
        self.violations.append(Violation(f"request.{code}", path, str(value)[:200], reason, hint))

    def noted(self, fitted: tuple[_T, Note | None]) -> _T:
        """Return the value of an adjustment, and keep its note."""
        value, note = fitted
        if note is not None:
            self.notes.append(note)
        return value

    def note(self, code: str, what: str, why: str) -> None:
        self.notes.append(Note(f"request.{code}", what, why))


def shape(  # noqa: PLR0913 - every source of content, each under its name
    requested: RequestedContent,
    defaults: Defaults,
    *,
    csr: ParsedCSR | None,
    public_key_der: bytes,
    key_algorithm: KeyAlgorithm,
    issuer: IssuerLimits,
    now: datetime,
    rules: Rules = NO_RULES,
    mailboxes: tuple[TypeValue, ...] = (),
) -> Shaped:
    """Return the content that would be signed, with its violations.

    Args:
        requested: content requested beside the CSR.
        defaults: of the profile; used where neither requested content nor CSR has a value.
        csr: the parsed request; it contributes names and requested usages.
        public_key_der: SubjectPublicKeyInfo of the key to certify.
        key_algorithm: algorithm of that key.
        issuer: limits of the issuer.
        now: aware UTC, whole seconds; the same input gives the same content.
        rules: of the policy. What nobody asked for is adjusted to them, with a note: the defaults,
            and the lifetime and usages that a renewal copies. What was asked for never is.
        mailboxes: alternative names from the subject of the CSR; they say nothing about hosts.
    """
    report = _Report()
    if not requested.fill_in:
        defaults = Defaults()
    if requested.csr_key_only:
        csr = None
    if csr is not None:
        _refuse_contradictions(requested, csr, report)
    is_ca, path_length = _basic_constraints(requested, csr, defaults)
    subject = _subject(requested, csr, defaults, report)
    extended = _extended_key_usage(requested, csr, defaults, rules, report)
    placed = _names(requested, csr, report)
    names = tuple(placed)
    if not names and not _named_badly(csr) and "server_auth" in extended and not is_ca:
        names = _host_of(subject, report)
    names = (*names, *(mailbox for mailbox in mailboxes if mailbox not in names))
    valid = validity(requested, defaults, issuer, rules.validity, now)
    report.violations += valid.violations
    report.notes += valid.notes
    leaf = Leaf(
        subject=subject,
        subject_alt_names=names,
        public_key_der=public_key_der,
        key_algorithm=key_algorithm,
        signature_algorithm=_signature_algorithm(requested, defaults, issuer, rules, report),
        key_usage=_key_usage(requested, csr, defaults, key_algorithm, rules, report),
        extended_key_usage=extended,
        not_before=valid.not_before,
        not_after=valid.not_after,
        is_ca=is_ca,
        path_length=path_length,
    )
    asked = csr.subject if csr is not None and csr.subject else requested.subject or ()
    listed = len(
        (csr.subject_alt_names if csr is not None else ()) or requested.subject_alt_names or ()
    )
    places = {
        "subject": _positions(subject, {pair: n for n, pair in reversed([*enumerate(asked)])}),
        "subject_alt_names": _positions(names, placed, after=listed),
    }
    positions = {name: found for name, found in places.items() if found != (*range(len(found)),)}
    return Shaped(leaf, tuple(report.violations), tuple(report.notes), positions)


def _positions(
    final: Sequence[TypeValue], sent: Mapping[TypeValue, int], *, after: int = 0
) -> tuple[int, ...]:
    """Return where each final value stood in what was sent; those added here come after it all."""
    free = count(max([after, *(place + 1 for place in sent.values())]))
    return tuple(sent[pair] if pair in sent else next(free) for pair in final)


def _refuse_contradictions(requested: RequestedContent, csr: ParsedCSR, report: _Report) -> None:
    """Add a violation for each contradiction of requested content and CSR; neither is preferred."""
    if requested.subject is not None:
        asked = _asked_subject(requested, csr)
        _contradiction("subject", frozenset(requested.subject), asked, report)
    if requested.subject_alt_names is not None:
        names = _canonical_set(requested.subject_alt_names)
        asked = _unordered(csr.subject_alt_names or None)
        _contradiction("subject_alt_names", names, asked, report)
    _contradiction("key.algorithm", requested.key_algorithm, csr.key_algorithm, report)
    if requested.key_usages is not None:
        usages = frozenset(requested.key_usages)
        _contradiction("key_usages", usages, csr.key_usage, report)
    if requested.extended_key_usages is not None:
        usages = frozenset(requested.extended_key_usages)
        asked = _unordered(csr.extended_key_usage)
        _contradiction("extended_key_usages", usages, asked, report)
    _contradiction("basic_constraints.is_ca", requested.is_ca, csr.is_ca, report)
    _contradiction("basic_constraints.path_length", requested.path_length, csr.path_length, report)


def _contradiction(path: str, requested: object, asked: object, report: _Report) -> None:
    """Add a violation when both have a value and the values differ."""
    if requested is not None and asked is not None and requested != asked:
        report.wrong(
            "contradicts_csr",
            path,
            _readable(requested),
            f"The CSR says something else: {_readable(asked)}.",
            "Leave the field out, or make both the same.",
        )


def _asked_subject(requested: RequestedContent, csr: ParsedCSR) -> frozenset[object] | None:
    """Return the CSR's subject; ``None`` in a renewal, whose subject contains former defaults."""
    asked = _unordered(csr.subject or None)
    completed = (
        not requested.fill_in and asked is not None and asked <= frozenset(requested.subject or ())
    )
    return None if completed else asked


def _basic_constraints(
    requested: RequestedContent, csr: ParsedCSR | None, defaults: Defaults
) -> tuple[bool, int | None]:
    is_ca = _first(requested.is_ca, csr.is_ca if csr is not None else None, defaults.is_ca)
    path_length = _first(requested.path_length, csr.path_length if csr is not None else None)
    if path_length is None and is_ca:
        path_length = defaults.path_length
    return bool(is_ca), path_length


def _subject(
    requested: RequestedContent, csr: ParsedCSR | None, defaults: Defaults, report: _Report
) -> tuple[TypeValue, ...]:
    """Return the requested attributes, completed by the defaults."""
    asked: tuple[TypeValue, ...] = csr.subject if csr is not None else ()
    if requested.subject and not (asked and requested.fill_in):
        asked = requested.subject
        report.violations += subject_violations(asked)
    if not defaults.subject:
        return asked
    present = {kind for kind, _ in asked}
    missing = [pair for pair in defaults.subject if pair[0] not in present]
    wide = [pair for pair in missing if pair[0] != "common_name"]
    wide.sort(key=lambda pair: _BROAD_TO_NARROW.index(pair[0]))
    return (*wide, *asked, *(pair for pair in missing if pair[0] == "common_name"))


def _names(
    requested: RequestedContent, csr: ParsedCSR | None, report: _Report
) -> dict[TypeValue, int]:
    """Return the alternative names, canonical and each once, with their places in the list sent.

    Unusable ones are reported. The places are for reports about the others: whoever sent the list
    counts all of it.
    """
    if csr is not None and csr.subject_alt_names:
        names = csr.subject_alt_names
        known = len(csr.name_positions) == len(names)
        return dict(zip(names, csr.name_positions if known else range(len(names)), strict=True))
    found: dict[TypeValue, int] = {}
    for index, (kind, value) in enumerate(requested.subject_alt_names or ()):
        try:
            name = canonical_san(kind, value, field=f"subject_alt_names[{index}].value")
            found.setdefault((kind, name), index)
        except UnusableName as error:
            report.violations += error.violations
    return found


def _named_badly(csr: ParsedCSR | None) -> bool:
    """Tell whether the CSR has unusable names: then no name is derived from the subject."""
    return csr is not None and any(
        violation.field.startswith("subject_alt_names") for violation in csr.violations
    )


def _host_of(subject: Iterable[TypeValue], report: _Report) -> tuple[TypeValue, ...]:
    """Return the common name as alternative name if it is a host: clients ignore common names."""
    for attribute, value in subject:
        if attribute != "common_name":
            continue
        for kind in ("ip_address", "dns_name"):
            try:
                name = (kind, canonical_san(kind, value))
            except UnusableName:
                continue
            report.note(
                "common_name_listed",
                f"The common name {value} became a subject alternative name.",
                "Clients ignore common names (RFC 9525 section 2).",
            )
            return (name,)
    return ()


def _extended_key_usage(
    requested: RequestedContent,
    csr: ParsedCSR | None,
    defaults: Defaults,
    rules: Rules,
    report: _Report,
) -> tuple[str, ...]:
    """Return the extended key usages; of defaults and renewals only those that policy grants."""
    asked = csr.extended_key_usage if csr is not None else None
    given = _first(requested.extended_key_usages if requested.fill_in else None, asked)
    if given is not None:
        return tuple(given)
    copied = _first(requested.extended_key_usages, defaults.extended_key_usages) or ()
    return report.noted(fitting.usages(copied, rules.extended_key_usages, "extended key usage"))


def _key_usage(
    requested: RequestedContent,
    csr: ParsedCSR | None,
    defaults: Defaults,
    algorithm: KeyAlgorithm,
    rules: Rules,
    report: _Report,
) -> frozenset[str]:
    """Return the key usages; from CSR and defaults only those that the key can serve.

    Many clients request key_encipherment with any kind of key. The last usage is never dropped: a
    certificate without key usages would be valid for all of them.
    """
    if requested.key_usages is not None and requested.fill_in:
        return frozenset(requested.key_usages)
    asked = usages = csr.key_usage if csr is not None else None
    if usages is None:
        copied = _first(requested.key_usages, defaults.key_usages) or ()
        usages = frozenset(report.noted(fitting.usages(copied, rules.key_usages, "key usage")))
    served = _served(usages, algorithm)
    # What a profile says in general about all keys is nothing of the request.
    if asked is not None and served != usages:
        report.note(
            "usage_not_of_key",
            f"The key usage {', '.join(sorted(usages - served))} was left out.",
            f"{algorithm.label} keys cannot serve it.",
        )
    return served


def _served(usages: frozenset[str], algorithm: KeyAlgorithm) -> frozenset[str]:
    """Return the usages that a key can serve; all of them where it can serve none."""
    return usages & usages_of(algorithm) or usages


def _signature_algorithm(
    requested: RequestedContent,
    defaults: Defaults,
    issuer: IssuerLimits,
    rules: Rules,
    report: _Report,
) -> SignatureAlgorithm:
    chosen = _first(requested.signature_algorithm, defaults.signature_algorithm)
    if chosen is None:
        # Nobody chose, so there is nothing to note.
        return fitting.signature_algorithm(
            issuer.default_signature_algorithm, issuer.signature_algorithms, rules
        )[0]
    if chosen in issuer.signature_algorithms:
        if requested.signature_algorithm is not None and requested.fill_in:
            return chosen
        return report.noted(fitting.signature_algorithm(chosen, issuer.signature_algorithms, rules))
    report.wrong(
        "signature_algorithm_not_of_issuer",
        "signature_algorithm",
        chosen.value,
        "The issuer's key cannot make this signature.",
        f"One of: {', '.join(issuer.signature_algorithms)}; or leave it out.",
    )
    return issuer.default_signature_algorithm


def _first(*values: _T | None) -> _T | None:
    """Return the first value that is not ``None``."""
    for value in values:
        if value is not None:
            return value
    return None


def _unordered(values: Iterable[object] | None) -> frozenset[object] | None:
    return None if values is None else frozenset(values)


def _canonical_set(names: Iterable[TypeValue]) -> frozenset[object]:
    """Return names in canonical form, unusable ones as they are."""
    found: set[object] = set()
    for kind, value in names:
        try:
            found.add((kind, canonical_san(kind, value)))
        except UnusableName:
            found.add((kind, value))
    return frozenset(found)


def _readable(value: object) -> str:
    """Return a value for people: pairs as ``type value``, sets in order."""
    if isinstance(value, frozenset):
        words = [" ".join(item) if isinstance(item, tuple) else str(item) for item in value]
        return ", ".join(sorted(words)) or "nothing"
    return str(value)
