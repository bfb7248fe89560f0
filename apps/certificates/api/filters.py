"""Query parameters that narrow the inventory."""

from django_filters import rest_framework as filters

from apps.certificates.models import (
    CertificateState,
)
from apps.web.filters import StrictFilterSet


class CertificateFilter(StrictFilterSet):
    """Narrows the inventory."""

    application = filters.CharFilter("application__name", label="application name")
    profile = filters.CharFilter("profile__name", label="profile name")
    authority = filters.CharFilter("authority__name", label="name of the authority that issued it")
    state = filters.ChoiceFilter(choices=CertificateState.choices, label="state")
    serial_number = filters.CharFilter("serial_number", label="serial number, hex")
    fingerprint_sha256 = filters.CharFilter("fingerprint_sha256", label="SHA-256 of the DER, hex")
    name = filters.CharFilter("search_text", lookup_expr="icontains", label="part of a name")
    lineage = filters.UUIDFilter("lineage_id", label="a certificate and its renewals")
    not_after_before = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="lt", label="expires before"
    )
    not_after_after = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="gte", label="expires after"
    )
