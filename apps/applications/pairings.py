"""At which pair of application and profile does a request come in? Asked by every enrollment.

A process keeps the pairs it has met, with profile, policy and authority. A narrow query for
each request finds the pair by its names and tells whether what is kept still holds.
"""

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from apps.applications.models import Pairing
from apps.errors import NotFound
from apps.statements.lookups import KEY, TEXT, Lookup

_MAX_KEPT = 1024
_kept: dict[UUID, tuple[tuple[Any, ...], Pairing]] = {}
_lock = threading.Lock()

STAMP = (
    "application__name",
    "profile__name",
    "api_enabled",
    "requires_approval",
    "profile__revision",
    "profile__authority_id",
    "profile__policy__name",
    "profile__policy__current_version_id",
)
"""Columns of ``Pairing`` that enrollment depends on: one of them changes whenever any of that does.

Descriptions and the like may be older in what is kept.
"""


def named(application: str | UUID, profile: str | UUID) -> Pairing:
    """Return the pair of an application and a profile, each by identifier or name.

    Says nothing about who asks: the pipeline does, before it acts on the pair.

    Raises:
        NotFound: no such pair.
    """
    by_application, by_profile = _reference(application), _reference(profile)
    found = _BY_NAMES[type(by_application), type(by_profile)].first(by_application, by_profile)
    if found is None:
        raise NotFound
    return kept(found[0], found[1:])


def kept(pairing_id: UUID, stamp: Sequence[Any]) -> Pairing:
    """Return a pair with application, profile, policy and authority; read-only.

    Args:
        pairing_id: which.
        stamp: its ``STAMP`` columns as the database has them now.

    Raises:
        NotFound: it has been detached meanwhile.
    """
    wanted = tuple(stamp)
    known = _kept.get(pairing_id)
    if known is not None and known[0] == wanted:
        return known[1]
    pairing = (
        Pairing.objects.select_related(
            "application", "profile__policy__current_version", "profile__authority"
        )
        .filter(pk=pairing_id)
        .first()
    )
    if pairing is None:
        raise NotFound
    with _lock:
        if len(_kept) >= _MAX_KEPT:
            _kept.clear()
        _kept[pairing_id] = (wanted, pairing)
    return pairing


def _lookup(application: type, profile: type) -> Lookup:
    """Return the query for references of these types: ``UUID`` or ``str``."""
    by = {UUID: ("id", KEY), str: ("name", TEXT)}
    (application_column, application_kind), (profile_column, profile_kind) = (
        by[application],
        by[profile],
    )
    return Lookup(
        lambda application, profile: (
            Pairing.objects.filter(
                **{
                    f"application__{application_column}": application,
                    f"profile__{profile_column}": profile,
                }
            )
            .order_by()
            .values_list("pk", *STAMP)
        ),
        application=application_kind,
        profile=profile_kind,
    )


_BY_NAMES = {(a, p): _lookup(a, p) for a in (UUID, str) for p in (UUID, str)}


def _reference(reference: str | UUID) -> str | UUID:
    """Return an identifier as such; names never read as identifiers."""
    try:
        return reference if isinstance(reference, UUID) else UUID(reference)
    except ValueError:
        return reference
