"""Factories of authorities, created by the service."""

from apps import principals
from apps.authorities import ledger, services
from apps.authorities.authority_spec import AuthoritySpec
from apps.authorities.ledger import Status
from apps.authorities.models import Authority, AuthorityKind
from pki.algorithms import KeyAlgorithm


def make_root(
    name: str = "test-root", *, algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256, **options: object
) -> Authority:
    """Return an active root authority."""
    spec = AuthoritySpec(
        name=name,
        kind=AuthorityKind.ROOT,
        subject=(("common_name", f"{name} CA"), ("organization", "Sealwright tests")),
        key_algorithm=algorithm,
        **options,
    )
    return services.create_authority(principals.system("tests"), spec)


def make_issuing(
    name: str = "test-issuing",
    *,
    parent: Authority | None = None,
    algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256,
    **options: object,
) -> Authority:
    """Return an active intermediate authority under ``parent`` (a new root unless given)."""
    spec = AuthoritySpec(
        name=name,
        kind=AuthorityKind.INTERMEDIATE,
        subject=(("common_name", f"{name} CA"), ("organization", "Sealwright tests")),
        key_algorithm=algorithm,
        parent=parent or make_root(f"{name}-root", algorithm=algorithm),
        lifetime_days=options.pop("lifetime_days", 1825),
        path_length=options.pop("path_length", 0),
        **options,
    )
    return services.create_authority(principals.system("tests"), spec)


def status_of(authority: Authority, serial_hex: str) -> Status:
    """Return what OCSP says about one serial number, right now."""
    return ledger.statuses_of(authority.pk, [serial_hex])[serial_hex]
