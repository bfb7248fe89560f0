"""Sign-in form of the admin site, with one message for every kind of refusal."""

from typing import Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm


class LoginForm(AdminAuthenticationForm):
    """Django's form with a message that is true for a wrong password and during a wait.

    It names the longest possible wait, never the present one: that would tell how often others
    have tried.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        minutes = -(-settings.SEALWRIGHT["LOGIN_MAX_WAIT_S"] // 60)
        self.error_messages = self.error_messages | {
            "invalid_login": "You could not be signed in. Check user name and password. After "
            "several failed attempts you have to wait before the next one: up to "
            f"{minutes} minute{'' if minutes == 1 else 's'}."
        }
