"""What did a body say about a policy? Bodies in, values for the services out.

The rules themselves are read by ``apps.policies.rules``, which lists what is wrong with them.
"""

from typing import Any

from apps.web.reader import reader_of


def read_new(body: Any) -> dict[str, Any]:
    """Parse ``{"name", "description"?, "rules"}``.

    Raises:
        Malformed: lists every missing, unknown or unusable field.
    """
    reader = reader_of(body, {"name", "description", "rules"})
    given = {
        "name": reader.text("name", required=True, limit=64),
        "description": reader.text("description", blank=True) or "",
        "rules": reader.mapping("rules", required=True),
    }
    reader.finish()
    return given


def read_changes(body: Any) -> dict[str, Any]:
    """Parse ``{"description"?, "rules"?}``; what is absent stays as it is.

    Raises:
        Malformed: lists every unknown or unusable field.
    """
    reader = reader_of(body, {"description", "rules"})
    given = {
        "description": reader.text("description", blank=True),
        "rules": reader.mapping("rules"),
    }
    reader.finish()
    return given
