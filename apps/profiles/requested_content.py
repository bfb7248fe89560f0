"""Values of the shaping step: requested content, defaults, issuer limits, result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import Note, Violation
from pki.template import Leaf, TypeValue

DEFAULT_TTL = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedContent:
    """Content that a requester asks for beside (or instead of) a CSR; ``None`` means "not given".

    Attributes:
        subject: ordered (attribute, value) pairs.
        subject_alt_names: ordered (type, value) pairs, not yet canonical.
        key_algorithm: of the key that the server is to make.
        signature_algorithm: algorithm that the issuer is to sign with.
        key_usages: names from ``KEY_USAGES``; empty asks for none.
        extended_key_usages: names from ``EXTENDED_KEY_USAGES``; empty asks for none.
        ttl: lifetime counted inclusively; not together with the two dates.
        not_before: aware, start of validity.
        not_after: aware, last second of validity.
        is_ca: basicConstraints cA.
        path_length: pathLenConstraint.
        must_staple: the TLS feature of a predecessor, which a renewal keeps.
        csr_key_only: the CSR contributes only its key, for enrollment methods that take the names
            from elsewhere (ACME identifiers): no extension of the CSR is used.
        fill_in: whether the profile's defaults fill in missing values; a renewal copies its
            predecessor and sets this to ``False``.
    """

    subject: tuple[TypeValue, ...] | None = None
    subject_alt_names: tuple[TypeValue, ...] | None = None
    key_algorithm: KeyAlgorithm | None = None
    signature_algorithm: SignatureAlgorithm | None = None
    key_usages: tuple[str, ...] | None = None
    extended_key_usages: tuple[str, ...] | None = None
    ttl: timedelta | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    is_ca: bool | None = None
    path_length: int | None = None
    must_staple: bool = False
    csr_key_only: bool = False
    fill_in: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Parsed defaults of a profile. ``document`` is the canonical JSON form, which is stored.

    Attributes as in ``RequestedContent``; ``ttl`` falls back to ``DEFAULT_TTL``.
    """

    ttl: timedelta | None = None
    subject: tuple[TypeValue, ...] = ()
    key_algorithm: KeyAlgorithm | None = None
    signature_algorithm: SignatureAlgorithm | None = None
    key_usages: tuple[str, ...] | None = None
    extended_key_usages: tuple[str, ...] | None = None
    is_ca: bool | None = None
    path_length: int | None = None
    document: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class IssuerLimits:
    """Limits of the issuer.

    Attributes:
        not_after: end of its own certificate; ``None`` when the leaf signs itself.
        signature_algorithms: algorithms that its key can sign with.
        default_signature_algorithm: the one used unless another is requested.
        not_before: start of its own certificate; ``None`` when the leaf signs itself.
    """

    not_after: datetime | None
    signature_algorithms: tuple[SignatureAlgorithm, ...]
    default_signature_algorithm: SignatureAlgorithm
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shaped:
    """Content for a certificate, with the violations found so far.

    Attributes:
        leaf: always present, so that the policy can be evaluated as well.
        violations: contradictions, unusable names and times.
        notes: harmless changes.
        positions: by section, the place of each of its values in the list that was sent, where
            that is another one. What was added here has places after that list.
    """

    leaf: Leaf
    violations: tuple[Violation, ...] = ()
    notes: tuple[Note, ...] = ()
    positions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
