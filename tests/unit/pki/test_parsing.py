"""Readers of foreign bytes raise their own error, whatever the library raises."""

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding

from pki import bundles, crl, csr, describe, keys, structures
from pki.crl_reader import CrlReader
from pki.findings import PkiError, UnusableCertificate, UnusableCSR, UnusableKey
from pki.parsing import MAX_CERTIFICATE_BYTES, ParserFailed, load_certificate, parsed
from tests.unit.pki import der
from tests.unit.pki.samples import authority, issue, key_of, raw_csr
from tests.unit.pki.test_crl import make as make_crl


class PanicException(BaseException):
    """Has the name and the base of what a panic of the library's Rust code raises."""


FAILURES = [
    ValueError("malformed"),
    TypeError("wrong type"),
    x509.InvalidVersion("4 is no version", 4),
    x509.DuplicateExtension("twice", x509.SubjectKeyIdentifier.oid),
    x509.UnsupportedGeneralNameType("x400"),
    UnsupportedAlgorithm("unknown"),
    RecursionError(),
    PanicException("index out of bounds"),
]


def failing(error):
    def load(*_arguments, **_options):
        raise error

    return load


def certificate():
    return issue(authority()).public_bytes(Encoding.DER)


def read_crl(data):
    reader = CrlReader([data])
    assert list(reader.serials()) == []
    return reader.summary()


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_every_failure_of_the_library_becomes_the_readers_own(monkeypatch, error):
    spki = keys.public_key_to_der(key_of().public_key()) + b"\x00"  # not in any cache
    request, whole, whole_crl = raw_csr(), certificate(), make_crl()
    for module, name in (
        (x509, "load_der_x509_certificate"),
        (x509, "load_der_x509_csr"),
        (x509, "load_der_x509_crl"),
        (structures, "decode"),
        (serialization, "load_der_public_key"),
        (serialization, "load_der_private_key"),
    ):
        monkeypatch.setattr(module, name, failing(error))
    for read, expected in (
        (lambda: load_certificate(whole), UnusableCertificate),
        (lambda: bundles.from_pem(bundles.to_pem([whole]), 1), UnusableCertificate),
        (lambda: bundles.to_p7b([whole]), UnusableCertificate),
        (lambda: csr.parse_csr(request), UnusableCSR),
        (lambda: read_crl(whole_crl), crl.UnusableCRL),
        (lambda: keys.load_public_key(spki), UnusableKey),
        (lambda: keys.private_key_from_pkcs8(b"\x30\x00", trusted=False), UnusableKey),
    ):
        with pytest.raises(expected):
            read()
    for show in (
        describe.describe_certificate,
        describe.describe_csr,
        describe.describe_crl,
    ):
        assert len(show(whole).blocks) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, PkiError([])])
def test_a_stopping_process_and_our_own_errors_pass_through(error):
    with pytest.raises(error if isinstance(error, type) else type(error)):
        parsed(failing(error))


def test_the_cause_is_kept():
    with pytest.raises(ParserFailed) as caught:
        parsed(failing(KeyError("x")))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("version", [3, 4, 255])
def test_a_certificate_of_an_unknown_version_is_refused(version):
    tbs, algorithm, signature = der.split(certificate())
    fields = der.split(tbs)
    fields[0] = der.encode(der.CONTEXT_0, der.integer(version))
    data = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *fields), algorithm, signature)
    with pytest.raises(UnusableCertificate):
        bundles.from_pem(bundles.to_pem([data]), 1)
    assert [block.title for block in describe.describe_certificate(data).blocks] == ["Certificate"]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\x00",
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data + bytes(MAX_CERTIFICATE_BYTES),
    ],
)
def test_ac03_the_der_guard_stands_before_the_parser(monkeypatch, change):
    data = change(certificate())
    monkeypatch.setattr(x509, "load_der_x509_certificate", None)
    with pytest.raises(UnusableCertificate) as caught:
        load_certificate(data)
    assert caught.value.__cause__.violations[0].code.startswith("der.")
