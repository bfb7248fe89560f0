"""What does the OpenAPI document promise about ACME? Serializers that only describe."""

from typing import Any

from rest_framework import serializers

from apps.enrollment.acme.api.wire import MAX_ENTRIES, MAX_NAME, MAX_URL
from apps.enrollment.acme.services.eab import STATES
from apps.enrollment.acme.services.limits import DEFAULTS
from apps.enrollment.acme.states import (
    AccountStatus,
    AuthorizationStatus,
    ChallengeStatus,
    ChallengeType,
    OrderStatus,
)
from apps.web.serializers import page_serializer

# Named in the settings, so that the document calls each by one name.
ACCOUNT_STATUSES = AccountStatus.choices()
AUTHORIZATION_STATUSES = AuthorizationStatus.choices()
CHALLENGE_STATUSES = ChallengeStatus.choices()
CHALLENGE_TYPES = ChallengeType.choices()
ORDER_STATUSES = OrderStatus.choices()


def _texts(help_text: str, *, required: bool = False) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=1024),
        max_length=MAX_ENTRIES,
        required=required,
        help_text=help_text,
    )


class AcmeLimitsSchema(serializers.Serializer[Any]):
    """Counts an hour; 0 lifts one."""

    accounts_per_address = serializers.IntegerField(required=False, min_value=0)
    orders_per_account = serializers.IntegerField(required=False, min_value=0)
    orders_per_names = serializers.IntegerField(required=False, min_value=0)
    failures_per_account = serializers.IntegerField(required=False, min_value=0)


assert set(AcmeLimitsSchema().fields) == set(DEFAULTS)


class AcmeSettingsSchema(serializers.Serializer[Any]):
    """Settings of an endpoint; what is left out stays as it is."""

    enabled = serializers.BooleanField(required=False)
    require_eab = serializers.BooleanField(required=False)
    skip_validation = serializers.BooleanField(
        required=False, help_text="names that an EAB key lists need no proof"
    )
    challenge_types = serializers.ListField(
        child=serializers.ChoiceField(CHALLENGE_TYPES), required=False
    )
    http_port = serializers.IntegerField(required=False, min_value=1, max_value=65535)
    tls_port = serializers.IntegerField(required=False, min_value=1, max_value=65535)
    resolvers = _texts("name servers, address or address:port; empty = the system's")
    allowed_networks = _texts("CIDR, reached beyond the default")
    check_caa = serializers.BooleanField(required=False)
    caa_identities = _texts("our names in CAA records")
    terms_of_service = serializers.CharField(required=False, allow_blank=True, max_length=MAX_URL)
    website = serializers.CharField(required=False, allow_blank=True, max_length=MAX_URL)
    order_lifetime_h = serializers.IntegerField(required=False, min_value=1)
    authz_lifetime_h = serializers.IntegerField(
        required=False, min_value=0, help_text="0 = a proof is good for one order"
    )
    limits = AcmeLimitsSchema(required=False)


class NewAcmeEndpointSchema(AcmeSettingsSchema):
    """An endpoint to be opened."""

    profile = serializers.CharField(help_text="name or identifier of an attached profile")


class AcmeEndpointSchema(AcmeSettingsSchema):
    """An ACME endpoint."""

    id = serializers.UUIDField()
    application = serializers.CharField()
    profile = serializers.CharField()
    directory_url = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewEabKeySchema(serializers.Serializer[Any]):
    """A key to be made."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME)
    reusable = serializers.BooleanField(required=False, help_text="for any number of accounts")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    identifiers = _texts("DNS patterns and networks; empty = any")
    networks = _texts("source addresses, CIDR; empty = any")


class EabKeySchema(serializers.Serializer[Any]):
    """An EAB key, without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kid = serializers.CharField()
    state = serializers.ChoiceField(STATES)
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


class EabSecretSchema(serializers.Serializer[Any]):
    """What a client needs to register."""

    kid = serializers.CharField()
    hmac_key = serializers.CharField(help_text="base64url")


