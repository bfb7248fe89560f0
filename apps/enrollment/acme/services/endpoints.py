"""Management of ACME endpoints, for admin pages and API.

Each function checks the right to edit enrollment in the pairing's application first, and records
its audit event in the same transaction.
"""

from typing import Any

from django.db import IntegrityError, transaction

from apps.applications.models import Pairing
from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme.models import AcmeEndpoint
from apps.enrollment.acme.services.endpoint_settings import SETTINGS, apply_settings
from apps.enrollment.acme.services.rights import require_admission, require_edit
from apps.errors import AlreadyExists
from apps.principals import Principal


def enable_acme(principal: Principal, pairing: Pairing, **settings: Any) -> AcmeEndpoint:
    """Set ACME up for a pairing.

    Args:
        principal: needs ``edit_enrollment`` in the application, and ``request_certificates`` for an
            endpoint without EAB.
        pairing: which application and profile.
        settings: columns of ``AcmeEndpoint``; others get their safe defaults.

    Raises:
        NotFound, AccessDenied: the right is missing.
        AlreadyExists: the pairing has an endpoint; see ``update_acme``.
        InvalidInput: lists every wrong setting, and the combination that would admit everyone.
    """
    require_edit(principal, pairing)
    endpoint = AcmeEndpoint(pairing=pairing)
    apply_settings(endpoint, settings)
    if not endpoint.require_eab:
        require_admission(principal, pairing)
    try:
        with transaction.atomic():
            endpoint.save(force_insert=True)
            _record(Event.ACME_ENDPOINT_CREATED, principal, endpoint, **_settings_of(endpoint))
    except IntegrityError as error:
        raise AlreadyExists("ACME is set up for this application and profile already.") from error
    return endpoint


def update_acme(principal: Principal, endpoint: AcmeEndpoint, **settings: Any) -> AcmeEndpoint:
    """Change settings of an endpoint; ``enabled=False`` closes it and keeps accounts and orders.

    Raises:
        NotFound, AccessDenied, InvalidInput: as ``enable_acme``.
    """
    require_edit(principal, endpoint.pairing)
    with transaction.atomic():
        locked = AcmeEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        before = _settings_of(locked)
        apply_settings(locked, settings)
        if before["require_eab"] and not locked.require_eab:
            require_admission(principal, endpoint.pairing)
        locked.save()
        after = _settings_of(locked)
        changed = {name: value for name, value in after.items() if value != before[name]}
        _record(Event.ACME_ENDPOINT_UPDATED, principal, locked, changed=changed)
    for name in SETTINGS:
        setattr(endpoint, name, getattr(locked, name))
    return endpoint


def _settings_of(endpoint: AcmeEndpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in SETTINGS}


def _record(event: Event, principal: Principal, endpoint: AcmeEndpoint, **data: Any) -> None:
    record(
        event,
        principal=principal,
        subject=endpoint,
        application_id=endpoint.pairing.application_id,
        **data,
    )
