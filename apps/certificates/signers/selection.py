"""Choice of the signer of a profile, or of a request that was made earlier."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from apps.applications.models import Pairing
from apps.authorities import signing as authority_signing
from apps.certificates.models import CertificateRequest
from apps.certificates.signers.base import Signer
from apps.certificates.signers.internal import InternalSigner
from apps.certificates.signers.self_signed import SelfSigner
from apps.errors import InvalidTransition
from apps.profiles.models import IssuerType, Profile
from pki.addresses import quoted

SignerFactory = Callable[[Profile, UUID | None, tuple[Any, ...] | None], Signer]
"""Called with the profile, the authority of the request, and ``Pairing.issuer_version``."""


def _internal(
    _profile: Profile, authority_id: UUID | None, version: tuple[Any, ...] | None
) -> Signer:
    if authority_id is None:
        raise InvalidTransition("The profile has no authority.")
    return InternalSigner(authority_signing.issuer_of(authority_id, version))


def _self_signed(
    _profile: Profile, _authority_id: UUID | None, _version: tuple[Any, ...] | None
) -> Signer:
    return SelfSigner()


signer_factories: dict[str, SignerFactory] = {
    IssuerType.AUTHORITY: _internal,
    IssuerType.SELF_SIGNED: _self_signed,
}
"""By issuer type. A connector adds its own in ``AppConfig.ready``."""


def signer_of_pairing(pairing: Pairing) -> Signer:
    """Return who signs what is requested at a pairing.

    Raises:
        InvalidTransition: the authority is not active, or nobody signs for this profile.
    """
    profile = pairing.profile
    return _signer(profile.issuer_type, profile, profile.authority_id, pairing.issuer_version)


def signer_of_request(request: CertificateRequest) -> Signer:
    """Return who signs a request, as was decided when it was made.

    Raises:
        InvalidTransition: as ``signer_of_pairing``.
    """
    return _signer(request.issuer_type, request.profile, request.authority_id, None)


def _signer(
    issuer_type: str,
    profile: Profile,
    authority_id: UUID | None,
    version: tuple[Any, ...] | None,
) -> Signer:
    factory = signer_factories.get(issuer_type)
    if factory is None:
        raise InvalidTransition(f"Nothing signs for profiles of the type {quoted(issuer_type)}.")
    return factory(profile, authority_id, version)
