"""Which shapes do all endpoints share in the OpenAPI document? Serializers that only describe.

Bodies are read by ``wire`` modules and written by ``present`` modules, which list every
mistake at once and cost a fraction of a serializer; tests hold both against descriptions.
"""

from typing import Any

from rest_framework import serializers

from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.reasons import RevocationReason
from pki.template import SAN_TYPES, SUBJECT_ATTRIBUTES

KEY_ALGORITHMS = [(algorithm.value, algorithm.value) for algorithm in KeyAlgorithm]
REVOCATION_REASONS = [(reason.value, reason.value) for reason in RevocationReason]
SIGNATURE_ALGORITHMS = [(algorithm.value, algorithm.value) for algorithm in SignatureAlgorithm]


class ViolationSchema(serializers.Serializer[Any]):
    """One broken rule."""

    code = serializers.CharField()
    field = serializers.CharField()
    value = serializers.CharField()
    reason = serializers.CharField()
    hint = serializers.CharField()


class ProblemSchema(serializers.Serializer[Any]):
    """A problem document (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    instance = serializers.CharField()
    errors = ViolationSchema(many=True)
    users = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="what is still in use by whom"
    )
    request_id = serializers.CharField(
        required=False, help_text="the certificate request that was refused"
    )


class NameSchema(serializers.Serializer[Any]):
    """A subject alternative name, or a subtree of such names."""

    type = serializers.ChoiceField(SAN_TYPES)
    value = serializers.CharField(max_length=1024)


class AttributeSchema(serializers.Serializer[Any]):
    """A subject attribute."""

    type = serializers.ChoiceField(SUBJECT_ATTRIBUTES)
    value = serializers.CharField(max_length=1024)


def page_schema(row: type[serializers.BaseSerializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Return the description of a page of such rows: the one envelope of all lists."""
    name = row.__name__.removesuffix("Schema").removesuffix("Row")
    return type(
        f"{name}PageSchema",
        (serializers.Serializer,),
        {
            "__doc__": "One page of a list.",
            "results": row(many=True),
            "next": serializers.URLField(
                allow_null=True, help_text="address of the following page; null on the last"
            ),
        },
    )
