"""CRLs read back in pieces, and the gate that compares a new one with the published one."""

import random
import tracemalloc
from datetime import timedelta
from tempfile import TemporaryFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import crl_pem
from pki.crl import UnusableCRL, build_crl
from pki.crl_gate import publish_gate
from pki.crl_reader import CrlReader, CrlSummary
from pki.reasons import RevocationReason
from tests.unit.pki.issuers import NOW, issuer
from tests.unit.pki.test_crl import P256, WEEK, entry, make


def pieces(data, size=7):
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(data, size=7):
    reader = CrlReader(pieces(data, size))
    return [int.from_bytes(serial, "big") for serial in reader.serials()], reader.summary()


@pytest.mark.parametrize("size", [1, 7, 87, 4096, 1_000_000])
@pytest.mark.parametrize("count", [0, 1, 3, 5000])
def test_a_crl_is_read_back_from_pieces_of_any_size(size, count):
    if size == 1 and count == 5000:
        size = 2
    reasons = list(RevocationReason)
    wanted = [(1 << (number % 150)) + number for number in range(1, count + 1)]
    entries = [
        entry(serial, reason=reasons[serial % len(reasons)], since=NOW if serial % 3 else None)
        for serial in wanted
    ]
    assert read(make(entries, number=77), size) == (wanted, CrlSummary(77, NOW, NOW + WEEK))


def foreign(*serials, scope=False, number=True, large=False):
    """Return a CRL as another program writes it."""
    by = issuer(P256)
    builder = x509.CertificateRevocationListBuilder(by.certificate.subject, NOW, NOW + WEEK)
    for serial in serials:
        one = x509.RevokedCertificateBuilder(serial, NOW)
        if large:
            names = [x509.DirectoryName(by.certificate.subject)] * 5
            one = one.add_extension(x509.CertificateIssuer(names), critical=False)
        builder = builder.add_revoked_certificate(one.build())
    if number:
        builder = builder.add_extension(x509.CRLNumber(12), critical=False)
    if scope:
        point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
        builder = builder.add_extension(point, critical=True)
    return builder.sign(by.key, by.signature_algorithm.hash).public_bytes(Encoding.DER)


@pytest.mark.parametrize("large", [False, True])
def test_crls_of_other_programs_are_read(large):
    serials, summary = read(foreign(1, 2, 1 << 158, large=large))
    assert serials == [1, 2, 1 << 158]
    assert summary == CrlSummary(12, NOW, NOW + WEEK)


def test_a_crl_without_number_is_refused():
    with pytest.raises(UnusableCRL, match="lacks its number"):
        read(foreign(number=False))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(min_value=0, max_value=300))
def test_other_bytes_are_refused_with_its_own_error_only(noise, at):
    data = make([entry(5), entry(6)])
    for candidate in (noise, data[:at] + noise + data[at + len(noise) :], data[:at]):
        try:
            read(candidate)
        except UnusableCRL:
            continue


@pytest.mark.parametrize("cut", [1, 100, 20_000])
def test_a_crl_that_ends_early_is_refused(cut):
    data = make([entry(number + 1) for number in range(3000)])
    with pytest.raises(UnusableCRL):
        read(data[:-cut], 4096)


@pytest.mark.parametrize("size", [0, 1, 47, 48, 49, 96, 10_000])
def test_pem_is_written_in_pieces_and_its_size_is_known_before(size):
    data = random.Random(size).randbytes(size)
    text = b"".join(crl_pem.to_pem(pieces(data, 13)))
    assert len(text) == crl_pem.size_of_pem(size)
    lines = text.decode().splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN X509 CRL-----", "-----END X509 CRL-----")
    assert all(len(line) <= 64 for line in lines)
    whole = make([entry(number + 1) for number in range(500)])
    pem = b"".join(crl_pem.to_pem(pieces(whole, 1000)))
    assert x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER) == whole


# --- publication gate -------------------------------------------------------------------------


def crl(*serials, number=11, this_update=NOW):
    entries = [entry(serial) for serial in serials]
    return make(entries, number=number, this_update=this_update, next_update=this_update + WEEK)


def codes(new, *, old=None, removable=lambda removed: set()):
    previous = crl(1, 2, 3, number=10) if old is None else old
    found = publish_gate(CrlReader(pieces(previous)), CrlReader(pieces(new)), removable)
    return [violation.code for violation in found]


def test_c09_the_first_crl_passes_if_it_can_be_read():
    assert publish_gate(None, CrlReader([crl(1)]), lambda removed: set()) == ()
    with pytest.raises(UnusableCRL):
        publish_gate(None, CrlReader([crl(1)[:-1]]), lambda removed: set())


def test_c09_a_newer_superset_passes_without_asking_what_may_go():
    def unexpected(removed):
        raise AssertionError(removed)

    assert codes(crl(1, 2, 3, 4), removable=unexpected) == []
    assert codes(crl(9, 3, 8, 2, 7, 1), removable=unexpected) == []


@pytest.mark.parametrize("number", [9, 10])
def test_c09_a_number_that_does_not_rise_is_refused(number):
    assert codes(crl(1, 2, 3, number=number)) == ["crl.number"]


def test_c09_an_older_crl_is_refused():
    assert codes(crl(1, 2, 3, this_update=NOW - timedelta(days=2))) == ["crl.this_update"]


def test_c09_another_scope_is_refused():
    old, new = foreign(1, 2), foreign(1, 2, scope=True)
    assert "crl.scope" in codes(new, old=old)
    assert "crl.scope" in codes(old, old=new)


def test_c09_only_removable_entries_may_go():
    assert codes(crl(1)) == ["crl.entry_lost", "crl.entry_lost"]
    assert codes(crl(1), removable=lambda removed: removed & {2}) == ["crl.entry_lost"]
    assert codes(crl(1), removable=lambda removed: removed) == []


def test_c09_a_refusal_shows_the_first_lost_entries_only():
    old = crl(*range(1, 1000), number=10)
    assert len(codes(crl(), old=old)) == 20


def test_memory_grows_with_the_difference_and_not_with_the_entries():
    by, count = issuer(P256), 60_000
    values = {
        "issuer_certificate": by.certificate,
        "signature_algorithm": by.signature_algorithm,
        "this_update": NOW,
        "next_update": NOW + WEEK,
        "sign": by.sign,
    }
    with TemporaryFile() as before, TemporaryFile() as after:
        tracemalloc.start()
        try:
            old, new = (
                build_crl(
                    **values,
                    number=number,
                    entries=(entry((1 << 150) + serial) for serial in range(count)),
                    spool=spool,
                )
                for number, spool in ((1, before), (2, after))
            )
            assert publish_gate(CrlReader(old.chunks()), CrlReader(new.chunks()), set) == ()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # A few pieces of half a megabyte at a time; one byte for each octet of both would be more.
    assert peak < old.size + new.size


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 60), unique=True),
    st.lists(st.integers(1, 60), unique=True),
)
def test_c09_what_is_missing_is_found_in_any_order(before, after):
    asked = set()

    def removable(removed):
        asked.update(removed)
        return removed

    assert codes(crl(*after), old=crl(*before, number=10), removable=removable) == []
    assert asked == set(before) - set(after)
