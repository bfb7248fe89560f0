"""Tests of the system check of public addresses."""

import pytest

from apps.authorities import checks


@pytest.mark.parametrize(
    ("url", "bind", "found"),
    [
        ("http://pki.test", "0.0.0.0", []),
        ("http://192.0.2.7:8080", "192.0.2.7", []),
        ("http://127.0.0.1:8080", "127.0.0.1", []),
        ("http://127.0.0.1:8080", "0.0.0.0", ["W003"]),
        ("https://pki.test", "127.0.0.1", ["W002"]),
        ("https://pki", "127.0.0.1", ["W002", "W003"]),
        ("http://pki", "127.0.0.1", ["W003"]),
        ("http://localhost:8080", "127.0.0.1", ["W003"]),
        ("http://0.0.0.0", "127.0.0.1", ["W003"]),
    ],
)
def test_x18_addresses_that_relying_parties_cannot_use_are_warned_about(settings, url, bind, found):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PKI_URL": url, "BIND": bind, "PROXY_BIND": ""}
    ids = [warning.id.removeprefix("authorities.") for warning in checks.warnings_about(url)]
    assert ids == found
    assert checks.public_addresses_are_usable() == checks.warnings_about(url)
