"""What did a body say about an authority? Bodies in, values for the services out."""

from dataclasses import dataclass
from typing import Any

from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.models import AuthorityKind
from apps.web.naming import read_subject, read_typed_name
from apps.web.reader import Reader, reader_of
from pki.algorithms import KeyAlgorithm
from pki.template import NameConstraints, TypeValue

MAX_PEM_TEXT = 512 * 1024
MAX_MIRRORS_SENT = 20
_KIND = AuthorityKind.values
_ALGORITHMS = [algorithm.value for algorithm in KeyAlgorithm]
_PUBLISHING = frozenset(
    {"crl_mirror_urls", "publish_crl_url", "crl_lifetime_hours", "ocsp_enabled"}
)
_NEW = _PUBLISHING | {
    "name",
    "kind",
    "subject",
    "key_algorithm",
    "lifetime_days",
    "path_length",
    "name_constraints",
    "parent",
}


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """A parsed body of ``POST /authorities/``; ``parent`` is a name or identifier."""

    spec: AuthoritySpec
    parent: str | None


def read_new(body: Any) -> NewAuthority:
    """Parse what an authority is to be.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, _NEW)
    given: dict[str, Any] = {
        "name": reader.text("name", required=True, limit=64),
        "kind": reader.choice("kind", _KIND, required=True),
        "subject": read_subject(reader, required=True),
        "key_algorithm": reader.choice("key_algorithm", _ALGORITHMS, required=True),
        "lifetime_days": reader.number("lifetime_days"),
        "path_length": reader.number("path_length", nullable=True),
        "name_constraints": _name_constraints(reader),
        **_publishing(reader),
    }
    parent = reader.reference("parent")
    reader.finish()
    # Absent fields take the defaults of the specification itself.
    said = {name: value for name, value in given.items() if value is not None}
    said["kind"] = AuthorityKind(said["kind"])
    said["key_algorithm"] = KeyAlgorithm(said["key_algorithm"])
    return NewAuthority(AuthoritySpec(**said), parent)


def read_changes(body: Any) -> dict[str, Any]:
    """Parse the fields to change; what is absent stays as it is.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, _PUBLISHING)
    changes = _publishing(reader)
    reader.finish()
    return changes


def read_lifetime(body: Any) -> int:
    """Parse ``{"lifetime_days"}``.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"lifetime_days"})
    days = reader.number("lifetime_days", required=True)
    reader.finish()
    return days or 0


def read_certificate(body: Any) -> tuple[bytes, bytes]:
    """Parse ``{"certificate", "chain"?}``, each PEM or base64 of DER.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"certificate", "chain"})
    certificate = reader.pem_or_der("certificate", required=True, limit=MAX_PEM_TEXT)
    chain = reader.pem_or_der("chain", limit=MAX_PEM_TEXT)
    reader.finish()
    return certificate or b"", chain or b""


def _publishing(reader: Reader) -> dict[str, Any]:
    return {
        "crl_mirror_urls": reader.texts("crl_mirror_urls", limit=MAX_MIRRORS_SENT),
        "publish_crl_url": reader.boolean("publish_crl_url"),
        "crl_lifetime_hours": reader.number("crl_lifetime_hours"),
        "ocsp_enabled": reader.boolean("ocsp_enabled"),
    }


def _name_constraints(reader: Reader) -> NameConstraints | None:
    """Return ``{"permitted": [{"type", "value"}], "excluded": []}``."""
    given = reader.mapping("name_constraints")
    if given is None:
        return None
    inner = Reader(given, reader.violations)
    inner.refuse_unknown({"permitted", "excluded"})
    return NameConstraints(
        permitted=_subtrees(inner, "permitted"), excluded=_subtrees(inner, "excluded")
    )


def _subtrees(reader: Reader, name: str) -> tuple[TypeValue, ...]:
    read = [
        read_typed_name(reader, item, f"name_constraints.{name}[{index}]")
        for index, item in enumerate(reader.items(name) or ())
    ]
    return tuple(pair for pair in read if pair is not None)
