"""Registry of key backends by name."""

from apps.keys.base import KeyBackend
from apps.keys.software import SoftwareBackend

_BACKENDS: dict[str, KeyBackend] = {}


def register(backend: KeyBackend) -> None:
    """Add a backend under its name.

    Raises:
        ValueError: the name is taken, a programming error.
    """
    if backend.name in _BACKENDS:
        raise ValueError(f"key backend {backend.name!r} is registered twice")
    _BACKENDS[backend.name] = backend


def backend_of(name: str) -> KeyBackend:
    """Return the backend that a key row names.

    Raises:
        LookupError: no such backend is installed.
    """
    try:
        return _BACKENDS[name]
    except KeyError as error:
        raise LookupError(f"key backend {name!r} is not installed") from error


def registered_backends() -> list[KeyBackend]:
    """Return every backend of this installation, in the order of registration."""
    return list(_BACKENDS.values())


register(SoftwareBackend())
