"""Query parameters that narrow the inventory."""

from typing import Any

from django_filters import rest_framework as filters

from apps.certificates.models import CertificateState
from apps.statements.text_index import MIN_LENGTH
from apps.web.filters import (
    DigestFilter,
    NameFilter,
    ReferenceFilter,
    SerialNumberFilter,
    StrictFilterSet,
)


class StateFilter(filters.ChoiceFilter):
    """Finds certificates by what they are now; those that have ended need not be marked yet."""

    def filter(self, rows: Any, value: str) -> Any:
        """Return the rows in this state; all of them when there is none."""
        return rows.in_state(value) if value else rows


class CertificateFilter(StrictFilterSet):
    """Narrows the inventory."""

    application = ReferenceFilter("application", label="name or identifier of the application")
    profile = ReferenceFilter("profile", label="name or identifier of the profile")
    authority = ReferenceFilter(
        "authority", label="name or identifier of the authority that issued it"
    )
    state = StateFilter(choices=CertificateState.choices, label="state")
    serial_number = SerialNumberFilter("serial_number", label="serial number, hex in any spelling")
    fingerprint_sha256 = DigestFilter(
        "fingerprint_sha256", label="SHA-256 of the DER, hex in any spelling"
    )
    name = NameFilter(
        "search_text",
        lookup_expr="contains_text",
        min_length=MIN_LENGTH,
        label="part of a name, in any spelling",
    )
    lineage = filters.UUIDFilter("lineage_id", label="a certificate and its renewals")
    not_after_before = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="lt", label="expires before"
    )
    not_after_after = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="gte", label="expires after"
    )
