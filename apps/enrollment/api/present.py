"""How do requests and certificates look in JSON? Rows in, plain dictionaries out."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from apps.certificates import export
from apps.certificates.decision import Decision
from apps.certificates.models import Certificate, CertificateRequest
from apps.certificates.outcomes import Issued, Outcome, Pending
from apps.errors import SealwrightError
from apps.web.problems import document_of
from pki import bundles, keys, names
from pki.template import Leaf


def certificate_row(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate as lists show it: everything but the encoded bytes."""
    # Each of these is found anew every time that it is asked for.
    application, profile = certificate.application, certificate.profile
    version = certificate.policy_version
    return {
        "id": str(certificate.id),
        "state": certificate.state,
        "source": certificate.source,
        "application": application.name if application else None,
        "profile": profile.name if profile else None,
        "policy_version": str(version) if version else None,
        "request": str(certificate.request_id) if certificate.request_id else None,
        "serial_number": certificate.serial_number,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "spki_sha256": certificate.spki_sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "common_name": certificate.common_name,
        "subject_alt_names": _typed(certificate.subject_alt_names),
        "key_algorithm": certificate.key_algorithm,
        "signature_algorithm": certificate.signature_algorithm,
        "not_before": _time(certificate.not_before),
        "not_after": _time(certificate.not_after),
        "has_private_key": bool(certificate.sealed_private_key),
        "replaces": str(certificate.replaces_id) if certificate.replaces_id else None,
        "lineage": str(certificate.lineage_id),
        "revoked_at": _time(certificate.revoked_at),
        "revocation_reason": certificate.revocation_reason or None,
        "created_at": _time(certificate.created_at),
    }


def certificate_detail(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate with its PEM and the chain above it (without the root)."""
    shown = certificate_row(certificate)
    shown["pem"] = bundles.to_pem((bytes(certificate.der),))
    shown["chain_pem"] = chain_pem(tuple(export.chain_ders(certificate)))
    return shown


@lru_cache(maxsize=64)
def chain_pem(ders: tuple[bytes, ...]) -> str:
    """Return the chain of an authority, which all of its certificates share."""
    return bundles.to_pem(ders)


def request_row(request: CertificateRequest) -> dict[str, Any]:
    """Return a request as lists show it."""
    return {
        "id": str(request.id),
        "state": request.state,
        "method": request.method,
        "application": request.application.name,
        "profile": request.profile.name,
        "policy_version": str(request.policy_version),
        "requested_by": request.requested_by,
        "requester": request.requester_label,
        "violations": request.violations,
        "failure": request.failure or None,
        "created_at": _time(request.created_at),
    }


def request_detail(request: CertificateRequest, certificate: Certificate | None) -> dict[str, Any]:
    """Return a request with its content, its CSR and, once issued, its certificate."""
    csr_der = bytes(request.csr_der)
    return request_row(request) | {
        "content": content(Leaf.from_dict(request.leaf)) if request.leaf else None,
        "csr_pem": bundles.pem_block("CERTIFICATE REQUEST", csr_der)
        if csr_der[:1] == b"\x30"
        else None,
        "certificate": certificate_detail(certificate) if certificate else None,
    }


def outcome(result: Issued | Pending) -> dict[str, Any]:
    """Return what a request became: the certificate, or that it waits."""
    body = request_row(result.request)
    if isinstance(result, Pending):
        body["certificate"] = None
        body["retry_after_s"] = result.retry_after_s
        return body
    body["certificate"] = certificate_detail(result.certificate)
    if result.private_key_der is not None:
        key = keys.private_key_from_pkcs8(result.private_key_der, trusted=True)
        body["private_key_pem"] = keys.private_key_to_pem(key).decode()
    return body


def bulk(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what many requests became, each with the status it would have had alone."""
    results = [_bulk_item(item) for item in outcomes]
    statuses = Counter(item["status"] for item in results)
    issued, pending = statuses.pop(201, 0), statuses.pop(202, 0)
    return {
        "issued": issued,
        "pending": pending,
        "refused": statuses.total(),
        "results": results,
    }


def _bulk_item(item: Outcome) -> dict[str, Any]:
    if isinstance(item, SealwrightError):
        problem = document_of(item)
        return {"status": problem["status"], "request": None, "problem": problem}
    status = 202 if isinstance(item, Pending) else 201
    return {"status": status, "request": outcome(item), "problem": None}


def decision(result: Decision) -> dict[str, Any]:
    """Return a decision: the effective certificate and every rule with its verdict."""
    return {
        "accepted": not result.violations,
        "policy_version": str(result.policy_version),
        "certificate": content(result.leaf) if result.leaf else None,
        "rules": [
            {
                "rule": verdict.rule,
                "field": verdict.field,
                "passed": verdict.passed,
                "violation": verdict.violation.as_dict() if verdict.violation else None,
            }
            for verdict in result.verdicts
        ],
        "violations": [violation.as_dict() for violation in result.violations],
        "notes": list(result.notes),
    }


def content(leaf: Leaf) -> dict[str, Any]:
    """Return the decoded content of a certificate that is or would be signed."""
    return {
        "subject": names.rfc4514(leaf.subject),
        "subject_attributes": _typed(leaf.subject),
        "subject_alt_names": _typed(leaf.subject_alt_names),
        "key_algorithm": leaf.key_algorithm.value,
        "spki_sha256": keys.spki_sha256(leaf.public_key_der),
        "signature_algorithm": leaf.signature_algorithm.value,
        "key_usages": sorted(leaf.key_usage),
        "extended_key_usages": list(leaf.extended_key_usage),
        "basic_constraints": {"is_ca": leaf.is_ca, "path_length": leaf.path_length},
        "not_before": _time(leaf.not_before),
        "not_after": _time(leaf.not_after),
    }


def _typed(pairs: Any) -> list[dict[str, str]]:
    return [{"type": kind, "value": value} for kind, value in pairs]


def _time(moment: Any) -> str | None:
    """Return RFC 3339 text in UTC."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
