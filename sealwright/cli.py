"""The ``sealwright`` command line: its commands put together."""

from typing import Annotated

import typer

from sealwright import __version__, output
from sealwright.commands import governing, inventory, requesting, session
from sealwright.failures import EXIT_CODES

app = typer.Typer(
    name="sealwright",
    help="Request, evaluate, download, renew and revoke certificates with Sealwright.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help and errors without boxes, in which long values are cut into lines.
    rich_markup_mode=None,
)
for part in (session, requesting, inventory, governing):
    app.add_typer(part.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.write(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
