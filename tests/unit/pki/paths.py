"""Paths of a leaf, a CA with name constraints and a root, made of any names and encodings."""

from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from tests.unit.pki import der
from tests.unit.pki.samples import NOW, key_of

OTHER = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")  # userPrincipalName
SMTP_UTF8 = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_CA_USAGE = x509.KeyUsage(
    key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
    key_encipherment=False, data_encipherment=False, key_agreement=False,
    encipher_only=False, decipher_only=False,
)  # fmt: skip


def name(*pairs: tuple[str, str]) -> x509.Name:
    """Return a name of (short attribute, value) pairs."""
    oids = {
        "CN": NameOID.COMMON_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "C": NameOID.COUNTRY_NAME,
        "E": NameOID.EMAIL_ADDRESS,
    }
    return x509.Name([x509.NameAttribute(oids[attribute], value) for attribute, value in pairs])


def name_of(organization: str) -> x509.DirectoryName:
    """Return a directory name of one attribute."""
    return x509.DirectoryName(name(("O", organization)))


def raw(oid: x509.ObjectIdentifier, content: bytes) -> x509.UnrecognizedExtension:
    """Return an extension with any bytes inside."""
    return x509.UnrecognizedExtension(oid, content)


def constraints(
    permitted: list[bytes] | None = None, excluded: list[bytes] | None = None
) -> x509.UnrecognizedExtension:
    """Return name constraints of encoded GeneralSubtrees."""
    sides = [(0xA0, permitted), (0xA1, excluded)]
    content = [der.encode(tag, *subtrees) for tag, subtrees in sides if subtrees is not None]
    return raw(x509.NameConstraints.oid, der.encode(der.SEQUENCE, *content))


def subtree(base: x509.GeneralName, *more: bytes) -> bytes:
    """Return an encoded GeneralSubtree, with further fields after its base."""
    alone = x509.NameConstraints([base], None).public_bytes()
    encoded = der.split(der.split(der.split(alone)[0])[0])[0]
    return der.encode(der.SEQUENCE, encoded, *more)


@cache
def _root() -> x509.Certificate:
    return _signed(name(("CN", "Path Root")), name(("CN", "Path Root")), 1, _ca_extensions())


def _ca_extensions(*more: x509.ExtensionType, usage: bool = True) -> list[x509.ExtensionType]:
    found: list[x509.ExtensionType] = [x509.BasicConstraints(True, None)]
    return [*found, *([_CA_USAGE] if usage else []), *more]


def _signed(
    subject: x509.Name, issuer: x509.Name, serial: int, extensions: list[x509.ExtensionType]
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        issuer, subject, key_of().public_key(), serial, NOW - timedelta(1), NOW + timedelta(30), []
    )
    for extension in extensions:
        builder = builder.add_extension(
            extension, critical=not isinstance(extension, x509.SubjectAlternativeName)
        )
    return builder.sign(key_of(), hashes.SHA256())


def path(
    limits: x509.ExtensionType | None,
    alt_names: list[x509.GeneralName] | x509.UnrecognizedExtension = (),
    subject: x509.Name | None = None,
    *,
    usage: bool = True,
) -> list[x509.Certificate]:
    """Return leaf, constrained CA, root.

    Args:
        limits: the CA's name constraints; ``None`` for none.
        alt_names: of the leaf, or its whole extension.
        subject: of the leaf; by default one that is no host.
        usage: whether the CA has a key usage.
    """
    root = _root()
    more = (limits,) if limits is not None else ()
    ca = _signed(name(("CN", "Path CA")), root.subject, 2, _ca_extensions(*more, usage=usage))
    extensions = []
    if isinstance(alt_names, x509.UnrecognizedExtension):
        extensions = [alt_names]
    elif alt_names:
        extensions = [x509.SubjectAlternativeName(alt_names)]
    subject = name(("CN", "Path Leaf")) if subject is None else subject
    return [_signed(subject, ca.subject, 3, extensions), ca, root]
