"""Missing programs: skipped at home, failed in CI."""

import pytest

from tests.programs import find_program, require_program


def test_a_program_that_is_here_is_found():
    assert require_program("sh") == find_program("sh")


def test_a_missing_program_skips_the_test(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install-test-tools"):
        require_program("no-such-program")


def test_a_missing_program_fails_the_test_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not here"):
        require_program("no-such-program")
