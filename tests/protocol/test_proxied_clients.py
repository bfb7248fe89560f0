"""Who a request comes from, behind the front server and behind other proxies (PX-1 to PX-5)."""

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apps.web import forwarded

# A route of each kind: probe, API, enrollment, admin. A new enrollment method adds one of its own.
ROUTES = ("/livez", "/api/v1/certificates/", "/acme/no-such/endpoint/directory", "/admin/login/")
DER = b"\x30\x82\x01\x00" + bytes(range(256))
LARGE = b"\x30\x82\x40\x00" + bytes(16 * 1024 - 4)
SECRET = "a-secret-of-forty-characters-0123456789-"
UNIX, STRANGER, PROXY = "", "198.51.100.9", "10.0.0.7"
CLIENT = "192.0.2.44"


def pem(der: bytes, wrap: int = 64) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + wrap] for start in range(0, len(text), wrap)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def escaped(der: bytes) -> str:
    return quote(pem(der), safe="")


def front(certificate: str = "", verdict: str = "SUCCESS", address: str = CLIENT) -> dict[str, str]:
    """Return the header fields that the front server sets."""
    return {
        "X-Forwarded-For": address,
        "X-Forwarded-Proto": "https",
        "X-SSL-Client-Cert": certificate,
        "X-SSL-Client-Verify": verdict,
    }


RFC9440 = {"Client-Cert": f":{base64.b64encode(DER).decode()}:"}
FROM_PROXY = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"}


@dataclass(frozen=True)
class Row:
    """One row of the grid: what a peer sends, and what the application believes."""

    name: str
    peer: str
    headers: dict[str, str]
    address: str = CLIENT
    certificate: bytes | None = None
    refused: bool = False
    settings: dict[str, object] = field(default_factory=dict)


