"""Rules for every certificate that no policy can lift, mostly from RFC 5280.

They also apply under an empty policy. They are reported in the same form as the rules of a policy,
with codes that begin with ``rule.``.
"""

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from apps.policies.verdicts import Verdict, failed, listed, passed
from pki.addresses import quoted
from pki.algorithms import KeyAlgorithm
from pki.findings import UnusableName
from pki.names import canonical_san
from pki.template import (
    EXTENDED_KEY_USAGES,
    RESERVED_USAGES,
    SAN_TYPES,
    SUBJECT_ATTRIBUTES,
    Leaf,
    TypeValue,
)

MAX_NAMES = 100
MAX_SUBJECT_ATTRIBUTES = 30

# Most certificates of a profile have the same key usages.

_CA_USAGES = frozenset({"key_cert_sign", "crl_sign"})
_SIGNING = frozenset({"digital_signature", "content_commitment"}) | _CA_USAGES
# RFC 3279 section 2.3.1, RFC 5480 section 3, RFC 8410 section 5, RFC 9881 section 5.
_RSA_USAGES = _SIGNING | {"key_encipherment", "data_encipherment"}
_EC_USAGES = _SIGNING | {"key_agreement", "encipher_only", "decipher_only"}
_AGREEMENT_MODES = frozenset({"encipher_only", "decipher_only"})

_HOST_LIKE = re.compile(r"[^\s@/\\]+")
# The full stop and what IDNA (UTS #46) maps to it.
_DOTS = re.compile("[.\u3002\uff0e\uff61]")


def usages_of(algorithm: KeyAlgorithm) -> frozenset[str]:
    """Return the key usages that keys of an algorithm can serve."""
    if algorithm.is_rsa:
        return _RSA_USAGES
    return _EC_USAGES if algorithm.value.startswith("ec-") else _SIGNING


def looks_like_host(common_name: str) -> bool:
    """Tell whether a common name would be taken for a host name or an address.

    Matches too much rather than too little: it decides which names must also be alternative names.
    """
    if not _HOST_LIKE.fullmatch(common_name):
        return False
    if _DOTS.search(common_name) or common_name.startswith("*"):
        return True
    return common_name.lower() == "localhost" or _address(common_name) is not None


def hard_rules(leaf: Leaf) -> tuple[Verdict, ...]:
    """Check content against the rules that no policy can lift."""
    return (
        *_known_types(leaf),
        _names_present(leaf),
        *_common_names_listed(leaf),
        *_mailboxes_listed(leaf),
        *_wildcards_bounded(leaf),
        *_usages_fit(leaf.key_usage, leaf.key_algorithm, leaf.is_ca),
        *_extended_usages_granted(leaf.extended_key_usage),
        _path_length_fits(leaf.is_ca, leaf.path_length),
        _validity(leaf),
    )


def _known_types(leaf: Leaf) -> list[Verdict]:
    """Reject types that the encoder does not know, and lists that are too long."""
    found = _unknown("subject", leaf.subject, SUBJECT_ATTRIBUTES, MAX_SUBJECT_ATTRIBUTES)
    found += _unknown("subject_alt_names", leaf.subject_alt_names, SAN_TYPES, MAX_NAMES)
    return found or [passed("rule.known_types", "subject")]


def _unknown(
    section: str, pairs: tuple[TypeValue, ...], known: tuple[str, ...], limit: int
) -> list[Verdict]:
    rule = "rule.known_types"
    found: list[Verdict] = []
    if len(pairs) > limit:
        code, count = "rule.too_many", str(len(pairs))
        reason, hint = f"{section} has {count} entries.", f"At most {limit}."
        found.append(failed(code, code, section, count, reason, hint))
    for index, (kind, _) in enumerate(pairs):
        if kind not in known:
            field = f"{section}[{index}].type"
            reason, hint = f"{quoted(kind)} is not supported.", f"One of: {listed(known)}."
            found.append(failed(rule, rule, field, kind, reason, hint))
    return found


def _names_present(leaf: Leaf) -> Verdict:
    """Require names (RFC 5280 4.1.2.6 and 4.2.1.6, X-07); RFC 9525 ignores common names."""
    rule = "rule.names_present"
    if not leaf.subject and leaf.is_ca:
        return failed(rule, rule, "subject", "", "A CA needs a subject.", "Add a common_name.")
    if not leaf.subject and not leaf.subject_alt_names:
        return failed(
            rule,
            rule,
            "subject",
            "",
            "The certificate would name nobody.",
            "Add a subject or subject alternative names.",
        )
    if not leaf.subject_alt_names and _serves(leaf) and "server_auth" in leaf.extended_key_usage:
        return failed(
            rule,
            "rule.server_without_name",
            "subject_alt_names",
            "",
            "A server certificate needs a subject alternative name; clients ignore common names.",
            "Add the host name as dns_name or the address as ip_address.",
        )
    return passed(rule, "subject_alt_names")


def _serves(leaf: Leaf) -> bool:
    """Tell whether TLS clients would accept the certificate for a server."""
    usages = leaf.extended_key_usage
    return not leaf.is_ca and ("server_auth" in usages or not usages)


def _common_names_listed(leaf: Leaf) -> list[Verdict]:
    """Require a common name that looks like a host among the SANs, where it is checked as one."""
    rule = "rule.common_name_listed"
    found: list[Verdict] = []
    listed_names = {value.lower() for kind, value in leaf.subject_alt_names if kind in _HOST_KINDS}
    for index, (attribute, value) in enumerate(leaf.subject):
        if attribute != "common_name" or leaf.is_ca:
            continue
        field = f"subject[{index}].value"
        if (
            value in listed_names
            or not looks_like_host(value)
            or not listed_names.isdisjoint(_spellings(value))
        ):
            found.append(passed(rule, field))
        elif _serves(leaf) or "*" in value:
            reason = f"The common name {quoted(value)} looks like a host but is no subject alternative name."
            hint = "Add it as dns_name or ip_address, or drop the common name."
            found.append(failed(rule, rule, field, value, reason, hint))
    return found


