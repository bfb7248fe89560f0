"""The commands in the documents work as they are written."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shell_blocks(document: Path) -> str:
    return "\n".join(
        re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)
    )


@pytest.mark.program("curl")
def test_quickstart_page_leads_from_a_key_to_a_revoked_certificate(running_server, tmp_path):
    (tmp_path / "var").symlink_to(running_server.home)
    script = shell_blocks(ROOT / "docs" / "quickstart.md")
    assert "sleep 60" in script, "the page waits for the CRL"
    script = script.replace(
        "sleep 60", "sleep 40"
    )  # publication takes seconds, the front server keeps the old CRL for up to 30

    done = subprocess.run(
        ["bash", "-u"],
        input=script,
        cwd=tmp_path,
        env=running_server.environment | {"TMPDIR": str(tmp_path)},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )

    said = done.stdout
    for expected in (
        "leaf.pem: OK",
        "leaf.pem: good",
        '"accepted": true',
        "leaf.pem: revoked",
        "certificate revoked",
    ):
        assert expected in said, f"{expected!r} missing in:\n{said}"
    assert said.count("Response verify OK") == 2
    assert "WARNING" not in said


def test_settings_table_of_the_readme_is_complete():
    """Each variable that settings read stands in the README, and no other."""
    source = (ROOT / "config" / "settings" / "base.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    told = set(re.findall(r"`SEALWRIGHT_([A-Z_]+)`", (ROOT / "README.md").read_text()))
    assert told == read
