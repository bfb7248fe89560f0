"""Django authentication backend for passwords, with lock-out and audit of failures."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from apps.accounts import lockout, logins
from apps.accounts.models import User


class LockoutBackend(ModelBackend):
    """Checks passwords as Django does, unless the caller has to wait.

    The answer to a caller who has to wait does not depend on the password, nor on whether the
    account exists: names without an account are counted like any other. While there is no wait,
    ``ModelBackend`` hashes the password for unknown names as well.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the account, ``None`` for a wrong name or password.

        Raises:
            PermissionDenied: the caller has to wait. Django then asks no other backend and
                answers as for a wrong password.
        """
        if username is None or password is None:
            return None
        attempt = lockout.begin(username, logins.address_of(request))
        if attempt is None:
            logins.record_refusal(request, username)
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            logins.record_failure(request, username, attempt)
        else:
            lockout.succeed(attempt)
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Do the same for asynchronous callers; Django's own method would skip the counting."""
        check = sync_to_async(self.authenticate)
        return await check(request, username=username, password=password, **kwargs)
