"""The work of a security team in the admin, under the strict Content-Security-Policy."""

import json
import re
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.browser.conftest import Visitor, Visits
from tests.factories.keys import make_csr
from tests.interop.server import Server

PASSWORD = "a passphrase of some length"

pytestmark = pytest.mark.interop


@pytest.fixture
def ada(visit: Visits, server: Server) -> Visitor:
    """The administrator whom quickstart made, signed in."""
    visitor = visit()
    visitor.log_in(**server.facts["admin"])
    return visitor


def fill(visitor: Visitor, **values: str) -> None:
    for name, value in values.items():
        field = visitor.page.locator(f"#id_{name}")
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def choose(visitor: Visitor, name: str, starts_with: str) -> None:
    """Choose the option whose text starts so."""
    field = visitor.page.locator(f"#id_{name}")
    texts = field.locator("option").all_text_contents()
    field.select_option(label=next(text for text in texts if text.startswith(starts_with)))


def request_certificate(server: Server, token: str, name: str) -> dict[str, Any]:
    """Ask over the API, as the workload would."""
    csr = x509.load_der_x509_csr(make_csr(name)).public_bytes(Encoding.PEM).decode()
    wanted = {"application": "webshop", "profile": "web", "csr": csr}
    answer = server.api("POST", "certificate-requests/", wanted, token=token)
    assert answer.status == 201, answer.body.decode()
    return answer.json()["certificate"]


def test_from_the_first_login_to_a_revoked_certificate(
    visit: Visits, ada: Visitor, server: Server
) -> None:
    page = ada.page
    ada.shot("front page")

    # A root and an issuing authority under it.
    ada.go("/admin/authorities/authority/add/")
    fill(ada, name="corp-root", common_name="Corp Root", organization="Corp", country="DE")
    choose(ada, "key_algorithm", "ECDSA P-384")
    ada.press("Create")
    ada.told("was created")
    ada.shot("root")
    ada.go("/admin/authorities/authority/add/?kind=intermediate")
    fill(ada, name="corp-issuing", common_name="Corp Issuing", lifetime_days="9999")
    choose(ada, "parent", "corp-root")
    ada.press("Create")
    page.get_by_text("would outlast").wait_for()
    ada.shot("refused lifetime")
    fill(ada, lifetime_days="700")
    ada.press("Create")
    ada.told("was created")
    ada.press("Publish CRL now")
    ada.press("Publish CRL now")
    ada.told("will be published")
    ada.shot("issuing authority")

    # A policy from a preset, edited twice; a profile that must fit it.
    ada.go("/admin/policies/policy/add/")
    ada.press("TLS server")
    ada.shot("preset")
    rules = json.loads(page.locator("#id_rules").input_value())
    fill(ada, name="web", rules=json.dumps(rules | {"validity": {"max": "soon"}, "nonsense": 1}))
    ada.press("Create")
    page.get_by_text("nonsense").first.wait_for()
    ada.shot("refused rules")
    fill(ada, rules=json.dumps(rules))
    ada.press("Create")
    ada.told("was created")
    fill(ada, rules=json.dumps(rules | {"validity": {"max": "120d"}}))
    ada.press("Save")
    ada.told("was saved")
    ada.press("v2")
    page.locator(".sw-added", has_text="120d").wait_for()
    ada.shot("versions compared")
    ada.go("/admin/profiles/profile/add/?preset=tls-server")
    fill(ada, name="web")
    choose(ada, "issuer", "corp-issuing")
    choose(ada, "policy", "web")
    ada.press("Create")
    ada.told("was created")
    ada.shot("profile")

    # A second administrator, an application, its members and its profile.
    ada.go("/admin/accounts/user/add/")
    fill(ada, username="grace", password=PASSWORD, product_role="admin")
    ada.press("Create")
    ada.told("was created")
    ada.go("/admin/applications/machineidentity/add/")
    fill(ada, name="webshop-ci", description="issues for the shop")
    ada.press("Create")
    ada.told("was created")
    ada.go("/admin/applications/application/add/")
    fill(ada, name="webshop", description="The shop")
    ada.press("Create")
    ada.told("was created")
    ada.shot("empty application")
    for member in ("grace", "webshop-ci"):
        choose(ada, "member", member)
        ada.press("Add member")
        ada.told("is operator of webshop")
    choose(ada, "profile", "web")
    ada.press("Attach profile")
    ada.told("is attached")
    ada.shot("application")

    # A token, shown once.
    page.get_by_role("link", name="webshop-ci").click()
    ada.press("Create token…")
    fill(ada, name="ci")
    ada.shot("new token")
    ada.press("Create token")
    token = page.locator(".sw-secret-text").inner_text()
    ada.shot("token shown once")
    ada.press("Done")
    assert token not in page.content()
    ada.shot("machine identity")

    # A certificate, seen by the administrator, who may not revoke: governing is not operating.
    issued = request_certificate(server, token, "shop.example.com")
    ada.go("/admin/certificates/certificate/?q=shop.example")
    ada.shot("certificates")
    ada.press("shop.example.com")
    page.get_by_text("Subject alternative names").wait_for()
    ada.shot("certificate")
    page.get_by_text("You lack the permission revoke_certificates").wait_for()
    ada.shot("revocation refused")

    # The operator may.
    grace = visit()
    grace.log_in("grace", PASSWORD)
    grace.go(f"/admin/certificates/certificate/{issued['id']}/change/")
    grace.press("Revoke…")
    choose(grace, "reason", "Key compromise")
    grace.press("Revoke")
    grace.told("is revoked")
    grace.shot("certificate revoked")
    grace.press("Audit trail")
    grace.page.locator("#result_list a", has_text="certificate.revoked").click()
    grace.page.get_by_text("keyCompromise").wait_for()
    grace.shot("audit event")

    # What is used stays: the dependants are named.
    ada.go("/admin/profiles/profile/?q=web")
    page.locator("#result_list a", has_text=re.compile("^web$")).first.click()
    ada.press("Delete…")
    ada.press("Delete")
    page.locator(".sw-refusal li", has_text="webshop").wait_for()
    ada.shot("deletion refused")
    ada.go("/admin/")
    ada.shot("front page at the end")


