"""Protocol tests speak to the WSGI application that the server runs."""

import pytest

from tests.served import Client


@pytest.fixture
def client() -> Client:
    """The served application, instead of pytest-django's client."""
    return Client()
