"""OCSP is asked and read by programs that nobody here wrote: OpenSSL, cryptography, pkilint."""

import base64
import hashlib
import subprocess
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import keys
from pki.algorithms import KeyAlgorithm, SignatureAlgorithm
from pki.findings import UnusableCertificate, UnusableKey
from pki.ocsp import (
    CertId,
    MalformedRequest,
    OcspRequest,
    SingleStatus,
    build_response,
    decode_get_path,
    error_response,
    issuer_hashes,
    parse_request,
)
from pki.reasons import RevocationReason
from tests.unit.pki import der
from tests.unit.pki.der import OCTET_STRING, extension, integer, object_identifier
from tests.unit.pki.issuers import NOW, issuer, leaf, responder

P256 = KeyAlgorithm.EC_P256
TRIPLE = [KeyAlgorithm.RSA_2048, KeyAlgorithm.EC_P256, KeyAlgorithm.ED25519]
NONCE = object_identifier("1.3.6.1.5.5.7.48.1.2")
FOREIGN = object_identifier("1.2.3.4")


def cert_id(serial: int = 5, name: str = "sha1") -> CertId:
    name_hash, key_hash = issuer_hashes(issuer(P256).certificate)[name]
    return CertId(name, name_hash, key_hash, serial)


def encoded_cert_id(serial: int = 5, *, parameters: bytes = b"\x05\x00") -> bytes:
    wanted = cert_id(serial)
    return der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, object_identifier("1.3.14.3.2.26"), parameters),
        der.encode(OCTET_STRING, wanted.issuer_name_hash),
        der.encode(OCTET_STRING, wanted.issuer_key_hash),
        integer(serial),
    )


def request_of(*cert_ids: bytes, extensions: bytes = b"", before: bytes = b"", single=b"") -> bytes:
    wanted = [der.encode(der.SEQUENCE, one, single) for one in cert_ids]
    tail = der.encode(0xA2, der.encode(der.SEQUENCE, extensions)) if extensions else b""
    tbs = der.encode(der.SEQUENCE, before, der.encode(der.SEQUENCE, *wanted), tail)
    return der.encode(der.SEQUENCE, tbs)


def nonce_of(value: bytes) -> bytes:
    return extension(NONCE, der.encode(OCTET_STRING, value))


def respond(*statuses: SingleStatus, algorithm: KeyAlgorithm = P256, **changes) -> bytes:
    by = responder(algorithm)
    values = {
        "responder_certificate": by.certificate,
        "private_key": by.key,
        "signature_algorithm": by.signature_algorithm,
        "this_update": NOW,
        "next_update": NOW + timedelta(hours=12),
        "produced_at": NOW,
        "nonce": None,
    }
    return build_response(
        statuses=statuses or (SingleStatus(cert_id(), "good"),), **{**values, **changes}
    )


# --- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()]
)
def test_o03_requests_of_the_library_name_our_issuer_in_every_hash(digest):
    by = issuer(P256)
    certificate = leaf(by, by.key)
    builder = library.OCSPRequestBuilder().add_certificate(certificate, by.certificate, digest)
    data = builder.build().public_bytes(Encoding.DER)
    name = digest.name
    name_hash, key_hash = issuer_hashes(by.certificate)[name]
    expected = CertId(name, name_hash, key_hash, certificate.serial_number)
    assert parse_request(data) == OcspRequest((expected,), None)


def test_requests_of_openssl_with_several_certificates_and_a_nonce_are_read(tmp_path):
    by = issuer(P256)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(by.certificate.public_bytes(Encoding.PEM))
    out = tmp_path / "request.der"
    run(
        "ocsp",
        "-issuer",
        ca,
        "-serial",
        "0x5",
        "-sha256",
        "-serial",
        "0xfedcba",
        "-nonce",
        "-reqout",
        out,
    )
    request = parse_request(out.read_bytes())
    assert [one.serial_number for one in request.cert_ids] == [5, 0xFEDCBA]
    assert [one.hash_algorithm for one in request.cert_ids] == ["sha1", "sha256"]
    assert len(request.nonce) >= 16


