"""Commands about the login, and about the command line itself."""

import os
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from sealwright import __version__, output, profile
from sealwright.errors import SealwrightClientError
from sealwright.failures import reported
from sealwright.options import SHELLS, client_of, example, one_of

app = typer.Typer()
_APPLICATIONS_SHOWN = 10


@app.command(epilog=example("sealwright version"))
def version() -> None:
    """Print the version."""
    output.write(__version__)


@app.command(epilog=example('eval "$(sealwright completion bash)"'))
def completion(
    context: typer.Context,
    shell: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(SHELLS)}.",
            callback=one_of(SHELLS),
            autocompletion=lambda: list(SHELLS),
        ),
    ],
) -> None:
    """Print what a shell needs to complete commands and options."""
    # The variable by which Click and Typer let a program print its completion.
    os.environ["_SEALWRIGHT_COMPLETE"] = f"source_{shell}"
    try:
        context.find_root().command.main(prog_name="sealwright")
    finally:
        del os.environ["_SEALWRIGHT_COMPLETE"]


@app.command(epilog=example("sealwright login --url https://pki.example:8443 --ca-file root.pem"))
def login(
    url: Annotated[str, typer.Option(help="Origin of the server, https://host[:port].")] = "",
    token: Annotated[
        str, typer.Option(help="API token; asked for when left out.", show_default=False)
    ] = "",
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="PEM file with the server's root.")
    ] = None,
    quickstart: Annotated[
        Path | None,
        typer.Option(help="Take all three from the quickstart.json of a server's first start."),
    ] = None,
) -> None:
    """Check a token against a server and remember both."""
    with reported():
        if quickstart is not None:
            found = profile.of_quickstart(quickstart)
        else:
            if not url:
                raise SealwrightClientError("Name the server: --url https://host[:port].")
            token = token or typer.prompt("Token", hide_input=True)
            found = profile.Login(url, token.strip(), str(ca_file.absolute()) if ca_file else "")
        names = [
            item["name"]
            for item in islice(client_of(found).applications(), _APPLICATIONS_SHOWN + 1)
        ]
        target = profile.save(found)
        shown = ", ".join(names[:_APPLICATIONS_SHOWN]) or "none yet"
        more = ", ..." if len(names) > _APPLICATIONS_SHOWN else ""
        output.say(f"Logged in to {found.url}; stored in {target}.")
        output.say(f"Applications: {shown}{more}.")


@app.command(epilog=example("sealwright logout"))
def logout() -> None:
    """Forget the stored login; the token itself stays valid."""
    with reported():
        output.say("Login removed." if profile.forget() else "There was no login.")
