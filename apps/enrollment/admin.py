"""Admin pages of every enrollment method, imported where Django looks for an app's admin."""

from apps.enrollment.acme.admin import accounts, eab_keys, endpoints, orders

__all__ = ["accounts", "eab_keys", "endpoints", "orders"]
