"""Queries for authorities, their certificates, chains, CRLs and OCSP responders."""

import base64
import time
from collections.abc import Iterator
from uuid import UUID

from cryptography import x509
from django.db.models import Prefetch, Q, QuerySet

from apps import clock
from apps.authorities.models import (
    CRL,
    Authority,
    AuthorityCertificate,
    AuthorityState,
    IssuedSerial,
    OcspResponder,
    RevokedSerial,
)
from apps.errors import NotFound
from pki import chain

# Longer hierarchies do not exist in practice; the limit also ends a loop in the data.
_MAX_DEPTH = 10
# Every response with a certificate has its chain, which changes only when an authority renews.
_CHAIN_SECONDS = 60.0
_MAX_CHAINS = 1024
_chains: dict[UUID, tuple[float, tuple[bytes, ...]]] = {}


def authorities() -> QuerySet[Authority]:
    """Return every authority with key, parent and current certificate, by name.

    ``authority.current_certificates`` is a list of at most one row.
    """
    current = AuthorityCertificate.objects.filter(is_current=True)
    return Authority.objects.select_related("key", "parent").prefetch_related(
        Prefetch("certificates", current, to_attr="current_certificates")
    )


def authority_named(name: str) -> Authority:
    """Return an authority with its key and parent.

    Raises:
        NotFound: no such authority.
    """
    found = Authority.objects.select_related("key", "parent").filter(name=name).first()
    if found is None:
        raise NotFound("No such authority.")
    return found


def locked(authority_id: UUID) -> Authority:
    """Return an authority as stored now, its row locked until the transaction ends.

    Raises:
        NotFound: it has been deleted meanwhile.
    """
    found = Authority.objects.select_for_update(of=("self",)).filter(pk=authority_id).first()
    if found is None:
        raise NotFound("No such authority.")
    return found


def descendants(authority: Authority, *, lock: bool = False) -> list[Authority]:
    """Return the authorities below one, level by level.

    Args:
        authority: not among them.
        lock: lock their rows until the transaction ends; the caller has locked ``authority``.
    """
    found: list[Authority] = []
    level = [authority.pk]
    for _ in range(_MAX_DEPTH):
        rows = Authority.objects.filter(parent_id__in=level).order_by("name")
        children = list(rows.select_for_update() if lock else rows)
        if not children:
            break
        found += children
        level = [child.pk for child in children]
    return found


def nearest_revoked(authority: Authority) -> Authority | None:
    """Return the authority itself or the nearest one above it that has been revoked."""
    current: Authority | None = authority
    for _ in range(_MAX_DEPTH):
        if current is None or current.state == AuthorityState.REVOKED:
            return current
        current = current.parent
    return None


def certificates_in_force(authority: Authority) -> int:
    """Return how many certificates of an authority are neither expired nor revoked.

    Certificates of its own, of its OCSP responders and of authorities below do not count.
    """
    own = [
        *AuthorityCertificate.objects.filter(
            Q(authority=authority) | Q(authority__parent=authority)
        ).values_list("serial_number", flat=True),
        *authority.responders.values_list("serial_number", flat=True),
    ]
    revoked = RevokedSerial.objects.filter(authority=authority, released_at__isnull=True)
    return (
        IssuedSerial.objects.filter(authority=authority, not_after__gt=clock.now())
        .exclude(serial_number__in=own)
        .exclude(serial_number__in=revoked.values("serial_number"))
        .count()
    )


def current_certificate(authority_id: UUID) -> AuthorityCertificate | None:
    """Return the authority's current certificate; ``None`` before its first."""
    return AuthorityCertificate.objects.filter(authority_id=authority_id, is_current=True).first()


def latest_crl(authority_id: UUID) -> CRL | None:
    """Return the newest CRL; ``crl_contents`` has its DER."""
    return CRL.objects.filter(authority_id=authority_id).order_by("-number").first()


def crls_of(authority: Authority) -> QuerySet[CRL]:
    """Return the CRLs of an authority, newest first."""
    return CRL.objects.filter(authority=authority).order_by("-id")


def certificates_of(authority: Authority) -> QuerySet[AuthorityCertificate]:
    """Return an authority's certificates over time, newest first."""
    return AuthorityCertificate.objects.filter(authority=authority).order_by("-id")


def latest_responder(authority_id: UUID) -> OcspResponder | None:
    """Return the newest responder that is valid already, with its key.

    A responder that is not valid yet was made before the clock was set back.
    """
    responders = OcspResponder.objects.filter(
        authority_id=authority_id, not_before__lte=clock.now()
    )
    return responders.select_related("key").order_by("-id").first()


def chain_of(certificate: AuthorityCertificate) -> list[bytes]:
    """Return an authority's certificate and those above it, root last (DER)."""
    return list(_upwards(certificate))


def chain_without_root(certificate_id: UUID) -> list[bytes]:
    """Return the CA certificates that a TLS server sends: the issuer first, no root (DER).

    Args:
        certificate_id: the ``AuthorityCertificate`` that issued the server's certificate.

    Raises:
        NotFound: no such certificate.
    """
    known = _chains.get(certificate_id)
    if known is not None and time.monotonic() - known[0] < _CHAIN_SECONDS:
        return list(known[1])
    certificate = (
        AuthorityCertificate.objects.select_related("authority").filter(pk=certificate_id).first()
    )
    if certificate is None:
        raise NotFound("No such authority certificate.")
    found = tuple(der for der in chain_of(certificate) if not _is_self_issued(der))
    if len(_chains) >= _MAX_CHAINS:
        _chains.clear()
    _chains[certificate_id] = (time.monotonic(), found)
    return list(found)


def _upwards(certificate: AuthorityCertificate | None) -> Iterator[bytes]:
    """Yield the chain upwards.

    Any certificate of a parent verifies, because authorities renew with the same key and subject.
    """
    for _ in range(_MAX_DEPTH):
        if certificate is None:
            return
        yield bytes(certificate.der)
        for encoded in certificate.chain_der:
            yield base64.b64decode(encoded)
        parent_id = certificate.authority.parent_id
        if parent_id is None:
            return
        certificate = (
            AuthorityCertificate.objects.select_related("authority")
            .filter(authority_id=parent_id, is_current=True)
            .first()
        )


def _is_self_issued(der: bytes) -> bool:
    certificate = x509.load_der_x509_certificate(der)
    return chain.issuer_bytes(certificate) == chain.subject_bytes(certificate)
