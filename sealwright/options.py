"""Options and arguments that several commands share, and the values that they accept."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sealwright import local_key, output, profile
from sealwright.client import Client

STATES = ("active", "held", "revoked", "expired")
REQUEST_STATES = (
    "pending_approval",
    "approved",
    "signing",
    "submitted",
    "issued",
    "rejected",
    "failed",
    "cancelled",
    "expired",
)
# RFC 5280 section 5.3.1.
REASONS = (
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
    "aACompromise",
)
# An authority is revoked for good.
AUTHORITY_REASONS = tuple(reason for reason in REASONS if reason != "certificateHold")
DOWNLOAD_FORMS = ("pem", "chain", "fullchain", "der", "p7b")
EXPORT_FORMS = ("pkcs12", "private-key")
SHELLS = ("bash", "zsh", "fish")
SERVER_ALGORITHMS = (*local_key.ALGORITHMS, "ml-dsa-44", "ml-dsa-65", "ml-dsa-87")


def example(*lines: str) -> str:
    """Return the end of a help text: a command line in parts, to be copied as it is."""
    # Click does not wrap a paragraph that begins with \\b.
    return "\b\nExample:\n  " + " \\\n    ".join(lines)


def choice(*flags: str, values: tuple[str, ...], text: str) -> Any:
    """Return an option that accepts some values, in any case, with ``_`` or ``-``.

    Args:
        flags: of the option.
        values: as the API spells them.
        text: help; the values are added to it.
    """
    return typer.Option(
        *flags,
        help=f"{text}: {', '.join(values)}.",
        metavar=flags[0].removeprefix("--").upper(),
        callback=one_of(values),
        autocompletion=lambda: list(values),
    )


def one_of(values: tuple[str, ...]) -> Callable[[str | None], str | None]:
    """Return a check that lists the accepted values in its error."""
    spelled = {_folded(value): value for value in values}

    def check(value: str | None) -> str | None:
        if value is None:
            return None
        found = spelled.get(_folded(value))
        if found is None:
            raise typer.BadParameter(f"{value!r} is not one of: {', '.join(values)}.")
        return found

    return check


def filter_by(*flags: str, text: str) -> Any:
    """Return an option that narrows a list; a shell's empty variable must not widen it."""
    return typer.Option(*flags, help=text, callback=_filled)


def _filled(value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise typer.BadParameter("it is empty; leave the option out for all.")
    return value


def _folded(value: str) -> str:
    return value.casefold().replace("_", "").replace("-", "")


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print ids only, one a line.")]
QuietId = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the certificate's id only (needs --cert-out).")
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Rows at most; all when left out.")
]
Application = Annotated[str, typer.Option("--application", "-a", help="Application, name or id.")]
Profile = Annotated[str, typer.Option("--profile", "-p", help="Profile, name or id.")]
OnlyApplication = Annotated[
    str | None,
    filter_by("--application", "-a", text="Only those of an application, name or id."),
]
OnlyProfile = Annotated[
    str | None, filter_by("--profile", "-p", text="Only those of a profile, name or id.")
]
Certificate = Annotated[
    str, typer.Argument(help="The certificate: its id, or its serial number in any spelling.")
]
Request = Annotated[str, typer.Argument(help="The request's id.")]
CsrFile = Annotated[
    Path | None,
    typer.Option("--csr", help="PKCS#10 file (PEM or DER); '-' reads standard input."),
]
CommonName = Annotated[str, typer.Option("--cn", help="Common name.")]
Dns = Annotated[list[str] | None, typer.Option("--dns", help="DNS name; may be repeated.")]
Ip = Annotated[list[str] | None, typer.Option("--ip", help="IP address; may be repeated.")]
Email = Annotated[list[str] | None, typer.Option("--email", help="Mail address; may be repeated.")]
Uri = Annotated[
    list[str] | None, typer.Option("--uri", help="URI, e.g. a SPIFFE id; may be repeated.")
]
Ttl = Annotated[str, typer.Option("--ttl", help="Lifetime: 90d, 12h, 30m.")]
Algorithm = Annotated[
    str | None,
    choice(
        "--key-algorithm",
        "-k",
        values=SERVER_ALGORITHMS,
        text="Algorithm of a new key; ML-DSA is made by the server only",
    ),
]
Reason = Annotated[str, choice("--reason", values=REASONS, text="Reason of RFC 5280")]
CertOut = Annotated[
    Path | None, typer.Option("--cert-out", help="File for certificate and chain (PEM).")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def client_of(login: profile.Login) -> Client:
    """Return a client that tells when it waits for a busy server."""
    return Client(
        login.url,
        login.token,
        ca_file=login.ca_file or None,
        on_wait=lambda wait_s: output.say(f"The server is busy; trying again in {wait_s} s."),
    )


def client() -> Client:
    """Return a client with the stored login.

    Raises:
        SealwrightClientError: nobody has logged in, or what is stored is of no use.
    """
    return client_of(profile.load())
