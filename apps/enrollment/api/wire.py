"""What did the JSON body say? Bodies in, typed wishes out; every unusable field at once."""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.errors import Malformed, Violation
from apps.policies.durations import parse_duration
from apps.profiles.defaults import Wish
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES, SAN_TYPES, SUBJECT_ATTRIBUTES, TypeValue

_MAX_TEXT = 1024
_MAX_LIST = 1000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

_WISH_FIELDS = frozenset(
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


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A parsed body of ``POST /certificate-requests/``."""

    application: str
    profile: str
    csr: bytes | None
    wish: Wish


@dataclass
class Reader:
    """Reads fields of one JSON object and collects what is wrong with them."""

    body: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)

    def wrong(self, path: str, value: Any, reason: str, hint: str = "", code: str = "") -> None:
        """Note one unusable field."""
        self.violations.append(
            Violation(code or "request.field_invalid", path, str(value)[:200], reason, hint)
        )

    def refuse_unknown(self, known: frozenset[str]) -> None:
        """Note each field that this request does not have."""
        for name in self.body:
            if name not in known:
                self.wrong(
                    name,
                    "",
                    f"There is no field {name!r:.100}.",
                    f"Known fields: {', '.join(sorted(known))}.",
                    code="request.field_unknown",
                )

    def text(self, name: str, *, required: bool = False, limit: int = _MAX_TEXT) -> str | None:
        """Return a text field; empty counts as missing."""
        value = self.body.get(name)
        if value is None or value == "":
            if required:
                self.wrong(name, "", f"{name} is missing.", code="request.field_missing")
            return None
        if not isinstance(value, str) or len(value) > limit or "\0" in value:
            self.wrong(name, value, f"{name} must be a text of at most {limit} characters.")
            return None
        return value

    def choices(self, name: str, known: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return a list of known words, ``None`` when the field is absent."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > _MAX_LIST:
            self.wrong(name, value, f"{name} must be a list of texts.")
            return None
        for index, item in enumerate(value):
            if item not in known:
                self.wrong(
                    f"{name}[{index}]",
                    item,
                    f"{item!r:.100} is not known.",
                    f"Use: {', '.join(known)}.",
                )
        return tuple(dict.fromkeys(item for item in value if item in known))

    def time(self, name: str) -> datetime | None:
        """Return an RFC 3339 time with offset as UTC in whole seconds."""
        value = self.text(name)
        if value is None:
            return None
        if _TIME.fullmatch(value):
            try:
                parsed = datetime.fromisoformat(value)
                return parsed.astimezone(UTC).replace(microsecond=0)
            except (ValueError, OverflowError):
                pass
        self.wrong(
            name, value, f"{name} must be an RFC 3339 time.", "Example: 2027-01-31T12:00:00Z."
        )
        return None

    def duration(self, name: str) -> timedelta | None:
        """Return a duration such as ``90d`` or ``12h``."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return parse_duration(value)
        except ValueError as error:
            self.wrong(name, value, str(error), "Examples: 90d, 12h, 30m.")
            return None

    def finish(self) -> None:
        """Raise when anything was wrong."""
        if self.violations:
            raise Malformed(violations=self.violations)


def read_request(body: Any) -> RequestBody:
    """Parse the body of a certificate request.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = _reader(body)
    reader.refuse_unknown(_WISH_FIELDS | {"application", "profile", "csr", "key"})
    application = reader.text("application", required=True) or ""
    profile = reader.text("profile", required=True) or ""
    csr = _csr(reader)
    key_algorithm = _key_algorithm(reader)
    if ("csr" in reader.body) == ("key" in reader.body):
        reader.wrong(
            "csr",
            "",
            "Send either a csr or a key specification.",
            'Example of the latter: "key": {"algorithm": "ec-p256"}.',
            code="request.csr_xor_key",
        )
    wish = _wish(reader, key_algorithm)
    reader.finish()
    return RequestBody(application, profile, csr, wish)


def read_renewal(body: Any) -> tuple[str, bytes | None]:
    """Parse the body of a renewal: ``{"key": "new" | "reuse" | "csr", "csr"?}``.

    Raises:
        Malformed: lists every unusable field.
    """
    reader = _reader(body)
    reader.refuse_unknown(frozenset({"key", "csr"}))
    csr = _csr(reader) if "csr" in reader.body else None
    source = reader.text("key") or ("csr" if csr is not None else "new")
    if source not in {"new", "reuse", "csr"}:
        reader.wrong("key", source, f"{source!r:.100} is not known.", "Use: new, reuse or csr.")
    reader.finish()
    return source, csr


def read_revocation(body: Any) -> tuple[str, datetime | None]:
    """Parse ``{"reason"?, "invalidity_date"?}``; the reason defaults to ``unspecified``.

    Raises:
        Malformed: lists every unusable field.
    """
    reader = _reader(body)
    reader.refuse_unknown(frozenset({"reason", "invalidity_date"}))
    reason = reader.text("reason") or "unspecified"
    invalidity_date = reader.time("invalidity_date")
    reader.finish()
    return reason, invalidity_date


def read_export(body: Any) -> tuple[str, str]:
    """Parse ``{"format", "password"?}``.

    Raises:
        Malformed: lists every unusable field.
    """
    reader = _reader(body)
    reader.refuse_unknown(frozenset({"format", "password"}))
    form = reader.text("format", required=True) or ""
    password = reader.text("password", limit=256) or ""
    reader.finish()
    return form, password


def read_comment(body: Any) -> str:
    """Parse ``{"comment"?}``."""
    reader = _reader(body)
    reader.refuse_unknown(frozenset({"comment"}))
    comment = reader.text("comment") or ""
    reader.finish()
    return comment


def _reader(body: Any) -> Reader:
    if not isinstance(body, dict):
        raise Malformed("The body must be a JSON object.")
    return Reader(body)


def _csr(reader: Reader) -> bytes | None:
    """Return the CSR's bytes: PEM, or DER in base64."""
    if "csr" not in reader.body:
        return None
    value = reader.body["csr"]
    if not isinstance(value, str) or not value.strip():
        reader.wrong("csr", "", "csr must be a PKCS#10 request as PEM text.")
        return None
    if "-----BEGIN" in value or not value.isascii():
        return value.encode()
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        reader.wrong("csr", "", "csr is neither PEM nor base64 of a PKCS#10 request.")
        return None


def _key_algorithm(reader: Reader) -> KeyAlgorithm | None:
    spec = reader.body.get("key")
    if "key" not in reader.body:
        return None
    if not isinstance(spec, dict):
        reader.wrong("key", "", "key must be an object.", 'Example: {"algorithm": "ec-p256"}.')
        return None
    for name in spec:
        if name != "algorithm":
            reader.wrong(
                f"key.{name}", "", f"There is no field {name!r:.100}.", "Known: algorithm."
            )
    if spec.get("algorithm") is None:
        return None
    try:
        return KeyAlgorithm(spec["algorithm"])
    except ValueError:
        known = ", ".join(KeyAlgorithm)
        reader.wrong(
            "key.algorithm", spec["algorithm"], "The algorithm is not known.", f"Use: {known}."
        )
        return None


def _wish(reader: Reader, key_algorithm: KeyAlgorithm | None) -> Wish:
    is_ca, path_length = _basic_constraints(reader)
    signature = reader.text("signature_algorithm")
    if signature is not None and signature not in set(SignatureAlgorithm):
        known = ", ".join(SignatureAlgorithm)
        reader.wrong(
            "signature_algorithm", signature, "The algorithm is not known.", f"Use: {known}."
        )
        signature = None
    ttl = reader.duration("ttl")
    not_after = reader.time("not_after")
    if ttl is not None and not_after is not None:
        reader.wrong("ttl", "", "Send either ttl or not_after.", code="request.ttl_xor_not_after")
    return Wish(
        subject=_subject(reader),
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


def _subject(reader: Reader) -> tuple[TypeValue, ...] | None:
    """Return ``{"common_name": "a", "organizational_unit": ["x", "y"]}`` as ordered pairs."""
    value = reader.body.get("subject")
    if value is None:
        return None
    if not isinstance(value, dict):
        reader.wrong("subject", "", "subject must be an object.", 'Example: {"common_name": "a"}.')
        return None
    pairs: list[TypeValue] = []
    for attribute, given in value.items():
        if attribute not in SUBJECT_ATTRIBUTES:
            known = ", ".join(SUBJECT_ATTRIBUTES)
            reader.wrong(
                f"subject.{attribute}"[:100], "", "The attribute is not known.", f"Use: {known}."
            )
            continue
        for item in given if isinstance(given, list) else [given]:
            if not isinstance(item, str) or not item or len(item) > _MAX_TEXT:
                reader.wrong(f"subject.{attribute}", item, "The value must be a text.")
            else:
                pairs.append((attribute, item))
    return tuple(pairs)


def _subject_alt_names(reader: Reader) -> tuple[TypeValue, ...] | None:
    """Return ``[{"type": "dns_name", "value": "a.example"}, "10.0.0.1", ...]`` as pairs."""
    value = reader.body.get("subject_alt_names")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > _MAX_LIST:
        reader.wrong(
            "subject_alt_names", "", f"subject_alt_names must be a list (at most {_MAX_LIST})."
        )
        return None
    pairs: list[TypeValue] = []
    for index, item in enumerate(value):
        path = f"subject_alt_names[{index}]"
        if isinstance(item, str):
            item = {"type": _type_of_name(item), "value": item}  # noqa: PLW2901 - the short form
        if not isinstance(item, dict) or set(item) != {"type", "value"}:
            reader.wrong(path, "", 'Each name is {"type", "value"} or a plain text.')
        elif item["type"] not in SAN_TYPES:
            reader.wrong(
                f"{path}.type", item["type"], "Unknown type.", f"Use: {', '.join(SAN_TYPES)}."
            )
        elif not isinstance(item["value"], str) or not item["value"]:
            reader.wrong(f"{path}.value", item["value"], "The value must be a text.")
        else:
            pairs.append((item["type"], item["value"]))
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
    value = reader.body.get("basic_constraints")
    if value is None:
        return None, None
    if not isinstance(value, dict) or not set(value) <= {"is_ca", "path_length"}:
        reader.wrong("basic_constraints", "", "basic_constraints is {is_ca, path_length}.")
        return None, None
    is_ca, path_length = value.get("is_ca"), value.get("path_length")
    if is_ca is not None and not isinstance(is_ca, bool):
        reader.wrong("basic_constraints.is_ca", is_ca, "is_ca must be true or false.")
        is_ca = None
    if path_length is not None and (
        isinstance(path_length, bool) or not isinstance(path_length, int) or path_length < 0
    ):
        reader.wrong("basic_constraints.path_length", path_length, "path_length must be 0 or more.")
        path_length = None
    return is_ca, path_length
