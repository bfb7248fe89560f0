import time
from contextlib import suppress

import pytest

from apps.egress import Deadline
from apps.enrollment.acme.problems import Type
from apps.enrollment.acme.validation import http_01
from tests.factories import servers
from tests.factories.servers import moved, page

from .conftest import THUMBPRINT, TOKEN

PATH = f"/.well-known/acme-challenge/{TOKEN}"
GOOD = f"{TOKEN}.{THUMBPRINT}".encode()


@pytest.fixture
def run(target, web, deadline):
    def validate(**changes):
        return http_01.validate(target("http-01", http_port=web.port, **changes), deadline)

    return validate


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b"  \t\r\n\n"])
def test_a21_key_authorization_proves_with_any_trailing_whitespace(run, web, tail):
    web.pages[PATH] = page(GOOD + tail)
    outcome = run()
    assert outcome.proven
    path, headers = web.requests[0]
    assert path == PATH
    assert headers["host"] == f"a.test:{web.port}"
    assert not {"cookie", "authorization"} & set(headers)
    assert [(hop.address, hop.outcome) for hop in outcome.hops] == [("127.0.0.1", "200")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        GOOD[:-1],
        GOOD + b"x",
        b" " + GOOD,
        GOOD.upper(),
        TOKEN.encode(),
        f"{TOKEN}.{'A' * 43}".encode(),
        GOOD + b"\n" + GOOD,
        b"\xef\xbb\xbf" + GOOD,
        b"\xff" * 60,
    ],
)
def test_a21_any_other_body_proves_nothing(run, web, body):
    web.pages[PATH] = page(body)
    outcome = run()
    assert not outcome.proven
    assert outcome.kind == Type.INCORRECT_RESPONSE
    assert outcome.again


@pytest.mark.parametrize(
    "status", ["404 Not Found", "403 Forbidden", "500 Oops", "204 None", "201 Made"]
)
def test_a21_only_status_200_counts(run, web, status):
    web.pages[PATH] = page(GOOD, status)
    outcome = run()
    assert not outcome.proven
    assert status[:3] in outcome.detail


def test_a21_long_answers_prove_nothing_and_are_quoted_in_part(run, web):
    web.pages[PATH] = page(GOOD + b" " * 100 + b"<html>")
    outcome = run()
    assert "more than 128 bytes" in outcome.detail
    assert outcome.seen[0].startswith(TOKEN)
    assert len(outcome.seen[0]) < 120


def test_what_a_server_sent_is_escaped_and_never_in_the_problem(run, web):
    web.pages[PATH] = page(b"<script>\x00\x1b[31m\xff secret</script>")
    outcome = run()
    assert "secret" not in outcome.problem()["detail"]
    assert outcome.seen == ("<script>\\x00\\x1b[31m\\xff secret</script>",)


@pytest.mark.parametrize("status", ["301 M", "302 F", "307 T", "308 P"])
def test_a21_redirects_are_followed_and_recorded(run, web, status):
    web.pages[PATH] = moved(f"http://a.test:{web.port}/other", status)
    web.pages["/other"] = page(GOOD)
    outcome = run()
    assert outcome.proven
    assert [hop.outcome for hop in outcome.hops] == [status[:3], "200"]


def test_a21_status_303_is_refused(run, web):
    web.pages[PATH] = moved("/other", "303 See Other")
    web.pages["/other"] = page(GOOD)
    outcome = run()
    assert not outcome.proven
    assert len(web.requests) == 1


def test_a21_redirect_to_https_needs_no_valid_certificate(run, web, tmp_path):
    context = servers.tls_context(tmp_path, servers.certificate())
    with servers.web_server(context) as secure:
        web.pages[PATH] = moved(f"https://a.test:{secure.port}{PATH}")
        secure.pages[PATH] = page(GOOD)
        assert run(tls_port=secure.port).proven
        secure.pages[PATH] = moved(f"http://a.test:{web.port}/back")
        web.pages["/back"] = page(GOOD)
        assert run(tls_port=secure.port).proven


