"""What is to be proven, how, and from where may it be fetched?"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TypedDict
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from apps.egress import Deadline, EgressRules, Network
from apps.enrollment.acme.models import AcmeChallenge, AcmeEndpoint
from apps.enrollment.acme.states import AccountStatus, AuthorizationStatus, ChallengeStatus
from apps.enrollment.acme.validation import persistent_records as persist

TOTAL_S = 10.0
_CONNECT_S = 5.0
_WEB_PORTS = frozenset({80, 443})


class _Bounds(TypedDict):
    allow_private: bool
    allowed_networks: tuple[Network, ...]
    resolvers: tuple[str, ...]
    connect_timeout_s: float
    read_timeout_s: float
    total_s: float
    verify_tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One challenge, with all that a validator needs to know.

    Attributes:
        challenge_id: primary key.
        challenge_type: such as ``http-01``.
        token: of the challenge.
        thumbprint: of the account's key (RFC 7638).
        identifier_type: ``dns`` or ``ip``.
        identifier: canonical, without ``*.``.
        wildcard: whether the certificate is to stand for every name below.
        account_url: as the client knows it.
        http_port: where http-01 begins.
        tls_port: where tls-alpn-01 connects.
        resolvers: name servers; empty for the system's.
        allowed_networks: what may be reached beyond the default.
        caa_identities: our names in CAA records; ``None`` when the records are not asked for.
        issuers: our names in persistent records.
        bases: what the endpoint's URLs begin with, and have begun with formerly.
        account_path: of the account's URL, below the base.
        former_thumbprints: of keys that the account had before, newest first.
    """

    challenge_id: UUID
    challenge_type: str
    token: str
    thumbprint: str
    identifier_type: str
    identifier: str
    wildcard: bool = False
    account_url: str = ""
    http_port: int = 80
    tls_port: int = 443
    resolvers: tuple[str, ...] = ()
    allowed_networks: tuple[Network, ...] = ()
    caa_identities: tuple[str, ...] | None = None
    issuers: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    account_path: str = ""
    former_thumbprints: tuple[str, ...] = ()

    @property
    def key_authorization(self) -> bytes:
        """Return what only the holder of the account's key can know (RFC 8555 section 8.1)."""
        return f"{self.token}.{self.thumbprint}".encode("ascii")

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the key authorization."""
        return hashlib.sha256(self.key_authorization).digest()

    @property
    def digest_text(self) -> bytes:
        """Return the digest as TXT records carry it: base64url without padding."""
        return urlsafe_b64encode(self.digest).rstrip(b"=")

    def web_purpose(self, deadline: Deadline) -> EgressRules:
        """Return what http-01 may do: ten redirects, no certificate checks (A-21).

        The first hop goes to the endpoint's port; further ones there or to the usual ones.
        """
        return EgressRules(
            name="acme.http-01",
            ports=_WEB_PORTS | {self.http_port, self.tls_port},
            schemes=frozenset({"http", "https"}),
            max_bytes=128,
            truncate=True,
            max_redirects=10,
            allow_downgrade=True,
            **self._bounds(deadline),
        )

    def tls_purpose(self, deadline: Deadline) -> EgressRules:
        """Return what tls-alpn-01 may do: one handshake."""
        return EgressRules(
            name="acme.tls-alpn-01", ports=frozenset({self.tls_port}), **self._bounds(deadline)
        )

    def dns_purpose(self, deadline: Deadline) -> EgressRules:
        """Return what dns-01 and CAA may do: ask name servers, connect nowhere."""
        return EgressRules(name="acme.dns", ports=frozenset(), **self._bounds(deadline))

    def _bounds(self, deadline: Deadline) -> _Bounds:
        left_s = deadline.left_s(TOTAL_S)
        return {
            "allow_private": True,  # an internal CA's clients live there (SECURITY PV-31)
            "allowed_networks": self.allowed_networks,
            "resolvers": self.resolvers,
            "connect_timeout_s": min(_CONNECT_S, left_s),
            "read_timeout_s": left_s,
            "total_s": left_s,
            "verify_tls": False,
        }


def load(challenge_id: UUID) -> Target | None:
    """Return what a challenge is to prove; ``None`` when there is nothing left to prove."""
    row = _challenges().filter(
        pk=challenge_id,
        status=ChallengeStatus.PROCESSING.value,
        authorization__status=AuthorizationStatus.PENDING.value,
        # An account that has ended proves nothing, whatever its records say (dns-persist 4.2).
        authorization__account__status=AccountStatus.VALID.value,
    )
    return next(map(of, row[:1]), None)


def proofs_of(order_id: UUID) -> list[AcmeChallenge]:
    """Return the challenge that proved each DNS name of an order: of several, the latest.

    Names that an administrator vouches for have none.
    """
    rows = _challenges().filter(
        authorization__order_links__order_id=order_id,
        authorization__identifier_type="dns",
        status=ChallengeStatus.VALID.value,
        settled_at__isnull=False,
    )
    return list({row.authorization_id: row for row in rows.order_by("settled_at", "pk")}.values())


def of(row: AcmeChallenge) -> Target:
    """Return a challenge, loaded with all that it belongs to, as validators need it."""
    authorization = row.authorization
    account = authorization.account
    endpoint = account.endpoint
    bases = _bases(endpoint)
    account_path = f"acct/{account.url_id}"
    return Target(
        challenge_id=row.pk,
        challenge_type=row.type,
        token=row.token,
        thumbprint=account.thumbprint,
        identifier_type=authorization.identifier_type,
        identifier=authorization.identifier_value,
        wildcard=authorization.wildcard,
        account_url=f"{bases[0]}/{account_path}",
        http_port=endpoint.http_port,
        tls_port=endpoint.tls_port,
        resolvers=tuple(endpoint.resolvers),
        allowed_networks=tuple(ip_network(text) for text in endpoint.allowed_networks),
        caa_identities=tuple(endpoint.caa_identities) if endpoint.check_caa else None,
        issuers=persist.issuer_names(tuple(endpoint.caa_identities)),
        bases=bases,
        account_path=account_path,
        former_thumbprints=tuple(account.former_thumbprints),
    )


def _challenges() -> QuerySet[AcmeChallenge]:
    return AcmeChallenge.objects.select_related(
        "authorization__account__endpoint__pairing__application",
        "authorization__account__endpoint__pairing__profile",
    )


def _bases(endpoint: AcmeEndpoint) -> tuple[str, ...]:
    """Return the endpoint's public URL, as ``auth`` compares it with what clients signed.

    After it those that it had at former origins: lasting records were made for them.
    """
    pairing = endpoint.pairing
    path = f"/acme/{pairing.application.name}/{pairing.profile.name}"
    origins = (settings.SEALWRIGHT["PUBLIC_URL"], *settings.SEALWRIGHT["FORMER_PUBLIC_URLS"])
    return tuple(f"{origin}{path}" for origin in origins)
