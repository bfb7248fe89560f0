"""The ``Signer`` port: who puts the signature under a certificate.

The issuance pipeline knows nothing else about the issuer of a certificate. ``internal`` signs with
an authority of this installation, ``self_signed`` with the certificate's own key. A connector to an
external authority implements the same four methods and adds itself to ``selection.signer_factories``.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.profiles.requested_content import IssuerLimits
from pki.algorithms import KeyAlgorithm, signature_algorithms_of
from pki.findings import Violation
from pki.template import Leaf


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be signed; committed before any key or any other authority is asked.

    Attributes:
        leaf: the content decided upon.
        serial_number: lower-case hex; empty where the signer chooses it.
        tbs_der: the TBSCertificate that will be signed, linted; empty where the signer writes it.
    """

    leaf: Leaf
    serial_number: str = ""
    tbs_der: bytes = b""

    @property
    def tbs_sha256(self) -> str:
        """Return the hexadecimal digest of the TBSCertificate; empty where there is none."""
        return hashlib.sha256(self.tbs_der).hexdigest() if self.tbs_der else ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SigningJob:
    """One intent, handed to its signer.

    Attributes:
        request_id: of the certificate request. The idempotency key: a job may be handed over
            again after a crash, and must not yield a second certificate.
        intent: as committed.
        csr_der: PKCS#10 of the request; empty when the key was made here.
        private_key_der: PKCS#8, only when the key was made here.
        upstream_reference: what an earlier ``Accepted`` returned; else empty.
    """

    request_id: UUID
    intent: Intent
    csr_der: bytes = b""
    private_key_der: bytes | None = None
    upstream_reference: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """A finished certificate.

    Attributes:
        der: the certificate.
        chain_ders: certificates above it, the issuer's first; needed only from signers that do
            not sign the intent's own ``tbs_der`` (see ``acceptance``).
        issuer: its name, RFC 4514 text, from signers that sign the intent's ``tbs_der``; for others
            it is read from the certificate.
    """

    der: bytes
    chain_ders: Sequence[bytes] = ()
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An external authority has taken the order, and the certificate comes later.

    Attributes:
        upstream_reference: identifies the order there; at most 200 characters.
        retry_after_s: when to ask again, seconds.
    """

    upstream_reference: str
    retry_after_s: int = 60


class Signer(ABC):
    """Who signs the certificates of a profile.

    Attributes:
        authority_id: the authority of this installation that signs; ``None`` for other signers.
        issuer_certificate_id: its current certificate; ``None`` for other signers.
        trust_anchors: certificates, DER, at one of which the chain of a certificate that was
            signed elsewhere has to end.
    """

    authority_id: UUID | None = None
    issuer_certificate_id: UUID | None = None
    trust_anchors: Sequence[bytes] = ()

    @abstractmethod
    def limits(self, leaf_key: KeyAlgorithm) -> IssuerLimits:
        """Return how the signer can sign, and until when, for a leaf with this kind of key."""

    @abstractmethod
    def violations(self, leaf: Leaf, *, has_csr: bool) -> Sequence[Violation]:
        """Return why the signer cannot sign this content, beside policy."""

    @abstractmethod
    def prepare(self, leaf: Leaf) -> Intent:
        """Return what will be signed; uses no key and no network.

        Raises:
            PolicyViolation: the encoded certificate breaks RFC 5280.
        """

    @abstractmethod
    def sign(self, job: SigningJob) -> Signed | Accepted:
        """Sign, or order the certificate; called outside transactions, may be repeated.

        Raises:
            UpstreamUnavailable: no answer; the job will be handed over again.
            UpstreamRejected: refused for good.
        """


def limits_of(
    key_algorithm: KeyAlgorithm,
    not_after: datetime | None = None,
    not_before: datetime | None = None,
) -> IssuerLimits:
    """Return the limits of a signer with this kind of key and of the validity of its certificate."""
    algorithms = signature_algorithms_of(key_algorithm)
    return IssuerLimits(
        not_after=not_after,
        signature_algorithms=algorithms,
        default_signature_algorithm=algorithms[0],
        not_before=not_before,
    )
