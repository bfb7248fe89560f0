"""Sealed columns of all apps: which key-encryption keys they need, and moving them to a new one.

Apps register their columns in ``registry.sealed_fields``.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.apps import apps as django_apps
from django.db import connection, models, transaction
from django.db.models import Count, F, Func, Value

from apps import keyring, registry, sealing
from apps.registry import SealedField

BATCH = 200
_RECHECK_SECONDS = 300.0


class _Octets(Func):
    """SQL expression of some octets of a sealed value."""

    function = "SUBSTR"
    output_field = models.BinaryField()

    def __init__(self, field: str, offset: int, length: int) -> None:
        super().__init__(F(field), Value(offset + 1), Value(length))


def _key_id(field: str) -> _Octets:
    """Return the expression that names the key-encryption key of a sealed value."""
    return _Octets(field, sealing.KEY_ID_OFFSET, keyring.KEY_ID_BYTES)


def key_ids_in_use() -> Counter[str]:
    """Return how many sealed values need each key-encryption key, by key identifier."""
    found: Counter[str] = Counter()
    for _, field, rows in _sealed_columns():
        start = _Octets(field, 0, sealing.KEY_ID_OFFSET)
        counted = rows.values(start=start, kek=_key_id(field)).annotate(n=Count("pk")).order_by()
        for version, kek, count in counted.values_list("start", "kek", "n"):
            # A damaged value begins with anything, and no key would open it.
            if bytes(version) == sealing.VERSION:
                found[bytes(kek).hex()] += count
    return found


def problems() -> list[str]:
    """Return why secrets in the database cannot be opened; empty when all can be.

    Compares the keys that the rows need with the keyring, and opens the newest value of each
    column.
    """
    return keyring_problems() or list(_broken_samples())


def keyring_problems() -> list[str]:
    """Return which key-encryption keys are missing; empty when every value has its key.

    No keyring is fine as long as nothing is sealed. A value that is damaged in itself is no fault
    of the keyring.
    """
    in_use = key_ids_in_use()
    if not in_use:
        return []
    try:
        ring = keyring.load_keyring()
    except keyring.KeyringMissing as error:
        return [f"{sum(in_use.values())} sealed values cannot be opened. {error.detail}"]
    return [
        f"{count} sealed values need the key-encryption key {key_id}, which is not in the keyring."
        for key_id, count in sorted(in_use.items())
        if key_id not in ring.keys
    ]


class _Readiness:
    """Readiness check that remembers success for five minutes, because it reads every column."""

    checked_at: float | None = None
    checked_with: keyring.Keyring | None = None

    def check(self) -> str:
        """Return what is wrong for ``/readyz``; empty when every secret can be opened."""
        now = time.monotonic()
        try:
            ring = keyring.load_keyring()
        except keyring.KeyringMissing as error:
            return error.detail
        if (
            self.checked_at is None
            or self.checked_with is not ring
            or now - self.checked_at > _RECHECK_SECONDS
        ):
            found = problems()
            if found:
                return " ".join(found)
            self.checked_at, self.checked_with = now, ring
        return ""


readiness = _Readiness().check


def rewrap_batch(sealed: SealedField, size: int = BATCH) -> int:
    """Move values of one column to the current key; return how many were moved.

    Each value is opened before and after. The rows are locked, so this may run beside normal
    work; it may be interrupted at any point, and moved values stay moved.

    Args:
        sealed: the column.
        size: values at most; one transaction holds their locks.

    Raises:
        CannotUnseal: a value cannot be opened; the message names its row.
    """
    model, field = _model_of(sealed), sealed.field
    current = bytes.fromhex(keyring.load_keyring().current)
    with transaction.atomic():
        rows = (
            _rows(model, field)
            .annotate(kek=_key_id(field))
            .exclude(kek=current)
            .select_for_update(of=("self",))
            .only("pk", field)[:size]
        )
        moved = 0
        for row in rows:
            context = sealing.field_context(row, field)
            try:
                again = sealing.rewrap(bytes(getattr(row, field)), context)
            except sealing.CannotUnseal as error:
                raise sealing.CannotUnseal(f"{context}: {error.detail}") from error
            model._default_manager.filter(pk=row.pk).update(**{field: again})  # noqa: SLF001 - Django's documented model API
            moved += 1
    return moved


def _broken_samples() -> Iterator[str]:
    for model, field, rows in _sealed_columns():
        row = rows.only("pk", field).order_by("-pk").first()
        if row is None:
            continue
        context = sealing.field_context(row, field)
        try:
            sealing.unseal(bytes(getattr(row, field)), context=context)
        except sealing.CannotUnseal as error:
            yield f"{model._meta.label} {row.pk}: {error.detail}"  # noqa: SLF001 - Django's documented Meta API


def _sealed_columns() -> Iterator[tuple[type[models.Model], str, models.QuerySet[Any]]]:
    """Yield the registered columns that exist: a start asks before its migrations have run."""
    with connection.cursor() as cursor:
        introspection = connection.introspection
        tables = introspection.table_names(cursor)
        columns = {
            table: {column.name for column in introspection.get_table_description(cursor, table)}
            for table in {_table_of(sealed) for sealed in registry.sealed_fields} & set(tables)
        }
    for sealed in registry.sealed_fields:
        if sealed.field in columns.get(_table_of(sealed), ()):
            model = _model_of(sealed)
            yield model, sealed.field, _rows(model, sealed.field)


def _table_of(sealed: SealedField) -> str:
    return _model_of(sealed)._meta.db_table  # noqa: SLF001 - Django's documented Meta API


def _model_of(sealed: SealedField) -> type[models.Model]:
    return django_apps.get_model(sealed.model)


def _rows(model: type[models.Model], field: str) -> models.QuerySet[Any]:
    """Return the rows whose column is not empty."""
    return model._default_manager.exclude(**{field: b""}).exclude(**{f"{field}__isnull": True})  # noqa: SLF001 - Django's documented model API