def test_a21_ten_redirects_are_followed_and_eleven_are_not(run, web):
    def chain(length):
        web.pages[PATH] = moved("/1")
        for number in range(1, length):
            web.pages[f"/{number}"] = moved(f"/{number + 1}")
        web.pages[f"/{length}"] = page(GOOD)

    chain(10)
    assert run().proven
    chain(11)
    assert "More than 10" in run().detail


def test_a21_redirect_loop_ends(run, web):
    web.pages[PATH] = moved(PATH)
    outcome = run()
    assert "loop" in outcome.detail
    assert outcome.kind == Type.CONNECTION


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://a.test:22/",
        "http://a.test:25/",
        "ftp://a.test/",
        "http://user:pw@a.test/",
        "http://metadata.google.internal/",
        "http://bad.test/",
    ],
)
def test_a21_redirects_pass_the_guard_again(run, web, names, location):
    names.host("bad.test", "127.0.0.1", "169.254.169.254")
    web.pages[PATH] = moved(location)
    outcome = run()
    assert not outcome.proven
    assert not outcome.again
    assert len(web.requests) == 1


def test_answers_of_other_pages_are_not_quoted(run, web):
    web.pages[PATH] = moved("/internal/secret")
    web.pages["/internal/secret"] = page(b"the secret")
    outcome = run()
    assert "the secret" not in str(outcome)
    assert "withheld" in outcome.seen[0]


@pytest.mark.parametrize(
    "sly", [f"/x/..{PATH}", f"{PATH}/../../secret", f"/secret?{PATH}", f"/secret#{PATH}"]
)
def test_paths_that_only_look_like_the_challenge_are_not_quoted_either(run, web, sly):
    web.pages[PATH] = moved(sly)
    web.pages[sly.partition("#")[0]] = page(b"the secret")
    for path in ("/x/.." + PATH, "/secret"):
        web.pages[path] = page(b"the secret")
    assert "the secret" not in str(run())


@pytest.mark.parametrize(("identifier", "host"), [("127.0.0.1", "127.0.0.1")], ids=["ipv4"])
def test_a30_addresses_are_fetched_literally(run, web, names, identifier, host):
    web.pages[PATH] = page(GOOD)
    assert run(identifier_type="ip", identifier=identifier).proven
    assert web.requests[0][1]["host"] == f"{host}:{web.port}"
    assert names.asked == []


@pytest.mark.parametrize(
    "identifier",
    ["169.254.169.254", "::1", "0.0.0.0", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1"],
)
def test_a30_address_identifiers_pass_the_guard_too(run, identifier):
    outcome = run(identifier_type="ip", identifier=identifier)
    assert not outcome.proven
    assert not outcome.again
    assert "not allowed" in outcome.detail


def test_loopback_is_closed_unless_the_endpoint_opens_it(run, web):
    web.pages[PATH] = page(GOOD)
    outcome = run(allowed_networks=())
    assert "loopback" in outcome.detail
    assert web.requests == []


def test_unknown_name_is_a_matter_of_dns(run):
    outcome = run(identifier="nowhere.test")
    assert outcome.kind == Type.DNS
    assert outcome.again


def test_closed_port_is_a_matter_of_connection(target, deadline):
    with servers.silent_server() as port:
        pass
    outcome = http_01.validate(target("http-01", http_port=port), deadline)
    assert outcome.kind == Type.CONNECTION
    assert "refused" in outcome.detail


def test_slow_server_costs_no_more_than_the_budget(target, web):
    def drip(connection):
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX"[:1])
                time.sleep(0.05)

    web.pages[PATH] = drip
    begin = time.monotonic()
    outcome = http_01.validate(target("http-01", http_port=web.port), Deadline(0.3))
    assert time.monotonic() - begin < 1.5
    assert outcome.kind == Type.CONNECTION
