"""Tests of the system check of public addresses."""

from apps.authorities import checks


def test_x18_public_addresses_behind_tls_are_warned_about(settings):
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PKI_URL": "https://pki.test"}
    assert [w.id for w in checks.public_addresses_need_no_tls()] == ["authorities.W002"]
    settings.SEALWRIGHT = settings.SEALWRIGHT | {"PKI_URL": "http://pki.test"}
    assert checks.public_addresses_need_no_tls() == []
