"""What of a CSR is taken under a profile and its policy; the rest is left out, with a note each.

A CSR contributes its key, the proof of possession and names. Usages that the policy does not know,
and everything else that the CSR carries, decide nothing (extras), unless the profile refuses them.
Names are never left out: they are issued or refused.
"""

from dataclasses import dataclass, field, replace

from apps.policies import evaluation
from apps.policies.rules import Rules, UsageRule
from apps.profiles.requested_content import Defaults, RequestedContent
from pki.csr import ParsedCSR
from pki.csr_extras import Extra, bounded
from pki.findings import Note, UnusableName, Violation
from pki.names import attribute_oid, canonical_san
from pki.oid_names import named
from pki.template import TypeValue

_TLS_FEATURE = "1.3.6.1.5.5.7.1.24"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrSettings:
    """What a profile says about CSRs, see ``apps.profiles.models.Profile``."""

    refuse_extras: bool = False
    honour_must_staple: bool = False
    take_acme_subject: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A CSR without what decides nothing, and the content requested beside it.

    Attributes:
        csr: what is left; ``None`` without a CSR.
        requested: the requested content, completed where the profile takes it from the CSR.
        mailboxes: alternative names that the CSR has as emailAddress of its subject.
        must_staple: whether the certificate gets the TLS feature status_request.
        violations: what no profile could allow, and a refusal for each extra where the profile
            refuses them.
        notes: what was repaired and left out.
    """

    csr: ParsedCSR | None
    requested: RequestedContent
    mailboxes: tuple[TypeValue, ...] = ()
    must_staple: bool = False
    violations: tuple[Violation, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(slots=True)
class _Found:
    extras: list[Extra] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def take(
    csr: ParsedCSR | None,
    requested: RequestedContent,
    rules: Rules,
    defaults: Defaults,
    settings: CsrSettings,
) -> Taken:
    """Return what of a CSR is taken.

    Args:
        csr: the parsed request; ``None`` when the key is made here.
        requested: content requested beside the CSR.
        rules: of the policy.
        defaults: of the profile.
        settings: of the profile.
    """
    # Requested beside a CSR, or without one, it comes from the certificate that is renewed.
    must_staple = requested.must_staple and settings.honour_must_staple
    if csr is None:
        return Taken(csr=None, requested=requested, must_staple=must_staple)
    found = _Found(list(csr.extras), list(csr.notes))
    if csr.must_staple and not settings.honour_must_staple:
        why = "The profile does not honour it."
        element = named(_TLS_FEATURE)
        found.extras.append(Extra("extension", element, "status_request", why, "extensions"))
    mailboxes: tuple[TypeValue, ...] = ()
    if requested.csr_key_only:
        csr, requested = _key_and_common_name(csr, requested, defaults, settings, found)
    elif not settings.refuse_extras:
        csr = _known_usages(csr, rules, found)
        csr, mailboxes = _mailboxes(csr, rules, found)
    extras = bounded(found.extras)
    refused: tuple[Violation, ...] = ()
    if settings.refuse_extras:
        refused = tuple(extra.violation() for extra in extras)
    else:
        found.notes += [extra.note() for extra in extras]
    return Taken(
        csr=csr,
        requested=requested,
        mailboxes=mailboxes,
        must_staple=must_staple or (csr.must_staple and settings.honour_must_staple),
        violations=(*csr.violations, *refused),
        notes=tuple(found.notes),
    )


def without_subject_faults(csr: ParsedCSR, settings: CsrSettings) -> ParsedCSR:
    """Return a CSR without the faults of subject attributes that nothing is taken from.

    For methods that prove names otherwise (ACME): of such a subject only the common name counts.
    """
    if settings.take_acme_subject:
        return csr
    kept = tuple(
        violation
        for violation in csr.violations
        if not violation.field.startswith("subject[") or violation.field.endswith(".common_name")
    )
    return replace(csr, violations=kept)


def _key_and_common_name(
    csr: ParsedCSR,
    requested: RequestedContent,
    defaults: Defaults,
    settings: CsrSettings,
    found: _Found,
) -> tuple[ParsedCSR, RequestedContent]:
    """Leave out what a method that proves names otherwise does not take from the CSR."""
    csr = without_subject_faults(csr, settings)
    certified = dict(requested.subject or ()).get("common_name")
    if settings.take_acme_subject:
        # The common name in its canonical form; none, where it is too long to be certified.
        subject: list[TypeValue] = []
        for kind, value in csr.subject:
            if kind != "common_name":
                subject.append((kind, value))
            elif certified:
                subject.append((kind, certified))
        requested = replace(requested, subject=tuple(subject) or None)
    else:
        for kind, value in csr.subject:
            if kind != "common_name":
                why = "Over ACME a subject has the common name only; profiles can take more."
                found.extras.append(_attribute(kind, value, why))
    why = "Over ACME usages come from the profile."
    for usage in sorted((csr.key_usage or frozenset()) - {*(defaults.key_usages or ())}):
        found.extras.append(_usage("keyUsage", usage, why))
    for usage in csr.extended_key_usage or ():
        if usage not in (defaults.extended_key_usages or ()):
            found.extras.append(_usage("extKeyUsage", usage, why))
    return csr, requested


def _attribute(kind: str, value: str, why: str) -> Extra:
    return Extra("subject_attribute", named(attribute_oid(kind)), value, why, f"subject.{kind}")


def _usage(extension: str, usage: str, why: str) -> Extra:
    path = "key_usages" if extension == "keyUsage" else "extended_key_usages"
    return Extra("usage", f"{extension} {usage}", "", why, path)


def _known_usages(csr: ParsedCSR, rules: Rules, found: _Found) -> ParsedCSR:
    """Leave out the usages that the policy does not allow; with none left the CSR is silent."""
    key_usage, extended = csr.key_usage, csr.extended_key_usage
    if key_usage is not None and rules.key_usages is not None:
        kept = _kept("keyUsage", sorted(key_usage), rules.key_usages, found)
        key_usage = frozenset(kept) or None
    if extended is not None and rules.extended_key_usages is not None:
        extended = _kept("extKeyUsage", extended, rules.extended_key_usages, found) or None
    return replace(csr, key_usage=key_usage, extended_key_usage=extended)


def _kept(
    extension: str, usages: list[str] | tuple[str, ...], rule: UsageRule, found: _Found
) -> tuple[str, ...]:
    for usage in usages:
        if not rule.admits(usage):
            found.extras.append(_usage(extension, usage, "The policy does not allow it."))
    return tuple(usage for usage in usages if rule.admits(usage))


def _mailboxes(
    csr: ParsedCSR, rules: Rules, found: _Found
) -> tuple[ParsedCSR, tuple[TypeValue, ...]]:
    """Take mail addresses of the subject as alternative names where the policy allows it.

    RFC 5280 section 4.1.2.6 has them there. Elsewhere the attribute is left out: it is an address
    for questions about the request, as OpenSSL asks for it.
    """
    subject: list[TypeValue] = []
    mailboxes: list[TypeValue] = []
    for kind, value in csr.subject:
        if kind != "email_address":
            subject.append((kind, value))
            continue
        try:
            name = ("email", canonical_san("email", value))
        except UnusableName:  # among the violations of the CSR
            subject.append((kind, value))
            continue
        as_name = evaluation.admits(rules.subject_alt_names, *name)
        if as_name and name not in csr.subject_alt_names:
            mailboxes.append(name)
            what = f"The {named(attribute_oid(kind))} {value} became an alternative name."
            why = "RFC 5280 section 4.1.2.6 has mail addresses there."
            found.notes.append(Note("csr.email_moved", what, why))
        if as_name and evaluation.admits(rules.subject, kind, value):
            subject.append((kind, value))
        elif not as_name:
            why = "The policy allows no such mail address."
            found.extras.append(_attribute(kind, value, why))
    if csr.subject_alt_names and mailboxes:
        added = tuple(dict.fromkeys(mailboxes))
        after = max(csr.name_positions, default=len(csr.subject_alt_names) - 1) + 1
        places = csr.name_positions or tuple(range(len(csr.subject_alt_names)))
        csr = replace(
            csr,
            subject_alt_names=(*csr.subject_alt_names, *added),
            name_positions=(*places, *range(after, after + len(added))),
        )
        return replace(csr, subject=tuple(subject)), ()
    return replace(csr, subject=tuple(subject)), tuple(dict.fromkeys(mailboxes))
