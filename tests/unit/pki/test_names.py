"""Names: one canonical form each, and every trick refused (AC-04, X-08, X-16)."""

import ipaddress
import sys
import unicodedata

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pki import addresses
from pki.findings import UnusableName
from pki.names import (
    canonical_san,
    general_name,
    rfc4514,
    san_pair,
    subject_pairs,
    subject_violations,
    x509_name,
)
from tests.unit.pki.samples import raw_name

LABEL = "a" * 63


def code_of(kind, value):
    with pytest.raises(UnusableName) as caught:
        canonical_san(kind, value, field="subject_alt_names[3].value")
    (violation,) = caught.value.violations
    assert violation.field == "subject_alt_names[3].value"
    assert "\0" not in violation.value
    return violation.code


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("localhost", "localhost"),
        ("*.example.com", "*.example.com"),
        ("müller.example", "xn--mller-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("*.müller.example", "*.xn--mller-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("президент.рф", "xn--d1abbgf6aiiy.xn--p1ai"),
        ("4.example", "4.example"),
        ("7eleven.example", "7eleven.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        (".".join(["a" * 62] * 4), ".".join(["a" * 62] * 4)),
    ],
)
def test_x16_host_names_become_lower_case_a_labels(value, canonical):
    assert canonical_san("dns_name", value) == canonical
    assert canonical_san("dns_name", canonical) == canonical


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "name.empty"),
        (" ", "name.host_characters"),
        ("www.example.com ", "name.host_characters"),
        ("evil.com\0.example.com", "name.invisible_character"),
        ("a\nb.example", "name.invisible_character"),
        ("*", "name.wildcard"),
        ("*.", "name.empty"),
        ("*.com", "name.wildcard"),
        ("*.*.example.com", "name.wildcard"),
        ("a.*.example.com", "name.wildcard"),
        ("a*.example.com", "name.wildcard"),
        ("*a.example.com", "name.wildcard"),
        ("www.example.com.", "name.trailing_dot"),
        (".example.com", "name.empty_label"),
        ("a..example.com", "name.empty_label"),
        ("_acme.example.com", "name.host_characters"),
        ("a_b.example.com", "name.host_characters"),
        ("-a.example.com", "name.host_characters"),
        ("a-.example.com", "name.host_characters"),
        ("a" * 64 + ".example", "name.label_too_long"),
        (".".join([LABEL] * 4), "name.too_long"),
        ("*." + ".".join([LABEL] * 3 + ["a" * 60]), "name.too_long"),
        ("xn--", "name.host_characters"),
        ("xn--a.example", "name.idna"),
        ("ab--cd.example", "name.idna"),
        ("xn--xn--mller-kva-abc.example", "name.idna"),
        ("p\u0430ypal.example", "name.mixed_script"),
        ("xn--pypal-4ve.example", "name.mixed_script"),
        ("\u0430\u0440\u0440\u04cf\u0435.example", "name.lookalike"),
        ("example\u3002com", "name.separator"),
        ("example\uff0ecom", "name.separator"),
        ("\u202eexample.com", "name.invisible_character"),
        ("exa\u200bmple.com", "name.invisible_character"),
        ("exa\u00admple.com", "name.invisible_character"),
        ("127.0.0.1", "name.address_lookalike"),
        ("127.1", "name.address_lookalike"),
        ("0x7f.1", "name.address_lookalike"),
        ("0x7f000001", "name.address_lookalike"),
        ("2130706433", "name.address_lookalike"),
        ("www.example.0x1", "name.address_lookalike"),
        ("www.example.1", "name.address_lookalike"),
        ("::1", "name.host_characters"),
        ("1.2.0.192.in-addr.arpa", "name.reverse_zone"),
        ("*.example,com", "name.host_characters"),
        ("example.com/path", "name.host_characters"),
        ("user@example.com", "name.host_characters"),
        ("\ud800.example", "name.invisible_character"),
    ],
)
def test_ac04_host_name_tricks_are_refused(value, code):
    assert code_of("dns_name", value) == code


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("::1", "::1"),
    ],
)
def test_x16_addresses_become_canonical(value, canonical):
    assert canonical_san("ip_address", value) == canonical