def test_signed_requests_are_read_without_looking_at_the_signature(tmp_path):
    by = issuer(P256)
    ca, key, out = tmp_path / "ca.pem", tmp_path / "key.pem", tmp_path / "request.der"
    ca.write_bytes(by.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(keys.private_key_to_pem(by.key))
    run("ocsp", "-issuer", ca, "-serial", "7", "-signer", ca, "-signkey", key, "-reqout", out)
    assert [one.serial_number for one in parse_request(out.read_bytes()).cert_ids] == [7]


def test_o03_each_cert_id_keeps_its_octets():
    with_null, without = encoded_cert_id(5), encoded_cert_id(6, parameters=b"")
    request = parse_request(request_of(with_null, without))
    assert [one.encoded for one in request.cert_ids] == [with_null, without]


def test_unknown_hash_algorithms_are_read_so_that_they_can_be_answered():
    md5 = bytes.fromhex("300c06082a864886f70d02050500")
    sha1 = bytes.fromhex("300906052b0e03021a0500")
    data = encoded_cert_id()
    changed = der.encode(der.SEQUENCE, md5 + data[data.index(sha1) + len(sha1) :])
    (found,) = parse_request(request_of(changed)).cert_ids
    assert found.hash_algorithm not in issuer_hashes(issuer(P256).certificate)


@pytest.mark.parametrize("size", [1, 32, 128])
def test_o06_nonces_up_to_the_bound_are_read(size):
    assert (
        parse_request(request_of(encoded_cert_id(), extensions=nonce_of(b"n" * size))).nonce
        == b"n" * size
    )


@pytest.mark.parametrize("size", [0, 129])
def test_o06_nonces_beyond_the_bounds_are_refused(size):
    with pytest.raises(MalformedRequest, match="nonce"):
        parse_request(request_of(encoded_cert_id(), extensions=nonce_of(b"n" * size)))


@pytest.mark.parametrize("value", [b"", b"\x04", b"raw", b"\x04\x01aa", b"\x02\x01a"])
def test_o06_nonces_of_another_shape_are_refused(value):
    with pytest.raises(MalformedRequest):
        parse_request(request_of(encoded_cert_id(), extensions=extension(NONCE, value)))


def test_o06_a_second_nonce_is_refused():
    with pytest.raises(MalformedRequest, match="repeats"):
        parse_request(request_of(encoded_cert_id(), extensions=nonce_of(b"a") + nonce_of(b"b")))


def test_o07_unknown_extensions_are_refused_when_critical_only():
    polite = extension(FOREIGN, b"\x05\x00")
    assert parse_request(request_of(encoded_cert_id(), extensions=polite)).nonce is None
    critical = extension(FOREIGN, b"\x05\x00", critical=True)
    with pytest.raises(MalformedRequest, match="critical"):
        parse_request(request_of(encoded_cert_id(), extensions=critical))
    single = der.encode(der.CONTEXT_0, der.encode(der.SEQUENCE, critical))
    with pytest.raises(MalformedRequest, match="critical"):
        parse_request(request_of(encoded_cert_id(), single=single))


def test_o07_critical_acceptable_responses_pass_when_basic_is_among_them():
    oid = object_identifier("1.3.6.1.5.5.7.48.1.4")
    basic = der.encode(der.SEQUENCE, object_identifier("1.3.6.1.5.5.7.48.1.1"))
    parse_request(request_of(encoded_cert_id(), extensions=extension(oid, basic, critical=True)))
    other = der.encode(der.SEQUENCE, FOREIGN)
    with pytest.raises(MalformedRequest, match="critical"):
        parse_request(
            request_of(encoded_cert_id(), extensions=extension(oid, other, critical=True))
        )


def test_o07_at_most_ten_certificates_and_at_least_one():
    ten = [encoded_cert_id(serial) for serial in range(1, 11)]
    assert len(parse_request(request_of(*ten)).cert_ids) == 10
    for wrong in (ten + ten[:1], []):
        with pytest.raises(MalformedRequest, match="1 to 10"):
            parse_request(request_of(*wrong))


def test_o07_requests_above_four_kibibytes_are_refused_unseen():
    with pytest.raises(MalformedRequest, match="4096"):
        parse_request(b"\x30" * 4097)


def test_a_version_other_than_1_is_refused():
    explicit = der.encode(der.CONTEXT_0, integer(0))
    assert parse_request(request_of(encoded_cert_id(), before=explicit)).cert_ids
    with pytest.raises(MalformedRequest, match="version 1"):
        parse_request(request_of(encoded_cert_id(), before=der.encode(der.CONTEXT_0, integer(1))))


def test_endless_serial_numbers_are_refused():
    assert parse_request(request_of(encoded_cert_id(2**500))).cert_ids
    with pytest.raises(MalformedRequest, match="64 octets"):
        parse_request(request_of(encoded_cert_id(2**520)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_bytes_that_are_no_request_raise_nothing_but_malformed_request(noise):
    with pytest.raises(MalformedRequest):
        parse_request(noise)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_requests_raise_nothing_but_malformed_request(data):
    good = request_of(encoded_cert_id(), encoded_cert_id(6), extensions=nonce_of(b"n" * 16))
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start, min(len(good), start + 6)))
    damaged = good[:start] + data.draw(st.binary(max_size=6)) + good[end:]
    try:
        parse_request(damaged)
    except MalformedRequest:
        return


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.tuples(st.sampled_from([2, 4, 5, 6, 1]), st.binary(max_size=4)),
        lambda inner: st.tuples(
            st.sampled_from([0x30, 0xA0, 0xA1, 0xA2]), st.lists(inner, max_size=4)
        ),
        max_leaves=15,
    )
)
def test_other_well_formed_der_raises_nothing_but_malformed_request(tree):
    def encode(node) -> bytes:
        tag, content = node
        return der.encode(tag, *([content] if isinstance(content, bytes) else map(encode, content)))

    try:
        parse_request(encode(tree))
    except MalformedRequest:
        return


