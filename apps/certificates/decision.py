"""What would this enrollment yield? Everything up to, but without, signing.

``issuance.submit`` acts on a decision and ``evaluate`` shows it: one code path, so that what
is shown is what would happen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography import x509

from apps import clock
from apps.applications.models import Pairing
from apps.authorities import signing as authority_signing
from apps.authorities.signing import IssuerHandle
from apps.errors import BadCSR
from apps.policies import evaluation
from apps.policies import selectors as policy_selectors
from apps.policies.evaluation import Verdict
from apps.policies.models import PolicyVersion
from apps.policies.rules import Rules
from apps.profiles.defaults import parse_defaults
from apps.profiles.models import IssuerType, Profile
from apps.profiles.requested_content import Defaults, IssuerLimits, RequestedContent
from apps.profiles.shaping import shape
from pki import chain, constraints, keys
from pki.algorithms import KeyAlgorithm, signature_algorithms_of
from pki.csr import ParsedCSR, parse_csr
from pki.findings import UnusableCSR, Violation
from pki.template import Leaf

_FALLBACK_KEY = KeyAlgorithm.EC_P256
_MAX_COMPILED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An enrollment, decided.

    Attributes:
        leaf: the content that would be signed; ``None`` when the CSR cannot be read.
        verdicts: every rule with its outcome.
        violations: all that stands against issuing; empty means "may be signed".
        notes: what was adjusted on the way, e.g. a validity cut to the authority's end.
        csr: the parsed request; ``None`` for server-made keys.
        issuer: the signing authority; ``None`` for self-signed profiles.
        policy_version: the rules applied.
    """

    leaf: Leaf | None
    verdicts: tuple[Verdict, ...]
    violations: tuple[Violation, ...]
    csr: ParsedCSR | None
    issuer: IssuerHandle | None
    policy_version: PolicyVersion
    notes: tuple[str, ...] = ()

    def with_key(self, public_key_der: bytes) -> "Decision":
        """Return the same decision for a freshly made key of the algorithm decided upon."""
        assert self.leaf is not None
        return replace(self, leaf=replace(self.leaf, public_key_der=public_key_der))


def decide(
    pairing: Pairing, csr: bytes | ParsedCSR | None, requested: RequestedContent
) -> Decision:
    """Shape the content from CSR, requested content and defaults, and hold it against every rule.

    Args:
        pairing: application and profile, with ``profile.policy.current_version`` loaded.
        csr: PKCS#10 bytes (PEM or DER), or what a caller has read of them; ``None`` when the
            key is made here.
        requested: what the requester says beside the CSR.

    Raises:
        InvalidTransition: the authority is not active.
        BadCSR: the CSR cannot be read or does not prove possession of its key.
    """
    profile = pairing.profile
    policy_version = _policy_version_of(profile)
    defaults = _defaults(profile.id, profile.revision, profile.defaults)
    issuer = _issuer_of(pairing)
    parsed = _parsed(csr) if csr is not None else None
    public_key_der, algorithm = _key_for(parsed, requested, defaults)
    shaped = shape(
        requested,
        defaults,
        csr=parsed,
        public_key_der=public_key_der,
        key_algorithm=algorithm,
        issuer=_limits(issuer, algorithm),
        now=clock.now_s(),
    )
    verdicts = evaluate_leaf(policy_selectors.rules_of(policy_version), shaped.leaf, issuer)
    violations = [*(parsed.violations if parsed else ()), *shaped.violations]
    if issuer is None and parsed is not None:
        violations.append(_SELF_SIGNED_WITH_CSR)
    if issuer is None and not shaped.leaf.subject:
        violations.append(_SELF_SIGNED_WITHOUT_SUBJECT)
    violations += evaluation.violations_of(verdicts)
    return Decision(
        leaf=shaped.leaf,
        verdicts=verdicts,
        violations=_once(violations),
        csr=parsed,
        issuer=issuer,
        policy_version=policy_version,
        notes=shaped.notes,
    )


def evaluate_leaf(rules: Rules, leaf: Leaf, issuer: IssuerHandle | None) -> tuple[Verdict, ...]:
    """Hold final content against policy, fixed rules and the issuer's own constraints."""
    verdicts = (*evaluation.hard_rules(leaf), *evaluation.evaluate(rules, leaf))
    if issuer is None:
        return verdicts
    return (*verdicts, *_issuer_verdicts(leaf, issuer))


