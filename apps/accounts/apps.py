"""Registers people and machines that can sign in."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The bottom of the house: who exists."""

    name = "apps.accounts"
    verbose_name = "Accounts"
