"""Signer for self-signed profiles: each certificate is signed with its own key, made here."""

from collections.abc import Sequence

from apps.certificates.signers.base import Intent, Signed, Signer, SigningJob, limits_of
from apps.errors import PolicyViolation
from apps.profiles.requested_content import IssuerLimits
from pki import build, keys, lint, names, serials
from pki.algorithms import KeyAlgorithm
from pki.findings import Violation
from pki.template import Leaf


class SelfSigner(Signer):
    """Signs with the key that was made for the certificate and sealed with the request."""

    def limits(self, leaf_key: KeyAlgorithm) -> IssuerLimits:
        """Return the algorithms of the leaf's own key; nothing else limits the validity."""
        return limits_of(leaf_key)

    def violations(self, leaf: Leaf, *, has_csr: bool) -> Sequence[Violation]:
        """Refuse CSRs and empty subjects."""
        found = [_NEEDS_SERVER_KEY] if has_csr else []
        return found if leaf.subject else [*found, _NEEDS_SUBJECT]

    def prepare(self, leaf: Leaf) -> Intent:
        """Choose a serial number, encode the TBSCertificate and lint it."""
        serial_number = serials.new_serial()
        tbs_der = build.self_signed_leaf_tbs(leaf, serial_number=serial_number)
        findings = lint.lint_tbs(tbs_der, leaf.signature_algorithm, issuer=None)
        if findings:
            raise PolicyViolation(findings)
        return Intent(leaf, serials.serial_hex(serial_number), tbs_der)

    def sign(self, job: SigningJob) -> Signed:
        """Sign the committed bytes with the certificate's own key."""
        assert job.private_key_der is not None
        key = keys.private_key_from_pkcs8(job.private_key_der, trusted=True)
        leaf, tbs_der = job.intent.leaf, job.intent.tbs_der
        signature = keys.sign(key, tbs_der, leaf.signature_algorithm)
        der = build.assemble(tbs_der, leaf.signature_algorithm, signature)
        return Signed(der, issuer=names.rfc4514(leaf.subject))


_NEEDS_SERVER_KEY = Violation(
    code="profile.self_signed_needs_server_key",
    field="csr",
    value="",
    reason="A self-signed certificate is signed with its own key, which a CSR does not hand over.",
    hint="Send a key specification instead of a CSR.",
)
_NEEDS_SUBJECT = Violation(
    code="profile.self_signed_needs_subject",
    field="subject",
    value="",
    reason="The subject of a self-signed certificate is its issuer, which is never empty.",
    hint="Add a common_name.",
)
