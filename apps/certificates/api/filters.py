"""Query parameters that narrow the inventory."""

from django_filters import rest_framework as filters

from apps.applications.models import Application
from apps.authorities.models import Authority
from apps.certificates.models import CertificateState
from apps.profiles.models import Profile
from apps.statements.text_index import MIN_LENGTH
from apps.web.filters import NameFilter, StrictFilterSet


class CertificateFilter(StrictFilterSet):
    """Narrows the inventory."""

    application = NameFilter(Application, "application", label="application name")
    profile = NameFilter(Profile, "profile", label="profile name")
    authority = NameFilter(Authority, "authority", label="name of the authority that issued it")
    state = filters.ChoiceFilter(choices=CertificateState.choices, label="state")
    serial_number = filters.CharFilter("serial_number", label="serial number, hex")
    fingerprint_sha256 = filters.CharFilter("fingerprint_sha256", label="SHA-256 of the DER, hex")
    name = filters.CharFilter(
        "search_text", lookup_expr="contains_text", min_length=MIN_LENGTH, label="part of a name"
    )
    lineage = filters.UUIDFilter("lineage_id", label="a certificate and its renewals")
    not_after_before = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="lt", label="expires before"
    )
    not_after_after = filters.IsoDateTimeFilter(
        "not_after", lookup_expr="gte", label="expires after"
    )
