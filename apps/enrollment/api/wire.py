"""What did the JSON body say? Bodies in, typed values out; every unusable field at once."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.certificates.issuance import MAX_ENROLLMENTS
from apps.errors import Malformed
from apps.policies.durations import parse_duration
from apps.profiles.requested_content import RequestedContent
from apps.web.naming import read_subject, read_typed_name
from apps.web.reader import Reader, reader_of
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.names import MAX_ALT_NAMES
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, TypeValue

_MAX_CSR_TEXT = 65_536
_MAX_PATH_LENGTH = 255

_CONTENT_FIELDS = frozenset(
    {
        "subject",
        "subject_alt_names",
        "key_usages",
        "extended_key_usages",
        "signature_algorithm",
        "ttl",
        "not_before",
        "not_after",
        "basic_constraints",
    }
)
_REQUEST_FIELDS = _CONTENT_FIELDS | {"application", "profile", "csr", "key"}
_SIGNATURE_ALGORITHMS = tuple(a.value for a in SignatureAlgorithm)


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A parsed body of ``POST /certificate-requests/``."""

    application: str
    profile: str
    csr: bytes | None
    requested: RequestedContent


def read_request(body: Any) -> RequestBody:
    """Parse the body of a certificate request.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, _REQUEST_FIELDS)
    application = reader.text("application", required=True) or ""
    profile = reader.text("profile", required=True) or ""
    csr = reader.pem_or_der("csr", limit=_MAX_CSR_TEXT)
    key_algorithm = _key_algorithm(reader)
    if ("csr" in reader.body) == ("key" in reader.body):
        reader.wrong(
            "csr",
            "",
            "Send either a csr or a key specification.",
            'Example of the latter: "key": {"algorithm": "ec-p256"}.',
            code="request.csr_xor_key",
        )
    requested = _requested(reader, key_algorithm)
    reader.finish()
    return RequestBody(application, profile, csr, requested)


@dataclass(frozen=True, slots=True)
class BulkBody:
    """A call for many certificates.

    Attributes:
        application, profile: names or identifiers.
        requests: for each, CSR and requested content, or why it cannot be read.
    """

    application: str
    profile: str
    requests: tuple[tuple[bytes, RequestedContent] | Malformed, ...]


def read_bulk(body: Any) -> BulkBody:
    """Parse ``{"application", "profile", "requests": [{"csr", ...}, ...]}``.

    Raises:
        Malformed: lists what is wrong with the call; what is wrong with one request stands in
            its place among the others.
    """
    reader = reader_of(body, {"application", "profile", "requests"})
    application = reader.text("application", required=True) or ""
    profile = reader.text("profile", required=True) or ""
    items = reader.items("requests", required=True, limit=MAX_ENROLLMENTS)
    if items is not None and not items:
        reader.wrong("requests", "", "requests is empty.", f"1 to {MAX_ENROLLMENTS} of them.")
    reader.finish()
    return BulkBody(application, profile, tuple(map(_bulk_item, items or ())))


def _bulk_item(item: Any) -> tuple[bytes, RequestedContent] | Malformed:
    try:
        reader = reader_of(item, _CONTENT_FIELDS | {"csr"})
        csr = reader.pem_or_der("csr", required=True, limit=_MAX_CSR_TEXT)
        requested = _requested(reader, None)
        reader.finish()
    except Malformed as error:
        return error
    return csr or b"", requested


def read_renewal(body: Any) -> tuple[str, bytes | None]:
    """Parse the body of a renewal: ``{"key": "new" | "reuse" | "csr", "csr"?}``.

    Raises:
        Malformed: lists every unusable field.
    """
    reader = reader_of(body, {"key", "csr"})
    csr = reader.pem_or_der("csr", limit=_MAX_CSR_TEXT)
    source = reader.choice("key", ("new", "reuse", "csr"))
    source = source or ("csr" if csr is not None else "new")
    reader.finish()
    return source, csr


def read_revocation(body: Any) -> tuple[str, datetime | None]:
    """Parse ``{"reason"?, "invalidity_date"?}``; the reason defaults to ``unspecified``.

    Raises:
        Malformed: lists every unusable field.
    """
    reader = reader_of(body, {"reason", "invalidity_date"})
    reason = reader.text("reason") or "unspecified"
    invalidity_date = reader.time("invalidity_date")
    reader.finish()
    return reason, invalidity_date


def read_export(body: Any) -> tuple[str, str]:
    """Parse ``{"format", "password"?}``.

    Raises:
        Malformed: lists every unusable field.
    """
    reader = reader_of(body, {"format", "password"})
    form = reader.text("format", required=True) or ""
    password = reader.text("password", limit=256) or ""
    reader.finish()
    return form, password


def read_comment(body: Any) -> str:
    """Parse ``{"comment"?}``."""
    reader = reader_of(body, {"comment"})
    comment = reader.text("comment") or ""
    reader.finish()
    return comment


def _key_algorithm(reader: Reader) -> KeyAlgorithm | None:
    spec = reader.mapping("key")
    if spec is None:
        return None
    for name in spec:
        if name != "algorithm":
            reader.wrong(
                f"key.{name}"[:100], "", f"There is no field {name!r:.100}.", "Known: algorithm."
            )
    if "algorithm" not in spec:
        return None
    try:
        return KeyAlgorithm(spec["algorithm"])
    except ValueError:
        known = ", ".join(KeyAlgorithm)
        reader.wrong(
            "key.algorithm", spec["algorithm"], "The algorithm is not known.", f"Use: {known}."
        )
        return None


def _requested(reader: Reader, key_algorithm: KeyAlgorithm | None) -> RequestedContent:
    if _CONTENT_FIELDS.isdisjoint(reader.body):
        return RequestedContent(key_algorithm=key_algorithm)  # as most: the CSR says it all
    is_ca, path_length = _basic_constraints(reader)
    signature = reader.choice("signature_algorithm", _SIGNATURE_ALGORITHMS)
    ttl = reader.parsed("ttl", parse_duration, "Examples: 90d, 12h, 30m.")
    not_after = reader.time("not_after")
    if ttl is not None and not_after is not None:
        reader.wrong("ttl", "", "Send either ttl or not_after.", code="request.ttl_xor_not_after")
    return RequestedContent(
        subject=read_subject(reader),
        subject_alt_names=_subject_alt_names(reader),
        key_algorithm=key_algorithm,
        signature_algorithm=SignatureAlgorithm(signature) if signature else None,
        key_usages=reader.choices("key_usages", KEY_USAGES),
        extended_key_usages=reader.choices("extended_key_usages", EXTENDED_KEY_USAGES),
        ttl=ttl,
        not_before=reader.time("not_before"),
        not_after=not_after,
        is_ca=is_ca,
        path_length=path_length,
    )


def _subject_alt_names(reader: Reader) -> tuple[TypeValue, ...] | None:
    """Return ``[{"type": "dns_name", "value": "a.example"}, "10.0.0.1", ...]`` as pairs."""
    items = reader.items("subject_alt_names", limit=MAX_ALT_NAMES)
    if items is None:
        return None
    pairs: list[TypeValue] = []
    for index, item in enumerate(items):
        if isinstance(item, str):
            item = {"type": _type_of_name(item), "value": item}  # noqa: PLW2901 - the short form
        pair = read_typed_name(reader, item, f"subject_alt_names[{index}]")
        if pair is not None:
            pairs.append(pair)
    return tuple(pairs)


def _type_of_name(text: str) -> str:
    """Guess the type of a name given as plain text; checks come later."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return "ip_address"
    if "://" in text:
        return "uri"
    return "email" if "@" in text else "dns_name"


def _basic_constraints(reader: Reader) -> tuple[bool | None, int | None]:
    value = reader.mapping("basic_constraints")
    if value is None:
        return None, None
    if not {"is_ca"} <= set(value) <= {"is_ca", "path_length"}:
        reader.wrong("basic_constraints", "", "basic_constraints is {is_ca, path_length?}.")
        return None, None
    is_ca, path_length = value["is_ca"], value.get("path_length")
    if not isinstance(is_ca, bool):
        reader.wrong("basic_constraints.is_ca", is_ca, "is_ca must be true or false.")
        is_ca = None
    if path_length is not None and (
        isinstance(path_length, bool)
        or not isinstance(path_length, int)
        or not 0 <= path_length <= _MAX_PATH_LENGTH
    ):
        reader.wrong(
            "basic_constraints.path_length",
            path_length,
            f"path_length must be a number from 0 to {_MAX_PATH_LENGTH}.",
        )
        path_length = None
    return is_ca, path_length
