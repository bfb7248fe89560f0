"""Look-up of profiles."""

import json
from collections.abc import Collection, Iterator
from functools import lru_cache
from uuid import UUID

from django.db.models import QuerySet

from apps.policies import selectors as policy_selectors
from apps.policies.models import Policy
from apps.policies.selectors import ProfileWarning
from apps.profiles.csr_content import CsrSettings
from apps.profiles.defaults import parse_defaults, violations_against
from apps.profiles.models import AcmeSubject, CsrExtras, MustStaple, Profile
from apps.profiles.requested_content import Defaults

_MAX_READ = 512


def defaults_of(profile: Profile) -> Defaults:
    """Return what a profile fills in, read once per process.

    Raises:
        InvalidInput: the stored defaults cannot be read.
    """
    return _read(json.dumps(profile.defaults))


@lru_cache(maxsize=_MAX_READ)
def _read(document: str) -> Defaults:
    # By its text, which takes a twentieth of the time to write, an entry cannot become stale.
    return parse_defaults(json.loads(document))


def csr_settings(profile: Profile) -> CsrSettings:
    """Return what a profile says about CSRs."""
    return CsrSettings(
        refuse_extras=profile.csr_extras == CsrExtras.REFUSE,
        honour_must_staple=profile.must_staple == MustStaple.HONOUR,
        take_acme_subject=profile.acme_subject == AcmeSubject.TAKE,
    )


def profiles() -> QuerySet[Profile]:
    """Return all profiles with authority, policy and its current version."""
    return Profile.objects.select_related("authority", "policy__current_version")


def profiles_attached_to(application_ids: Collection[UUID] | None) -> QuerySet[Profile]:
    """Return the profiles attached to any of these applications; ``None`` means all."""
    if application_ids is None:
        return profiles()
    attached = Profile.objects.filter(pairings__application_id__in=application_ids)
    return profiles().filter(pk__in=attached.values("pk"))


def warnings_about(policy: Policy) -> Iterator[ProfileWarning]:
    """Yield the policy's profiles whose defaults its rules in force refuse, by name."""
    version = policy.current_version
    if version is None:
        return
    rules = policy_selectors.rules_of(version)
    for profile in Profile.objects.filter(policy=policy).order_by("name"):
        found = violations_against(defaults_of(profile), rules)
        if found:
            yield ProfileWarning(profile.name, found)
