"""The API documentation page under the Content-Security-Policy."""

from tests.browser.conftest import Visits


def test_the_description_is_drawn_and_opens(visit: Visits) -> None:
    visitor = visit()
    visitor.go("/api/docs/")
    page = visitor.page
    operation = page.locator("#operations-authorities-authorities_create")
    operation.wait_for()
    operation.locator("button").first.click()
    operation.get_by_text("An intermediate with a parent is signed at once").first.wait_for()
    visitor.shot("an operation")