@pytest.mark.parametrize(
    "value",
    ["", "127.1", "0x7f.1", "127.0.0.01", "192.0.2.0/24", "fe80::1%eth0", "::ffff:192.0.2.7", "a"],
)
def test_ac04_address_tricks_are_refused(value):
    assert code_of("ip_address", value) == "name.address"


def test_x16_mailboxes_keep_the_local_part_and_canonicalise_the_domain():
    assert canonical_san("email", "John.Doe+x@Müller.Example") == "John.Doe+x@xn--mller-kva.example"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "name.email"),
        ("nobody", "name.email"),
        ("@example.com", "name.email"),
        ("John <john@example.com>", "name.email"),
        ('"a b"@example.com', "name.email"),
        ("a@b@example.com", "name.email"),
        ("a..b@example.com", "name.email"),
        ("jörg@example.com", "name.email"),
        ("a\0@example.com", "name.email"),
        ("a" * 65 + "@example.com", "name.email"),
        ("a@*.example.com", "name.wildcard"),
        ("a@example.com.", "name.trailing_dot"),
        ("a@127.0.0.1", "name.address_lookalike"),
        ("abc@" + ".".join(["a" * 62] * 4), "name.too_long"),
    ],
)
def test_ac04_mailbox_tricks_are_refused(value, code):
    assert code_of("email", value) == code


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("HTTPS://Example.COM/Path?q=%41", "https://example.com/Path?q=%41"),
        ("spiffe://prod.example/ns/web/sa/api", "spiffe://prod.example/ns/web/sa/api"),
        ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", None),
        ("https://192.0.2.7:8443/", "https://192.0.2.7:8443/"),
        ("https://[2001:DB8::7]:443/", "https://[2001:db8::7]:443/"),
        ("ldap://host", "ldap://host"),
    ],
)
def test_x16_uris_keep_everything_but_scheme_and_host(value, canonical):
    assert canonical_san("uri", value) == (canonical or value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "/path",
        "//example.com/",
        "example.com",
        "https:",
        "https://",
        "https:///path",
        "https://user:secret@example.com/",
        "https://example.com/a/../b",
        "https://example.com/a/%2e%2e/b",
        "https://example.com/a%2fb",
        "https://example.com/#fragment",
        "https://example.com/a b",
        "https://example.com/\\evil",
        "https://example.com:99999/",
        "https://example.com:/x:y@z",
        "https://müller.example/",
        "https://exa\0mple.com/",
        "https://example.com/%zz",
        "1https://example.com",
    ],
)
def test_ac04_uri_tricks_are_refused(value):
    assert code_of("uri", value) == "name.uri"


def test_uris_are_bounded_and_their_hosts_are_hosts():
    assert code_of("uri", "https://example.com/" + "a" * 3000) == "name.too_long"
    assert code_of("uri", "https://exa_mple.com/") == "name.host_characters"
    assert code_of("uri", "https://127.1/") == "name.address_lookalike"
    assert code_of("uri", "https://[::ffff:1.2.3.4]/") == "name.address"


def test_ac04_other_name_types_are_refused():
    assert code_of("upn", "user@example.com") == "name.type_not_supported"


@given(st.text(max_size=80))
def test_x16_whatever_is_accepted_is_a_fixed_point(text):
    for kind in ("dns_name", "ip_address", "email", "uri"):
        try:
            canonical = canonical_san(kind, text)
        except UnusableName:
            continue
        assert canonical_san(kind, canonical) == canonical
        assert canonical.isascii()
        encoded = x509.SubjectAlternativeName([general_name(kind, canonical)]).public_bytes()
        assert encoded
        assert san_pair(general_name(kind, canonical)) == (kind, canonical)


@given(st.ip_addresses())
def test_x16_every_address_is_accepted_in_any_spelling(address):
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return
    assert canonical_san("ip_address", address.exploded) == str(address)


LABELS = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")


@given(st.lists(LABELS, min_size=1, max_size=5))
def test_x16_plain_host_names_are_accepted_in_any_case(labels):
    name = ".".join([*labels, "example"])
    if any(label[2:4] == "--" for label in labels):
        return
    assert canonical_san("dns_name", name.upper()) == name


# --- subjects ---------------------------------------------------------------------------------

