"""Content types whose parameters Django can read; it trusts each client with its codecs.

Django decodes query and form by the charset of the Content-Type, before any middleware runs, and
fails there for codecs that are no character sets ("rot13") and for very long fields.
"""

from typing import Any

from django.utils.http import parse_header_parameters

# Set by ``make_readable`` for charsets that are not handed on to Django.
FOREIGN_CHARSET = "sealwright.foreign_charset"
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def make_readable(environ: dict[str, Any]) -> None:
    """Take a foreign charset, or a field that cannot be read, out of a WSGI environment.

    ``middleware.bound_requests`` refuses bodies in such a charset.
    """
    given = environ.get("CONTENT_TYPE", "")
    if ";" not in given:
        return
    try:
        kind, parameters = parse_header_parameters(given)
    except ValueError:
        environ["CONTENT_TYPE"] = ""
        return
    charset = parameters.get("charset", "")
    if charset and charset.lower() not in _CHARSETS:
        environ[FOREIGN_CHARSET] = charset
        environ["CONTENT_TYPE"] = kind
