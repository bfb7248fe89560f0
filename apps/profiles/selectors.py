"""Which profiles exist? Reads only."""

from django.db.models import QuerySet

from apps.errors import NotFound
from apps.profiles.models import Profile


def profiles() -> QuerySet[Profile]:
    """Return all profiles with authority, policy and its current version."""
    return Profile.objects.select_related("authority", "policy__current_version")


def profile_by_name(name: str) -> Profile:
    """Return a profile with authority, policy and its current version.

    Raises:
        NotFound: no profile of that name.
    """
    try:
        return profiles().get(name=name)
    except Profile.DoesNotExist:
        raise NotFound(f"There is no profile {name!r:.80}.") from None
