"""Tests of the guarded HTTP client: limits, redirects, deadlines."""

import ssl
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network

import pytest

from apps.egress import EgressFailed, EgressRefused, EgressRules, http_get, http_request
from apps.egress.http import parse_url
from tests.factories import servers
from tests.factories.servers import moved, page

from .conftest import LOOPBACK_OPEN

ANY = EgressRules(
    name="any",
    schemes=frozenset({"http", "https"}),
    max_redirects=5,
    total_s=3,
    resolvers=("127.0.0.1:9",),
)
# SECURITY EG-7: spellings that lead astray; none of them may end in a connection.
SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://127.0.0.1./",
    "http://127.0.0.1.:80/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[::1%25lo]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[v1.fe80::a]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254:80/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://metadata.google.internal/",
    "http://METADATA.GOOGLE.INTERNAL./",
    "http://ｍetadata.google.internal/",  # noqa: RUF001 - the odd letters are the point
    "http://metadata。google。internal/",
    "http://１２７.0.0.1/",  # noqa: RUF001 - the odd letters are the point
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://8.8.8.8@127.0.0.1/",
    "http://user:pw@8.8.8.8/",
    "http://@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://8.8.8.8\\.evil.test/",
    "http:\\\\127.0.0.1\\",
    "http:///127.0.0.1/",
    "http:127.0.0.1",
    "//127.0.0.1/",
    "127.0.0.1",
    "http://",
    "http://:80/",
    "http://8.8.8.8:0/",
    "http://8.8.8.8:65536/",
    "http://8.8.8.8:-1/",
    "http://8.8.8.8:8a/",
    "http://8.8.8.8%00.evil.test/",
    "http://8.8.8.8%0d%0aHost:x/",
    "http://8.8.8.8/\r\nHost: x",
    "http://8.8.8.8/a b",
    "http://8.8.8.8/\x00",
    "\thttp://127.0.0.1/",
    " http://127.0.0.1/",
    "http://a..b/",
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "gopher://8.8.8.8/",
    "jar:http://127.0.0.1!/",
    "data:text/plain,x",
    "http://8.8.8.8/" + "a" * 2000,
]
PURPOSES = [
    ANY,
    replace(ANY, name="internal", allow_private=True),
    replace(ANY, name="http only", schemes=frozenset({"http"}), ports=frozenset({80})),
]


@pytest.mark.parametrize("rules", PURPOSES, ids=lambda rules: rules.name)
@pytest.mark.parametrize("url", SPELLINGS)
def test_eg7_odd_url_is_refused_without_a_packet(witness, url, rules):
    with pytest.raises(EgressRefused) as caught:
        http_get(rules, url)
    assert witness == []
    assert len(caught.value.hops) == 1


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://WWW.Example.com", "www.example.com", 80, "/"),
        ("https://example.com:8443/a/../b?c=d&e#f", "example.com", 8443, "/a/../b?c=d&e"),
        ("https://bücher.example/ü?ö", "xn--bcher-kva.example", 443, "/%C3%BC?%C3%B6"),
        ("http://8.8.8.8:8080/%2e%2e", "8.8.8.8", 8080, "/%2e%2e"),
        ("http://[2606:4700::1111]/", "2606:4700::1111", 80, "/"),
        ("http://a_b.example./", "a_b.example", 80, "/"),
    ],
)
def test_pv31_ordinary_urls_are_not_over_blocked(url, host, port, path):
    target = parse_url(ANY, url)
    assert (target.host, target.port, target.path) == (host, port, path)


def test_page_is_fetched_from_the_checked_address(web, rules, names):
    names.host("a.test", "127.0.0.1")
    web.pages["/x?y"] = page(b"hello", X_Test="1")
    answer = http_get(rules, f"http://A.test:{web.port}/x?y", headers=[("X-Key", "k")])
    assert (answer.status, answer.body, answer.headers["x-test"]) == (200, b"hello", "1")
    assert [(hop.address, hop.outcome) for hop in answer.hops] == [("127.0.0.1", "200")]
    headers = web.requests[0][1]
    assert headers["host"] == f"a.test:{web.port}"
    assert headers["x-key"] == "k"
    assert not {"cookie", "authorization", "proxy-authorization"} & set(headers)


