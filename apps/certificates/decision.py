"""The decision on an enrollment: its final content, held against every rule; nothing is signed.

``issuance.submit`` acts on a decision and ``issuance.evaluate`` shows it: one code path, so that
what is shown is what would happen.
"""

from dataclasses import dataclass, replace

from apps import clock
from apps.applications.models import Pairing
from apps.certificates.signers.base import Signer
from apps.certificates.signers.selection import signer_of_pairing
from apps.errors import BadCSR
from apps.policies import evaluation
from apps.policies import selectors as policy_selectors
from apps.policies.consequences import without_consequences
from apps.policies.evaluation import Verdict
from apps.policies.models import PolicyVersion
from apps.policies.rules import Rules
from apps.profiles import csr_content, fitting
from apps.profiles.models import Profile
from apps.profiles.requested_content import Defaults, RequestedContent
from apps.profiles.selectors import csr_settings, defaults_of
from apps.profiles.shaping import shape
from pki import stand_ins
from pki.algorithms import KeyAlgorithm
from pki.csr import ParsedCSR, parse_csr
from pki.findings import Note, UnusableCSR, Violation
from pki.template import Leaf

_FALLBACK_KEY = KeyAlgorithm.EC_P256


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An enrollment, decided.

    Attributes:
        leaf: the content that would be signed.
        verdicts: every rule with its outcome.
        violations: everything that stands against issuing; empty means "may be signed".
        notes: what was changed or left out on the way, e.g. a validity cut to the authority's end.
        csr: the parsed request; ``None`` for keys made here.
        signer: who would sign.
        policy_version: the rules applied.
    """

    leaf: Leaf
    verdicts: tuple[Verdict, ...]
    violations: tuple[Violation, ...]
    csr: ParsedCSR | None
    signer: Signer
    policy_version: PolicyVersion
    notes: tuple[Note, ...] = ()

    def with_key(self, public_key_der: bytes) -> "Decision":
        """Return the same decision for a freshly made key of the algorithm decided upon."""
        return replace(self, leaf=replace(self.leaf, public_key_der=public_key_der))


def decide(
    pairing: Pairing, csr: bytes | ParsedCSR | None, requested: RequestedContent
) -> Decision:
    """Shape the content from CSR, requested content and defaults, and hold it against every rule.

    Args:
        pairing: application and profile, with ``profile.policy.current_version`` loaded.
        csr: PKCS#10 bytes (PEM or DER), or parsed already; ``None`` when the key is made here.
        requested: what the requester says beside the CSR.

    Raises:
        InvalidTransition: the authority is not active.
        BadCSR: the CSR cannot be read or does not prove possession of its key.
    """
    profile = pairing.profile
    signer = signer_of_pairing(pairing)
    policy_version = _policy_version_of(profile)
    defaults = defaults_of(profile)
    rules = policy_selectors.rules_of(policy_version)
    settings = csr_settings(profile)
    parsed = _parsed(csr) if csr is not None else None
    taken = csr_content.take(parsed, requested, rules, defaults, settings)
    public_key_der, algorithm, key_note = _key_for(taken.csr, taken.requested, defaults, rules)
    # Step 3, shape: pure.
    shaped = shape(
        taken.requested,
        defaults,
        csr=taken.csr,
        public_key_der=public_key_der,
        key_algorithm=algorithm,
        issuer=signer.limits(algorithm),
        now=clock.now_s(),
        rules=rules,
        mailboxes=taken.mailboxes,
    )
    leaf = replace(shaped.leaf, must_staple=taken.must_staple)
    # Step 4, evaluate: every rule, so that all reasons are reported together.
    # The rules count the values that could be read; whoever reads of them counts what was sent.
    verdicts = evaluate_leaf(rules, leaf, signer, has_csr=taken.csr is not None)
    if shaped.positions:
        verdicts = tuple(one.placed(shaped.positions) for one in verdicts)
    violations = without_consequences(
        [*taken.violations, *shaped.violations, *evaluation.violations_of(verdicts)],
    )
    return Decision(
        leaf=leaf,
        verdicts=tuple(
            one for one in verdicts if one.violation is None or one.violation in violations
        ),
        violations=violations,
        csr=taken.csr,
        signer=signer,
        policy_version=policy_version,
        notes=(*taken.notes, *key_note, *shaped.notes),
    )


def evaluate_leaf(
    rules: Rules, leaf: Leaf, signer: Signer | None = None, *, has_csr: bool = False
) -> tuple[Verdict, ...]:
    """Hold final content against policy, fixed rules and what the signer can sign.

    Without ``signer`` only policy and fixed rules are applied.
    """
    verdicts = (*evaluation.hard_rules(leaf), *evaluation.evaluate(rules, leaf))
    if signer is None:
        return verdicts
    return (
        *verdicts,
        *(
            Verdict(rule=item.code, field=item.field, passed=False, violation=item)
            for item in signer.violations(leaf, has_csr=has_csr)
        ),
    )


def _policy_version_of(profile: Profile) -> PolicyVersion:
    version = profile.policy.current_version
    assert version is not None
    if not PolicyVersion.policy.is_cached(version):
        version.policy = profile.policy  # saves the query for its name
    return version


def _parsed(csr: bytes | ParsedCSR) -> ParsedCSR:
    if isinstance(csr, ParsedCSR):
        return csr
    try:
        return parse_csr(csr)
    except UnusableCSR as error:
        raise BadCSR(violations=error.violations) from error


def _key_for(
    parsed: ParsedCSR | None, requested: RequestedContent, defaults: Defaults, rules: Rules
) -> tuple[bytes, KeyAlgorithm, tuple[Note, ...]]:
    """Return public key, algorithm and notes; for a key still to be made, a stand-in key.

    A default that the policy does not accept is changed to a neighbour that it does.
    """
    if parsed is not None:
        return parsed.public_key_der, parsed.key_algorithm, ()
    if requested.key_algorithm is not None:
        chosen = requested.key_algorithm
        return stand_ins.public_key_der(chosen), chosen, ()
    default = defaults.key_algorithm or _FALLBACK_KEY
    algorithm, note = fitting.key_algorithm(default, rules)
    noted = note is not None and defaults.key_algorithm is not None
    return stand_ins.public_key_der(algorithm), algorithm, (note,) if noted and note else ()
