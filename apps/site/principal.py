"""Principal of a browser session."""

from typing import Any

from django.http import HttpRequest

from apps.principals import Principal, ProductRole
from apps.web import trace


def principal_of_user(request: HttpRequest) -> Principal:
    """Return the principal of a signed-in session; a session has every scope of its person.

    ``request.user`` must be authenticated, which the admin site ensures; machines have no
    sessions.
    """
    user: Any = request.user
    return Principal(
        kind="user",
        id=str(user.pk),
        label=user.get_username(),
        user_id=user.pk,
        product_role=ProductRole(user.product_role),
        ip=request.META.get("REMOTE_ADDR", ""),
        trace_id=trace.current(),
    )
