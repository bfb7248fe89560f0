"""Tests of problem documents (RFC 8555 section 6.7)."""

import pytest

from apps import errors
from apps.enrollment.acme import problems
from apps.enrollment.acme.problems import Kind, Refusal, Type
from pki.findings import PkiError, Violation

# RFC 8555 section 9.7.4, RFC 9773 section 7.4, draft-ietf-acme-profiles.
REGISTRY = {
    "accountDoesNotExist",
    "alreadyRevoked",
    "badCSR",
    "badNonce",
    "badPublicKey",
    "badRevocationReason",
    "badSignatureAlgorithm",
    "caa",
    "compound",
    "connection",
    "dns",
    "externalAccountRequired",
    "incorrectResponse",
    "invalidContact",
    "malformed",
    "orderNotReady",
    "rateLimited",
    "rejectedIdentifier",
    "serverInternal",
    "tls",
    "unauthorized",
    "unsupportedContact",
    "unsupportedIdentifier",
    "userActionRequired",
    "alreadyReplaced",
    "invalidProfile",
}
BROKEN = Violation("x", "y", "z", "Reason.")
DOMAIN = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.SealwrightError)
]


def made(kind):
    if kind in {errors.PolicyViolation, errors.InvalidInput}:
        return kind([BROKEN])
    if kind is errors.InUse:
        return kind("Used by", ["a"])
    return kind(7) if kind is errors.RateLimited else kind("Told.")


@pytest.mark.parametrize("kind", DOMAIN, ids=lambda kind: kind.__name__)
def test_a24_every_domain_error_has_a_row_of_its_own(kind):
    assert kind in problems.TABLE
    status, shown, _ = problems.answer(made(kind))
    row = problems.TABLE[kind]
    assert shown["type"] == f"urn:ietf:params:acme:error:{row.type.value}"
    assert shown["status"] == status == row.status
    assert shown["detail"]


def test_a24_the_table_has_nothing_but_the_domain():
    assert set(problems.TABLE) == {*DOMAIN, PkiError}
    assert all(isinstance(row, Kind) for row in problems.TABLE.values())


def test_a24_types_are_those_of_the_registry():
    assert {kind.value for kind in Type} == REGISTRY


@pytest.mark.parametrize("kind", Type)
def test_a24_every_type_has_an_error_status(kind):
    assert 400 <= Refusal(kind, "x").status < 600


@pytest.mark.parametrize(
    "error", [RuntimeError("canary"), KeyError("canary"), errors.SealwrightError("canary")]
)
def test_a24_what_nobody_expected_gives_nothing_away(error, caplog):
    status, shown, _ = problems.answer(error)
    assert status == 500
    assert shown["type"].endswith(":serverInternal")
    assert "canary" not in str(shown)
    assert "canary" in caplog.text


def test_a24_subproblems_are_never_null_and_name_identifiers():
    _, shown, _ = problems.answer(Refusal(Type.MALFORMED, "x"))
    assert "subproblems" not in shown
    blamed = ({"type": "dns", "value": "a"}, Type.REJECTED_IDENTIFIER, "No.")
    _, shown, _ = problems.answer(Refusal(Type.COMPOUND, "x", subproblems=[blamed]))
    assert shown["subproblems"] == [
        {
            "type": "urn:ietf:params:acme:error:rejectedIdentifier",
            "detail": "No.",
            "identifier": {"type": "dns", "value": "a"},
        }
    ]


def test_a24_details_are_bounded():
    _, shown, _ = problems.answer(errors.Malformed("x" * 100_000))
    assert len(shown["detail"]) <= 2000


@pytest.mark.django_db
def test_a24_a_fault_in_a_view_is_a_problem_document(client, monkeypatch):
    from apps.enrollment.acme.services import orders
    from tests.protocol.acme.client import kind

    def broken(*_):
        raise RuntimeError("canary")

    monkeypatch.setattr(orders, "create", broken)
    answer = client.order("www.example.com")
    assert kind(answer) == "serverInternal"
    assert answer.status_code == 500
    assert b"canary" not in answer.content
    assert answer["Replay-Nonce"]
