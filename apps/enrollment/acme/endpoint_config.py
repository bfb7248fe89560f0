"""Which ACME endpoint is this, and what does it demand? RFC 8555 section 7.1.1.

A process keeps the endpoints it has met for as long as nothing changes in governance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.applications import epoch as epochs
from apps.applications import pairings
from apps.applications.epoch import Kept
from apps.applications.models import Pairing
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.states import ChallengeType
from apps.enrollment.acme.validation import persistent_records as persist
from apps.errors import NotFound
from apps.statements.lookups import KEY, TEXT, Lookup

_NO_DOOR = "There is no ACME endpoint here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An endpoint as requests need it.

    Attributes:
        base: its URLs' common beginning, without a slash at the end.
        epoch: of governance when the door was read.
        the others: columns of ``AcmeEndpoint``, its pairing and its profile.
    """

    base: str
    endpoint_id: UUID
    pairing_id: UUID
    application_id: UUID
    application_name: str
    profile_id: UUID
    profile_name: str
    enabled: bool
    require_eab: bool
    skip_validation: bool
    challenge_types: tuple[str, ...]
    order_lifetime_h: int
    authz_lifetime_h: int
    terms_of_service: str
    limits: dict[str, Any]
    check_caa: bool
    caa_identities: tuple[str, ...]
    epoch: str

    @property
    def issuers(self) -> tuple[str, ...]:
        """Return our names in persistent DNS records."""
        return persist.issuer_names(self.caa_identities)

    @property
    def offers(self) -> tuple[str, ...]:
        """Return the challenge types on offer: a persistent record has to name us."""
        return tuple(
            t for t in self.challenge_types if t != ChallengeType.DNS_PERSIST_01 or self.issuers
        )

    def url(self, *parts: str) -> str:
        """Return the URL of something at this endpoint."""
        return "/".join((self.base, *parts))


_DOOR = (
    "pk",
    "pairing_id",
    "pairing__application_id",
    "pairing__application__name",
    "pairing__profile_id",
    "pairing__profile__name",
    "enabled",
    "require_eab",
    "skip_validation",
    "challenge_types",
    "order_lifetime_h",
    "authz_lifetime_h",
    "terms_of_service",
    "limits",
    "check_caa",
    "caa_identities",
)
_DOOR_QUERY = Lookup(
    lambda application, profile: (
        AcmeEndpoint.objects.filter(
            pairing__application__name=application, pairing__profile__name=profile
        )
        .order_by()
        .values_list(*_DOOR)
    ),
    application=TEXT,
    profile=TEXT,
)
_OPEN_QUERY = Lookup(
    lambda pairing: (
        AcmeEndpoint.objects.filter(pairing_id=pairing, enabled=True).order_by().values_list("pk")
    ),
    pairing=KEY,
)
_kept: Kept[tuple[str, str], Door] = Kept(1024)


def door_named(application: str, profile: str) -> Door:
    """Return an open endpoint by the names in its URL.

    Raises:
        NotFound: no such pair, no ACME there, or the door is closed.
    """
    return door_in(application, profile, epochs.of(epochs.EPOCH.all()))


def is_open(pairing: Pairing) -> bool:
    """Tell whether ACME is set up and enabled for a pair."""
    return _OPEN_QUERY.first(pairing.pk) is not None


def pairing_of(door: Door) -> Pairing:
    """Return the pairing with profile, policy and authority, as the pipeline wants it."""
    return pairings.named(door.application_id, door.profile_id, epoch=door.epoch)


def last_seen(application: str, profile: str) -> Door | None:
    """Return an endpoint as this process knows it; it may be another by now."""
    return _kept.last((application, profile))


def door_in(application: str, profile: str, epoch: str) -> Door:
    """Return an open endpoint by the names in its URL, from this epoch.

    Raises:
        NotFound: no such pair, no ACME there, or the door is closed.
    """
    key = application, profile
    door = _kept.get(key, epoch)
    if door is None:
        door = _kept.read(key, _as_door, (_DOOR_QUERY, key))
    if not door.enabled:
        raise NotFound(_NO_DOOR)
    return door


def base_of(application: str, profile: str) -> str:
    """Return what the URLs of an endpoint begin with."""
    return f"{settings.SEALWRIGHT['PUBLIC_URL']}/acme/{application}/{profile}"


def _as_door(epoch: str, rows: Sequence[tuple[Any, ...]]) -> Door:
    if not rows:
        raise NotFound(_NO_DOOR)
    (row,) = rows
    return Door(
        base=base_of(row[3], row[5]),
        endpoint_id=row[0],
        pairing_id=row[1],
        application_id=row[2],
        application_name=row[3],
        profile_id=row[4],
        profile_name=row[5],
        enabled=row[6],
        require_eab=row[7],
        skip_validation=row[8],
        challenge_types=tuple(row[9]),
        order_lifetime_h=row[10],
        authz_lifetime_h=row[11],
        terms_of_service=row[12],
        limits=row[13],
        check_caa=row[14],
        caa_identities=tuple(row[15]),
        epoch=epoch,
    )
