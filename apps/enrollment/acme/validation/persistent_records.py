"""Issuer names and account URIs of dns-persist-01 records (draft-ietf-acme-dns-persist-02).

The record's account URI is a digest of name, key and account: only the server can tell whom a record
is for, and it is good for no other account (section 7.2.3).
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache

import idna

from apps.enrollment.acme.validation.issue_value import DOMAIN

MAX_ISSUERS = 10
ANY_DOMAIN = "*"
ALGORITHM = "sha-256"
_MAX_NAME, _MAX_LABEL = 253, 63


@lru_cache(maxsize=1024)
def issuer_names(identities: tuple[str, ...]) -> tuple[str, ...]:
    """Return CAA identities as records and clients spell them: usable ones, each once (3.1)."""
    usable = (name for name in map(normalized, identities) if name)
    return tuple(dict.fromkeys(usable))[:MAX_ISSUERS]


def normalized(text: str) -> str:
    """Return a domain name in lower-case A-labels without the last dot; empty for none (9.2)."""
    try:
        name = text if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError:
        return ""
    name = name.lower().removesuffix(".")
    long = len(name) > _MAX_NAME or any(len(label) > _MAX_LABEL for label in name.split("."))
    return name if DOMAIN.fullmatch(name) and not long else ""


def hash_prefix(base: str) -> str:
    """Return the beginning of an endpoint's hashed account URIs; ``base`` as in ``EndpointConfig``."""
    return f"{base}/account-hash/"


def hashed_uri(base: str, domain: str, thumbprint: str, account_path: str) -> str:
    """Return the account URI of a record (4.1).

    Args:
        base: the endpoint's URLs' common beginning.
        domain: where the record stands, below ``_validation-persist``; or ``*`` for any.
        thumbprint: of a key of the account (RFC 7638), base64url.
        account_path: of the account's URL, below the base.
    """
    account_url = f"{base}/{account_path}"
    digest = account_digest(domain, thumbprint, account_url)
    return f"{hash_prefix(base)}{ALGORITHM}/{digest}"


def account_digest(domain: str, thumbprint: str, account_url: str) -> str:
    """Return H(length of domain || domain || key || account URL), base64url (4.1)."""
    name = domain.encode("ascii")
    hashed = bytes([len(name)]) + name + thumbprint.encode("ascii") + account_url.encode("ascii")
    return urlsafe_b64encode(hashlib.sha256(hashed).digest()).rstrip(b"=").decode("ascii")


def accepted_uris(
    bases: Iterable[str], domain: str, thumbprints: Iterable[str], account_path: str
) -> Iterator[str]:
    """Yield every account URI that a record may carry, likeliest first (4.2).

    Args:
        bases: the endpoint's present one, then former ones.
        domain: where the record stands.
        thumbprints: the account's present key, then former ones, newest first.
        account_path: as for ``hashed_uri``.
    """
    bases = tuple(bases)
    for thumbprint in thumbprints:
        for base in bases:
            for name in (domain, ANY_DOMAIN):
                yield hashed_uri(base, name, thumbprint, account_path)
