"""Roles inside an application, and the permissions of each."""

from enum import StrEnum


class Role(StrEnum):
    """A member's role in one application."""

    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """Object permissions on ``Application``, stored through django-guardian.

    Everything inside an application (certificates, requests ...) inherits from these.
    """

    VIEW = "view_application"
    EDIT = "edit_application"
    VIEW_ENROLLMENT = "view_enrollment"
    EDIT_ENROLLMENT = "edit_enrollment"
    VIEW_CERTIFICATES = "view_certificates"
    REQUEST_CERTIFICATES = "request_certificates"
    EDIT_CERTIFICATES = "edit_certificates"
    IMPORT_CERTIFICATES = "import_certificates"
    REVOKE_CERTIFICATES = "revoke_certificates"
    APPROVE_REQUESTS = "approve_requests"
    READ_PRIVATE_KEYS = "read_private_keys"
    DELETE_CERTIFICATES = "delete_certificates"
    VIEW_MEMBERS = "view_members"
    MANAGE_MEMBERS = "manage_members"
    VIEW_AUDIT = "view_audit"


_AUDITOR = frozenset(
    {
        Permission.VIEW,
        Permission.VIEW_ENROLLMENT,
        Permission.VIEW_CERTIFICATES,
        Permission.VIEW_MEMBERS,
        Permission.VIEW_AUDIT,
    }
)
_OPERATOR = _AUDITOR | {
    Permission.REQUEST_CERTIFICATES,
    Permission.EDIT_CERTIFICATES,
    Permission.IMPORT_CERTIFICATES,
    Permission.REVOKE_CERTIFICATES,
    Permission.READ_PRIVATE_KEYS,
}

PERMISSIONS_OF: dict[Role, frozenset[Permission]] = {
    Role.AUDITOR: _AUDITOR,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: _OPERATOR
    | {
        Permission.EDIT,
        Permission.EDIT_ENROLLMENT,
        Permission.APPROVE_REQUESTS,
        Permission.DELETE_CERTIFICATES,
        Permission.MANAGE_MEMBERS,
    },
}

# A product administrator who is not a member sees lists, changes members and settings, but can
# neither issue nor read keys, nor have a secret with which a client could.
GOVERNANCE_FALLBACK = frozenset(
    {
        Permission.VIEW,
        Permission.EDIT,
        Permission.VIEW_ENROLLMENT,
        Permission.EDIT_ENROLLMENT,
        Permission.VIEW_CERTIFICATES,
        Permission.VIEW_MEMBERS,
        Permission.MANAGE_MEMBERS,
        Permission.VIEW_AUDIT,
    }
)