def test_proxy_variables_are_ignored(web, rules, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.pages["/"] = page(b"direct")
    assert http_get(rules, f"http://127.0.0.1:{web.port}/").body == b"direct"


def test_body_is_posted_and_redirects_of_a_post_are_not_followed(web, rules):
    web.pages["/in"] = moved("/out", "307 Temporary Redirect")
    answer = http_request(rules, "POST", f"http://127.0.0.1:{web.port}/in", body=b"abc")
    assert answer.status == 307
    assert web.requests[0][1]["content-length"] == "3"
    assert len(web.requests) == 1


@pytest.mark.parametrize("pair", [("X-A", "a\r\nX-B: c"), ("X A", "a"), ("X-A", "ü")])
def test_headers_cannot_be_smuggled(rules, pair):
    with pytest.raises(ValueError, match="must not be sent"):
        http_get(rules, "http://127.0.0.1/", headers=[pair])


BAD_TARGETS = [
    "http://169.254.169.254/latest/",
    "http://127.0.0.2/",
    "http://[::ffff:169.254.169.254]/",
    "http://metadata.google.internal/",
    "http://rebound.test/",
    "http://10.0.0.1/",
    "http://2852039166/",
    "ftp://127.0.0.1/",
    "//user@127.0.0.1/",
    "http://127.0.0.1:22/",
    "/with space",
]


@pytest.mark.parametrize("bad", BAD_TARGETS)
@pytest.mark.parametrize("hop", [1, 2, 3])
def test_eg7_redirect_to_a_bad_host_is_refused_on_each_hop(web, names, witness, bad, hop):
    names.host("rebound.test", "169.254.169.254")
    for number in range(1, hop):
        web.pages[f"/{number}"] = moved(f"/{number + 1}")
    web.pages[f"/{hop}"] = moved(bad)
    rules = replace(
        ANY,
        allowed_networks=(ip_network("127.0.0.1/32"),),
        ports=frozenset({80, 443, web.port}),
        resolvers=(names.address,),
    )
    with pytest.raises(EgressRefused) as caught:
        http_get(rules, f"http://127.0.0.1:{web.port}/1")
    assert set(witness) == {("127.0.0.1", web.port)}
    assert [h.outcome for h in caught.value.hops[:hop]] == ["302"] * hop


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 T", "308 P"])
def test_allowed_redirects_are_followed(web, rules, status):
    web.pages["/a"] = moved("b?c", status)
    web.pages["/b?c"] = page(b"there")
    answer = http_get(rules, f"http://127.0.0.1:{web.port}/a")
    assert answer.body == b"there"
    assert [hop.outcome for hop in answer.hops] == [status[:3], "200"]


@pytest.mark.parametrize("status", ["303 See Other", "300 Choices", "304 Not Modified"])
def test_other_redirects_are_handed_back(web, rules, status):
    web.pages["/a"] = moved("/b", status)
    assert http_get(rules, f"http://127.0.0.1:{web.port}/a").status == int(status[:3])
    assert len(web.requests) == 1


def test_redirects_are_off_by_default(web, rules):
    web.pages["/a"] = moved("/b")
    assert http_get(replace(rules, max_redirects=0), f"http://127.0.0.1:{web.port}/a").status == 302


@pytest.mark.parametrize(
    "second", ["/a", "http://127.0.0.1:{port}/a#b", "HTTP://127.0.0.1:{port}/a"]
)
def test_redirect_loop_ends_at_once(web, rules, second):
    web.pages["/a"] = moved("/b")
    web.pages["/b"] = moved(second.format(port=web.port))
    with pytest.raises(EgressFailed, match="loop"):
        http_get(rules, f"http://127.0.0.1:{web.port}/a")
    assert len(web.requests) == 2


def test_redirects_are_counted(web, rules):
    for number in range(20):
        web.pages[f"/{number}"] = moved(f"/{number + 1}")
    with pytest.raises(EgressFailed, match="More than 5") as caught:
        http_get(rules, f"http://127.0.0.1:{web.port}/0")
    assert len(web.requests) == 6
    assert len(caught.value.hops) == 6


def test_headers_stay_behind_when_the_origin_changes(web, rules, names):
    names.host("other.test", "127.0.0.1")
    web.pages["/a"] = moved("/b")
    web.pages["/b"] = moved(f"http://other.test:{web.port}/c")
    web.pages["/c"] = page(b"")
    http_get(rules, f"http://127.0.0.1:{web.port}/a", headers=[("Authorization", "Bearer x")])
    assert ["authorization" in headers for _, headers in web.requests] == [True, True, False]


def test_https_does_not_fall_back_to_http_unless_allowed(web, rules, tmp_path):
    context = servers.tls_context(tmp_path, servers.certificate())
    with servers.web_server(context) as secure:
        secure.pages["/"] = moved(f"http://127.0.0.1:{web.port}/")
        web.pages["/"] = page(b"plain")
        url = f"https://127.0.0.1:{secure.port}/"
        unverified = replace(rules, verify_tls=False)
        with pytest.raises(EgressRefused, match="https to http"):
            http_get(unverified, url)
        assert http_get(replace(unverified, allow_downgrade=True), url).body == b"plain"


def test_tls_certificates_are_verified(rules, tmp_path):
    context = servers.tls_context(tmp_path, servers.certificate())
    with servers.web_server(context) as secure, pytest.raises(EgressFailed) as caught:
        http_get(rules, f"https://127.0.0.1:{secure.port}/")
    assert caught.value.kind == "tls"


def test_own_trust_is_enough_and_only_for_the_right_name(rules, names, tmp_path):
    from cryptography import x509

    names.host("good.test", "127.0.0.1")
    names.host("bad.test", "127.0.0.1")
    pems = servers.certificate(
        (x509.SubjectAlternativeName([x509.DNSName("good.test")]), False),
        (x509.BasicConstraints(ca=True, path_length=None), True),
    )
    trusting = replace(rules, ca_pem=pems[0].decode())
    with servers.web_server(servers.tls_context(tmp_path, pems)) as secure:
        secure.pages["/"] = page(b"ok")
        assert http_get(trusting, f"https://good.test:{secure.port}/").body == b"ok"
        with pytest.raises(EgressFailed, match="TLS"):
            http_get(trusting, f"https://bad.test:{secure.port}/")


def dripping(prefix: bytes, drop: bytes = b"x", pause_s: float = 0.05):
    def drip(connection):
        connection.sendall(prefix)
        with suppress(OSError):
            for _ in range(200):
                connection.sendall(drop)
                time.sleep(pause_s)

    return drip


@pytest.mark.parametrize(
    "prefix",
    [b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"],
    ids=["status", "header", "body"],
)
def test_slow_drip_ends_at_the_deadline(web, rules, prefix):
    web.pages["/"] = dripping(prefix)
    begin = time.monotonic()
    with pytest.raises(EgressFailed) as caught:
        http_get(replace(rules, total_s=0.4), f"http://127.0.0.1:{web.port}/")
    assert caught.value.kind == "timeout"
    assert time.monotonic() - begin < 1.5


def test_silence_ends_at_the_read_timeout(rules):
    begin = time.monotonic()
    with servers.silent_server() as port, pytest.raises(EgressFailed) as caught:
        http_get(replace(rules, read_timeout_s=0.2), f"http://127.0.0.1:{port}/")
    assert caught.value.kind == "timeout"
    assert time.monotonic() - begin < 1.5


def test_silent_tls_handshake_ends_in_time(rules):
    with servers.silent_server() as port, pytest.raises(EgressFailed) as caught:
        http_get(replace(rules, connect_timeout_s=0.2), f"https://127.0.0.1:{port}/")
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize(
    "reply",
    [
        page(b"x" * 101),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 101
        + b"0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 101,
    ],
    ids=["length", "close", "chunked", "lying"],
)
def test_oversize_body_is_refused(web, rules, reply):
    web.pages["/"] = reply
    with pytest.raises(EgressFailed) as caught:
        http_get(replace(rules, max_bytes=100), f"http://127.0.0.1:{web.port}/")
    assert caught.value.kind == "too_large"


def test_body_of_exactly_the_bound_is_accepted(web, rules):
    web.pages["/"] = page(b"x" * 100)
    assert len(http_get(replace(rules, max_bytes=100), f"http://127.0.0.1:{web.port}/").body) == 100


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(90)),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 5000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    ],
    ids=["many", "continue", "long"],
)
def test_headers_have_a_bound(web, rules, reply):
    web.pages["/"] = reply
    with pytest.raises(EgressFailed) as caught:
        http_get(rules, f"http://127.0.0.1:{web.port}/")
    assert caught.value.kind in {"too_large", "protocol"}