def links_of(visitor: Visitor) -> set[str]:
    """Return the paths inside the admin that a page links to, one for each set of filters."""
    hrefs = visitor.page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
    paths = set()
    for href in hrefs:
        parts = urllib.parse.urlsplit(href)
        if f"{parts.scheme}://{parts.netloc}" == visitor.base and parts.path.startswith("/admin/"):
            paths.add(parts.path)
    return {path for path in paths if not re.search(r"/(logout|csr|download)/", path)}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_obeys_the_policy(visit: Visits, server: Server, dark: bool) -> None:
    """Every link is followed, in both themes; the witness of the fixture sees violations."""
    visitor = visit(dark=dark)
    visitor.log_in(**server.facts["admin"])
    waiting, seen = ["/admin/"], set()
    while waiting:
        path = waiting.pop(0)
        shape = re.sub(r"/[0-9a-f-]{8,}/|/\d+/", "/*/", path)
        if shape in seen:
            continue
        seen.add(shape)
        answer = visitor.go(path)
        assert answer.status == 200, path
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert visitor.page.locator("h1").first.is_visible(), path
        visitor.shot(shape.removeprefix("/admin/"))
        waiting += sorted(links_of(visitor))
    assert len(seen) > 40, sorted(seen)


def test_the_witness_hears_a_violation(visit: Visits, server: Server, folder: Path) -> None:
    """The guard itself: an inline script is blocked, and heard."""
    visitor = visit()
    visitor.go("/admin/login/")
    visitor.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        " document.body.append(s); }"
    )
    assert visitor.page.evaluate("() => window.hacked") is None
    assert any("Content Security Policy" in text or "CSP" in text for text in visitor.complaints)
    visitor.complaints.clear()


def test_a_phone_shows_the_front_page_without_sideways_scrolling(
    visit: Visits, server: Server
) -> None:
    visitor = visit()
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.log_in(**server.facts["admin"])
    visitor.shot("phone")
    width = visitor.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390
