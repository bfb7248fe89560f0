"""Download of certificate chains (RFC 8555 section 7.4.2)."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.authorities import selectors as authority_selectors
from apps.authorities.models import AuthorityCertificate
from apps.enrollment.acme.auth import SignedRequest
from apps.enrollment.acme.models import AcmeOrder
from apps.errors import NotFound
from apps.statements.lookups import TEXT, Lookup
from pki import bundles

CONTENT_TYPE = "application/pem-certificate-chain"
_CACHE_SECONDS = 60.0
_CACHE_SIZE = 256

_BY_ORDER = Lookup(
    lambda url_id: (
        AcmeOrder.objects.filter(url_id=url_id, certificate__isnull=False)
        .order_by()
        .values_list("account_id", "certificate__der", "certificate__issuer_certificate_id")
    ),
    url_id=TEXT,
)


@dataclass(frozen=True, slots=True)
class Download:
    """One chain, and the numbers of the others.

    Attributes:
        pem: the leaf first; each certificate certifies the one before it.
        alternates: numbers of the other chains.
    """

    pem: str
    alternates: tuple[int, ...]


def download(signed: SignedRequest, url_id: str, number: int) -> Download:
    """Return a chain of an order's certificate.

    Chain 0 is what a server sends: everything but the root. Chain 1 has the root too. Where the
    root itself issued there is only the chain with it, because clients such as certbot do
    not take a certificate that comes alone.

    Args:
        signed: the request.
        url_id: of the order.
        number: 0 for the default chain.

    Raises:
        NotFound: no such order, another account's, not valid yet, or no such chain.
    """
    found = _BY_ORDER.all(url_id)
    if not found or found[0][0] != signed.signing_account().id:
        raise NotFound
    _, der, issuer_certificate_id = found[0]
    chains = _chains_above(issuer_certificate_id)
    if not 0 <= number < len(chains):
        raise NotFound
    leaf = bundles.to_pem([bytes(der)])
    return Download(
        pem=leaf + chains[number],
        alternates=tuple(other for other in range(len(chains)) if other != number),
    )


_chain_cache: dict[UUID, tuple[float, tuple[str, ...]]] = {}


def _chains_above(issuer_certificate_id: Any) -> tuple[str, ...]:
    """Return the chains (PEM) above a leaf, the default first; cached for a minute."""
    if issuer_certificate_id is None:
        return ("",)
    cached = _chain_cache.get(issuer_certificate_id)
    if cached is not None and time.monotonic() - cached[0] < _CACHE_SECONDS:
        return cached[1]
    issuer = AuthorityCertificate.objects.select_related("authority").get(pk=issuer_certificate_id)
    every = authority_selectors.chain_of(issuer)
    without_root = authority_selectors.chain_without_root(issuer_certificate_id)
    wanted = [without_root, every] if without_root else [every]
    chains = tuple(dict.fromkeys(bundles.to_pem(ders) for ders in wanted))
    if len(_chain_cache) >= _CACHE_SIZE:
        _chain_cache.clear()
    _chain_cache[issuer_certificate_id] = (time.monotonic(), chains)
    return chains
