"""Signing with an authority's key: certificates, and the bytes of CRLs and OCSP responses.

``issuer_of`` is called for each certificate: a process caches parsed authority certificates, and
one query tells whether the cached one is still current.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography import x509
from django.conf import settings

from apps.authorities import selectors
from apps.authorities.models import Authority, AuthorityCertificate, AuthorityState
from apps.errors import AuthorityRevoked, InvalidTransition, NotFound, UpstreamUnavailable
from apps.keys.backends import backend_of
from apps.keys.models import Key
from apps.statements.lookups import KEY, Lookup
from pki import build, constraints, keys, names
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.build import Issuer
from pki.keys import Message
from pki.template import Publication

logger = logging.getLogger(__name__)

# A parent that renews changes the chain without touching the child's rows.
_CACHE_SECONDS = 60.0
_CACHE_SIZE = 1024


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IssuerHandle:
    """An authority, ready to sign.

    Attributes:
        authority_id: primary key of the authority.
        authority_certificate_id: the certificate it signs under.
        name: of the authority.
        issuer: what goes into the certificates it issues.
        key: row of its key; ``key_id`` is its primary key.
        key_algorithm: algorithm of that key.
        certificate_der: its certificate.
        chain_ders: certificates above it, root last; empty for a root.
        ca_certificates: its certificate and those above it, parsed.
        constrains_names: whether any of them has name constraints.
        subject_text: its subject as people read it (RFC 4514).
        not_after: end of its certificate, aware UTC.
        state: of the authority.
    """

    authority_id: UUID
    authority_certificate_id: UUID
    name: str
    issuer: Issuer
    key: Key
    key_algorithm: KeyAlgorithm
    certificate_der: bytes
    chain_ders: tuple[bytes, ...]
    ca_certificates: tuple[x509.Certificate, ...]
    constrains_names: bool
    subject_text: str
    not_after: datetime
    state: AuthorityState

    @property
    def not_before(self) -> datetime:
        """Return the start of its certificate, aware UTC."""
        return self.issuer.certificate.not_valid_before_utc

    @property
    def key_id(self) -> UUID:
        """Return the primary key of the key."""
        return self.key.id


_handles: dict[UUID, tuple[float, tuple[Any, ...], IssuerHandle]] = {}
ISSUER_VERSION = (
    "pk",
    "authority__state",
    "authority__publish_crl_url",
    "authority__crl_mirror_urls",
    "authority__ocsp_enabled",
)
"""Columns of an authority's current certificate that a cached handle depends on.

