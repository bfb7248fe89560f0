"""Removal of authorities that nothing depends on, with their ledgers and keys."""

from datetime import datetime
from itertools import islice

from django.db import transaction
from django.db.models import ProtectedError

from apps import clock
from apps.audit.events import Event
from apps.audit.record import record
from apps.authorities import ledger, publication, selectors
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
from pki.reasons import RevocationReason

_NAMED = 20


def remove(principal: Principal, authority: Authority) -> None:
    """Remove an authority with its ledgers, and destroy its keys.

    Raises:
        InUse: something depends on it; every dependent object is named.
    """
    refusal = f"The authority {authority.name} is in use by"
    with transaction.atomic():
        locked = selectors.locked(authority.pk)
        users = _users(locked, clock.now())
        if users:
            raise InUse(refusal, users)
        record(Event.AUTHORITY_DELETED, principal=principal, subject=locked)
        _revoke_at_parent(locked)
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


def _users(authority: Authority, now: datetime) -> list[str]:
    """Name what depends on an authority; objects of upper apps refuse through PROTECT."""
    users = [f"authority {child.name}" for child in authority.children.order_by("name")]
    own = [
        *authority.certificates.values_list("serial_number", flat=True),
        *authority.responders.values_list("serial_number", flat=True),
    ]
    revoked = RevokedSerial.objects.filter(authority=authority, released_at__isnull=True)
    unexpired = (
        IssuedSerial.objects.filter(authority=authority, not_after__gt=now)
        .exclude(serial_number__in=own)
        .exclude(serial_number__in=revoked.values("serial_number"))
        .count()
    )
    if unexpired:
        users.append(f"{unexpired} certificates that are neither expired nor revoked")
    return users


def _revoke_at_parent(authority: Authority) -> None:
    """Have the parent revoke the authority's certificates, because its key is destroyed."""
    parent = authority.parent
    if parent is None:
        return
    now = clock.now_s()
    revoked = ledger.statuses_of(
        parent.pk, authority.certificates.values_list("serial_number", flat=True)
    )
    for certificate in authority.certificates.filter(not_after__gt=now):
        if revoked[certificate.serial_number].status == "good":
            ledger.revoke_serial(
                parent,
                certificate.serial_number,
                reason=RevocationReason.CESSATION_OF_OPERATION,
                revoked_at=now,
                not_after=certificate.not_after,
            )
    publication.request_crl(parent)
