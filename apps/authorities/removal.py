"""Removal of authorities that nothing depends on, with their ledgers and keys."""

from itertools import islice

from django.db import transaction
from django.db.models import ProtectedError

from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ca_revocation, selectors
from apps.authorities.models import (
    CRL,
    Authority,
    AuthorityCertificate,
    CRLPart,
    IssuedSerial,
    OcspAnswer,
    OcspResponder,
    RevokedSerial,
)
from apps.errors import InUse
from apps.keys import services as keys
from apps.principals import Principal

_NAMED = 20


def remove(principal: Principal, authority: Authority) -> None:
    """Remove an authority with its ledgers, and destroy its keys.

    Raises:
        InUse: something depends on it; every dependent object is named.
    """
    refusal = f"The authority {authority.name} is in use by"
    with transaction.atomic():
        locked = selectors.locked(authority.pk)
        users = _users(locked)
        if users:
            raise InUse(refusal, users)
        record(Event.AUTHORITY_DELETED, principal=principal, subject=locked)
        ca_revocation.revoke_for_removal(locked)
        # The savepoint lets the outer transaction go on after the database has refused.
        try:
            with transaction.atomic():
                published = CRL.objects.filter(authority=locked)
                CRLPart.objects.filter(sha256__in=published.values("sha256")).delete()
                for ledger_model in (OcspAnswer, OcspResponder, CRL, RevokedSerial, IssuedSerial):
                    ledger_model.objects.filter(authority=locked).delete()
                AuthorityCertificate.objects.filter(authority=locked).delete()
                locked.delete()
        except ProtectedError as error:
            objects = islice(error.protected_objects, _NAMED)
            raise InUse(refusal, [f"{o._meta.verbose_name} {o}" for o in objects]) from error  # noqa: SLF001 - Django's documented Meta API
    keys.destroy_unused_keys(principal)


def _users(authority: Authority) -> list[str]:
    """Name what depends on an authority; objects of upper apps refuse through PROTECT."""
    users = [f"authority {child.name}" for child in authority.children.order_by("name")]
    unexpired = selectors.certificates_in_force(authority)
    if unexpired:
        users.append(f"{unexpired} certificates that are neither expired nor revoked")
    return users