Nothing else about an authority ever changes. Callers that have read them already pass them in,
which saves a query.
"""
_READ_VERSION = Lookup(
    lambda authority: (
        AuthorityCertificate.objects.filter(authority_id=authority, is_current=True)
        .order_by()
        .values_list(*ISSUER_VERSION)
    ),
    authority=KEY,
)


def issuer_of(authority_id: UUID, version: tuple[Any, ...] | None = None) -> IssuerHandle:
    """Return the authority, ready to sign certificates.

    Args:
        authority_id: which.
        version: values of ``ISSUER_VERSION``, when the caller has read them.

    Raises:
        AuthorityRevoked: its parent has revoked it.
        InvalidTransition: it is disabled, or has no certificate installed.
        NotFound: no such authority.
    """
    handle = status_issuer_of(authority_id, version)
    if handle.state == AuthorityState.REVOKED:
        raise AuthorityRevoked(revoked_text(handle.name))
    if handle.state != AuthorityState.ACTIVE:
        raise InvalidTransition(f"The authority {handle.name} is {handle.state}.")
    return handle


def status_issuer_of(authority_id: UUID, version: tuple[Any, ...] | None = None) -> IssuerHandle:
    """Return the authority, ready to sign CRLs and OCSP responses: it may be disabled or revoked.

    Args:
        authority_id: which.
        version: values of ``ISSUER_VERSION``, when the caller has read them.

    Raises:
        InvalidTransition: it has no certificate installed.
        NotFound: no such authority.
    """
    row = version if version is not None else _READ_VERSION.first(authority_id)
    if row is None or row[0] is None:
        raise _without_certificate(authority_id)
    version = (*row[:3], tuple(row[3]), row[4])
    cached = _handles.get(authority_id)
    if cached is not None:
        read_at, cached_version, handle = cached
        if cached_version == version and time.monotonic() - read_at < _CACHE_SECONDS:
            return handle
    if len(_handles) >= _CACHE_SIZE:
        _handles.clear()
    handle = _read(row[0])
    _handles[authority_id] = (time.monotonic(), version, handle)
    return handle


def revoked_text(name: str) -> str:
    """Return what requesters are told about a revoked authority."""
    return f"The authority {name} has been revoked; the profile needs another one."


def sign_tbs(
    handle: IssuerHandle, tbs_der: bytes, signature_algorithm: SignatureAlgorithm
) -> bytes:
    """Return the certificate for to-be-signed bytes that were linted and reserved before.

    Raises:
        RuntimeError, UpstreamRejected, UpstreamUnavailable: as ``sign_bytes``.
    """
    signature = sign_bytes(handle, tbs_der, signature_algorithm)
    return build.assemble(tbs_der, signature_algorithm, signature)


def sign_bytes(
    handle: IssuerHandle, data: Message, signature_algorithm: SignatureAlgorithm
) -> bytes:
    """Return the authority's signature over a TBSCertificate, a CRL or an OCSP response.

    What comes back from the key backend is verified with the key of the authority's own certificate
    before anybody sees it (X-20).

    Raises:
        RuntimeError: called inside a transaction.
        UpstreamRejected: the key backend refuses.
        UpstreamUnavailable: it does not answer, or its signature does not verify.
    """
    signature = backend_of(handle.key.backend).sign(handle.key, data, signature_algorithm)
    if not keys.verify(handle.issuer.public_key, signature, data, signature_algorithm):
        logger.error("key %s of authority %s signs wrongly", handle.key_id, handle.name)
        raise UpstreamUnavailable("The signature made by the authority's key is wrong.")
    return signature


def publication_of(authority: Authority) -> Publication:
    """Return the public addresses that go into the certificates an authority issues."""
    base, name = settings.SEALWRIGHT["PKI_URL"], authority.name
    own = (f"{base}/pki/{name}/crl",) if authority.publish_crl_url else ()
    return Publication(
        crl_urls=(*own, *authority.crl_mirror_urls),
        ocsp_urls=(f"{base}/ocsp/{name}",) if authority.ocsp_enabled else (),
        ca_issuers_urls=(f"{base}/pki/{name}/ca.cer",),
    )


def _without_certificate(authority_id: UUID) -> InvalidTransition | NotFound:
    name = Authority.objects.filter(pk=authority_id).values_list("name", flat=True).first()
    if name is None:
        return NotFound("No such authority.")
    return InvalidTransition(f"The authority {name} has no certificate installed.")


def _read(certificate_id: UUID) -> IssuerHandle:
    row = AuthorityCertificate.objects.select_related("authority__key").get(pk=certificate_id)
    authority, key = row.authority, row.authority.key
    own, *above = selectors.chain_of(row)
    certificates = tuple(x509.load_der_x509_certificate(der) for der in (own, *above))
    public_key = certificates[0].public_key()
    algorithm = KeyAlgorithm(key.algorithm)
    return IssuerHandle(
        authority_id=authority.pk,
        authority_certificate_id=row.pk,
        name=authority.name,
        issuer=Issuer(certificates[0], public_key, algorithm, publication_of(authority)),
        key=key,
        key_algorithm=algorithm,
        certificate_der=own,
        chain_ders=tuple(above),
        ca_certificates=certificates,
        constrains_names=constraints.constrain_names(certificates),
        subject_text=names.rfc4514(names.subject_pairs(certificates[0].subject)),
        not_after=row.not_after,
        state=AuthorityState(authority.state),
    )
