"""Names written straight into DER are, byte for byte, those that the library writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki import extensions, name_writer, names
from pki.findings import UnusableName

SUBJECTS = [
    (),
    (("common_name", "Bücher.example"),),
    (("common_name", "a" * 64), ("organization", "b" * 64)),
    (("country", "DE"), ("serial_number", "A-1"), ("domain_component", "example")),
    (("email_address", "a@example.com"), ("user_id", "u" * 256), ("postal_code", "1")),
    (("street_address", "s" * 128), ("state", "x"), ("locality", "y")),
    (("organizational_unit", "one"), ("organizational_unit", "two")),
]
ALT_NAMES = st.lists(
    st.one_of(
        st.tuples(
            st.just("dns_name"), st.from_regex(r"[a-z]{1,60}(\.[a-z]{1,40}){0,3}", fullmatch=True)
        ),
        st.tuples(st.just("ip_address"), st.ip_addresses().map(str)),
        st.tuples(st.just("email"), st.from_regex(r"[a-z]{1,20}@[a-z]{1,20}", fullmatch=True)),
        st.tuples(st.just("uri"), st.from_regex(r"x:[a-z/]{1,300}", fullmatch=True)),
    ),
    min_size=1,
    max_size=8,
).map(tuple)


@pytest.mark.parametrize("pairs", SUBJECTS)
def test_x08_a_subject_is_written_as_by_the_library(pairs):
    assert name_writer.encoded_subject(pairs) == names.x509_name(pairs).public_bytes()


@pytest.mark.parametrize(
    "pairs",
    [
        (("country", "xx"),),
        (("common_name", ""), ("given_name", "Ada")),
        (("common_name", "a" * 65),),
        (("domain_component", "ä"),),
        (("common_name", "\ud800"),),
        (("common_name", "a"), ("common_name", "b")),
    ],
)
def test_x08_an_unsound_subject_is_refused_with_every_fault(pairs):
    with pytest.raises(UnusableName) as expected:
        names.x509_name(pairs)
    with pytest.raises(UnusableName) as refused:
        name_writer.encoded_subject(pairs)
    assert refused.value.violations == expected.value.violations


@given(ALT_NAMES, st.booleans())
def test_x16_alternative_names_are_written_as_by_the_library(pairs, critical):
    expected = extensions.encoded(extensions.subject_alternative_name(pairs, critical=critical))
    assert name_writer.encoded_alt_names(pairs, critical=critical) == expected


@pytest.mark.parametrize("pair", [("dns_name", "bücher.example"), ("ip_address", "192.0.2.256")])
def test_x16_what_is_not_canonical_is_not_written(pair):
    with pytest.raises(ValueError):
        name_writer.encoded_alt_names([pair], critical=False)
