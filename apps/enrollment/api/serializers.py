"""Serializers of the bodies that request certificates, one or many, and of their evaluation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from apps.certificates.api.serializers import (
    BasicConstraintsSerializer,
    ContentSerializer,
    CsrField,
    OutcomeSerializer,
)
from apps.certificates.issuance import MAX_ENROLLMENTS
from apps.certificates.outcomes import Outcome, Pending
from apps.errors import Malformed, SealwrightError
from apps.policies.durations import parse_duration
from apps.profiles.requested_content import RequestedContent
from apps.web import fields
from apps.web.parsers import require_storable
from apps.web.problems import document_of
from apps.web.serializers import (
    KEY_ALGORITHMS,
    SIGNATURE_ALGORITHMS,
    Answer,
    Body,
    NoteSerializer,
    ProblemSerializer,
    ViolationSerializer,
)
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.names import MAX_ALT_NAMES
from pki.template import EXTENDED_KEY_USAGES, KEY_USAGES

_CSR_EXAMPLE = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB...\n-----END CERTIFICATE REQUEST-----\n"


class DurationField(fields.ParsedField):
    """A length of time such as ``90d``."""

    hint = "Examples: 90d, 12h, 30m."

    def parse(self, text: str) -> timedelta:
        """Return the time."""
        try:
            return parse_duration(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class KeySpecSerializer(Body):
    """The key that the server is to make."""

    algorithm = fields.ChoiceField(
        KEY_ALGORITHMS, required=False, help_text="default: the profile's"
    )


class RequestedContentSerializer(Body):
    """What a request may say beside its CSR or key."""

    subject = fields.SubjectField(required=False, help_text="attribute to value or values")
    subject_alt_names = fields.NamesField(required=False, max_length=MAX_ALT_NAMES)
    key_usages = fields.ChoicesField(KEY_USAGES, required=False)
    extended_key_usages = fields.ChoicesField(EXTENDED_KEY_USAGES, required=False)
    signature_algorithm = fields.ChoiceField(SIGNATURE_ALGORITHMS, required=False)
    ttl = DurationField(required=False, help_text="90d, 12h, 30m")
    not_before = fields.DateTimeField(required=False)
    not_after = fields.DateTimeField(required=False)
    basic_constraints = BasicConstraintsSerializer(required=False)

    def conflicts(self, data: Mapping[str, Any]) -> dict[str, ErrorDetail]:
        """Refuse two ends of validity."""
        if "ttl" in data and "not_after" in data:
            return {
                "ttl": ErrorDetail("Send either ttl or not_after.", "request.ttl_xor_not_after")
            }
        return {}


def requested_content(sent: Mapping[str, Any]) -> RequestedContent:
    """Return what a validated body says about the certificate."""
    algorithm = sent.get("key", {}).get("algorithm")
    signature = sent.get("signature_algorithm")
    constraints = sent.get("basic_constraints", {})
    return RequestedContent(
        subject=sent.get("subject"),
        subject_alt_names=sent.get("subject_alt_names"),
        key_algorithm=KeyAlgorithm(algorithm) if algorithm else None,
        signature_algorithm=SignatureAlgorithm(signature) if signature else None,
        key_usages=sent.get("key_usages"),
        extended_key_usages=sent.get("extended_key_usages"),
        ttl=sent.get("ttl"),
        not_before=sent.get("not_before"),
        not_after=sent.get("not_after"),
        is_ca=constraints.get("is_ca"),
        path_length=constraints.get("path_length"),
    )


class RequestBodySerializer(RequestedContentSerializer):
    """A certificate request: a CSR, or a key specification."""

    example = {
        "application": "payments",
        "profile": "tls-server",
        "key": {"algorithm": "ec-p256"},
        "subject_alt_names": ["www.example.com"],
        "ttl": "90d",
    }
    hints = {"request.csr_xor_key": 'Example of the latter: "key": {"algorithm": "ec-p256"}.'}

    application = fields.CharField(help_text="name or id")
    profile = fields.CharField(help_text="name or id; attached to the application")
    csr = CsrField(required=False)
    key = KeySpecSerializer(required=False)

    def conflicts(self, data: Mapping[str, Any]) -> dict[str, ErrorDetail]:
        """Refuse both a CSR and a key specification, or neither."""
        found = super().conflicts(data)
        if ("csr" in data) == ("key" in data):
            text = "Send either a csr or a key specification."
            found["csr"] = ErrorDetail(text, "request.csr_xor_key")
        return found


class ManyRequestsItemSerializer(RequestedContentSerializer):
    """One of many certificate requests: always from a CSR."""

    csr = CsrField()


class _RequestsField(fields.ListField):
    """Requests that stand for themselves: an unusable one is read as why it is unusable."""

    child = ManyRequestsItemSerializer()

    def run_child_validation(self, data: Any) -> list[tuple[bytes, RequestedContent] | Malformed]:
        """Return CSR and content of each, or its refusal."""
        return [_one_of_many(item) for item in data]


def _one_of_many(item: Any) -> tuple[bytes, RequestedContent] | Malformed:
    try:
        require_storable(item)
        sent = ManyRequestsItemSerializer.parse(item)
    except Malformed as error:
        return error
    return sent["csr"], requested_content(sent)


class ManyRequestsSerializer(Body):
    """Up to a hundred certificate requests at one application and profile."""

    example = {
        "application": "payments",
        "profile": "tls-server",
        "requests": [{"csr": _CSR_EXAMPLE, "ttl": "30d"}, {"csr": _CSR_EXAMPLE}],
    }

    application = fields.CharField(help_text="name or id")
    profile = fields.CharField(help_text="name or id; attached to the application")
    requests = _RequestsField(min_length=1, max_length=MAX_ENROLLMENTS)


class RequestResultSerializer(Answer):
    """What one of many requests became."""

    status = serializers.IntegerField(help_text="201, 202, or that of the problem")
    request = OutcomeSerializer(allow_null=True)
    problem = ProblemSerializer(allow_null=True)

    def to_representation(self, instance: Outcome) -> dict[str, Any]:
        """Return the request or its problem, with the status that it would have had alone."""
        if isinstance(instance, SealwrightError):
            problem = document_of(instance)
            return {"status": problem["status"], "request": None, "problem": problem}
        status = 202 if isinstance(instance, Pending) else 201
        return {"status": status, "request": OutcomeSerializer.of(instance), "problem": None}


class ManyOutcomesSerializer(Answer):
    """What many requests became, in the order in which they were sent."""

    issued = serializers.IntegerField()
    pending = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = RequestResultSerializer(many=True)

    def to_representation(self, instance: Sequence[Outcome]) -> dict[str, Any]:
        """Return the outcomes and how many there are of each kind."""
        results = [RequestResultSerializer.of(item) for item in instance]
        statuses = Counter(item["status"] for item in results)
        issued, pending = statuses.pop(201, 0), statuses.pop(202, 0)
        return {
            "issued": issued,
            "pending": pending,
            "refused": statuses.total(),
            "results": results,
        }


class VerdictSerializer(Answer):
    """One rule and whether it holds."""

    rule = serializers.CharField()
    field = serializers.CharField()
    passed = serializers.BooleanField()
    violation = ViolationSerializer(allow_null=True)


class _AcceptedField(serializers.BooleanField):
    """Whether there are no violations."""

    def to_representation(self, value: Any) -> bool:
        """Return the answer."""
        return not value


class DecisionSerializer(Answer):
    """What a request would become."""

    accepted = _AcceptedField(source="violations")
    policy_version = serializers.CharField()
    certificate = ContentSerializer(source="leaf", allow_null=True)
    rules = VerdictSerializer(source="verdicts", many=True)
    violations = ViolationSerializer(many=True)
    notes = NoteSerializer(many=True)


class CommentSerializer(Body):
    """A word to the requester."""

    example = {"comment": "Ask for the name that was agreed upon."}

    comment = fields.CharField(required=False)
