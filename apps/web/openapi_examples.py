"""Examples of answers and parameters in the OpenAPI document, made from their schemas.

A schema tells the shape; ``_VALUES`` tells what people should see in it. Bodies of requests have
examples of their own, beside their fields (``Body.example``). A test validates all of them.
"""

from collections.abc import Mapping
from typing import Any

from apps.web.problems import TABLE

_ID = "01a1f0c4-7b52-7c3e-9d41-5f0a2b6c8d13"
_DIGEST = "9f2c1e7ab04d5c6e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9001122334455a"
_TIME = "2027-01-31T12:00:00Z"
_LATER = "2027-05-01T12:00:00Z"
_PEM = "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"
_CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB...\n-----END CERTIFICATE REQUEST-----\n"
_KEY = "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"
_RULES = {
    "subject_alt_names": [{"type": "dns_name", "allowed": ["*.example.com"]}],
    "key_algorithms": ["ec-p256"],
    "validity": {"max": "90d"},
}
_LEFT_OUT = object()

# What a member is shown with: by component and member, else by member alone.
_VALUES: Mapping[str, Any] = {
    "AcmeAttempt.detail": "the answer is another one",
    "AcmeAttempt.error": "unauthorized",
    "AcmeAttempt.type": "http-01",
    "AcmeHop.outcome": "200",
    "AcmeHop.url": "http://www.example.com/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZ",
    "AcmeIdentifier.type": "dns",
    "AcmeOrder.certificate": _ID,
    "AcmeOrderRow.certificate": _ID,
    "Authority.kind": "intermediate",
    "Authority.name": "issuing-ca",
    "Authority.pem": _PEM,
    "Authority.subject": "CN=Issuing CA,O=Example",
    "AuthorityRow.kind": "intermediate",
    "AuthorityRow.name": "issuing-ca",
    "AuthorityRow.subject": "CN=Issuing CA,O=Example",
    "Attribute.type": "common_name",
    "CertificateDetail.name": "www.example.com",
    "CertificateRow.name": "www.example.com",
    "Outcome.name": "www.example.com",
    "RequestDetail.name": "www.example.com",
    "RequestRow.name": "www.example.com",
    "Caller.application_id": None,
    "Caller.governs": False,
    "Caller.kind": "machine",
    "Caller.name": "build-server",
    "Resource.description": "The inventory.",
    "Resource.methods": ["GET"],
    "Resource.name": "certificates",
    "Resource.url": "https://pki.example.com/api/v1/certificates/",
    "schema": "https://pki.example.com/api/schema/",
    "docs": "https://pki.example.com/api/docs/",
    "Crl.entry_count": 12,
    "Decision.accepted": True,
    "EabKey.name": "web servers",
    "Job.attempts": 1,
    "Job.kind": "crl.publish",
    "Job.state": "succeeded",
    "MachineIdentity.name": "build-server",
    "Member.name": "alice",
    "NameConstraints.excluded": [],
    "Outcome.retry_after_s": _LEFT_OUT,
    "Outcome.state": "issued",
    "PolicyPreset.label": "TLS server",
    "PolicyPreset.name": "tls-server",
    "Profile.policy_version": 3,
    "Profile.defaults": {"ttl": "90d"},
    "PolicyPreset.defaults": {"ttl": "90d"},
    "RequestDetail.state": "issued",
    "RequestResult.problem": None,
    "RequestResult.status": 201,
    "RequestRow.state": "issued",
    "Subtree.value": "example.com",
    "Token.name": "nightly build",
    "CreatedToken.name": "nightly build",
    "Verdict.violation": None,
    "account": _ID,
    "actor": "machine:build-server",
    "actor_label": "build-server",
    "added": ["alice", "build-server"],
    "address": "192.0.2.7",
    "allowed_networks": ["192.0.2.0/24"],
    "application": "payments",
    "arguments": {"authority_id": _ID},
    "authority": "issuing-ca",
    "by": "web-1",
    "ca_issuers_urls": ["http://pki.example.com/pki/issuing-ca/issuing-ca.cer"],
    "caa_identities": ["pki.example.com"],
    "certificate_request": _ID,
    "chain_pem": _PEM,
    "code": "policy.name_denied",
    "common_name": "www.example.com",
    "contacts": ["mailto:ops@example.com"],
    "created_at": _TIME,
    "created_by": "user:7",
    "created_ip": "192.0.2.7",
    "crl_mirror_urls": ["http://mirror.example.net/issuing-ca.crl"],
    "crl_number": 42,
    "crl_urls": ["http://pki.example.com/pki/issuing-ca/issuing-ca.crl"],
    "csr": _CSR,
    "csr_pem": _CSR,
    "data": {"serial_number": "5a3f09c1"},
    "description": "Card payments",
    "directory_url": "https://pki.example.com/acme/payments/tls-server/directory",
    "eab_kid": "kid-5f0a2b6c8d13",
    "error": None,
    "event": "certificate.issued",
    "expires_at": _LATER,
    "failure": None,
    "field": "subject_alt_names[0]",
    "fingerprint_sha256": _DIGEST,
    "finished_at": _TIME,
    "hmac_key": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
    "identifiers": ["*.example.com"],
    "invalidity_date": _TIME,
    "ip": "192.0.2.7",
    "issuer": "CN=Issuing CA,O=Example",
    "issuer_type": "authority",
    "kid": "kid-5f0a2b6c8d13",
    "last_error": "",
    "last_used_at": _TIME,
    "limits": {"orders_per_account": 300},
    "lineage": _ID,
    "networks": ["192.0.2.0/24"],
    "next": "https://pki.example.com/api/v1/...?cursor=WyIwMWExIl0:abc",
    "not_after": _LATER,
    "not_before": _TIME,
    "notes": [],
    "ocsp_urls": ["http://pki.example.com/ocsp/issuing-ca"],
    "owner": "build-server",
    "parent": "root-ca",
    "path_length": None,
    "pem": _PEM,
    "policy": "tls-server",
    "policy_version": "tls-server v3",
    "private_key_pem": _KEY,
    "profile": "tls-server",
    "progress": "",
    "reason": "The name is outside the permitted domains.",
    "hint": "Permitted: *.example.com.",
    "replaces": None,
    "Problem.request_id": _LEFT_OUT,
    "Problem.users": _LEFT_OUT,
    "instance": f"urn:uuid:{_ID}",
    "request": _ID,
    "requested_by": "machine:build-server",
    "requester": "build-server",
    "resolvers": ["192.0.2.53"],
    "result": "published number 42",
    "revealed_at": None,
    "revision": 5,
    "revocation_reason": None,
    "revoked_at": None,
    "rule": "name.allowed",
    "rules": _RULES,
    "seen": ["404 Not Found"],
    "serial_number": "5a3f09c1d2e4b68790f1a2b3c4d5e6f708192a3b",
    "sha256": _DIGEST,
    "skipped": ["bob"],
    "spki_sha256": _DIGEST,
    "starts_with": "swt_1a2b3c4",
    "state": "active",
    "subject": "CN=www.example.com",
    "subject_id": _ID,
    "subject_label": "www.example.com",
    "subject_type": "certificates.certificate",
    "terms_of_service": "https://pki.example.com/terms",
    "thumbprint": "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ",
    "tls_port": 443,
    "http_port": 80,
    "token": "swt_1a2b3c4d5e6f...",
    "trace_id": _ID,
    "unresolved": ["nobody"],
    "value": "www.example.com",
    "version": 3,
    "violations": [],
    "website": "https://pki.example.com/",
    # parameters
    "reference": "payments",
    "limit": 50,
    "cursor": "WyIwMWExIl0:abc",
    "sort": "-created_at",
    "search": "payments",
    "name": "payments",
    "machine_identity": "build-server",
    "user": "alice",
    "since": _TIME,
    "until": _LATER,
    "not_after_before": _LATER,
    "not_after_after": _TIME,
    "number": 3,
    "event_id": 4711,
}
_BY_FORMAT = {
    "uuid": _ID,
    "date-time": _TIME,
    "uri": "https://pki.example.com/",
    "binary": _PEM,
}
_BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "boolean": True, "number": 1.5}


