"""Query filters of the authority and CRL lists."""

from django_filters import rest_framework as filters

from apps.authorities.models import AuthorityKind, AuthorityState
from apps.web.filters import (
    DigestFilter,
    ReferenceFilter,
    SearchFilter,
    SerialNumberFilter,
    StrictFilterSet,
)
from apps.web.serializers import KEY_ALGORITHMS


class AuthorityFilter(StrictFilterSet):
    """Narrows the list of authorities."""

    name = filters.CharFilter("name", label="exact name")
    search = SearchFilter("name", "subject")
    serial_number = SerialNumberFilter(
        "certificates__serial_number",
        distinct=True,
        label="serial number of one of its certificates, hex in any spelling",
    )
    fingerprint_sha256 = DigestFilter(
        "certificates__fingerprint_sha256",
        label="SHA-256 of one of its certificates, hex in any spelling",
    )
    kind = filters.ChoiceFilter(choices=AuthorityKind.choices, label="root or intermediate")
    state = filters.ChoiceFilter(choices=AuthorityState.choices, label="state")
    parent = ReferenceFilter("parent", label="name or identifier of the authority above")
    key_algorithm = filters.ChoiceFilter(
        "key__algorithm", choices=KEY_ALGORITHMS, label="algorithm of its key"
    )


class CrlFilter(StrictFilterSet):
    """Lists of CRLs are only paged."""


class PkiUrlFilter(StrictFilterSet):
    """Lists of PKI URLs are only paged."""
