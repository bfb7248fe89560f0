"""The table of rights in docs/roles.md is the one of the code."""

import re
from pathlib import Path

from apps.applications.access import SCOPE_OF
from apps.applications.roles import GOVERNANCE_FALLBACK, PERMISSIONS_OF, Permission, Role
from apps.principals import Scope

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "roles.md").read_text()


def rows() -> list[list[str]]:
    """Return the cells of each row of the rights table."""
    table = PAGE.partition("## Application roles")[2].partition("## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|") and "`" in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_permission_stands_in_the_table_once():
    named = [name for row in rows() for name in re.findall(r"`(\w+)`", row[1])]
    assert sorted(named) == sorted(permission.value for permission in Permission)


def test_each_role_has_the_rights_that_the_table_says():
    for column, granted in enumerate(
        (
            PERMISSIONS_OF[Role.ADMIN],
            PERMISSIONS_OF[Role.OPERATOR],
            PERMISSIONS_OF[Role.AUDITOR],
            GOVERNANCE_FALLBACK,
        ),
        start=2,
    ):
        told = {
            Permission(name)
            for row in rows()
            for name in re.findall(r"`(\w+)`", row[1])
            if row[column] == "yes"
        }
        assert told == granted


def test_each_scope_is_explained():
    told = set(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE))
    assert told == {scope.value for scope in Scope} == {SCOPE_OF[p].value for p in Permission}
