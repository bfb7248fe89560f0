"""Readers of foreign bytes raise their own error or none, whatever is done to good input.

The same inputs on every run; ``make fuzz`` feeds new ones.
"""

import contextlib
from collections.abc import Callable
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import bundles, chain, csr, describe, keys, subtrees
from pki.crl import RevokedEntry, UnusableCRL
from pki.crl_reader import CrlReader
from pki.findings import PkiError
from pki.ocsp import requests as ocsp_requests
from pki.parsing import load_certificate
from pki.reasons import RevocationReason
from tests.unit.pki import der, paths
from tests.unit.pki.samples import NOW, authority, issue, key_of, raw_csr
from tests.unit.pki.test_crl import make as make_crl

Reader = Callable[[bytes], object]


def constrained_ca() -> x509.Certificate:
    limits = x509.NameConstraints(
        [x509.DNSName("example.com"), x509.RFC822Name("a@example.com"), paths.name_of("Example")],
        [x509.OtherName(paths.OTHER, b"\x0c\x01a"), x509.UniformResourceIdentifier("example.com")],
    )
    return paths.path(limits)[1]


def verify(data: bytes) -> None:
    """Put a certificate into each place of a path."""
    certificate = load_certificate(data)
    _, ca, root = paths.path(None)
    for path in ([certificate, ca, root], [certificate, certificate], [ca, certificate, root]):
        chain.verify_path(path, at=NOW)
    chain.order_chain([certificate, ca])


def constrain(data: bytes) -> None:
    """Hold names against the constraints of a certificate."""
    certificate = load_certificate(data)
    subtrees.subtrees_of(certificate)
    chain.name_constraints_violations(
        (("common_name", "www.example.com"),),
        (("email", "b@example.com"), ("uri", "https://example.com/")),
        [certificate],
    )


def show(describe_it: Callable[[bytes], describe.Description]) -> Reader:
    def read(data: bytes) -> None:
        assert describe_it(data).blocks

    return read


def read_crl(data: bytes) -> None:
    """Read a CRL as the check before publication does, in pieces of an odd size."""
    reader = CrlReader(data[at : at + 97] for at in range(0, len(data), 97))
    for _ in reader.serials():
        pass
    reader.summary()


def crl_with_entries() -> bytes:
    since = NOW.replace(microsecond=0)
    return make_crl(
        entries=[
            RevokedEntry(0x1F, since, RevocationReason.KEY_COMPROMISE, since),
            RevokedEntry(0x2F, since, RevocationReason.UNSPECIFIED),
        ]
    )


def ocsp_request() -> bytes:
    leaf = issue(authority())
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        leaf, authority().certificate, leaf.signature_hash_algorithm
    )
    nonce = x509.OCSPNonce(b"0123456789abcdef")
    return builder.add_extension(nonce, critical=False).build().public_bytes(Encoding.DER)


def encoded(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


SAMPLES: dict[str, tuple[Callable[[], bytes], Reader]] = {
    "certificate": (lambda: encoded(paths.path(None, [x509.DNSName("a.example.com")])[0]), verify),
    "name constraints": (lambda: encoded(constrained_ca()), constrain),
    "shown certificate": (lambda: encoded(constrained_ca()), show(describe.describe_certificate)),
    "p7b": (lambda: encoded(issue(authority())), lambda data: bundles.to_p7b([data])),
    "pem": (
        lambda: bundles.to_pem([encoded(issue(authority()))]).encode(),
        lambda data: bundles.from_pem(data.decode("ascii", "replace"), 5),
    ),
    "request": (raw_csr, csr.parse_csr),
    "shown request": (raw_csr, show(describe.describe_csr)),
    "crl": (crl_with_entries, read_crl),
    "shown crl": (crl_with_entries, show(describe.describe_crl)),
    "ocsp request": (ocsp_request, ocsp_requests.parse_request),
    "public key": (lambda: keys.public_key_to_der(key_of().public_key()), keys.load_public_key),
    "private key": (
        lambda: keys.private_key_to_pkcs8(key_of()),
        lambda data: keys.private_key_from_pkcs8(data, trusted=False),
    ),
}


@cache
def sample(name: str) -> bytes:
    return SAMPLES[name][0]()


def element_offsets(data: bytes) -> list[int]:
    """Return where elements begin, so that tags and lengths are hit as often as contents."""
    found, stack = [], [(0, len(data))]
    while stack:
        start, end = stack.pop()
        while start < end:
            try:
                element = der.element_at(data, start)
            except ValueError:
                break
            if element.end > end:
                break
            found.append(start)
            if element.tag & 0x20:
                stack.append((element.content, element.end))
            start = element.end
    return found or [0]


def mutated(data: st.DataObject, whole: bytes) -> bytes:
    """Return the input after one to four changes: octets set, cut out, repeated or put in."""
    made = bytearray(whole)
    starts = element_offsets(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        if not made:
            break
        near = data.draw(st.sampled_from(starts)) + data.draw(st.integers(0, 3))
        at = (
            min(near, len(made) - 1)
            if data.draw(st.booleans())
            else data.draw(st.integers(0, len(made) - 1))
        )
        act = data.draw(st.sampled_from(["set", "cut", "repeat", "insert"]))
        size = data.draw(st.integers(1, 12))
        if act == "set":
            made[at] = data.draw(st.integers(0, 255))
        elif act == "cut":
            del made[at : at + size]
        elif act == "repeat":
            made[at:at] = made[at : at + size]
        else:
            made[at:at] = data.draw(st.binary(min_size=1, max_size=size))
    return bytes(made)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_changed_bytes_raise_nothing_but_the_readers_own_error(name, data):
    read = SAMPLES[name][1]
    changed = mutated(data, sample(name))
    with contextlib.suppress(PkiError):
        read(changed)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_the_readers_own_error(name, data):
    with contextlib.suppress(PkiError):
        SAMPLES[name][1](data)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_themselves_are_read(name):
    make, read = SAMPLES[name]
    read(make())


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_crl_of_an_unknown_version_is_refused(version):
    tbs, algorithm, signature = der.split(make_crl())
    fields = der.split(tbs)
    fields[0] = der.integer(version)
    data = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *fields), algorithm, signature)
    with pytest.raises(UnusableCRL):
        read_crl(data)
    assert [block.title for block in describe.describe_crl(data).blocks] == ["Crl"]
