"""Everything that can be wrong with a certificate request, and a collector for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pki.findings import Violation
from pki.parsing import ParserFailed, parsed

if TYPE_CHECKING:
    from pki.csr_extras import Extra

_T = TypeVar("_T")


@dataclass(slots=True)
class Findings:
    """Violations and extras met while reading; ``fatal`` once the request cannot be used."""

    violations: list[Violation] = field(default_factory=list)
    extras: list["Extra"] = field(default_factory=list)
    fatal: bool = False

    def fail(self, *violations: Violation) -> None:
        """Add violations that make the request unusable."""
        self.violations += violations
        self.fatal = True

    def attempt(self, read: Callable[[], _T], otherwise: Violation) -> _T | None:
        """Return what ``read`` returns; a failing parser makes the request unusable."""
        try:
            return parsed(read)
        except ParserFailed:
            self.fail(otherwise)
            return None


def csr_violation(code: str, reason: str, hint: str = "", *, where: str = "csr") -> Violation:
    """Return a violation with the code ``csr.<code>`` at the field ``where``."""
    return Violation(code=f"csr.{code}", field=where, value="", reason=reason, hint=hint)


UNREADABLE_KEY = csr_violation(
    "unreadable_key",
    "The public key is malformed or of an unknown kind.",
    "RSA, ECDSA on a named curve, Ed25519, Ed448 or ML-DSA.",
    where="public_key",
)
UNREADABLE_EXTENSIONS = csr_violation(
    "unreadable_extensions",
    "A requested extension is malformed.",
    "the type that RFC 5280 section 4.2 gives it.",
    where="extensions",
)
UNKNOWN_SIGNATURE = csr_violation(
    "signature_algorithm",
    "The request is signed with an unknown algorithm, or one that does not fit its key.",
    "SHA-256, SHA-384 or SHA-512 with RSA or ECDSA; Ed25519, Ed448 or ML-DSA.",
    where="signature",
)
WEAK_SIGNATURE = csr_violation(
    "weak_signature",
    "The request is signed over a digest that does not count any more.",
    "SHA-256, SHA-384 or SHA-512.",
    where="signature",
)
UNPROVEN = csr_violation(
    "proof_of_possession",
    "The signature does not verify: the request does not prove possession of its key.",
    "Sign the request with the private key that belongs to it.",
    where="signature",
)
CONTRADICTION = csr_violation(
    "contradicting_extensions",
    "Two extension requests contradict each other.",
    "Say the same in both, or send one.",
    where="extensions",
)
DUPLICATE = csr_violation(
    "duplicate_extension",
    "An extension occurs more than once.",
    "Send each extension once.",
    where="extensions",
)
TOO_MANY_NAMES = csr_violation(
    "too_many_names", "There are too many alternative names.", where="subject_alt_names"
)
