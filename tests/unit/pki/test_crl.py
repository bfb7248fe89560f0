"""CRLs are read by programs that nobody here wrote: cryptography, OpenSSL, pkilint."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import chain, keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.crl import (
    MAX_NUMBER,
    RevokedEntry,
    UnusableCRL,
    build_crl,
)
from pki.reasons import RevocationReason
from tests.unit.pki.issuers import NOW, issuer

P256 = KeyAlgorithm.EC_P256
WEEK = timedelta(days=7)


def make(entries=(), *, by=None, **changes) -> bytes:
    by = by or issuer(P256)
    values = {
        "issuer_certificate": by.certificate,
        "signature_algorithm": by.signature_algorithm,
        "number": 41,
        "this_update": NOW,
        "next_update": NOW + WEEK,
        "sign": by.sign,
    }
    written = build_crl(**{**values, **changes}, entries=entries, spool=BytesIO())
    data = b"".join(written.chunks())
    assert written.size == len(data)
    return data


def load(data: bytes) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(data)


def entry(serial_number=5, *, revoked_at=NOW, reason=RevocationReason.UNSPECIFIED, since=None):
    return RevokedEntry(serial_number, revoked_at, reason, since)


def openssl(*arguments, data: bytes) -> str:
    done = subprocess.run(
        ["openssl", *arguments], input=data, capture_output=True, check=True, timeout=60
    )
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_every_key_algorithm_signs_crls_that_verify(algorithm):
    by = issuer(algorithm)
    crl = load(make([entry(5), entry(6)], by=by))
    assert crl.is_signature_valid(by.certificate.public_key())
    assert [one.serial_number for one in crl] == [5, 6]


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        (KeyAlgorithm.RSA_2048, SignatureAlgorithm.RSA_SHA384),
        (KeyAlgorithm.RSA_2048, SignatureAlgorithm.RSA_SHA512),
        (KeyAlgorithm.EC_P384, SignatureAlgorithm.ECDSA_SHA256),
        (KeyAlgorithm.EC_P384, SignatureAlgorithm.ECDSA_SHA512),
    ],
)
def test_signature_algorithms_other_than_the_default_verify(algorithm, signature):
    by = replace(issuer(algorithm), signature_algorithm=signature)
    assert load(make(by=by)).is_signature_valid(by.certificate.public_key())


@pytest.mark.parametrize(
    "algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.EC_P256, KeyAlgorithm.ED25519]
)
def test_openssl_verifies_and_prints_the_crl(algorithm, tmp_path):
    by = issuer(algorithm)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(by.certificate.public_bytes(Encoding.PEM))
    data = make([entry(0xABCDEF, reason=RevocationReason.KEY_COMPROMISE)], by=by)
    told = openssl("crl", "-inform", "DER", "-noout", "-text", "-CAfile", str(ca), data=data)
    assert "verify OK" in told
    assert "Version 2" in told
    assert "ABCDEF" in told
    assert "Key Compromise" in told


def test_pkilint_finds_nothing():
    from pkilint import loader, pkix, report
    from pkilint.pkix import crl as linter
    from pkilint.pkix import extension, name
    from pkilint.validation import ValidationFindingSeverity

    validator = linter.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            linter.create_issuer_validator_container([]),
            linter.create_validity_validator_container([]),
            linter.create_extensions_validator_container([]),
        ],
    )
    crls = [
        make(),
        make([entry(7, reason=RevocationReason.SUPERSEDED, since=NOW - WEEK), entry(8)]),
    ]
    for data in crls:
        document = loader.RFC5280CertificateListDocumentLoader().load_der_document(data, "crl")
        results = validator.validate(document.root)
        found = report.get_findings_count(results, ValidationFindingSeverity.NOTICE)
        assert found == 0, [str(result) for result in results if result.finding_descriptions]


def test_c01_number_and_authority_key_identifier_are_present_and_not_critical():
    by = issuer(P256)
    extensions = load(make(number=MAX_NUMBER)).extensions
    number = extensions.get_extension_for_class(x509.CRLNumber)
    authority_key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    subject_key = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert (number.value.crl_number, number.critical) == (MAX_NUMBER, False)
    assert authority_key.value.key_identifier == subject_key.value.digest
    assert authority_key.critical is False


def test_an_issuer_without_key_identifier_is_named_by_the_digest_of_its_key():
    by = issuer(P256, skid=False)
    found = load(make(by=by)).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    expected = keys.key_identifier(keys.public_key_to_der(by.certificate.public_key()))
    assert found.value.key_identifier == expected


@pytest.mark.parametrize("number", [0, -1, MAX_NUMBER + 1])
def test_c01_numbers_out_of_range_are_refused(number):
    with pytest.raises(UnusableCRL, match=r"2\^159"):
        make(number=number)


def test_c02_next_update_must_follow_this_update():
    with pytest.raises(UnusableCRL, match="replaced after"):
        make(next_update=NOW)


def test_naive_times_are_refused():
    with pytest.raises(UnusableCRL, match="time zone"):
        make(this_update=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="naive"):
        make([entry(revoked_at=NOW.replace(tzinfo=None))])


def test_all_reasons_against_a_crl_are_told_at_once():
    with pytest.raises(UnusableCRL) as caught:
        make(
            by=issuer(P256, crl_sign=False),
            number=0,
            next_update=NOW,
            signature_algorithm=SignatureAlgorithm.RSA_SHA256,
        )
    assert {violation.code for violation in caught.value.violations} == {
        "crl.algorithm",
        "crl.issuer",
        "crl.number",
        "crl.next_update",
    }


def test_c03_without_entries_the_list_is_absent():
    crl = load(make())
    assert len(crl) == 0
    # version, algorithm, issuer, two times, extensions: six elements and no empty SEQUENCE.
    tags = [line.split("prim:")[-1].split("cons:")[-1].split()[0] for line in asn1(make(), depth=2)]
    assert tags == ["INTEGER", "SEQUENCE", "SEQUENCE", "UTCTIME", "UTCTIME", "cont"]


def asn1(data: bytes, *, depth: int) -> list[str]:
    told = openssl("asn1parse", "-inform", "DER", data=data).splitlines()
    inner = [line for line in told if f"d={depth} " in line]
    return inner[: next((i for i, line in enumerate(inner) if "cont" in line), len(inner)) + 1]


@pytest.mark.parametrize("reason", list(RevocationReason))
def test_c06_reasons_are_read_back_and_unspecified_is_left_out(reason):
    (found,) = load(make([entry(reason=reason)]))
    if reason == RevocationReason.UNSPECIFIED:
        assert len(found.extensions) == 0
    else:
        extension = found.extensions.get_extension_for_class(x509.CRLReason)
        assert extension.value.reason.value == reason.value
        assert extension.critical is False


def test_c06_invalidity_date_is_optional():
    since = NOW - WEEK
    first, second = load(
        make([entry(since=since), entry(6, reason=RevocationReason.KEY_COMPROMISE, since=since)])
    )
    assert len(first.extensions) == 1
    for found in (first, second):
        extension = found.extensions.get_extension_for_class(x509.InvalidityDate)
        assert extension.value.invalidity_date_utc == since


def test_c08_issuer_octets_are_those_of_the_certificate():
    by = issuer(P256)
    assert chain.subject_bytes(by.certificate) == by.certificate.subject.public_bytes()
    assert load(make()).issuer.public_bytes() == by.certificate.subject.public_bytes()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=2**159 - 1), unique=True, max_size=20))
def test_c08_serial_numbers_come_back_in_order(serials):
    crl = load(make([entry(serial) for serial in serials]))
    assert [one.serial_number for one in crl] == serials


@pytest.mark.parametrize("serial", [0, -1, 2**159])
def test_c08_serial_numbers_no_certificate_can_have_are_refused(serial):
    with pytest.raises(UnusableCRL, match="20 octets"):
        make([entry(serial)])


def test_times_from_2050_on_are_generalized():
    late = datetime(2050, 1, 1, tzinfo=UTC)
    early = late - timedelta(seconds=1)
    data = make([entry(1, revoked_at=early), entry(2, revoked_at=late)], next_update=late)
    crl = load(data)
    assert (crl.last_update_utc, crl.next_update_utc) == (NOW, late)
    assert [one.revocation_date_utc for one in crl] == [early, late]
    assert b"\x17\x0d491231235959Z" in data
    assert b"\x18\x0f20500101000000Z" in data


def test_times_in_other_zones_become_utc():
    athens = timezone(timedelta(hours=2))
    (found,) = load(make([entry(revoked_at=NOW.astimezone(athens))]))
    assert found.revocation_date_utc == NOW


def test_signature_algorithm_is_the_same_inside_and_outside():
    data = make(by=issuer(KeyAlgorithm.RSA_2048))
    assert data.count(bytes.fromhex("300d06092a864886f70d01010b0500")) == 2
    assert load(data).tbs_certlist_bytes in data


def test_entries_are_consumed_once_and_lazily():
    taken = []

    def stream():
        for serial in range(1, 4):
            taken.append(serial)
            yield entry(serial)

    assert len(load(make(stream()))) == 3
    assert taken == [1, 2, 3]


def test_a_large_crl_grows_in_proportion_and_verifies():
    by = issuer(P256)
    data = make((entry((1 << 127) | i) for i in range(20_000)), by=by)
    crl = load(data)
    assert crl.is_signature_valid(by.certificate.public_key())
    assert crl.get_revoked_certificate_by_serial_number((1 << 127) | 19_999) is not None
    assert len(data) / 20_000 < 40
