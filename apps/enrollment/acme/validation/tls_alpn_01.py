"""The tls-alpn-01 challenge: a certificate with a digest in its extension (RFC 8737, RFC 8738 section 6).

One handshake, no application data. The certificate is hostile input: its DER is scanned before it is
parsed, and every departure from the RFC is refused. A lenient check of this challenge once forced a
public CA to revoke two million certificates.
"""

import hmac
from collections.abc import Iterator
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ObjectIdentifier

from apps.egress import Deadline, EgressError, Hop, TlsPeer, tls_peer
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation.outcomes import Outcome, failed, unreachable
from apps.enrollment.acme.validation.targets import Target
from pki.findings import UnusableCertificate
from pki.parsing import ParserFailed, load_certificate, parsed

_PROTOCOL = "acme-tls/1"
_ACME_IDENTIFIER = ObjectIdentifier("1.3.6.1.5.5.7.1.31")
# Drafts before RFC 8737 used this one; it proves nothing any more.
_LEGACY_IDENTIFIER = ObjectIdentifier("1.3.6.1.5.5.7.1.30.1")
_OCTET_STRING_OF_32 = b"\x04\x20"
_MAX_CERTIFICATE_BYTES = 16 * 1024


def validate(target: Target, deadline: Deadline) -> Outcome:
    """Connect offering only the protocol acme-tls/1 and check the certificate (RFC 8737 section 3)."""
    try:
        peer = tls_peer(
            target.tls_purpose(deadline),
            target.identifier,
            target.tls_port,
            server_name=server_name(target),
            alpn=(_PROTOCOL,),
        )
    except EgressError as error:
        return unreachable(error)
    problem = next(_problems(target, peer), "")
    seen = (f"{peer.version}, protocol {peer.alpn or 'none'}",)
    hop = Hop(f"tls://{target.identifier}:{target.tls_port}", peer.address, problem or "proven")
    if problem:
        return failed(problem, kind=Type.INCORRECT_RESPONSE, seen=seen).at(hop)
    return Outcome(proven=True, seen=seen).at(hop)


def server_name(target: Target) -> str:
    """Return the SNI: the name itself, for an address its name in the reverse zone."""
    if target.identifier_type == "ip":
        return ip_address(target.identifier).reverse_pointer
    return target.identifier


def _problems(target: Target, peer: TlsPeer) -> Iterator[str]:
    """Yield what is wrong, the first thing first."""
    if peer.alpn != _PROTOCOL:
        yield f"The server did not agree on the protocol {_PROTOCOL}."
        return
    try:
        certificate = load_certificate(peer.certificate_der, max_bytes=_MAX_CERTIFICATE_BYTES)
        extensions = parsed(lambda: certificate.extensions)
    except (UnusableCertificate, ParserFailed):
        yield "The server's certificate cannot be read."
        return
    if not _signed_by_itself(certificate):
        yield "The certificate is not self-signed."
    if _names(extensions) != [_expected_name(target)]:
        yield f"The certificate is not for exactly one name, {target.identifier}."
    yield from _identifier_problems(target, extensions)


def _names(extensions: x509.Extensions) -> list[tuple[type[x509.GeneralName], str]]:
    """Return every alternative name with its type; no extension is no name."""
    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [(type(name), str(name.value).lower()) for name in found]


def _expected_name(target: Target) -> tuple[type[x509.GeneralName], str]:
    if target.identifier_type == "ip":
        return x509.IPAddress, str(ip_address(target.identifier))
    return x509.DNSName, target.identifier


def _signed_by_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _identifier_problems(target: Target, extensions: x509.Extensions) -> Iterator[str]:
    """Judge the acmeIdentifier extension (RFC 8737 section 3)."""
    try:
        found = extensions.get_extension_for_oid(_ACME_IDENTIFIER)
    except x509.ExtensionNotFound:
        legacy = any(item.oid == _LEGACY_IDENTIFIER for item in extensions)
        yield "The certificate has no acmeIdentifier extension" + (
            ", only that of an outdated draft." if legacy else "."
        )
        return
    if not found.critical:
        yield "The acmeIdentifier extension is not critical."
    value = found.value.value if isinstance(found.value, x509.UnrecognizedExtension) else b""
    if not hmac.compare_digest(value, _OCTET_STRING_OF_32 + target.digest):
        yield "The acmeIdentifier extension does not have the expected value."
