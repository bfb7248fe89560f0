"""Certificate extensions with the criticality that RFC 5280 section 4.2 gives them."""

import ipaddress
from typing import TypeAlias, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from pki import keys
from pki.names import general_names
from pki.template import KEY_USAGES, NameConstraints, Publication, TypeValue

AnyExtension: TypeAlias = x509.Extension[x509.ExtensionType]

EXTENDED_KEY_USAGE_OIDS: dict[str, x509.ObjectIdentifier] = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "time_stamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}


def wrap(value: x509.ExtensionType, *, critical: bool = False) -> AnyExtension:
    """Return the extension that carries ``value``."""
    return x509.Extension(value.oid, critical, value)


def subject_key_identifier(spki_der: bytes) -> AnyExtension:
    """Return the SKI of a key, always computed, never taken from a request (X-11)."""
    return wrap(x509.SubjectKeyIdentifier(keys.key_identifier(spki_der)))


def authority_key_identifier(issuer: x509.Certificate) -> AnyExtension:
    """Return the AKI that repeats the SKI of the issuer's certificate (X-10).

    An issuer from elsewhere may lack an SKI; then RFC 5280 section 4.2.1.1 has the identifier
    computed from its key.
    """
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        key = cast("CertificateIssuerPublicKeyTypes", issuer.public_key())
        return wrap(x509.AuthorityKeyIdentifier.from_issuer_public_key(key))
    return wrap(x509.AuthorityKeyIdentifier(identifier.value.digest, None, None))


def key_usage(usages: frozenset[str]) -> AnyExtension:
    """Return a critical KeyUsage with the named bits (X-12)."""
    return wrap(
        x509.KeyUsage(
            *(name in usages for name in KEY_USAGES),
        ),
        critical=True,
    )


def extended_key_usage(usages: tuple[str, ...]) -> AnyExtension:
    """Return a non-critical ExtendedKeyUsage (X-17); time stamping alone must be critical.

    Source: RFC 3161 section 2.3 for ``time_stamping``.
    """
    value = x509.ExtendedKeyUsage([EXTENDED_KEY_USAGE_OIDS[name] for name in usages])
    return wrap(value, critical=usages == ("time_stamping",))


def basic_constraints(path_length: int | None) -> AnyExtension:
    """Return the critical BasicConstraints of a CA (X-13); end entities have none."""
    return wrap(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)


def subject_alternative_name(names: tuple[TypeValue, ...], *, critical: bool) -> AnyExtension:
    """Return the SAN; critical exactly when the subject is empty (X-07)."""
    return wrap(x509.SubjectAlternativeName(general_names(names)), critical=critical)


def publication(where: Publication) -> tuple[AnyExtension, ...]:
    """Return CRL distribution points and authority information access, as far as there are any.

    All CRL addresses are names of one point: they serve the same CRL (X-18, X-19).
    """
    found: list[AnyExtension] = []
    if where.crl_urls:
        urls = [x509.UniformResourceIdentifier(url) for url in where.crl_urls]
        point = x509.DistributionPoint(urls, None, None, None)
        found.append(wrap(x509.CRLDistributionPoints([point])))
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, urls in (
            (AuthorityInformationAccessOID.OCSP, where.ocsp_urls),
            (AuthorityInformationAccessOID.CA_ISSUERS, where.ca_issuers_urls),
        )
        for url in urls
    ]
    if access:
        found.append(wrap(x509.AuthorityInformationAccess(access)))
    return tuple(found)


def name_constraints(constraints: NameConstraints) -> AnyExtension | None:
    """Return the critical NameConstraints, ``None`` when there is no subtree (X-15)."""
    permitted = [_subtree(kind, value) for kind, value in constraints.permitted]
    excluded = [_subtree(kind, value) for kind, value in constraints.excluded]
    if not permitted and not excluded:
        return None
    return wrap(x509.NameConstraints(permitted or None, excluded or None), critical=True)


def _subtree(kind: str, value: str) -> x509.GeneralName:
    if kind == "ip_address":
        return x509.IPAddress(ipaddress.ip_network(value))
    return general_names([(kind, value)])[0]


def must_staple() -> AnyExtension:
    """Return the TLS feature status_request, not critical (RFC 7633 section 4.1)."""
    return wrap(x509.TLSFeature([x509.TLSFeatureType.status_request]))


def ocsp_no_check() -> AnyExtension:
    """Return id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1)."""
    return wrap(x509.OCSPNoCheck())
