"""Patterns for URIs: scheme, host and whole path segments."""

import pytest

from apps.policies.names import PatternError
from apps.policies.patterns import compile_pattern
from apps.policies.uris import UriPattern, split_uri


@pytest.mark.parametrize(
    ("pattern", "uri", "covered"),
    [
        ("spiffe://example.org/ns/prod", "spiffe://example.org/ns/prod", True),
        ("spiffe://example.org/ns/prod", "spiffe://example.org/ns/prod/sa/web", True),
        ("spiffe://example.org/ns/prod", "spiffe://example.org/ns/production", False),
        ("spiffe://example.org/ns/prod", "spiffe://example.org/ns", False),
        ("spiffe://example.org/ns/*/sa/web", "spiffe://example.org/ns/a/sa/web", True),
        ("spiffe://example.org/ns/*/sa/web", "spiffe://example.org/ns/a/b/sa/web", False),
        ("spiffe://example.org", "spiffe://example.org.evil.com/x", False),
        ("spiffe://example.org", "https://example.org/x", False),
        ("spiffe://example.org/", "spiffe://example.org/x", True),
        ("https://*.example.com/app", "https://a.example.com/app", True),
        ("https://*.example.com/app", "https://a.b.example.com/app", False),
        ("https://*.example.com/app", "https://*.example.com/app", False),
        ("https://a.example.com", "https://a.example.com:8443/", False),
        ("https://a.example.com:8443", "https://a.example.com:8443/", True),
        ("https://a.example.com/app", "https://a.example.com/app?x=1", False),
        ("https://a.example.com/app", "https://a.example.com/app#x", False),
        ("https://a.example.com/app", "https://a.example.com/%61pp", False),
        ("https://a.example.com/app", "https://a.example.com/x/../app", False),
        ("https://a.example.com", "https://user@a.example.com/", False),
        ("https://a.example.com", "https://a.example.com\\@evil.org/", False),
        ("https://a.example.com", "https://evil.org/https://a.example.com", False),
        ("https://[2001:db8::1]/x", "https://[2001:db8:0::1]/x", True),
        ("https://**", "https://10.0.0.1/", False),
        ("urn:uuid:*", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", True),
        ("urn:uuid:*", "urn:oid:1.2.3", False),
        ("*", "anything:at-all", True),
        ("*", "no uri", False),
    ],
)
def test_uri_is_covered_by_scheme_host_and_segments(pattern, uri, covered):
    assert UriPattern.compile(pattern).covers(uri) is covered


@pytest.mark.parametrize(
    "uri",
    [
        "https://EVIL.example.com/admin/x",
        "HTTPS://evil.example.com/admin",
        "https://evil.example.com:444/admin",
        "https://evil.example.com/%61dmin",
        "https://evil.example.com/ADMIN?x#y",
        "https://evil.example.com/a/../admin",
        "https://evil.example.com/%2e%2e/admin",
        "https://evil.example.com//admin",
        "https://user@evil.example.com/admin",
        "not a uri",
    ],
)
def test_a_denied_uri_stays_denied_in_other_spelling(uri):
    assert UriPattern.compile("https://evil.example.com/admin").overlaps(uri)


@pytest.mark.parametrize(
    "uri",
    ["https://good.example.com/admin", "https://evil.example.com/adm", "https://10.0.0.1/admin"],
)
def test_a_denied_uri_denies_no_other(uri):
    assert not UriPattern.compile("https://evil.example.com/admin").overlaps(uri)


@pytest.mark.parametrize(
    "pattern",
    [
        "example.com",
        "/path",
        "https://",
        "https://user@example.com/",
        "https://example.com/a/../b",
        "https://example.com/?x",
        "https://example.com/#x",
        "https://example.com/%61",
        "*://example.com",
        "https://exa mple.com",
        "https://a.**.b/",
    ],
)
def test_uri_patterns_that_could_never_match_are_refused(pattern):
    with pytest.raises(PatternError):
        compile_pattern("uri", pattern)


@pytest.mark.parametrize("text", ["https://a\tb/", "https://a/b c", "https://a/\n", "ht\ntps://a/"])
def test_the_reader_drops_no_characters(text):
    assert split_uri(text) is None
