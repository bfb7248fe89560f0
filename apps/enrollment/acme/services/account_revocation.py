"""Revocation of ACME accounts by administrators.

Their clients manage them in ``services.accounts``.
"""

from django.db import transaction

from apps.audit.events import Event
from apps.audit.record import record
from apps.enrollment.acme import states
from apps.enrollment.acme.models import AcmeAccount
from apps.enrollment.acme.services.accounts import close_open_objects
from apps.enrollment.acme.services.rights import require_edit
from apps.enrollment.acme.states import AccountStatus
from apps.principals import Principal


def revoke_account(principal: Principal, account: AcmeAccount) -> AcmeAccount:
    """Revoke an account; its certificates stay valid.

    Raises:
        NotFound, AccessDenied: the right is missing.
        InvalidTransition: it has ended already.
    """
    require_edit(principal, account.endpoint.pairing)
    with transaction.atomic():
        locked = AcmeAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
        revoke(principal, locked)
    return locked


def revoke(principal: Principal, row: AcmeAccount) -> str:
    """Revoke a locked account in the caller's transaction, which has checked the right.

    Returns:
        The account's ``url_id``.

    Raises:
        InvalidTransition: it has ended already.
    """
    states.transition(row, AccountStatus.REVOKED, states.ACCOUNT)
    row.save(update_fields=["status"])
    close_open_objects(row, "The account was revoked.")
    record(
        Event.ACME_ACCOUNT_REVOKED,
        principal=principal,
        subject=row,
        application_id=row.endpoint.pairing.application_id,
    )
    return row.url_id