FULL = (
    ("domain_component", "example"),
    ("country", "DE"),
    ("state", "Bayern"),
    ("locality", "München"),
    ("street_address", "Marienplatz 1"),
    ("postal_code", "80331"),
    ("organization", "Example, Inc."),
    ("organizational_unit", 'R&D "core"'),
    ("serial_number", "A-17"),
    ("common_name", "www.example.com"),
    ("user_id", "www"),
    ("email_address", "ops@example.com"),
)
PRINTABLE, UTF8, IA5, T61, BMP, UNIVERSAL = 0x13, 0x0C, 0x16, 0x14, 0x1E, 0x1C
CN = "2.5.4.3"


def parsed(raw):
    """Return the name as the library reads it out of a request."""
    from tests.unit.pki.samples import raw_csr

    return x509.load_der_x509_csr(raw_csr(name=raw)).subject


def test_x08_every_attribute_survives_encoding_in_its_string_type():
    name = x509_name(FULL)

    assert subject_pairs(name) == FULL
    types = {a.oid: a._type.value for a in name}
    assert types[NameOID.COUNTRY_NAME] == types[NameOID.SERIAL_NUMBER] == PRINTABLE
    assert types[NameOID.DOMAIN_COMPONENT] == types[NameOID.EMAIL_ADDRESS] == IA5
    assert types[NameOID.LOCALITY_NAME] == types[NameOID.COMMON_NAME] == UTF8
    assert subject_pairs(parsed(name.public_bytes())) == FULL


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        (("country", "de"), "name.form"),
        (("country", "DEU"), "name.too_long"),
        (("country", "D"), "name.form"),
        (("country", "ÄÖ"), "name.form"),
        (("common_name", ""), "name.empty"),
        (("common_name", "   "), "name.empty"),
        (("common_name", " x"), "name.surrounding_space"),
        (("common_name", "a\0b"), "name.invisible_character"),
        (("common_name", "a\u202ebmoc.live"), "name.invisible_character"),
        (("common_name", "a\u200bb"), "name.invisible_character"),
        (("common_name", "a\nb"), "name.invisible_character"),
        (("common_name", "\ud800"), "name.invisible_character"),
        (("common_name", "a" * 65), "name.too_long"),
        (("common_name", "ü" * 33), "name.too_long"),
        (("organization", "a" * 65), "name.too_long"),
        (("organizational_unit", "a" * 65), "name.too_long"),
        (("locality", "a" * 129), "name.too_long"),
        (("state", "a" * 129), "name.too_long"),
        (("serial_number", "a" * 65), "name.too_long"),
        (("serial_number", "a_b"), "name.form"),
        (("email_address", "nobody"), "name.form"),
        (("email_address", "a@müller.example"), "name.form"),
        (("domain_component", "a.b"), "name.form"),
        (("given_name", "Ada"), "name.attribute_not_supported"),
    ],
)
def test_x08_unsound_attributes_are_refused(pair, code):
    (violation,) = subject_violations([("organization", "X"), pair])
    assert violation.code == code
    assert violation.field == f"subject[1].{pair[0]}"
    assert "\0" not in violation.value
    with pytest.raises(UnusableName):
        x509_name([pair])


def test_x08_all_problems_of_a_subject_are_listed_at_once():
    found = subject_violations(
        [("common_name", "a"), ("common_name", "b\0"), ("country", "xx"), ("email_address", "?")]
    )
    assert [v.code for v in found] == [
        "name.invisible_character",
        "name.form",
        "name.form",
        "name.several_common_names",
    ]


def test_ac04_separators_in_values_are_text():
    pairs = (("organization", "Evil, O=Good"), ("common_name", "a=b+c"))
    assert subject_pairs(x509_name(pairs)) == pairs
    assert rfc4514(pairs) == "CN=a\\=b\\+c,O=Evil\\, O\\=Good"


@pytest.mark.parametrize(
    ("tag", "octets"),
    [(T61, b"abc"), (BMP, "abc".encode("utf-16-be")), (UNIVERSAL, "abc".encode("utf-32-be"))],
)
def test_ac04_ambiguous_string_types_are_refused(tag, octets):
    with pytest.raises(UnusableName) as caught:
        subject_pairs(parsed(raw_name((CN, tag, octets))))
    assert [v.code for v in caught.value.violations] == ["name.string_type"]


