"""How do authorities and their CRLs look in JSON? Rows in, plain dictionaries out."""

from typing import Any

from apps.authorities import selectors
from apps.authorities.models import CRL, Authority, AuthorityCertificate
from apps.authorities.signing import publication_of
from apps.web.present import time_text, typed
from pki import bundles, names


def authority_row(authority: Authority) -> dict[str, Any]:
    """Return an authority as lists show it; from ``selectors.authorities``."""
    current = current_of(authority)
    return {
        "id": str(authority.pk),
        "name": authority.name,
        "kind": authority.kind,
        "state": authority.state,
        "parent": authority.parent.name if authority.parent else None,
        "subject": names.rfc4514([(kind, value) for kind, value in authority.subject]),
        "subject_attributes": typed(authority.subject),
        "key_algorithm": authority.key.algorithm,
        "spki_sha256": authority.key.spki_sha256,
        "path_length": authority.path_length,
        "name_constraints": {
            side: typed(authority.name_constraints.get(side, ()))
            for side in ("permitted", "excluded")
        },
        "publish_crl_url": authority.publish_crl_url,
        "crl_mirror_urls": authority.crl_mirror_urls,
        "crl_lifetime_hours": authority.crl_lifetime_hours,
        "ocsp_enabled": authority.ocsp_enabled,
        "serial_number": current.serial_number if current else None,
        "fingerprint_sha256": current.fingerprint_sha256 if current else None,
        "not_before": time_text(current.not_before) if current else None,
        "not_after": time_text(current.not_after) if current else None,
        "created_at": time_text(authority.created_at),
    }


def authority_detail(authority: Authority) -> dict[str, Any]:
    """Return an authority with its certificates, chain, addresses and the state of its CRL."""
    current = current_of(authority)
    chain = selectors.chain_of(current) if current else []
    last = selectors.latest_crl_summary(authority.pk)
    addresses = publication_of(authority)
    return authority_row(authority) | {
        "pem": bundles.to_pem([bytes(current.der)]) if current else None,
        "chain_pem": bundles.to_pem(chain[1:]) if chain else None,
        "certificates": [certificate(row) for row in selectors.certificates_of(authority)],
        "crl": crl(last) if last else None,
        "crl_urls": list(addresses.crl_urls),
        "ocsp_urls": list(addresses.ocsp_urls),
        "ca_issuers_urls": list(addresses.ca_issuers_urls),
    }


def certificate(row: AuthorityCertificate) -> dict[str, Any]:
    """Return one of an authority's certificates over time."""
    return {
        "id": str(row.pk),
        "serial_number": row.serial_number,
        "fingerprint_sha256": row.fingerprint_sha256,
        "not_before": time_text(row.not_before),
        "not_after": time_text(row.not_after),
        "is_current": row.is_current,
        "pem": bundles.to_pem([bytes(row.der)]),
        "created_at": time_text(row.created_at),
    }


def crl(row: CRL) -> dict[str, Any]:
    """Return what stands in the head of a CRL; its bytes are at the public address."""
    return {
        "crl_number": row.number,
        "this_update": time_text(row.this_update),
        "next_update": time_text(row.next_update),
        "entry_count": row.entry_count,
        "sha256": row.sha256,
        "created_at": time_text(row.created_at),
    }


def current_of(authority: Authority) -> AuthorityCertificate | None:
    """Return the certificate in force, out of what ``selectors.authorities`` brought along."""
    current: list[AuthorityCertificate] = getattr(authority, "current_certificates", [])
    return current[0] if current else None
