"""What did a body say about applications, members, machines or tokens? Bodies in, values out."""

from dataclasses import dataclass
from typing import Any

from apps.applications.roles import Role
from apps.principals import Scope
from apps.web.reader import Reader, reader_of

MAX_BULK = 200
MAX_NETWORKS = 50
MEMBER_KINDS = ("user", "group", "machine_identity")
_ROLES = [role.value for role in Role]
_SCOPES = [scope.value for scope in Scope]


@dataclass(frozen=True, slots=True)
class NewMember:
    """A parsed body of ``POST members/``: one ``kind`` of member, by name or identifier."""

    role: Role
    kind: str
    reference: str


def read_named(body: Any) -> dict[str, Any]:
    """Parse ``{"name", "description"?}`` of a new application or machine identity.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"name", "description"})
    given = {
        "name": reader.text("name", required=True, limit=64),
        "description": reader.text("description", blank=True) or "",
    }
    reader.finish()
    return given


def read_description(body: Any) -> str | None:
    """Parse ``{"description"?}``; ``None`` leaves it as it is.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, {"description"})
    description = reader.text("description", blank=True)
    reader.finish()
    return description


def read_member(body: Any) -> NewMember:
    """Parse ``{"role", "user" | "group" | "machine_identity"}``.

    Raises:
        Malformed: lists every missing, unknown or unusable field, and when not exactly one
            member is named.
    """
    reader = reader_of(body, {"role", *MEMBER_KINDS})
    role = _role(reader)
    named = [kind for kind in MEMBER_KINDS if kind in reader.body]
    reference = reader.text(named[0]) if named else None
    if len(named) != 1:
        hint, code = f"Exactly one of: {', '.join(MEMBER_KINDS)}.", "request.one_member"
        reader.wrong("user", "", "Name exactly one member.", hint, code=code)
    reader.finish()
    assert role is not None
    return NewMember(role, named[0], reference or "")


def read_bulk(body: Any) -> tuple[Role, tuple[str, ...]]:
    """Parse ``{"role", "names": []}``.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"role", "names"})
    role = _role(reader)
    names = reader.texts("names", limit=MAX_BULK)
    if "names" not in reader.body:
        reader.wrong("names", "", "names is missing.", code="request.field_missing")
    reader.finish()
    assert role is not None
    return role, names or ()


def read_role(body: Any) -> Role:
    """Parse ``{"role"}``.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"role"})
    role = _role(reader)
    reader.finish()
    assert role is not None
    return role


def _role(reader: Reader) -> Role | None:
    value = reader.choice("role", _ROLES, required=True)
    return Role(value) if value is not None else None


def read_pairing(body: Any) -> tuple[str, dict[str, bool]]:
    """Parse ``{"profile", "api_enabled"?, "requires_approval"?}``.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"profile", "api_enabled", "requires_approval"})
    profile = reader.text("profile", required=True)
    switches = {name: reader.boolean(name) for name in ("api_enabled", "requires_approval")}
    reader.finish()
    return profile or "", {name: value for name, value in switches.items() if value is not None}


def read_switches(body: Any) -> dict[str, bool | None]:
    """Parse ``{"api_enabled"?, "requires_approval"?}``; ``None`` leaves one as it is.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, {"api_enabled", "requires_approval"})
    switches = {name: reader.boolean(name) for name in ("api_enabled", "requires_approval")}
    reader.finish()
    return switches


@dataclass(frozen=True, slots=True)
class NewToken:
    """A parsed body of ``POST /tokens/``; owner and application by name or identifier.

    ``machine_identity`` is ``None`` for a token of the caller's own.
    """

    machine_identity: str | None
    application: str | None
    options: dict[str, Any]


def read_token(body: Any) -> NewToken:
    """Parse a new token.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    known = {
        "name",
        "scopes",
        "machine_identity",
        "application",
        "lifetime_days",
        "allowed_networks",
    }
    reader = reader_of(body, known)
    options = {
        "name": reader.text("name", required=True, limit=100),
        "scopes": reader.choices("scopes", _SCOPES),
        "lifetime_days": reader.number("lifetime_days"),
        "allowed_networks": reader.texts("allowed_networks", limit=MAX_NETWORKS) or (),
    }
    if "scopes" not in reader.body:
        reader.wrong("scopes", "", "scopes is missing.", code="request.field_missing")
    machine = reader.reference("machine_identity")
    application = reader.reference("application")
    reader.finish()
    return NewToken(machine, application, options)