def _issuer_verdicts(leaf: Leaf, issuer: IssuerHandle) -> list[Verdict]:
    """Check what the CA certificates above allow (RFC 5280 sections 4.2.1.9 and 4.2.1.10)."""
    found: list[Violation] = []
    if _constrain_names(issuer.certificate_der, *issuer.chain_ders):
        found += chain.name_constraints_violations(
            leaf.subject, leaf.subject_alt_names, issuer.ca_certificates
        )
    if leaf.is_ca:
        found += chain.path_length_violations(leaf.path_length, issuer.ca_certificates)
    return [
        Verdict(rule=item.code, field=item.field, passed=False, violation=item) for item in found
    ]


@lru_cache(maxsize=_MAX_COMPILED)
def _constrain_names(*ca_ders: bytes) -> bool:
    """Tell whether there is anything to check names against: few chains have constraints.

    Asked by bytes, which know their hash; parsed certificates work it out each time.
    """
    return constraints.constrain_names(map(x509.load_der_x509_certificate, ca_ders))


def _policy_version_of(profile: Profile) -> PolicyVersion:
    version = profile.policy.current_version
    assert version is not None
    if not PolicyVersion.policy.is_cached(version):
        version.policy = profile.policy  # at hand already; its name would cost a query
    return version


def _issuer_of(pairing: Pairing) -> IssuerHandle | None:
    profile = pairing.profile
    if profile.issuer_type == IssuerType.SELF_SIGNED or profile.authority_id is None:
        return None
    return authority_signing.issuer_of(profile.authority_id, pairing.issuer_version)


def _parsed(csr: bytes | ParsedCSR) -> ParsedCSR:
    if isinstance(csr, ParsedCSR):
        return csr
    try:
        return parse_csr(csr)
    except UnusableCSR as error:
        raise BadCSR(violations=error.violations) from error


def _key_for(
    parsed: ParsedCSR | None, requested: RequestedContent, defaults: Defaults
) -> tuple[bytes, KeyAlgorithm]:
    """Return key and algorithm; for a key still to be made, a specimen stands in for it."""
    if parsed is not None:
        return parsed.public_key_der, parsed.key_algorithm
    algorithm = requested.key_algorithm or defaults.key_algorithm or _FALLBACK_KEY
    return _specimen(algorithm), algorithm


@lru_cache(maxsize=len(KeyAlgorithm))
def _specimen(algorithm: KeyAlgorithm) -> bytes:
    """Return a public key that stands in until policy has agreed: RSA keys cost 50-300 ms."""
    return keys.public_key_to_der(keys.generate_private_key(algorithm).public_key())


def _limits(issuer: IssuerHandle | None, leaf_key: KeyAlgorithm) -> IssuerLimits:
    if issuer is None:
        return _limits_of(leaf_key, None)
    return _limits_of(issuer.key_algorithm, issuer.not_after)


@lru_cache(maxsize=_MAX_COMPILED)
def _limits_of(signer: KeyAlgorithm, not_after: datetime | None) -> IssuerLimits:
    algorithms = signature_algorithms_of(signer)
    return IssuerLimits(
        not_after=not_after,
        signature_algorithms=algorithms,
        default_signature_algorithm=algorithms[0],
    )


_compiled_defaults: dict[tuple[Any, int], Defaults] = {}


def _defaults(profile_id: Any, revision: int, document: dict[str, Any]) -> Defaults:
    """Return the parsed defaults of a profile revision, compiled once per process."""
    found = _compiled_defaults.get((profile_id, revision))
    if found is None:
        if len(_compiled_defaults) >= _MAX_COMPILED:
            _compiled_defaults.clear()
        found = _compiled_defaults[(profile_id, revision)] = parse_defaults(document)
    return found


def _once(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """Return violations without repeats, in order."""
    return tuple(dict.fromkeys(violations))


_SELF_SIGNED_WITH_CSR = Violation(
    code="profile.self_signed_needs_server_key",
    field="csr",
    value="",
    reason="A self-signed certificate is signed with its own key, which a CSR does not hand over.",
    hint="Send a key specification instead of a CSR.",
)
_SELF_SIGNED_WITHOUT_SUBJECT = Violation(
    code="profile.self_signed_needs_subject",
    field="subject",
    value="",
    reason="The subject of a self-signed certificate is its issuer, which is never empty.",
    hint="Add a common_name.",
)
