"""At which pair of application and profile does a request come in? Asked by every enrollment.

A process keeps the pairs it has met, with profile, policy and authority, for as long as nothing
has changed in governance (see ``epoch``).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Field, Q

from apps.applications.epoch import Kept
from apps.applications.models import Pairing
from apps.authorities.models import AuthorityCertificate
from apps.authorities.signing import STAMP as ISSUER_STAMP
from apps.errors import NotFound
from apps.statements.lookups import KEY, TEXT, Lookup, RowLookup

_kept: Kept[tuple[str | UUID, str | UUID], Pairing] = Kept(1024)


def named(application: str | UUID, profile: str | UUID, *, epoch: str = "") -> Pairing:
    """Return the pair of an application and a profile, each by identifier or name.

    With application, profile, policy and authority; read-only. Says nothing about who asks: the
    pipeline does, before it acts on the pair.

    Args:
        application: which.
        profile: which.
        epoch: as the caller has just read it; without one, nothing that was kept is believed.

    Raises:
        NotFound: no such pair.
    """
    key = application, profile
    known = _kept.get(key, epoch)
    if known is not None:
        return known
    by_application, by_profile = _reference(application), _reference(profile)
    values = by_application, by_profile
    pairs, issuers = _LOOKUPS[type(by_application), type(by_profile)]
    return _kept.read(key, _pairing, (pairs, values), (issuers, values))


def _pairing(_epoch: str, found: Sequence[Pairing], stamps: Sequence[tuple[Any, ...]]) -> Pairing:
    if not found:
        raise NotFound
    (pairing,) = found
    pairing.issuer_stamp = stamps[0] if stamps else (None,) * len(ISSUER_STAMP)
    return pairing


def _lookups(application: type, profile: type) -> tuple[RowLookup[Pairing], Lookup]:
    """Return the queries for references of these types: ``UUID`` or ``str``."""
    by: dict[type, tuple[str, Field[Any, Any]]] = {UUID: ("id", KEY), str: ("name", TEXT)}
    (application_column, application_kind), (profile_column, profile_kind) = (
        by[application],
        by[profile],
    )

    def pair(path: str, application: Any, profile: Any) -> Q:
        return Q(
            **{
                f"{path}application__{application_column}": application,
                f"{path}profile__{profile_column}": profile,
            }
        )

    slots = {"application": application_kind, "profile": profile_kind}
    pairs = RowLookup(
        Pairing,
        lambda application, profile: Pairing.objects.filter(
            pair("", application, profile)
        ).order_by(),
        related=(
            "application",
            "profile",
            "profile__policy",
            "profile__policy__current_version",
            "profile__authority",
        ),
        **slots,
    )
    issuers = Lookup(
        lambda application, profile: (
            AuthorityCertificate.objects.filter(
                pair("authority__profiles__pairings__", application, profile), is_current=True
            )
            .order_by()
            .values_list(*ISSUER_STAMP)
        ),
        **slots,
    )
    return pairs, issuers


_LOOKUPS = {(a, p): _lookups(a, p) for a in (UUID, str) for p in (UUID, str)}


def _reference(reference: str | UUID) -> str | UUID:
    """Return an identifier as such; names never read as identifiers."""
    try:
        return reference if isinstance(reference, UUID) else UUID(reference)
    except ValueError:
        return reference