class EabRevocationSchema(serializers.Serializer[Any]):
    """How far a revocation goes."""

    accounts = serializers.BooleanField(
        required=False, help_text="the accounts made with the key end too"
    )


class AcmeAccountSchema(serializers.Serializer[Any]):
    """A client."""

    id = serializers.UUIDField()
    profile = serializers.CharField()
    status = serializers.ChoiceField(ACCOUNT_STATUSES)
    thumbprint = serializers.CharField()
    contacts = serializers.ListField(child=serializers.CharField())
    eab_kid = serializers.CharField(allow_null=True)
    created_ip = serializers.CharField(allow_null=True)
    orders = serializers.IntegerField()
    failures = serializers.IntegerField(help_text="failed challenges within a week")
    created_at = serializers.DateTimeField()


class AcmeIdentifierSchema(serializers.Serializer[Any]):
    """What a certificate is for."""

    type = serializers.CharField()
    value = serializers.CharField()


class AcmeHopSchema(serializers.Serializer[Any]):
    """One connection or question of an attempt."""

    url = serializers.CharField()
    address = serializers.CharField()
    outcome = serializers.CharField()


class AcmeAttemptSchema(serializers.Serializer[Any]):
    """One attempt at validating, exactly."""

    at = serializers.CharField()
    by = serializers.CharField()
    type = serializers.CharField()
    identifier = serializers.CharField()
    proven = serializers.BooleanField()
    error = serializers.CharField()
    detail = serializers.CharField()
    hops = AcmeHopSchema(many=True)
    seen = serializers.ListField(
        child=serializers.CharField(), help_text="what answered, escaped and cut"
    )


class AcmeChallengeSchema(serializers.Serializer[Any]):
    """One way to prove an identifier."""

    type = serializers.ChoiceField(CHALLENGE_TYPES)
    status = serializers.ChoiceField(CHALLENGE_STATUSES)
    started_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    error = serializers.DictField(allow_null=True, help_text="ACME problem document")
    attempts = AcmeAttemptSchema(many=True)


class AcmeAuthorizationSchema(serializers.Serializer[Any]):
    """The proof of one identifier."""

    id = serializers.UUIDField()
    identifier = AcmeIdentifierSchema()
    wildcard = serializers.BooleanField()
    status = serializers.ChoiceField(AUTHORIZATION_STATUSES)
    expires_at = serializers.DateTimeField()
    challenges = AcmeChallengeSchema(many=True)


class AcmeOrderRowSchema(serializers.Serializer[Any]):
    """An order as lists show it."""

    id = serializers.UUIDField()
    account = serializers.UUIDField()
    profile = serializers.CharField()
    status = serializers.ChoiceField(ORDER_STATUSES)
    identifiers = AcmeIdentifierSchema(many=True)
    error = serializers.DictField(allow_null=True, help_text="ACME problem document")
    replaces = serializers.CharField(allow_null=True)
    not_before = serializers.DateTimeField(allow_null=True)
    not_after = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()
    certificate_request = serializers.UUIDField(allow_null=True)
    certificate = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()


class AcmeOrderSchema(AcmeOrderRowSchema):
    """An order with its challenges and their attempts."""

    authorizations = AcmeAuthorizationSchema(many=True)


class FailingClientSchema(serializers.Serializer[Any]):
    """A client whose validations failed within a week."""

    account = serializers.UUIDField()
    profile = serializers.CharField()
    contacts = serializers.ListField(child=serializers.CharField())
    failures = serializers.IntegerField()
    last_at = serializers.DateTimeField()
    reason = serializers.CharField()
    identifiers = serializers.ListField(child=serializers.CharField())


AcmeEndpointPageSchema = page_serializer(AcmeEndpointSchema)
EabKeyPageSchema = page_serializer(EabKeySchema)
AcmeAccountPageSchema = page_serializer(AcmeAccountSchema)
AcmeOrderPageSchema = page_serializer(AcmeOrderRowSchema)
FailingClientPageSchema = page_serializer(FailingClientSchema)
