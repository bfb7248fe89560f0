"""How are rows made where there are many? Without Django's constructor.

``Model.__init__`` looks at each of thirty columns in several ways and sends two signals; it
takes longer than the signature of a certificate. No model of ours overrides it or listens.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.db.models.base import ModelState

_Row = TypeVar("_Row", bound=Model)


def fresh(model: type[_Row], *, related: Mapping[str, Model | None], **columns: Any) -> _Row:
    """Return a row that is not in the database yet, as ``model(...)`` does.

    Args:
        model: of the row.
        related: what its foreign keys point at, so that whoever shows the row needs no query.
        columns: other values by attribute; what is left out gets its default.

    Raises:
        TypeError: the model has no such column.
    """
    for name, target in related.items():
        attribute, key = _relation(model, name)
        columns[attribute] = None if target is None else getattr(target, key)
    row = model.__new__(model)
    state = row._state = ModelState()  # noqa: SLF001 - what Django's constructor sets
    state.fields_cache = {**related}
    row.__dict__.update(completed(model, columns))
    return row


def completed(model: type[Model], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of every column by attribute: those given, and defaults for the rest.

    Raises:
        TypeError: the model has no such column.
    """
    constant, made = _defaults(model)
    values = {**constant, **columns}
    if len(values) > len(constant):
        unknown = columns.keys() - constant.keys()
        raise TypeError(f"{model.__name__} has no columns {', '.join(sorted(unknown))}")
    for attribute, default in made:
        if attribute not in columns:
            values[attribute] = default()
    return values


def loaded(model: type[_Row], attributes: Sequence[str], columns: Sequence[Any]) -> _Row:
    """Return a row that the database has, as ``Model.from_db`` does, all of it at hand.

    Args:
        model: of the row.
        attributes: every column of the model.
        columns: their values.
    """
    row = model.__new__(model)
    values = row.__dict__
    state = values["_state"] = ModelState()
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    values.update(zip(attributes, columns, strict=True))
    return row


_Defaults = tuple[dict[str, Any], tuple[tuple[str, Callable[[], Any]], ...]]


@lru_cache(maxsize=64)
def _defaults(model: type[Model]) -> _Defaults:
    """Return defaults that are always the same, in every column, and those made for each row."""
    fields = model._meta.concrete_fields  # noqa: SLF001 - Django's documented Meta API
    made = tuple((f.attname, f.default) for f in fields if callable(f.default) and f.has_default())
    lively = {attribute for attribute, _ in made}
    constant = {f.attname: None if f.attname in lively else f.get_default() for f in fields}
    return constant, made


@lru_cache(maxsize=256)
def _relation(model: type[Model], name: str) -> tuple[str, str]:
    """Return the attributes that hold a foreign key, and what it refers to in its target."""
    field: Any = model._meta.get_field(name)  # noqa: SLF001 - Django's documented Meta API
    return field.attname, field.target_field.attname