def test_unsupported_attributes_are_all_listed():
    raw = raw_name(("2.5.4.42", UTF8, b"Ada"), (CN, UTF8, b"ok"), ("2.5.4.12", UTF8, b"Dr"))
    with pytest.raises(UnusableName) as caught:
        subject_pairs(parsed(raw))
    assert [v.field for v in caught.value.violations] == [
        "subject[0].2.5.4.42",
        "subject[2].2.5.4.12",
    ]


def test_rdns_of_several_attributes_are_refused():
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, "a"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "b"),
    ]
    name = x509.Name([x509.RelativeDistinguishedName(attributes)])
    with pytest.raises(UnusableName) as caught:
        subject_pairs(name)
    assert [v.code for v in caught.value.violations] == ["name.multi_valued_rdn"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["organization", "locality"]), st.text(max_size=70)), max_size=4
    )
)
def test_x08_accepted_subjects_survive_encoding(pairs):
    pairs = tuple(pairs)
    try:
        name = x509_name(pairs)
    except UnusableName:
        assert subject_violations(pairs)
        return
    assert subject_pairs(parsed(name.public_bytes())) == pairs


@given(st.text(min_size=1, max_size=30))
def test_rfc4514_text_can_be_read_back(value):
    try:
        x509_name([("organization", value)])
    except UnusableName:
        return
    assert subject_pairs(x509.Name.from_rfc4514_string(rfc4514([("organization", value)]))) == (
        ("organization", value),
    )


# Default_Ignorable_Code_Point (Unicode 16.0) that is no control, format or unassigned character,
# and what has a blank glyph.
SHOWN_AS_NOTHING = {
    *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x1806, 0x2800, 0x3164, 0xFFA0, 0xFFFC),
    *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),
    *(0x16FE4, 0x1D159),
}


@pytest.mark.parametrize("number", sorted(SHOWN_AS_NOTHING), ids="U+{:04X}".format)
def test_ac04_no_name_has_characters_that_show_nothing(number):
    value = f"Ac{chr(number)}me"
    (found,) = subject_violations([("organization", value)])
    assert (found.code, found.value) == ("name.invisible_character", f"Ac\\u{number:04x}me")
    assert code_of("dns_name", f"{value.lower()}.example") == "name.invisible_character"


def test_ac04_printable_text_is_exactly_text_without_invisible_characters():
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        unseen = (
            unicodedata.category(character) in addresses.INVISIBLE or number in SHOWN_AS_NOTHING
        )
        if addresses.has_invisible(character) != unseen:
            pytest.fail(f"U+{number:04X}")
        if (addresses.visible(character) == character) == unseen:
            pytest.fail(f"U+{number:04X}")


def test_a_subject_that_is_remembered_as_sound_is_so_under_any_field():
    sound, unsound = [("country", "DE")], [("country", "de")]
    for _ in range(2):
        assert subject_violations(sound) == subject_violations(sound, field="other") == ()
        assert subject_violations(unsound)[0].field == "subject[0].country"
        assert subject_violations(unsound, field="other")[0].field == "other[0].country"


def test_x16_a_name_remembered_for_one_type_is_judged_anew_for_another():
    for _ in range(2):
        assert canonical_san("dns_name", "a.example") == "a.example"
        assert code_of("email", "a.example") == "name.email"
        assert code_of("ip_address", "a.example") == "name.address"


@given(
    st.one_of(
        st.text("ab0-.*x", max_size=14),
        st.lists(
            st.sampled_from(
                [
                    *[
                        "www",
                        "a-b",
                        "a--b",
                        "xn--mller-kva",
                        "0",
                        "0x1f",
                        "1a",
                        "-a",
                        "a-",
                        "in-addr",
                        "arpa",
                        "ip6",
                        "com",
                        "A",
                        "a_b",
                    ],
                    *("", "a" * 63, "a" * 64),
                ]
            ),
            max_size=5,
        ).map(".".join),
    )
)
def test_x16_a_canonical_host_name_is_its_own_canonical_form(name):
    try:
        found = addresses.canonical_dns_name(name)
    except UnusableName:
        return
    assert addresses.canonical_dns_name(found) == found
    assert len(found) <= 253
    assert found == found.lower()
    assert all(0 < len(label) <= 63 for label in found.split("."))
