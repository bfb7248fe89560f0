"""At which pair of application and profile does a request come in? Asked by every enrollment.

A process keeps the pairs it has met, with profile, policy and authority. A narrow query for
each request finds the pair by its names and tells whether what is kept still holds.
"""

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Field, FilteredRelation, Q, QuerySet

from apps.applications.models import Pairing
from apps.authorities.signing import STAMP as ISSUER_STAMP
from apps.errors import NotFound
from apps.statements.lookups import KEY, TEXT, Lookup

_MAX_KEPT = 1024
_kept: dict[UUID, tuple[tuple[Any, ...], Pairing]] = {}
_lock = threading.Lock()

_OWN_STAMP = (
    "application__name",
    "profile__name",
    "api_enabled",
    "requires_approval",
    "profile__revision",
    "profile__authority_id",
    "profile__policy__name",
    "profile__policy__current_version_id",
)


def stamped(rows: QuerySet[Any], *columns: str, path: str = "") -> QuerySet[Any, Any]:
    """Return a query of ``columns`` and, after them, the stamp of the pair at ``path``.

    The stamp is all that enrollment depends on: a part of it changes whenever any of that does.
    Descriptions and the like may be older in what is kept.
    """
    certificates = f"{path}profile__authority__certificates"
    current = FilteredRelation(certificates, condition=Q(**{f"{certificates}__is_current": True}))
    return rows.annotate(issuer=current).values_list(
        *columns,
        *(f"{path}{name}" for name in _OWN_STAMP),
        *(_issuer_column(name, path) for name in ISSUER_STAMP),
    )


def _issuer_column(name: str, path: str) -> str:
    """Return where a query has a column of the issuer's stamp; the authority is joined already."""
    if name.startswith("authority__"):
        return f"{path}profile__{name}"
    return f"issuer__{name}"


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
        stamp: as ``stamped`` has just read it.

    Raises:
        NotFound: it has been detached meanwhile.
    """
    wanted = tuple(tuple(part) if isinstance(part, list) else part for part in stamp)
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
    pairing.issuer_stamp = wanted[len(_OWN_STAMP) :]
    with _lock:
        if len(_kept) >= _MAX_KEPT:
            _kept.clear()
        _kept[pairing_id] = (wanted, pairing)
    return pairing


def _lookup(application: type, profile: type) -> Lookup:
    """Return the query for references of these types: ``UUID`` or ``str``."""
    by: dict[type, tuple[str, Field[Any, Any]]] = {UUID: ("id", KEY), str: ("name", TEXT)}
    (application_column, application_kind), (profile_column, profile_kind) = (
        by[application],
        by[profile],
    )
    return Lookup(
        lambda application, profile: stamped(
            Pairing.objects.filter(
                **{
                    f"application__{application_column}": application,
                    f"profile__{profile_column}": profile,
                }
            ).order_by(),
            "pk",
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
