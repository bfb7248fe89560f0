"""Look-up of the pairing of application and profile that an enrollment names.

A process caches pairings, with profile, policy and authority, under the governance version.
"""

from typing import Any
from uuid import UUID

from django.db.models import Field, Q

from apps.applications import access, selectors
from apps.applications.governance_version import GovernanceCache
from apps.applications.models import Pairing
from apps.authorities.models import AuthorityCertificate
from apps.authorities.signing import ISSUER_VERSION
from apps.errors import NotFound
from apps.principals import Principal
from apps.statements.lookups import KEY, TEXT, Lookup, RowLookup
from apps.web.references import id_or_name, not_found

_pairings: GovernanceCache[tuple[str | UUID, str | UUID], Pairing] = GovernanceCache(1024)


def pairing_for(application: str | UUID, profile: str | UUID, *, version: str = "") -> Pairing:
    """Return the pairing of an application and a profile, each by identifier or name.

    With application, profile, policy and authority; read-only, because requests share it. It is
    not checked who asks: the issuance pipeline does, before it acts on the pairing.

    Args:
        application: identifier or name.
        profile: identifier or name.
        version: the governance version as the request has read it; without one, the pairing is
            read from the database.

    Raises:
        NotFound: no such pairing.
    """
    return _pairings.fetch(
        (application, profile), version, lambda read_under: _read(application, profile, read_under)
    )


def pairing_in_sight(principal: Principal, application: str, profile: str) -> Pairing:
    """Return the pairing that a request names, of an application in the principal's sight.

    Args:
        principal: who asks; whether it may request is for the issuance pipeline to check.
        application: identifier or name.
        profile: identifier or name.

    Raises:
        NotFound: names the field that leads nowhere: ``application`` where it does not exist or
            is another team's, ``profile`` where it is not attached to the application.
    """
    try:
        found = pairing_for(application, profile, version=principal.governance_version)
    except NotFound:
        # Off the usual path: find out which of the two leads nowhere.
        selectors.pairing_of(
            selectors.application_for(principal, application, scoped=False), profile
        )
        raise
    if not access.is_in_sight(principal, found.application_id):
        raise not_found("application", application)
    return found


def _read(application: str | UUID, profile: str | UUID, version: str) -> Pairing:
    values = id_or_name(application), id_or_name(profile)
    pairings, issuers = _LOOKUPS[type(values[0]), type(values[1])]
    pairing = pairings.first(*values)
    if pairing is None:
        raise NotFound
    pairing.governance_version = version
    pairing.issuer_version = issuers.first(*values) or (None,) * len(ISSUER_VERSION)
    return pairing


def _lookups(application: type, profile: type) -> tuple[RowLookup[Pairing], Lookup]:
    """Return the queries for references of these types: ``UUID`` or ``str``."""
    by: dict[type, tuple[str, Field[Any, Any]]] = {UUID: ("id", KEY), str: ("name", TEXT)}
    (application_column, application_kind), (profile_column, profile_kind) = (
        by[application],
        by[profile],
    )

    def both(path: str, application: Any, profile: Any) -> Q:
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
            both("", application, profile)
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
                both("authority__profiles__pairings__", application, profile), is_current=True
            )
            .order_by()
            .values_list(*ISSUER_VERSION)
        ),
        **slots,
    )
    return pairs, issuers


_LOOKUPS = {(a, p): _lookups(a, p) for a in (UUID, str) for p in (UUID, str)}
