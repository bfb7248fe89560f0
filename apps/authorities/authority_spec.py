"""Description of an authority to be made, and the checks that report all its mistakes together."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from apps.authorities import name_constraints
from apps.authorities.models import Authority, AuthorityKind
from apps.authorities.signing import IssuerHandle
from pki import chain, names
from pki.algorithms import KeyAlgorithm
from pki.findings import Violation
from pki.template import NameConstraints, TypeValue
from pki.validity import validity_window

MAX_LIFETIME_DAYS = 36_500
DEFAULT_LIFETIME_DAYS = 3650
MAX_PATH_LENGTH = 32
MAX_MIRRORS = 4
# C-02: a CRL that is valid for more than a year hides revocations from offline verifiers.
MAX_CRL_LIFETIME_HOURS = 8784
UNCONSTRAINED = NameConstraints()
_MAX_URL = 255
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class AuthoritySpec:
    """An authority as an administrator describes it.

    Attributes:
        name: slug; stands in public URLs and never changes.
        kind: root or intermediate.
        subject: ordered (attribute, value) pairs, not empty.
        key_algorithm: of the key to be made.
        lifetime_days: of its certificate; ``None`` for ten years, or until the parent's end
            when that comes first. Unused without a parent to sign it.
        path_length: how many CAs may stand below; ``None`` for no limit.
        name_constraints: subtrees for everything below.
        crl_mirror_urls: up to four further URLs of its CRL, in order.
        publish_crl_url: put the built-in CRL URL into issued certificates.
        ocsp_enabled: run an OCSP responder and name it in issued certificates.
        crl_lifetime_hours: from thisUpdate to nextUpdate.
        parent: signs an intermediate at once; ``None`` waits for a certificate from outside.
    """

    name: str
    kind: AuthorityKind
    subject: tuple[TypeValue, ...]
    key_algorithm: KeyAlgorithm
    lifetime_days: int | None = None
    path_length: int | None = None
    name_constraints: NameConstraints = UNCONSTRAINED
    crl_mirror_urls: tuple[str, ...] = ()
    publish_crl_url: bool = True
    ocsp_enabled: bool = True
    crl_lifetime_hours: int = 168
    parent: Authority | None = None


def checked(
    spec: AuthoritySpec, parent: IssuerHandle | None, now: datetime
) -> tuple[AuthoritySpec, tuple[Violation, ...]]:
    """Return the description in canonical form, and everything that is wrong with it.

    Args:
        spec: as it was entered.
        parent: ``spec.parent``, ready to sign.
        now: aware UTC.
    """
    constraints, found = name_constraints.canonical_constraints(spec.name_constraints)
    spec = replace(
        spec,
        name=spec.name.strip(),
        subject=tuple((a, v) for a, v in spec.subject),
        name_constraints=constraints,
        crl_mirror_urls=tuple(url.strip() for url in spec.crl_mirror_urls),
    )
    violations = [
        *_identity_violations(spec),
        *found,
        *limit_violations(
            lifetime_days=spec.lifetime_days if spec.lifetime_days is not None else 1,
            path_length=spec.path_length,
            crl_lifetime_hours=spec.crl_lifetime_hours,
            crl_mirror_urls=spec.crl_mirror_urls,
        ),
    ]
    if parent is not None and spec.kind == AuthorityKind.INTERMEDIATE:
        violations += parent_violations(
            parent, subject=spec.subject, path_length=spec.path_length, constraints=constraints
        )
        if spec.lifetime_days is not None and 0 < spec.lifetime_days <= MAX_LIFETIME_DAYS:
            violations += lifetime_violations(parent, spec.lifetime_days, now)
    return spec, tuple(violations)


def _identity_violations(spec: AuthoritySpec) -> Iterator[Violation]:
    if not _NAME.fullmatch(spec.name):
        yield Violation(
            "authority.name",
            "name",
            spec.name,
            "The name stands in URLs: it has 1 to 64 lower-case letters, digits and inner hyphens.",
            "issuing-ca-1",
        )
    if not spec.subject:
        yield Violation(
            "authority.subject_empty",
            "subject",
            "",
            "An authority has a name: at least one subject attribute.",
            "A common name.",
        )
    yield from names.subject_violations(spec.subject)
    if spec.kind == AuthorityKind.ROOT and spec.parent is not None:
        yield Violation(
            "authority.root_has_parent",
            "parent",
            spec.parent.name,
            "A root signs itself.",
            "Choose the kind intermediate, or no parent.",
        )


def limit_violations(
    *,
    lifetime_days: int = 1,
    path_length: int | None = None,
    crl_lifetime_hours: int = 1,
    crl_mirror_urls: Sequence[str] = (),
) -> Iterator[Violation]:
    """Yield a violation for each number out of range and each unusable URL."""
    ranges: tuple[tuple[str, int | None, int, int], ...] = (
        ("lifetime_days", lifetime_days, 1, MAX_LIFETIME_DAYS),
        ("path_length", path_length, 0, MAX_PATH_LENGTH),
        ("crl_lifetime_hours", crl_lifetime_hours, 1, MAX_CRL_LIFETIME_HOURS),
    )
    for field, value, low, high in ranges:
        if value is not None and not low <= value <= high:
            yield Violation(
                f"authority.{field}",
                field,
                str(value),
                "The number is out of range.",
                f"{low} to {high}.",
            )
    if len(crl_mirror_urls) > MAX_MIRRORS:
        yield Violation(
            "authority.too_many_mirrors",
            "crl_mirror_urls",
            str(len(crl_mirror_urls)),
            "There are too many mirror addresses.",
            f"At most {MAX_MIRRORS}.",
        )
    for position, url in enumerate(crl_mirror_urls):
        reason = _url_fault(url)
        if not reason and url in crl_mirror_urls[:position]:
            reason = "The address is listed twice."
        if reason:
            where = f"crl_mirror_urls[{position}]"
            hint = "http://crl.example.com/ca.crl"
            yield Violation("authority.mirror_url", where, url, reason, hint)


def _url_fault(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > _MAX_URL:
        return f"An address has at most {_MAX_URL} visible ASCII characters."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "This is not an address."
    if parts.scheme not in {"http", "https"} or not host:
        return "An address starts with http:// or https:// and a host."
    return "An address holds no user name, password or fragment." if _has_extras(parts) else ""


def _has_extras(parts: Any) -> bool:
    return parts.username is not None or parts.password is not None or bool(parts.fragment)


def parent_violations(
    parent: IssuerHandle,
    *,
    subject: Sequence[TypeValue],
    path_length: int | None,
    constraints: NameConstraints,
) -> Iterator[Violation]:
    """Yield what the CA certificates above do not allow.

    Path length: RFC 5280 section 4.2.1.9 (X-14); name constraints: section 4.2.1.10 (X-15).
    """
    yield from chain.path_length_violations(path_length, parent.ca_certificates)
    yield from chain.name_constraints_violations(subject, (), parent.ca_certificates)
    yield from name_constraints.fit_violations(constraints, parent.ca_certificates)


def lifetime_violations(
    parent: IssuerHandle, lifetime_days: int, now: datetime
) -> Iterator[Violation]:
    """Yield a violation if the lifetime would end after the parent's own certificate."""
    _, not_after = validity_window(now, timedelta(days=lifetime_days), issuer_not_after=None)
    if not_after > parent.not_after:
        days = max((parent.not_after - now).days, 0)
        yield Violation(
            "authority.outlives_parent",
            "lifetime_days",
            str(lifetime_days),
            f"The certificate would outlast that of {parent.name}, which ends "
            f"{parent.not_after.isoformat()}.",
            f"At most {days} days.",
        )
