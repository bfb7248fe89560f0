"""The whole product and a headless Chromium that records every policy violation.

The witness fails the test for any violation of the Content-Security-Policy, any script error,
any console error or warning, and any answer of status 500 or above.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

from tests.interop import server as servers
from tests.interop.server import ROOT, Server
from tests.programs import require_program

_WATCH_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP violation: ${event.violatedDirective} blocked ${event.blockedURI}`);
});
"""
_SIZE = {"width": 1360, "height": 900}
_SERVER_ERROR = 500


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run the product on a fresh data directory, as ``make run`` does."""
    home = tmp_path_factory.mktemp("browser") / "home"
    running = servers.start(home, servers.environment_for(home))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Chromium once."""
    program = require_program("chromium")
    with sync_playwright() as driver:
        # Root cannot have Chromium's sandbox; the pages are our own.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """A person with a browser window of their own.

    Attributes:
        page: the window.
        base: where the product is, without a slash at the end.
        folder: where screenshots go.
        complaints: what the witness saw.
    """

    page: Page
    base: str
    folder: Path
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Response:
        """Open a page of the product; any answer will do."""
        answer = self.page.goto(f"{self.base}{path}")
        assert answer is not None
        return answer

    def log_in(self, username: str, password: str) -> None:
        """Sign in at the admin."""
        self.go("/admin/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Certificates at a glance").wait_for()

    def shot(self, name: str) -> None:
        """Take a picture of the whole page."""
        taken = len(list(self.folder.iterdir())) + 1
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        self.page.screenshot(path=self.folder / f"{taken:02d}-{slug}.png", full_page=True)

    def press(self, name: str) -> None:
        """Press the button, or follow the link that looks like one."""
        either = self.page.get_by_role("button", name=name, exact=True)
        either.or_(self.page.get_by_role("link", name=name, exact=True)).first.click()

    def told(self, text: str) -> None:
        """Wait for a message of success."""
        self.page.locator(".messagelist .success", has_text=text).wait_for()


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """Return an empty folder for this test's screenshots, below ``.cache/screenshots``."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    found = ROOT / ".cache" / "screenshots" / name
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir(parents=True)
    return found


@pytest.fixture
def visit(chromium: Browser, server: Server, folder: Path) -> Iterator["Visits"]:
    """Open windows, as many as the test has people; what the witness saw fails the test."""
    visits = Visits(chromium, server.facts["https_url"], folder)
    yield visits
    complaints = [complaint for visitor in visits.visitors for complaint in visitor.complaints]
    for context in visits.contexts:
        context.close()
    assert complaints == []


@dataclass
class Visits:
    """Opens windows."""

    browser: Browser
    base: str
    folder: Path
    visitors: list[Visitor] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(self, *, dark: bool = False) -> Visitor:
        """Open a window without cookies, light or dark."""
        context = self.browser.new_context(
            viewport=_SIZE,
            color_scheme="dark" if dark else "light",
            # The certificate comes from the product's own CA, which Chromium does not know.
            ignore_https_errors=True,
        )
        page = context.new_page()
        visitor = Visitor(page, self.base, self.folder)
        page.add_init_script(_WATCH_VIOLATIONS)
        watch(page, visitor.complaints)
        self.contexts.append(context)
        self.visitors.append(visitor)
        return visitor


def watch(page: Page, complaints: list[str]) -> None:
    """Write down whatever goes wrong in a window."""

    def heard(kind: str, text: str) -> None:
        complaints.append(f"{page.url}: {kind}: {text}")

    def answered(response: Response) -> None:
        if response.status >= _SERVER_ERROR:
            heard("status", f"{response.status} from {response.url}")

    page.on(
        "console",
        lambda message: (
            heard(message.type, message.text) if message.type in {"error", "warning"} else None
        ),
    )
    page.on("pageerror", lambda error: heard("script error", str(error)))
    page.on("response", answered)