# --- GET --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="/+"),
        lambda text: "/" + text,
        lambda text: "%2F" + quote(text, safe="="),
    ],
)
def test_o01_get_paths_are_taken_raw_and_encoded_and_with_a_doubled_slash(spell):
    data = request_of(encoded_cert_id(), extensions=nonce_of(b"\xff\xfe\xfb\xef\xbe" * 5))
    text = base64.b64encode(data).decode()
    assert {"+", "/"} <= set(text)
    assert decode_get_path(spell(text)) == data


@pytest.mark.parametrize(
    "text", ["%%%", "MA", "MA==!", "M-_=", "é", "\udcff", "M A=", "A" * 20_000]
)
def test_o01_get_paths_that_are_not_base64_are_malformed(text):
    with pytest.raises(MalformedRequest):
        decode_get_path(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_get_paths_of_any_text_raise_nothing_but_malformed_request(text):
    try:
        parse_request(decode_get_path(text))
    except MalformedRequest:
        return


# --- responses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("malformed_request", library.OCSPResponseStatus.MALFORMED_REQUEST),
        ("internal_error", library.OCSPResponseStatus.INTERNAL_ERROR),
        ("try_later", library.OCSPResponseStatus.TRY_LATER),
        ("sig_required", library.OCSPResponseStatus.SIG_REQUIRED),
        ("unauthorized", library.OCSPResponseStatus.UNAUTHORIZED),
    ],
)
def test_o02_errors_carry_a_status_and_nothing_else(name, status):
    data = error_response(name)
    assert library.load_der_ocsp_response(data).response_status == status
    assert data == library.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_every_key_algorithm_signs_responses_that_verify(algorithm):
    data = respond(algorithm=algorithm)
    response = library.load_der_ocsp_response(data)
    by = responder(algorithm)
    assert keys.verify(
        by.certificate.public_key(),
        response.signature,
        response.tbs_response_bytes,
        by.signature_algorithm,
    )
    assert response.certificates == [by.certificate]


