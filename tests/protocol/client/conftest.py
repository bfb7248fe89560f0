"""A logged-in command line against a real server on loopback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sealwright.cli import app
from tests.factories.applications import Team, make_machine, make_team, make_token


@pytest.fixture
def team(keyring: None, transactional_db: None) -> Team:
    return make_team("payments")


@pytest.fixture
def run(live_server, team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command as a logged-in operator."""
    monkeypatch.setenv("SEALWRIGHT_CLI_CONFIG", str(tmp_path / "config" / "login.json"))
    for name in ("URL", "TOKEN", "CA_FILE"):
        monkeypatch.delenv(f"SEALWRIGHT_CLI_{name}", raising=False)

    def call(*arguments: object, status: int = 0, text: str | None = None) -> Result:
        result = CliRunner().invoke(app, [str(a) for a in arguments], input=text)
        assert result.exit_code == status, (result.output, result.exception)
        return result

    call("login", "--url", live_server.url, "--token", make_token(make_machine(team.application)))
    return call


@pytest.fixture
def names(team: Team) -> list[str]:
    return ["-a", team.application.name, "-p", team.profile.name]