GRID = [
    Row("direct", STRANGER, {}, address=STRANGER),
    Row("direct with every claim", STRANGER, front(escaped(DER)) | RFC9440, address=STRANGER),
    Row("front server, no certificate", UNIX, front(verdict="NONE")),
    Row("front server", UNIX, front(escaped(DER)), certificate=DER),
    Row("front server without an address", UNIX, {}, refused=True),
    Row("trusted proxy", PROXY, FROM_PROXY | RFC9440, certificate=DER),
    Row("trusted proxy without an address", PROXY, RFC9440, refused=True),
    Row(
        "spoof through the proxy: another form than the configured one",
        PROXY,
        FROM_PROXY | {"X-SSL-Client-Cert": escaped(DER), "X-SSL-Client-Verify": "SUCCESS"},
    ),
    Row(
        "spoof through the proxy: address written by the client",
        PROXY,
        {"X-Forwarded-For": f"203.0.113.1, {CLIENT}, 10.0.0.8"},
    ),
    Row(
        "what clients write before their address is not read",
        PROXY,
        {"X-Forwarded-For": f"nonsense, {CLIENT}, 10.0.0.8"},
    ),
    Row("unusable hop", PROXY, {"X-Forwarded-For": f"{CLIENT}, nonsense, 10.0.0.8"}, refused=True),
    Row("address 127.0.0.1", STRANGER, {"X-Forwarded-For": "127.0.0.1"}, address=STRANGER),
    Row("no address at all", PROXY, {"X-Forwarded-For": "unknown"}, refused=True),
    Row(
        "duplicate certificate",
        PROXY,
        FROM_PROXY | {"Client-Cert": f"{RFC9440['Client-Cert']},{RFC9440['Client-Cert']}"},
        refused=True,
    ),
    Row(
        "duplicate certificate from the front server",
        UNIX,
        front(f"{escaped(DER)},{escaped(DER)}"),
        refused=True,
    ),
    Row(
        "two PEM blocks",
        UNIX,
        front(quote(pem(DER) + pem(DER), safe="")),
        refused=True,
    ),
    Row("other case", UNIX, {k.upper(): v for k, v in front(escaped(DER)).items()}, certificate=DER),
    Row("16 KiB", UNIX, front(escaped(LARGE)), certificate=LARGE),
    Row("larger than 16 KiB", UNIX, front(escaped(LARGE + b"\0" * 8)), refused=True),
    Row("no verdict", UNIX, front(escaped(DER), verdict="")),
    Row("failed verdict", UNIX, front(escaped(DER), verdict="FAILED:certificate has expired")),
    Row("not base64", PROXY, FROM_PROXY | {"Client-Cert": ":====:"}, refused=True),
    Row("right secret", PROXY, FROM_PROXY | {"X-Proxy-Secret": SECRET}, settings={"PROXY_SECRET": SECRET}),
    Row(
        "wrong secret",
        PROXY,
        FROM_PROXY | {"X-Proxy-Secret": SECRET[:-1] + "+"},
        refused=True,
        settings={"PROXY_SECRET": SECRET},
    ),
    Row("no secret", UNIX, front(), refused=True, settings={"PROXY_SECRET": SECRET}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def proxies(settings) -> None:
    settings.SEALWRIGHT = settings.SEALWRIGHT | {
        "TRUSTED_PROXIES": (ipaddress.ip_network("10.0.0.0/8"),),
        "PROXY_CLIENT_CERTIFICATE": "rfc9440",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("row", GRID, ids=lambda row: row.name)
def test_px4_grid(row, route, settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | row.settings
    plain = Client().get(route, secure=True)
    answer = Client(REMOTE_ADDR=row.peer, headers=row.headers).get(route)
    request = answer.wsgi_request
    if row.refused:
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert forwarded.client_certificate(request) is None
        return
    assert answer.status_code == plain.status_code
    assert request.META["REMOTE_ADDR"] == row.address
    assert forwarded.client_certificate(request) == row.certificate
    left = [name for name in request.META if name.startswith(("HTTP_X_SSL", "HTTP_CLIENT_CERT"))]
    assert left == []


def seen(peer: str, **headers: str):
    """Return the request as a view behind the middleware sees it, and the answer."""
    requests = []

    def view(request):
        requests.append(request)
        return HttpResponse()

    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)
    answer = forwarded.read_forwarded(view)(request)
    return (requests or [None])[0], answer


def test_scheme_is_what_a_trusted_peer_says():
    request, _ = seen(UNIX, **{"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"})
    assert request.is_secure()
    request, _ = seen(UNIX, **{"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "http"})
    assert not request.is_secure()
    request, _ = seen(STRANGER, **{"X-Forwarded-Proto": "https"})
    assert not request.is_secure()
    _, answer = seen(UNIX, **{"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https,http"})
    assert answer.status_code == 400


def test_mapped_address_is_its_ipv4_address():
    request, _ = seen(UNIX, **{"X-Forwarded-For": f"::ffff:{CLIENT}"})
    assert request.META["REMOTE_ADDR"] == CLIENT
    request, _ = seen("::ffff:10.1.2.3", **{"X-Forwarded-For": CLIENT})
    assert request.META["REMOTE_ADDR"] == CLIENT


def test_nobody_but_proxies_counts_without_configuration(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"TRUSTED_PROXIES": ()}
    request, _ = seen(PROXY, **FROM_PROXY)
    assert request.META["REMOTE_ADDR"] == PROXY


CERT = f'Cert="{escaped(DER)}"'


@pytest.mark.parametrize(
    ("value", "certificate"),
    [
        (CERT, DER),
        (f'By=spiffe://a/b;Hash=00ff;{CERT};Subject="CN=a, b;O=\\"x\\""', DER),
        ('Hash=00ff;Subject="CN=x"', None),
        # What a subject says is no certificate of its own.
        ('Hash=00ff;Subject="CN=x;Cert=\\"abc\\""', None),
    ],
)
def test_envoy_element_is_read(settings, value, certificate):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PROXY_CLIENT_CERTIFICATE": "xfcc"}
    request, answer = seen(PROXY, **FROM_PROXY, **{"X-Forwarded-Client-Cert": value})
    assert answer.status_code == 200
    assert forwarded.client_certificate(request) == certificate


@pytest.mark.parametrize(
    "value",
    [f"{CERT},{CERT}", f"Hash=1,{CERT}", f"{CERT};{CERT}", f"{CERT} ", 'Cert="abc', 'Cert="abc"'],
)
def test_envoy_header_of_several_hops_or_damaged_is_refused(settings, value):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PROXY_CLIENT_CERTIFICATE": "xfcc"}
    _, answer = seen(PROXY, **FROM_PROXY, **{"X-Forwarded-Client-Cert": value})
    assert answer.status_code == 400


def test_escaped_pem_counts_from_a_proxy_only_where_configured(settings):
    headers = front(escaped(DER))
    request, _ = seen(PROXY, **headers)
    assert forwarded.client_certificate(request) is None
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PROXY_CLIENT_CERTIFICATE": "escaped-pem"}
    request, _ = seen(PROXY, **headers)
    assert forwarded.client_certificate(request) == DER


def test_certificate_cannot_be_brought_along_in_the_environment():
    """Header fields become HTTP_* keys only; a server's own key of that name is not believed."""
    request = RequestFactory().get("/", REMOTE_ADDR=STRANGER)
    request.META["sealwright.client_certificate"] = DER
    forwarded.read_forwarded(lambda request: HttpResponse())(request)
    assert forwarded.client_certificate(request) is None


@pytest.mark.parametrize(
    ("headers", "changed", "reason"),
    [
        ({"X-Forwarded-For": "nonsense"}, {}, "X-Forwarded-For names no client address"),
        (FROM_PROXY | {"X-Forwarded-Proto": "gopher"}, {}, "X-Forwarded-Proto is neither"),
        (FROM_PROXY, {"PROXY_SECRET": SECRET}, "the shared secret is missing or wrong"),
    ],
)
def test_log_says_why_a_report_is_refused(settings, caplog, headers, changed, reason):
    settings.SEALWRIGHT = settings.SEALWRIGHT | changed
    assert Client().get("/livez", headers=headers, REMOTE_ADDR=PROXY).status_code == 400
    assert [reason in record.getMessage() for record in caplog.records][:1] == [True]
    assert SECRET not in caplog.text


def test_wrong_host_is_one_line_that_names_the_setting(caplog):
    answer = Client().get("/readyz", headers={"Host": "wrong.example"})
    assert answer.status_code == 400
    refused = [r for r in caplog.records if r.name == "django.security.DisallowedHost"]
    assert len(refused) == 1
    assert "wrong.example" in refused[0].getMessage()
    assert "SEALWRIGHT_ALLOWED_HOSTS" in refused[0].getMessage()
    assert refused[0].exc_info is None
