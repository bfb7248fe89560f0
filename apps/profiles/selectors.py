"""Look-up of profiles."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from apps.profiles.csr_content import CsrSettings
from apps.profiles.models import AcmeSubject, CsrExtras, MustStaple, Profile


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
