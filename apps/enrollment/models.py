"""Models of every enrollment method, imported where Django looks for an app's models."""

from apps.enrollment.acme import models as acme

__all__ = ["acme"]