def test_a_good_response_tells_what_it_was_given():
    found = library.load_der_ocsp_response(respond())
    assert found.certificate_status == library.OCSPCertStatus.GOOD
    assert found.serial_number == 5
    assert (found.issuer_name_hash, found.issuer_key_hash) == (
        cert_id().issuer_name_hash,
        cert_id().issuer_key_hash,
    )
    assert (found.this_update_utc, found.produced_at_utc) == (NOW, NOW)
    assert found.next_update_utc == NOW + timedelta(hours=12)
    assert len(found.extensions) == 0


def test_o05_the_responder_is_named_by_its_key():
    found = library.load_der_ocsp_response(respond())
    spki = keys.public_key_to_der(responder(P256).certificate.public_key())
    assert found.responder_key_hash == keys.key_identifier(spki)
    assert found.responder_name is None


@pytest.mark.parametrize("reason", [None, *RevocationReason])
def test_a_revoked_response_tells_when_and_why(reason):
    since = NOW - timedelta(days=3)
    found = library.load_der_ocsp_response(
        respond(SingleStatus(cert_id(), "revoked", revoked_at=since, reason=reason))
    )
    assert found.certificate_status == library.OCSPCertStatus.REVOKED
    assert found.revocation_time_utc == since
    if reason in (None, RevocationReason.UNSPECIFIED):
        assert found.revocation_reason is None
    else:
        assert found.revocation_reason.value == reason.value


def test_o04_unknown_is_told_as_unknown():
    found = library.load_der_ocsp_response(respond(SingleStatus(cert_id(), "unknown")))
    assert found.certificate_status == library.OCSPCertStatus.UNKNOWN


def test_o03_every_cert_id_is_answered_and_echoed_octet_by_octet():
    asked = [encoded_cert_id(5), encoded_cert_id(6, parameters=b""), encoded_cert_id(7)]
    request = parse_request(request_of(*asked))
    data = respond(*(SingleStatus(one, "good") for one in request.cert_ids))
    responses = list(library.load_der_ocsp_response(data).responses)
    assert [one.serial_number for one in responses] == [5, 6, 7]
    assert all(octets in data for octets in asked)


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384", "sha512"])
def test_o03_cert_ids_made_here_are_written_in_their_own_hash(name):
    found = library.load_der_ocsp_response(respond(SingleStatus(cert_id(name=name), "good")))
    assert found.hash_algorithm.name == name


def test_o06_the_nonce_is_echoed():
    nonce = b"\x00\xff" * 64
    found = library.load_der_ocsp_response(respond(nonce=nonce))
    assert found.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce


def test_a_response_may_have_no_next_update():
    assert library.load_der_ocsp_response(respond(next_update=None)).next_update_utc is None


@pytest.mark.parametrize(
    "produced_at", [datetime(2025, 12, 31, tzinfo=UTC), datetime(2036, 1, 2, tzinfo=UTC)]
)
def test_o05_a_responder_outside_its_validity_does_not_sign(produced_at):
    with pytest.raises(UnusableCertificate, match="not valid"):
        respond(produced_at=produced_at)


def test_a_key_that_cannot_make_the_signature_is_refused():
    with pytest.raises(UnusableKey):
        respond(signature_algorithm=SignatureAlgorithm.ED25519)