def add(operation: dict[str, Any], components: Mapping[str, Any]) -> None:
    """Add an example to every parameter and every good answer of an operation that has none."""
    for parameter in operation.get("parameters", []):
        if "example" not in parameter and "examples" not in parameter:
            found = _of_member("", parameter["name"], parameter["schema"], components)
            parameter["example"] = found
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            if "example" not in content and "examples" not in content:
                content["example"] = example_of(content["schema"], components)


def example_of(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """Return a value of a schema, made of the known values of its members."""
    return _of_schema("", schema, components)


def _of_schema(owner: str, schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """Return a value; ``owner`` is the component that the schema stands in."""
    if "$ref" in schema:
        owner = schema["$ref"].rpartition("/")[2]
        return _of_schema(owner, components[owner], components)
    for choice in ("allOf", "oneOf", "anyOf"):
        if choice in schema:
            return _of_schema(owner, schema[choice][0], components)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        return [_of_schema(owner, schema["items"], components)]
    if kind == "object":
        return {
            name: value
            for name, inner in schema.get("properties", {}).items()
            if (value := _of_member(owner, name, inner, components)) is not _LEFT_OUT
        }
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE.get(str(kind)))


def _of_member(
    owner: str, name: str, schema: Mapping[str, Any], components: Mapping[str, Any]
) -> Any:
    """Return the known value of a member where it fits the schema, else one made from that."""
    for key in (f"{owner}.{name}", name):
        value = _VALUES.get(key)
        if value is _LEFT_OUT or (key in _VALUES and _fits(value, schema, components)):
            return value
    return _of_schema(owner, schema, components)


def _fits(value: Any, schema: Mapping[str, Any], components: Mapping[str, Any]) -> bool:
    """Tell whether a value is of one of the types, and one of the words, of a schema."""
    if "$ref" in schema:
        return _fits(value, components[schema["$ref"].rpartition("/")[2]], components)
    for choice in ("allOf", "oneOf", "anyOf"):
        if choice in schema:
            return any(_fits(value, one, components) for one in schema[choice])
    if "enum" in schema:
        return value in schema["enum"]
    if isinstance(value, list) and "items" in schema:
        return all(_fits(item, schema["items"], components) for item in value)
    kinds = schema.get("type", ())
    return _TYPE_NAMES[type(value)] in ([kinds] if isinstance(kinds, str) else kinds)


def of_problem(
    status: int, schema: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a problem document of a status, as ``apps.web.problems`` would word it."""
    kind = _PROBLEM_OF[status]
    head = {
        "type": f"urn:sealwright:problem:{kind.code}",
        "title": kind.title,
        "status": status,
        "detail": f"{kind.title}.",
        "code": kind.code,
    }
    listed = _LISTED.get(status)
    lines = {"detail": listed["reason"], "errors": [listed]} if listed else {"errors": []}
    return {**example_of(schema, components), **head, **lines}


def _violation(code: str, field: str, value: str, reason: str, hint: str = "") -> dict[str, str]:
    return {"code": code, "field": field, "value": value, "reason": reason, "hint": hint}


_PROBLEM_OF = {int(kind.status): kind for kind in reversed(TABLE.values())}
_LISTED = {
    400: _violation(
        "request.field_unknown", "tll", "", "There is no field 'tll'.", "Known fields: ttl, csr."
    ),
    404: _violation(
        "reference.not_found", "profile", "tls", "There is no profile 'tls' that you may see."
    ),
    422: _violation(
        "policy.name_denied",
        "subject_alt_names[0]",
        "www.example.net",
        "The name is outside the permitted domains.",
        "Permitted: *.example.com.",
    ),
}
_TYPE_NAMES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    list: "array",
    dict: "object",
    type(None): "null",
}
