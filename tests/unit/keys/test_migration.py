"""Tests of the move of the key table from the app of authorities to its own."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from apps import ids
from apps.audit.events import Event
from apps.audit.models import AuditEvent
from apps.audit.record import record
from apps.authorities.models import Authority
from apps.keys.backends import backend_of
from apps.keys.models import Key
from apps.keys.services import generate_key
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm

BEFORE = [("keys", None), ("authorities", "0003_requests_with_certificates")]
COLUMNS = ("id", "algorithm", "public_key_der", "spki_sha256", "sealed_private_key")


def migrate(targets):
    executor = MigrationExecutor(connection)
    return executor.migrate(targets).apps


@pytest.fixture
def newest():
    """Bring the database back to the newest migrations, however the test ends."""
    targets = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield targets
    migrate(targets)


@pytest.mark.django_db(transaction=True)
def test_keys_references_and_permissions_survive_the_move(newest, keyring, sealwright):
    key = generate_key(KeyAlgorithm.ED25519)
    with transaction.atomic():
        record(Event.KEY_GENERATED, principal=sealwright, subject=key)
    view_key = Permission.objects.get(codename="view_key").pk

    before = migrate(BEFORE)
    assert ContentType.objects.get(model="key").app_label == "authorities"
    old_key = before.get_model("authorities", "Key").objects.create(
        **{column: getattr(key, column) for column in COLUMNS}
    )
    before.get_model("authorities", "Authority").objects.create(
        name="old-root", kind="root", subject=[["common_name", "Old Root"]], key=old_key
    )

    migrate(newest)
    moved = Key.objects.get(pk=key.pk)
    assert Authority.objects.get(name="old-root").key == moved
    assert backend_of("software").sign(moved, b"data", SignatureAlgorithm.ED25519)
    assert Permission.objects.get(pk=view_key).content_type.app_label == "keys"
    assert ContentType.objects.filter(model="key").count() == 1
    events = AuditEvent.objects.filter(
        subject_type=ids.label_of(moved).lower(), subject_id=str(moved.pk)
    )
    assert [event.event for event in events] == ["key.generated"]