def test_responses_without_status_or_time_of_revocation_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        build_response(
            statuses=[],
            responder_certificate=responder(P256).certificate,
            private_key=responder(P256).key,
            signature_algorithm=SignatureAlgorithm.ECDSA_SHA256,
            this_update=NOW,
            next_update=NOW,
            produced_at=NOW,
        )
    with pytest.raises(ValueError, match="at some time"):
        respond(SingleStatus(cert_id(), "revoked"))


def test_a_delegated_key_signs_responses():
    by = responder(P256)
    seen = []

    def sign(data: bytes) -> bytes:
        seen.append(data)
        return keys.sign(by.key, data, by.signature_algorithm)

    stand_in = keys.delegated_private_key(by.certificate.public_key(), sign)
    found = library.load_der_ocsp_response(respond(private_key=stand_in))
    assert seen == [found.tbs_response_bytes]


def run(*arguments: object) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, check=True, timeout=60
    )
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("algorithm", TRIPLE)
@pytest.mark.parametrize("delegated", [True, False])
def test_openssl_believes_the_response(algorithm, delegated, tmp_path):
    above = issuer(algorithm)
    by = responder(algorithm) if delegated else above
    name_hash, key_hash = issuer_hashes(above.certificate)["sha1"]
    asked = [CertId("sha1", name_hash, key_hash, serial) for serial in (5, 6, 7)]
    now = datetime.now(UTC).replace(microsecond=0)
    data = build_response(
        statuses=[
            SingleStatus(asked[0], "good"),
            SingleStatus(asked[1], "revoked", now, RevocationReason.SUPERSEDED),
            SingleStatus(asked[2], "unknown"),
        ],
        responder_certificate=by.certificate,
        private_key=by.key,
        signature_algorithm=by.signature_algorithm,
        this_update=now,
        next_update=now + timedelta(hours=1),
        produced_at=now,
    )
    ca, response = tmp_path / "ca.pem", tmp_path / "response.der"
    ca.write_bytes(above.certificate.public_bytes(Encoding.PEM))
    response.write_bytes(data)
    told = run(
        "ocsp", "-respin", response, "-CAfile", ca, "-issuer", ca,
        "-serial", 5, "-serial", 6, "-serial", 7, "-no_nonce",
    )  # fmt: skip
    assert "Response verify OK" in told
    assert "5: good" in told
    assert "6: revoked" in told
    assert "Reason: superseded" in told
    assert "7: unknown" in told


def test_pkilint_finds_nothing():
    from pkilint import loader, pkix, report
    from pkilint.pkix import extension as extensions
    from pkilint.pkix import name, ocsp
    from pkilint.validation import ValidationFindingSeverity

    validator = ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extensions.EXTENSION_MAPPINGS),
        ],
        [],
    )
    revoked = SingleStatus(cert_id(6), "revoked", NOW, RevocationReason.KEY_COMPROMISE)
    for data in (
        respond(SingleStatus(cert_id(), "good"), revoked, nonce=b"n" * 32),
        error_response("try_later"),
    ):
        document = loader.RFC6960OCSPResponseDocumentLoader().load_der_document(data, "response")
        results = validator.validate(document.root)
        found = report.get_findings_count(results, ValidationFindingSeverity.NOTICE)
        assert found == 0, [
            finding.finding.code for result in results for finding in result.finding_descriptions
        ]


def test_a_response_costs_less_than_the_budget():
    status = SingleStatus(cert_id(), "good")
    respond(status)
    costs = []
    for _ in range(50):
        begin = time.process_time()
        respond(status)
        costs.append(time.process_time() - begin)
    assert sorted(costs)[25] < 0.0003


def test_issuer_hashes_cover_the_octets_of_the_certificate():
    by = issuer(P256)
    name_hash, key_hash = issuer_hashes(by.certificate)["sha1"]
    spki = keys.public_key_to_der(by.certificate.public_key())
    assert name_hash == hashlib.sha1(by.certificate.subject.public_bytes()).digest()
    assert key_hash == keys.key_identifier(spki)
