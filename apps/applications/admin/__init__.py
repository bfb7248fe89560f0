"""Admin pages of applications, machine identities and tokens."""

from apps.applications.admin.applications import ApplicationAdmin
from apps.applications.admin.machines import ApiTokenAdmin, MachineIdentityAdmin

__all__ = ["ApiTokenAdmin", "ApplicationAdmin", "MachineIdentityAdmin"]
