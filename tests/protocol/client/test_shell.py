"""Tests of help, version and completion."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sealwright import __version__
from sealwright.cli import app
from tests.programs import find_program

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = typer.main.get_command(app).commands


def said(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == status, result.output
    return result.output


def test_the_version_is_told():
    assert said("--version") == said("version") == f"{__version__}\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_help_of_each_command_has_an_example_of_it(name):
    """An example's options and values are those of the command: it can be typed."""
    example = said(name, "--help").partition("Example:\n")[2].replace("\\\n", "")
    if name == "completion":
        assert example.strip() == 'eval "$(sealwright completion bash)"'
        return
    program, command, *arguments = shlex.split(example)
    assert (program, command) == ("sealwright", name)
    COMMANDS[name].make_context(name, arguments, resilient_parsing=False)


def test_each_command_stands_on_the_page_of_the_command_line():
    page = (ROOT / "docs" / "cli.md").read_text()
    for name in COMMANDS:
        assert re.search(rf"sealwright {name}\b", page), name


def test_the_exit_codes_of_the_help_are_those_of_the_page():
    told = " ".join(said("--help").split()).partition("Exit codes:")[2]
    in_help = set(re.findall(r"\b\d\b", told))
    page = (ROOT / "docs" / "cli.md").read_text().partition("| exit code |")[2]
    on_page = {
        code
        for row in re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE)
        for code in row.split(", ")
    }
    assert in_help == on_page == set("012345678")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell, tmp_path):
    script = said("completion", shell)
    assert "sealwright" in script
    if find_program(shell) is None:
        return  # its syntax is checked where the shell is there
    file = tmp_path / "completion"
    file.write_text(script)
    subprocess.run([shell, "-n", str(file)], check=True, timeout=60)


@pytest.mark.program("bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sealwright revoke-a", ["revoke-authority"]),
        ("sealwright revoke --reason key", ["keyCompromise"]),
        ("sealwright list --state ", ["active", "expired", "held", "revoked"]),
        ("sealwright completion z", ["zsh"]),
        ("sealwright request --key-a", ["--key-algorithm"]),
    ],
)
def test_bash_completes(typed, offered):
    words = shlex.split(typed) + ([""] if typed.endswith(" ") else [])
    bash = f"""
        eval "$(sealwright completion bash)"
        COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
        _sealwright_completion sealwright
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", bash],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert sorted(done.stdout.split()) == offered


@pytest.mark.parametrize("command", ["list", "requests"])
@pytest.mark.parametrize("option", ["--application", "--profile", "--state"])
def test_an_empty_variable_of_a_shell_does_not_widen_a_list(command, option):
    assert option in said(command, option, "", status=2)


@pytest.mark.parametrize("option", ["--name", "--serial-number"])
def test_an_empty_name_does_not_list_everything(option):
    assert "leave the option out for all" in said("list", option, " ", status=2)
