"""Django's entry point to the operations app."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Installation, supervision and the front server: what runs the product."""

    name = "apps.operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Announce jobs."""
        from apps.operations import wiring

        wiring.register()
