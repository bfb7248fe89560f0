"""Services that make private keys and destroy unused ones."""

import logging

from django.db import transaction

from apps import clock, ids
from apps.audit.events import Event
from apps.audit.record import record
from apps.errors import SealwrightError
from apps.keys.backends import backend_of
from apps.keys.models import Key
from apps.principals import Principal
from pki import keys
from pki.algorithms import KeyAlgorithm

logger = logging.getLogger(__name__)


def generate_key(algorithm: KeyAlgorithm, *, backend_name: str = "software") -> Key:
    """Generate a key in a backend and return its row, not yet saved.

    The caller saves the row in the transaction of the act that the key is for. RSA takes 50 to
    330 ms, every other algorithm less than 1 ms.

    Args:
        algorithm: type and size of the key.
        backend_name: name of a registered backend.

    Raises:
        LookupError: no such backend, a programming error.
        RuntimeError: called inside a transaction.
        UpstreamUnavailable: the backend does not answer.
        Busy: too many RSA keys are being made.
    """
    key_id, backend = ids.uuid7(), backend_of(backend_name)
    generated = backend.generate(algorithm, key_id)
    return Key(
        id=key_id,
        backend=backend.name,
        algorithm=algorithm.value,
        public_key_der=generated.public_key_der,
        spki_sha256=keys.spki_sha256(generated.public_key_der),
        sealed_private_key=generated.sealed_private_key,
        reference=generated.reference,
    )


def destroy_unused_keys(principal: Principal) -> int:
    """Destroy every key that no row of any model refers to; return how many.

    A key is committed together with what uses it, so one without a user will never have one. A key
    whose backend does not answer is left for the next call.

    Raises:
        RuntimeError: called inside a transaction.
    """
    unused = {f"{relation.name}__isnull": True for relation in Key._meta.related_objects}  # noqa: SLF001 - Django's documented Meta API
    destroyed = 0
    for key in Key.objects.filter(destroyed_at__isnull=True, **unused):
        try:
            backend_of(key.backend).destroy(key)
        except SealwrightError as error:
            logger.warning("key %s not destroyed yet: %s", key.pk, error)
            continue
        key.destroyed_at = clock.now()
        with transaction.atomic():
            key.save(update_fields=["sealed_private_key", "destroyed_at"])
            record(Event.KEY_DESTROYED, principal=principal, subject=key)
        destroyed += 1
    return destroyed