@pytest.mark.parametrize(
    "reply", [b"SSH-2.0-OpenSSH\r\n", b"", b"\x00" * 100, b"HTTP/9.9 abc\r\n\r\n", b"+OK ready\r\n"]
)
def test_other_protocols_are_named_so(web, rules, reply):
    web.pages["/"] = reply
    with pytest.raises(EgressFailed) as caught:
        http_get(rules, f"http://127.0.0.1:{web.port}/")
    assert caught.value.kind in {"protocol", "refused"}


def test_truncated_body_is_not_taken_for_the_whole(web, rules):
    web.pages["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"
    with pytest.raises(EgressFailed, match="ended early"):
        http_get(rules, f"http://127.0.0.1:{web.port}/")


def test_closed_port_is_a_class_of_its_own(rules):
    with servers.silent_server() as port:
        pass
    with pytest.raises(EgressFailed) as caught:
        http_get(rules, f"http://127.0.0.1:{port}/")
    assert caught.value.kind == "refused"


def test_next_address_is_tried_when_the_first_is_dead(web, rules, names):
    names.host("a.test", "127.0.0.9", "127.0.0.1")
    web.pages["/"] = page(b"second")
    assert http_get(rules, f"http://a.test:{web.port}/").hops[0].address == "127.0.0.1"


def test_tls_below_1_2_is_refused(rules, tmp_path):
    context = servers.tls_context(tmp_path, servers.certificate())
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with servers.web_server(context) as secure, pytest.raises(EgressFailed) as caught:
        http_get(replace(rules, verify_tls=False), f"https://127.0.0.1:{secure.port}/")
    assert caught.value.kind == "tls"


@pytest.mark.parametrize("port", [0, -1, 65536, 22])
def test_only_listed_ports_are_dialed(witness, port):
    from apps.egress import connect

    rules = EgressRules(name="web", allowed_networks=LOOPBACK_OPEN, ports=frozenset({80, 443}))
    with pytest.raises(EgressRefused, match="Port"):
        connect(rules, "127.0.0.1", port)
    assert witness == []
