"""Django app of private keys: backends, the key table and the rotation of sealed columns."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """Private keys and the backends that hold them."""

    name = "apps.keys"
    verbose_name = "Keys"

    def ready(self) -> None:
        """Register the sealed column of keys and the readiness check of the keyring."""
        from apps import registry
        from apps.keys import checks, sealed_columns  # noqa: F401 - checks register themselves

        registry.sealed_fields.append(registry.SealedField("keys.Key", "sealed_private_key"))
        registry.readiness_checks["keyring"] = registry.ReadinessCheck(
            "keyring", sealed_columns.readiness
        )
