"""Services of applications, members, attached profiles, machine identities and tokens.

Each function checks the rights of the principal first, and writes its audit event in the same
transaction as the change.
"""

from apps.applications.services.applications import (
    create_application,
    delete_application,
    update_application,
)
from apps.applications.services.attached_profiles import (
    attach_profile,
    detach_profile,
    update_pairing,
)
from apps.applications.services.machines import (
    create_machine_identity,
    delete_machine_identity,
    disable_machine_identity,
    enable_machine_identity,
    update_machine_identity,
)
from apps.applications.services.members import (
    BulkResult,
    add_member,
    bulk_add,
    change_role,
    remove_member,
)
from apps.applications.services.tokens import create_token, revoke_token

__all__ = [
    "BulkResult",
    "add_member",
    "attach_profile",
    "bulk_add",
    "change_role",
    "create_application",
    "create_machine_identity",
    "create_token",
    "delete_application",
    "delete_machine_identity",
    "detach_profile",
    "disable_machine_identity",
    "enable_machine_identity",
    "remove_member",
    "revoke_token",
    "update_application",
    "update_machine_identity",
    "update_pairing",
]
