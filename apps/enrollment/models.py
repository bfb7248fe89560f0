"""Models of every enrollment method, imported where Django looks for an app's models."""

from apps.enrollment.acme import models as acme
from apps.enrollment.api import models as api

__all__ = ["acme", "api"]
