"""The ``Principal`` value: who has authenticated, with product role and token scopes.

A principal is a person, a machine identity, a protocol account or the system itself. Services
take it as their first argument and ask it (rights over the product) or ``applications.access``
(rights inside one application). The effective right is token scope AND current role, so a token
never widens what its owner may do.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.errors import AccessDenied, InsufficientScope


class ProductRole(StrEnum):
    """Product-wide roles: administrators govern, members get what applications give them."""

    ADMIN = "admin"
    MEMBER = "member"


class Scope(StrEnum):
    """What a token may be used for; a person's session has every scope."""

    READ = "read"
    REQUEST = "request"
    REVOKE = "revoke"
    EXPORT_KEY = "export-key"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who authenticated.

    Attributes:
        kind: ``user``, ``machine``, ``system`` or a protocol (``acme`` ...).
        id: identifier within the kind, as text.
        label: name for people to read, kept in the audit log.
        user_id: primary key of the Django user behind it; ``None`` for the system.
        product_role: product-wide role.
        scopes: what the credential allows; ``None`` means everything its owner may do.
        application_id: the only application the credential may touch; ``None`` = all.
        pairing_id: the only pairing it may request under; protocol accounts have one.
        ip: address the request came from, for the audit log.
        trace_id: identifier of the HTTP request, for the audit log.
        governance_version: read when the principal was authenticated; rights cached under it are
            not read again. Empty when nobody read it.
    """

    kind: str
    id: str
    label: str
    user_id: int | None = None
    product_role: ProductRole = ProductRole.MEMBER
    scopes: frozenset[Scope] | None = None
    application_id: UUID | None = None
    pairing_id: UUID | None = None
    ip: str = ""
    trace_id: str = ""
    governance_version: str = field(default="", compare=False)

    @property
    def actor(self) -> str:
        """Return the text written to the audit log, e.g. ``user:7``."""
        return f"{self.kind}:{self.id}"

    @property
    def is_system(self) -> bool:
        """Tell whether this is Sealwright itself (schedules, reconciler, commands)."""
        return self.kind == "system"

    def has_scope(self, scope: Scope | None) -> bool:
        """Tell whether the credential allows this kind of act at all."""
        return scope is None or self.scopes is None or scope in self.scopes

    @property
    def governs(self) -> bool:
        """Tell whether the principal is a product administrator with an unconfined credential."""
        return self.is_system or (
            self.product_role == ProductRole.ADMIN and self.application_id is None
        )

    def require_governance(self) -> None:
        """Refuse everyone who may not change product-wide objects.

        Raises:
            AccessDenied: not a product administrator, or the token lacks ``manage``.
        """
        if not self.governs:
            raise AccessDenied("Only product administrators may do this.")
        if not self.has_scope(Scope.MANAGE):
            raise InsufficientScope(Scope.MANAGE)


def system(component: str) -> Principal:
    """Return Sealwright itself acting through one of its components."""
    return Principal(
        kind="system", id=component, label=f"Sealwright {component}", product_role=ProductRole.ADMIN
    )
