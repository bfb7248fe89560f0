"""Serializers of ACME endpoints, EAB keys, accounts and orders."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.enrollment.acme import limit_usage, wire
from apps.enrollment.acme.models import AcmeAuthorization, AcmeEndpoint, EabKey
from apps.enrollment.acme.selectors import directory_url
from apps.enrollment.acme.services.eab import STATES, state_of
from apps.enrollment.acme.services.limits import DEFAULTS
from apps.enrollment.acme.states import (
    AccountStatus,
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.web import fields
from apps.web.serializers import Answer, Body

# Named in the settings, so that the API document calls each by one name.
ACCOUNT_STATUSES = AccountStatus.choices()
AUTHORIZATION_STATUSES = AuthorizationStatus.choices()
CHALLENGE_STATUSES = ChallengeStatus.choices()
CHALLENGE_TYPES = ChallengeType.choices()
ORDER_STATUSES = OrderStatus.choices()
_MAX_ENTRIES = 100
_MAX_URL = 200
_MAX_NAME = 100


def _texts(help_text: str) -> fields.ListField:
    """Return an optional list of texts."""
    return fields.ListField(
        child=fields.CharField(), max_length=_MAX_ENTRIES, required=False, help_text=help_text
    )


class AcmeLimitsSerializer(Body):
    """Limits by their names: counts an hour, 0 lifts one."""

    accounts_per_address = fields.IntegerField(required=False)
    orders_per_account = fields.IntegerField(required=False)
    orders_per_names = fields.IntegerField(required=False)
    failures_per_account = fields.IntegerField(required=False)


assert set(AcmeLimitsSerializer().fields) == set(DEFAULTS)


class AcmeSettingsSerializer(Body):
    """Settings of an endpoint; what is left out stays as it is."""

    example = {"require_eab": True, "limits": {"orders_per_account": 300}}

    enabled = fields.BooleanField(required=False)
    require_eab = fields.BooleanField(required=False)
    skip_validation = fields.BooleanField(
        required=False, help_text="names that an EAB key lists need no proof"
    )
    challenge_types = fields.ChoicesField(CHALLENGE_TYPES, required=False)
    http_port = fields.IntegerField(required=False)
    tls_port = fields.IntegerField(required=False)
    resolvers = _texts("name servers, address or address:port; empty = the system's")
    allowed_networks = _texts("CIDR, reached beyond the default")
    check_caa = fields.BooleanField(required=False)
    caa_identities = _texts("the authority's names in CAA records")
    terms_of_service = fields.CharField(required=False, allow_blank=True, max_length=_MAX_URL)
    website = fields.CharField(required=False, allow_blank=True, max_length=_MAX_URL)
    order_lifetime_h = fields.IntegerField(required=False)
    authz_lifetime_h = fields.IntegerField(
        required=False, help_text="0 = a proof is good for one order"
    )
    limits = AcmeLimitsSerializer(required=False)


class NewAcmeEndpointSerializer(AcmeSettingsSerializer):
    """An endpoint to be set up."""

    example = {"profile": "tls-server", "challenge_types": ["http-01"]}

    profile = fields.CharField(help_text="name or identifier of an attached profile")


class AcmeLimitUseSerializer(Answer):
    """A limit, and who has come closest to it within the last hour."""

    name = serializers.CharField()
    limit = serializers.IntegerField(help_text="counts an hour that are allowed; 0 = any number")
    used = serializers.IntegerField(help_text="the highest count within the last hour")
    by = serializers.CharField(help_text="account, names or address with that count")


class AcmeEndpointRowSerializer(Answer):
    """An ACME endpoint as lists show it."""

    id = serializers.UUIDField()
    application = serializers.CharField(source="pairing.application.name")
    profile = serializers.CharField(source="pairing.profile.name")
    directory_url = serializers.SerializerMethodField()
    enabled = serializers.BooleanField()
    require_eab = serializers.BooleanField()
    skip_validation = serializers.BooleanField()
    challenge_types = serializers.ListField(child=serializers.ChoiceField(CHALLENGE_TYPES))
    http_port = serializers.IntegerField()
    tls_port = serializers.IntegerField()
    resolvers = serializers.ListField(child=serializers.CharField())
    allowed_networks = serializers.ListField(child=serializers.CharField())
    check_caa = serializers.BooleanField()
    caa_identities = serializers.ListField(child=serializers.CharField())
    terms_of_service = serializers.CharField()
    website = serializers.CharField()
    order_lifetime_h = serializers.IntegerField()
    authz_lifetime_h = serializers.IntegerField()
    limits = serializers.DictField(
        child=serializers.IntegerField(), help_text="those that differ from the defaults"
    )
    created_at = serializers.DateTimeField()

    def get_directory_url(self, row: AcmeEndpoint) -> str:
        """Return the URL that clients are configured with."""
        return directory_url(row)


class AcmeEndpointSerializer(AcmeEndpointRowSerializer):
    """An ACME endpoint with its settings and how far its limits are used up."""

    limit_use = serializers.SerializerMethodField()

    @extend_schema_field(AcmeLimitUseSerializer(many=True))
    def get_limit_use(self, row: AcmeEndpoint) -> Any:
        """Return every limit with its highest use."""
        return AcmeLimitUseSerializer(limit_usage.usage(row), many=True).data


class NewEabKeySerializer(Body):
    """A key to be created."""

    example = {
        "name": "web servers",
        "identifiers": ["*.example.com"],
        "networks": ["192.0.2.0/24"],
    }

    name = fields.CharField(required=False, allow_blank=True, max_length=_MAX_NAME)
    reusable = fields.BooleanField(required=False, help_text="for any number of accounts")
    expires_at = fields.DateTimeField(required=False, allow_null=True)
    identifiers = _texts("DNS patterns and networks; empty = any")
    networks = _texts("source addresses, CIDR; empty = any")


class EabKeySerializer(Answer):
    """An EAB key, without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kid = serializers.CharField()
    state = serializers.SerializerMethodField()
    reusable = serializers.BooleanField()
    expires_at = serializers.DateTimeField(allow_null=True)
    identifiers = serializers.ListField(child=serializers.CharField())
    networks = serializers.ListField(child=serializers.CharField())
    used_count = serializers.IntegerField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revealed_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(STATES))
    def get_state(self, row: EabKey) -> str:
        """Return whether clients can register with the key, and if not why."""
        return state_of(row)