_HOST_KINDS = frozenset({"dns_name", "ip_address"})


def _spellings(common_name: str) -> set[str]:
    """Return a host as written and in canonical form: a common name may hold U-labels."""
    found = {common_name.lower()}
    for kind in _HOST_KINDS:
        with suppress(UnusableName):
            found.add(canonical_san(kind, common_name))
    return found


def _mailboxes_listed(leaf: Leaf) -> list[Verdict]:
    """Require mail addresses among the SANs: as rfc822Name, RFC 5280 section 4.1.2.6."""
    rule = "rule.email_listed"
    found: list[Verdict] = []
    for index, (attribute, value) in enumerate(leaf.subject):
        if attribute != "email_address":
            continue
        field = f"subject[{index}].value"
        names = {name.lower() for kind, name in leaf.subject_alt_names if kind == "email"}
        if value.lower() in names:
            found.append(passed(rule, field))
        else:
            reason = "The mail address of the subject is no subject alternative name."
            hint = "Add it as a subject alternative name of type email, or drop email_address."
            found.append(failed(rule, rule, field, value, reason, hint))
    return found


def _wildcards_bounded(leaf: Leaf) -> list[Verdict]:
    """Reject wildcards directly below a public suffix: they would cover domains of others."""
    rule = "rule.wildcard_below_public_suffix"
    found: list[Verdict] = []
    for index, (kind, value) in enumerate(leaf.subject_alt_names):
        if kind != "dns_name" or "*" not in value:
            continue
        field = f"subject_alt_names[{index}].value"
        base = value.removeprefix("*.")
        if "*" in base or _is_public_suffix(base):
            reason = f"The wildcard {quoted(value)} covers a whole public suffix."
            hint = "A wildcard needs a registered domain below it, like *.example.com."
            found.append(failed(rule, rule, field, value, reason, hint))
        else:
            found.append(passed(rule, field))
    return found


def _usages_fit(
    key_usage: frozenset[str], key_algorithm: KeyAlgorithm, is_ca: bool
) -> Iterator[Verdict]:
    """Require key usages that the key can serve, and CA usages only with cA (X-12)."""
    rule = "rule.key_usage_fits"
    fitting = usages_of(key_algorithm)
    if not is_ca:
        fitting -= _CA_USAGES
    whole = True
    for usage in sorted(key_usage):
        if usage in fitting:
            continue
        whole = False
        if usage in _CA_USAGES:
            reason = f"{usage} belongs to CA certificates."
        else:
            reason = f"{key_algorithm.label} keys cannot serve {usage}."
        yield failed(
            rule, rule, "key_usages", usage, reason, f"Possible: {listed(sorted(fitting))}."
        )
    if key_usage & _AGREEMENT_MODES and "key_agreement" not in key_usage:
        whole = False
        modes = listed(sorted(key_usage & _AGREEMENT_MODES))
        reason = f"{modes} means something with key_agreement only."
        yield failed(rule, rule, "key_usages", modes, reason, "Add key_agreement.")
    if is_ca and "key_cert_sign" not in key_usage:
        whole = False
        reason = "A CA certificate needs the key usage key_cert_sign."
        yield failed(rule, rule, "key_usages", "", reason, "Add key_cert_sign and crl_sign.")
    if whole:
        yield passed(rule, "key_usages")


def _extended_usages_granted(usages: tuple[str, ...]) -> tuple[Verdict, ...]:
    """Reject OCSP signing and time-stamping, which are the authority's own, and unknown usages."""
    rule = "rule.extended_key_usage_granted"
    found: list[Verdict] = []
    for usage in usages:
        if usage in RESERVED_USAGES or usage not in EXTENDED_KEY_USAGES:
            possible = [name for name in EXTENDED_KEY_USAGES if name not in RESERVED_USAGES]
            reason = f"The usage {quoted(usage)} is never granted through enrollment."
            hint = f"Possible: {listed(possible)}."
            found.append(failed(rule, rule, "extended_key_usages", usage, reason, hint))
    return tuple(found) or (passed(rule, "extended_key_usages"),)


def _path_length_fits(is_ca: bool, path_length: int | None) -> Verdict:
    """Allow a path length only with cA (X-14)."""
    rule, field = "rule.path_length_fits", "basic_constraints.path_length"
    if path_length is None or (is_ca and path_length >= 0):
        return passed(rule, field)
    reason = "A path length goes with CA certificates and is 0 or more."
    return failed(rule, rule, field, str(path_length), reason, "Leave it out.")


def _validity(leaf: Leaf) -> Verdict:
    rule = "rule.validity_ordered"
    if leaf.not_before < leaf.not_after:
        return passed(rule, "not_after")
    reason = "The certificate would end before it begins."
    hint = f"Later than {leaf.not_before.isoformat()}."
    return failed(rule, rule, "not_after", leaf.not_after.isoformat(), reason, hint)


def _is_public_suffix(name: str) -> bool:
    """Tell whether registrars sell names below ``name``; unknown top-level labels count."""
    return bool(_suffixes().is_public(name))


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """Return the bundled list, read once because that takes 0.1 s.

    Only the ICANN part, as the Baseline Requirements (3.2.2.6) recommend: owners of private
    suffixes such as ``github.io`` may hold wildcards below them.
    """
    return PublicSuffixList(only_icann=True)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
