"""Signer for profiles whose issuer is an authority of this installation."""

from collections.abc import Sequence

from apps.authorities import signing as authority_signing
from apps.authorities.signing import IssuerHandle
from apps.certificates.signers.base import Intent, Signed, Signer, SigningJob, limits_of
from apps.errors import PolicyViolation
from apps.profiles.requested_content import IssuerLimits
from pki import build, chain, lint, serials
from pki.algorithms import KeyAlgorithm
from pki.findings import Violation
from pki.template import Leaf


class InternalSigner(Signer):
    """Signs with the key of an authority; writes and lints the TBSCertificate itself."""

    def __init__(self, issuer: IssuerHandle) -> None:
        self._issuer = issuer
        self.authority_id = issuer.authority_id
        self.issuer_certificate_id = issuer.authority_certificate_id

    def limits(self, leaf_key: KeyAlgorithm) -> IssuerLimits:  # noqa: ARG002 - the authority's key signs
        """Return the algorithms of the authority's key, and the validity of its certificate."""
        return limits_of(
            self._issuer.key_algorithm, self._issuer.not_after, self._issuer.not_before
        )

    def violations(self, leaf: Leaf, *, has_csr: bool) -> Sequence[Violation]:  # noqa: ARG002 - either is fine
        """Check the constraints of the CA certificates above (RFC 5280 4.2.1.9 and 4.2.1.10)."""
        issuer = self._issuer
        found: list[Violation] = []
        if issuer.constrains_names:  # few do, and the check costs
            found += chain.name_constraints_violations(
                leaf.subject, leaf.subject_alt_names, issuer.ca_certificates
            )
        if leaf.is_ca:
            found += chain.path_length_violations(leaf.path_length, issuer.ca_certificates)
        return found

    def prepare(self, leaf: Leaf) -> Intent:
        """Choose a serial number, encode the TBSCertificate and lint it.

        The lint runs on the very bytes that are committed and signed afterwards, so that nothing
        can be signed that was not linted.
        """
        serial_number = serials.new_serial()
        tbs_der = build.leaf_tbs(leaf, serial_number=serial_number, issuer=self._issuer.issuer)
        findings = lint.lint_tbs(
            tbs_der, leaf.signature_algorithm, issuer=self._issuer.issuer.certificate
        )
        if findings:
            raise PolicyViolation(findings)
        return Intent(leaf, serials.serial_hex(serial_number), tbs_der)

    def sign(self, job: SigningJob) -> Signed:
        """Sign the committed bytes; the signature is verified before it is returned."""
        tbs_der, algorithm = job.intent.tbs_der, job.intent.leaf.signature_algorithm
        der = authority_signing.sign_tbs(self._issuer, tbs_der, algorithm)
        return Signed(der, issuer=self._issuer.subject_text)
