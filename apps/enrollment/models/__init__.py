from apps.enrollment.models.idempotency import IdempotentCall

__all__ = ["IdempotentCall"]