class EabSecretSerializer(Answer):
    """Key identifier and secret, as a client needs them to register."""

    kid = serializers.CharField()
    hmac_key = serializers.CharField(help_text="base64url")


class EabRevocationSerializer(Body):
    """How far a revocation goes."""

    example = {"accounts": True}

    accounts = fields.BooleanField(
        required=False, help_text="the accounts created with the key are revoked too"
    )


class AcmeAccountSerializer(Answer):
    """An account."""

    id = serializers.UUIDField()
    profile = serializers.CharField(source="endpoint.pairing.profile.name")
    status = serializers.ChoiceField(ACCOUNT_STATUSES)
    thumbprint = serializers.CharField()
    contacts = serializers.ListField(child=serializers.CharField())
    eab_kid = serializers.CharField(source="eab_key.kid", allow_null=True)
    created_ip = serializers.CharField(allow_null=True)
    orders = serializers.IntegerField(source="order_count")
    failures = serializers.IntegerField(
        source="failure_count", help_text="failed challenges within a week"
    )
    created_at = serializers.DateTimeField()


class AcmeIdentifierSerializer(Answer):
    """What a certificate is for."""

    type = serializers.CharField()
    value = serializers.CharField()


class AcmeHopSerializer(Answer):
    """One connection or question of an attempt."""

    url = serializers.CharField()
    address = serializers.CharField()
    outcome = serializers.CharField()


class AcmeAttemptSerializer(Answer):
    """One attempt at validating, exactly."""

    at = serializers.CharField()
    by = serializers.CharField()
    type = serializers.CharField()
    identifier = serializers.CharField()
    proven = serializers.BooleanField()
    error = serializers.CharField()
    detail = serializers.CharField()
    hops = AcmeHopSerializer(many=True)
    seen = serializers.ListField(
        child=serializers.CharField(), help_text="what answered, escaped and cut"
    )


class AcmeChallengeSerializer(Answer):
    """One way to prove an identifier."""

    type = serializers.ChoiceField(CHALLENGE_TYPES)
    status = serializers.ChoiceField(CHALLENGE_STATUSES)
    started_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    error = serializers.DictField(allow_null=True, help_text="ACME problem document")
    attempts = AcmeAttemptSerializer(many=True)


class AcmeAuthorizationSerializer(Answer):
    """The proof of one identifier."""

    id = serializers.UUIDField()
    identifier = serializers.SerializerMethodField()
    wildcard = serializers.BooleanField()
    status = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField()
    challenges = AcmeChallengeSerializer(many=True)

    @extend_schema_field(AcmeIdentifierSerializer)
    def get_identifier(self, row: AcmeAuthorization) -> dict[str, str]:
        """Return type and value."""
        return {"type": row.identifier_type, "value": row.identifier_value}

    @extend_schema_field(serializers.ChoiceField(AUTHORIZATION_STATUSES))
    def get_status(self, row: AcmeAuthorization) -> str:
        """Return the status at this moment."""
        return wire.current_status(row)


class _OptionalTextField(serializers.CharField):
    """A text in an answer; ``null`` where it is empty."""

    def to_representation(self, value: Any) -> Any:
        """Return the text."""
        return value or None


class AcmeOrderRowSerializer(Answer):
    """An order as lists show it."""

    id = serializers.UUIDField()
    account = serializers.UUIDField(source="account_id")
    profile = serializers.CharField(source="account.endpoint.pairing.profile.name")
    status = serializers.ChoiceField(ORDER_STATUSES)
    identifiers = AcmeIdentifierSerializer(many=True)
    error = serializers.DictField(allow_null=True, help_text="ACME problem document")
    replaces = _OptionalTextField(allow_null=True)
    not_before = serializers.DateTimeField(allow_null=True)
    not_after = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()
    certificate_request = serializers.UUIDField(source="certificate_request_id", allow_null=True)
    certificate = serializers.UUIDField(source="certificate_id", allow_null=True)
    created_at = serializers.DateTimeField()


class AcmeOrderSerializer(AcmeOrderRowSerializer):
    """An order with its challenges and their attempts."""

    authorizations = AcmeAuthorizationSerializer(many=True)


class FailingClientSerializer(Answer):
    """A client whose validations failed within a week."""

    account = serializers.UUIDField(source="account.pk")
    profile = serializers.CharField(source="account.endpoint.pairing.profile.name")
    contacts = serializers.ListField(source="account.contacts", child=serializers.CharField())
    failures = serializers.IntegerField()
    last_at = serializers.DateTimeField()
    reason = serializers.CharField()
    identifiers = serializers.ListField(source="names", child=serializers.CharField())
