"""How does a header field get onto an answer? At once, where its value is plain text."""

from django.http.response import ResponseHeaders


def put(headers: ResponseHeaders, name: str, value: str) -> None:
    """Do as ``headers[name] = value``, which looks at name and value for their encoding.

    Args:
        headers: of an answer.
        name: a token in ASCII, written in our code.
        value: anything; what is not plain is encoded or refused as by Django.
    """
    if value.isascii() and value.isprintable():
        headers._store[name.lower()] = (name, value)  # noqa: SLF001 - that is what it would do
    else:
        headers[name] = value
