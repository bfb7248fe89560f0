"""The target of a validation: identifier, challenge, and the limits of the connections."""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TypedDict
from uuid import UUID

from django.db.models import QuerySet

from apps.egress import Deadline, EgressRules, Network
from apps.enrollment.acme.endpoint_config import origins
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
    """One challenge with everything that a validator needs.

    Attributes:
        challenge_id: primary key.
        challenge_type: such as ``http-01``.
        token: of the challenge.
        thumbprint: of the account's key (RFC 7638).
        identifier_type: ``dns`` or ``ip``.
        identifier: canonical, without ``*.``.
        wildcard: whether the certificate is for all names one label below.
        http_port: port of the first http-01 request.
        tls_port: port of tls-alpn-01.
        resolvers: name servers; empty for the system's.
        allowed_networks: networks that may be reached beyond the default.
        caa_identities: the authority's names in CAA records; ``None`` when CAA is not checked.
        issuers: the authority's names in dns-persist-01 records.
        bases: common beginnings of the endpoint's URLs: the present one, then former ones.
        account_path: the account's URL below the base.
        former_thumbprints: of keys that the account had before, newest first.
    """

    challenge_id: UUID
    challenge_type: str
    token: str
    thumbprint: str
    identifier_type: str
    identifier: str
    wildcard: bool = False
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
    def account_urls(self) -> tuple[str, ...]:
        """Return the URLs that the client may know its account by, the present one first."""
        return tuple(f"{base}/{self.account_path}" for base in self.bases)

    @property
    def key_authorization(self) -> bytes:
        """Return the key authorization: token and thumbprint (RFC 8555 section 8.1)."""
        return f"{self.token}.{self.thumbprint}".encode("ascii")

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the key authorization."""
        return hashlib.sha256(self.key_authorization).digest()

    @property
    def digest_text(self) -> bytes:
        """Return the digest as in TXT records: base64url without padding (RFC 8555 section 8.4)."""
        return urlsafe_b64encode(self.digest).rstrip(b"=")

    def web_purpose(self, deadline: Deadline) -> EgressRules:
        """Return the bounds of http-01: ten redirects, certificates are not checked (RFC 8555 8.3).

        The first request goes to the endpoint's port; redirects may also lead to 80 and 443.
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
        """Return the bounds of tls-alpn-01: one handshake (RFC 8737)."""
        return EgressRules(
            name="acme.tls-alpn-01", ports=frozenset({self.tls_port}), **self._bounds(deadline)
        )

    def dns_purpose(self, deadline: Deadline) -> EgressRules:
        """Return the bounds of DNS challenges and CAA: name servers only, no connections."""
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
    """Return the target of a processing challenge; ``None`` when nothing is left to prove."""
    row = _challenges().filter(
        pk=challenge_id,
        status=ChallengeStatus.PROCESSING.value,
        authorization__status=AuthorizationStatus.PENDING.value,
        # Records of an account that has ended prove nothing (dns-persist 4.2).
        authorization__account__status=AccountStatus.VALID.value,
    )
    return next(map(target_of, row[:1]), None)


def proofs_of(order_id: UUID) -> list[AcmeChallenge]:
    """Return the challenge that proved each DNS name of an order: of several, the latest.

    Names that were valid by an EAB key's list have none.
    """
    rows = _challenges().filter(
        authorization__order_links__order_id=order_id,
        authorization__identifier_type="dns",
        status=ChallengeStatus.VALID.value,
        settled_at__isnull=False,
    )
    return list({row.authorization_id: row for row in rows.order_by("settled_at", "pk")}.values())


def target_of(row: AcmeChallenge) -> Target:
    """Return the target of a challenge that is loaded with account, endpoint and pairing."""
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
    """Return the endpoint's base URL at the present origin, then at former origins.

    DNS records that were created under a former origin stay good.
    """
    pairing = endpoint.pairing
    path = f"/acme/{pairing.application.name}/{pairing.profile.name}"
    return tuple(f"{origin}{path}" for origin in origins())
