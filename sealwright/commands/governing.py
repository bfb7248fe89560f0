"""Commands about applications and authorities."""

from typing import Annotated

import typer

from sealwright import output
from sealwright.commands.inventory import expires
from sealwright.failures import reported
from sealwright.options import AUTHORITY_REASONS, Json, Quiet, Yes, choice, client, example

app = typer.Typer()


@app.command(epilog=example("sealwright applications --json"))
def applications(quiet: Quiet = False, as_json: Json = False) -> None:
    """List the applications that the token may see."""
    with reported():
        output.write_list(
            client().applications(),
            ("id", "name", "description"),
            {},
            as_json=as_json,
            quiet=quiet,
            nothing="No applications.",
        )


@app.command(epilog=example("sealwright authorities"))
def authorities(quiet: Quiet = False, as_json: Json = False) -> None:
    """List the authorities."""
    with reported():
        output.write_list(
            client().authorities(),
            ("id", "name", "kind", "state", "parent", "not_after"),
            {"not_after": expires},
            as_json=as_json,
            quiet=quiet,
            nothing="No authorities.",
        )


@app.command(
    "revoke-authority", epilog=example("sealwright revoke-authority NAME --reason cACompromise")
)
def revoke_authority(
    name: Annotated[str, typer.Argument(help="The authority, name or id.")],
    reason: Annotated[str, choice("--reason", values=AUTHORITY_REASONS, text="Reason of RFC 5280")],
    serial_number: Annotated[
        str | None,
        typer.Option(
            "--serial-number", help="Only this earlier certificate, which a renewal has replaced."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Since when the key is doubted, e.g. 2027-01-31T12:00:00Z."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Revoke an authority at its parent, for good, and tell what to do next."""
    with reported():
        server = client()
        if not yes:
            whole = serial_number is None
            what = f"{name} for good" if whole else f"certificate {serial_number} of {name}"
            typer.confirm(f"Revoke {what}?", abort=True, err=True)
        result = server.revoke_authority(
            name, reason, serial_number=serial_number, invalidity_date=since
        )
        if as_json:
            output.write_json(result)
            return
        output.say(f"{result['name']}: {result['state']}")
        left = result["revocation"]
        if left is not None:
            output.write(f"Certificates in force below: {left['certificates_in_force']}")
            for number, step in enumerate(left["next_steps"], start=1):
                output.write(f"{number}. {output.safe(step)}")
