"""Factory of an ACME endpoint with an account whose only order failed."""

from dataclasses import dataclass
from datetime import timedelta

from apps import clock, principals
from apps.applications.models import Pairing
from apps.enrollment.acme.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeChallenge,
    AcmeEndpoint,
    AcmeOrder,
    AcmeOrderAuthorization,
    EabKey,
)
from apps.enrollment.acme.problems import Type, document
from apps.enrollment.acme.services import challenges, eab_keys
from apps.enrollment.acme.services import endpoints as services
from apps.enrollment.acme.services.challenges import ValidationResult
from apps.enrollment.acme.states import ChallengeStatus, ChallengeType

NAME = "a.example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """An endpoint, and a client whose only order failed."""

    endpoint: AcmeEndpoint
    key: EabKey
    account: AcmeAccount
    order: AcmeOrder
    authorization: AcmeAuthorization
    challenge: AcmeChallenge


def make_acme(pairing: Pairing, *, seen: str = "<b>404</b>") -> Acme:
    """Return an endpoint and a client whose http-01 challenge met the wrong answer."""
    system = principals.system("tests")
    endpoint = services.enable_acme(system, pairing)
    key = eab_keys.create_eab_key(system, endpoint, name="cluster")
    soon = clock.now() + timedelta(hours=1)
    account = AcmeAccount.objects.create(
        endpoint=endpoint,
        thumbprint="t" * 43,
        jwk={"kty": "EC", "crv": "P-256", "x": "x", "y": "y"},
        contacts=["mailto:ops@example.com"],
        eab_key=key,
    )
    order = AcmeOrder.objects.create(
        account=account,
        identifiers=[{"type": "dns", "value": NAME}],
        identifiers_sha256="0" * 64,
        expires_at=soon,
    )
    authorization = AcmeAuthorization.objects.create(
        account=account, identifier_type="dns", identifier_value=NAME, expires_at=soon
    )
    AcmeOrderAuthorization.objects.create(order=order, authorization=authorization)
    challenge = AcmeChallenge.objects.create(
        authorization=authorization, type=ChallengeType.HTTP_01, status=ChallengeStatus.PROCESSING
    )
    detail = "It answered with status 404."
    challenges.record_result(
        challenge.pk,
        ValidationResult(
            proven=False,
            problem=document(Type.INCORRECT_RESPONSE, detail),
            attempt={
                "at": "2027-01-01T00:00:00+00:00",
                "by": "worker",
                "type": "http-01",
                "identifier": NAME,
                "proven": False,
                "error": "incorrectResponse",
                "detail": detail,
                "hops": [
                    {"url": f"http://{NAME}/.well-known/", "address": "192.0.2.7", "outcome": "404"}
                ],
                "seen": [seen],
            },
            principal=system,
        ),
    )
    for row in (order, authorization, challenge):
        row.refresh_from_db()
    return Acme(
        endpoint=endpoint,
        key=key,
        account=account,
        order=order,
        authorization=authorization,
        challenge=challenge,
    )
