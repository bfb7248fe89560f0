"""What did a body say about an ACME endpoint or an EAB key? Bodies in, values out."""

from typing import Any

from apps.enrollment.acme.services.limits import DEFAULTS
from apps.enrollment.acme.states import ChallengeType
from apps.web.reader import Reader, reader_of

MAX_ENTRIES = 100
MAX_URL = 200
MAX_NAME = 100
_SWITCHES = ("enabled", "require_eab", "skip_validation", "check_caa")
_NUMBERS = ("http_port", "tls_port", "order_lifetime_h", "authz_lifetime_h")
_LISTS = ("resolvers", "allowed_networks", "caa_identities")
_URLS = ("terms_of_service", "website")
SETTINGS = (*_SWITCHES, "challenge_types", *_NUMBERS, *_LISTS, *_URLS, "limits")


def read_endpoint(body: Any) -> tuple[str, dict[str, Any]]:
    """Parse ``{"profile", settings...}`` of a new endpoint.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"profile", *SETTINGS})
    profile = reader.text("profile", required=True) or ""
    settings = _settings(reader)
    reader.finish()
    return profile, settings


def read_settings(body: Any) -> dict[str, Any]:
    """Parse the settings of an endpoint; what is left out stays as it is.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, SETTINGS)
    settings = _settings(reader)
    reader.finish()
    return settings


def read_eab_key(body: Any) -> dict[str, Any]:
    """Parse ``{"name"?, "reusable"?, "expires_at"?, "identifiers"?, "networks"?}``.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, {"name", "reusable", "expires_at", "identifiers", "networks"})
    terms = {
        "name": reader.text("name", blank=True, limit=MAX_NAME) or "",
        "reusable": bool(reader.boolean("reusable")),
        "expires_at": reader.time("expires_at") if body.get("expires_at") is not None else None,
        "restrict_to": reader.texts("identifiers", limit=MAX_ENTRIES) or (),
        "networks": reader.texts("networks", limit=MAX_ENTRIES) or (),
    }
    reader.finish()
    return terms


def read_eab_revocation(body: Any) -> bool:
    """Parse ``{"accounts"?}``: whether the key's accounts end too.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, {"accounts"})
    accounts = bool(reader.boolean("accounts"))
    reader.finish()
    return accounts


def _settings(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {name: reader.boolean(name) for name in _SWITCHES}
    found |= {name: reader.number(name) for name in _NUMBERS}
    found |= {name: _list(reader.texts(name, limit=MAX_ENTRIES)) for name in _LISTS}
    found |= {name: reader.text(name, blank=True, limit=MAX_URL) for name in _URLS}
    found["challenge_types"] = _list(
        reader.choices("challenge_types", [kind.value for kind in ChallengeType])
    )
    found["limits"] = _limits(reader)
    return {name: value for name, value in found.items() if value is not None}


def _limits(reader: Reader) -> dict[str, int] | None:
    given = reader.mapping("limits")
    if given is None:
        return None
    inner = Reader(given)
    inner.refuse_unknown(DEFAULTS)
    limits = {name: inner.number(name) for name in given if name in DEFAULTS}
    for item in inner.violations:
        reader.wrong(f"limits.{item.field}", item.value, item.reason, item.hint, item.code)
    return {name: value for name, value in limits.items() if value is not None}


def _list(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)
