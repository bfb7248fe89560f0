"""Settings of an ACME endpoint as requests need them, cached under the governance version."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.applications import governance_version, pairings
from apps.applications.governance_version import GovernanceCache
from apps.applications.models import Pairing
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.states import ChallengeType
from apps.enrollment.acme.validation import persistent_records
from apps.errors import NotFound
from apps.statements.lookups import KEY, TEXT, Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """One ACME endpoint: its URLs, its application and profile, and its settings.

    Attributes:
        base: common beginning of its URLs, without a slash at the end.
        version: the governance version under which it was read.
        the others: columns of ``AcmeEndpoint``, of its pairing and of its profile.
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
    version: str

    @property
    def issuer_domain_names(self) -> tuple[str, ...]:
        """Return the authority's names in dns-persist-01 records."""
        return persistent_records.issuer_names(self.caa_identities)

    @property
    def offered_challenge_types(self) -> tuple[str, ...]:
        """Return the configured challenge types that clients can use.

        dns-persist-01 records have to name the authority, so that type needs issuer names.
        """
        return tuple(
            kind
            for kind in self.challenge_types
            if kind != ChallengeType.DNS_PERSIST_01 or self.issuer_domain_names
        )

    def url(self, *parts: str) -> str:
        """Return the URL of a resource of this endpoint."""
        return "/".join((self.base, *parts))

    def account_named_by(self, url: object) -> str:
        """Return the ``url_id`` of the account that a URL names; empty for any other URL.

        Accounts keep the URLs that they got under a former origin (``path_of``).
        """
        path, prefix = path_of(url), path_of(self.url("acct", ""))
        return path.removeprefix(prefix) if path.startswith(prefix) else ""


_COLUMNS = (
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
_BY_NAMES = Lookup(
    lambda application, profile: (
        AcmeEndpoint.objects.filter(
            pairing__application__name=application, pairing__profile__name=profile
        )
        .order_by()
        .values_list(*_COLUMNS)
    ),
    application=TEXT,
    profile=TEXT,
)
_ENABLED = Lookup(
    lambda pairing: (
        AcmeEndpoint.objects.filter(pairing_id=pairing, enabled=True).order_by().values_list("pk")
    ),
    pairing=KEY,
)
_cache: GovernanceCache[tuple[str, str], EndpointConfig] = GovernanceCache(1024)
_open_pairings: GovernanceCache[UUID, bool] = GovernanceCache(1024)


def config_for(application: str, profile: str) -> EndpointConfig:
    """Return the configuration of an enabled endpoint, by the names in its URL.

    Raises:
        NotFound: no such application and profile, or ACME is not set up or disabled there.
    """
    config = _cache.fetch(
        (application, profile),
        governance_version.current(),
        lambda version: _read(application, profile, version),
    )
    if not config.enabled:
        raise _not_found()
    return config


def is_open(pairing: Pairing) -> bool:
    """Tell whether ACME is set up and enabled for a pairing."""
    return _open_pairings.fetch(
        pairing.pk,
        pairing.governance_version,
        lambda _version: _ENABLED.first(pairing.pk) is not None,
    )


def pairing_of(config: EndpointConfig) -> Pairing:
    """Return the endpoint's pairing with profile, policy and authority, for the pipeline."""
    return pairings.pairing_for(config.application_id, config.profile_id, version=config.version)


def origins() -> tuple[str, ...]:
    """Return the origin that clients know this installation by, then its former ones."""
    return (settings.SEALWRIGHT["PUBLIC_URL"], *settings.SEALWRIGHT["FORMER_PUBLIC_URLS"])


def path_of(url: object) -> str:
    """Return path and query of a URL of this installation; empty for any other.

    Clients keep the URLs of their accounts, so that those at a former origin name what the same
    URLs at the present one do. RFC 8555 section 6.4 has the signed URL compared so that
    an intermediary cannot lead a request to another resource, which the path decides.
    """
    if isinstance(url, str):
        for origin in origins():
            if url.startswith(f"{origin}/"):
                return url.removeprefix(origin)
    return ""


def base_url(application: str, profile: str) -> str:
    """Return the common beginning of an endpoint's URLs."""
    return f"{settings.SEALWRIGHT['PUBLIC_URL']}/acme/{application}/{profile}"


def _read(application: str, profile: str, version: str) -> EndpointConfig:
    row = _BY_NAMES.first(application, profile)
    if row is None:
        raise _not_found()
    return EndpointConfig(
        base=base_url(row[3], row[5]),
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
        version=version,
    )


def _not_found() -> NotFound:
    return NotFound("There is no ACME endpoint here.")
