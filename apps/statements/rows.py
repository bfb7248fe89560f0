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
    row = model.__new__(model)
    state = row._state = ModelState()  # noqa: SLF001 - what Django's constructor sets
    values = row.__dict__
    constant, made = _defaults(model)
    values.update(constant)
    for attribute, default in made:
        if attribute not in columns:
            values[attribute] = default()
    for name, target in related.items():
        values[_attribute(model, name)] = target.pk if target is not None else None
        state.fields_cache[name] = target
    unknown = columns.keys() - constant.keys()
    if unknown:
        raise TypeError(f"{model.__name__} has no columns {', '.join(sorted(unknown))}")
    values.update(columns)
    return row


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
def _attribute(model: type[Model], name: str) -> str:
    field: Any = model._meta.get_field(name)  # noqa: SLF001 - Django's documented Meta API
    return str(field.attname)
