"""Commands about certificates that exist: list, show, download, export, revoke, release."""

import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from sealwright import files, output
from sealwright.client import is_id
from sealwright.failures import reported
from sealwright.options import (
    DOWNLOAD_FORMS,
    EXPORT_FORMS,
    STATES,
    Certificate,
    Json,
    Limit,
    OnlyApplication,
    OnlyProfile,
    Quiet,
    Reason,
    Yes,
    choice,
    client,
    example,
    filter_by,
)

app = typer.Typer()
_COLUMNS = ("id", "name", "application", "profile", "state", "not_after", "serial_number")


def expires(text: str) -> str:
    """Return a date with the days until then."""
    left = datetime.fromisoformat(text) - datetime.now(UTC)
    return f"{text[:10]} ({left.days} d)"


@app.command("list", epilog=example("sealwright list --state active --name example.com"))
def list_certificates(
    application: OnlyApplication = None,
    profile_name: OnlyProfile = None,
    state: Annotated[
        str | None, choice("--state", values=STATES, text="Only those in a state")
    ] = None,
    name: Annotated[
        str | None, filter_by("--name", text="Only those with this in one of their names.")
    ] = None,
    serial_number: Annotated[
        str | None, filter_by("--serial-number", text="Only this one, in any spelling.")
    ] = None,
    limit: Limit = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """List all certificates, newest first; tab-separated unless on a terminal."""
    filters = {
        "application": application,
        "profile": profile_name,
        "state": state,
        "name": name,
        "serial_number": serial_number,
    }
    with reported():
        found = client().certificates(**{field: v for field, v in filters.items() if v is not None})
        output.write_list(
            islice(found, limit),
            _COLUMNS,
            {"not_after": expires},
            as_json=as_json,
            quiet=quiet,
            nothing="No certificates.",
        )


@app.command(epilog=example("sealwright show 4F:3A:09:..."))
def show(certificate: Certificate, as_json: Json = False) -> None:
    """Show one certificate."""
    with reported():
        server = client()
        found = server.read_certificate(server.certificate_id(certificate))
        if as_json:
            output.write_json(found)
            return
        shown = (item for item in found.items() if item[0] not in {"pem", "chain_pem"})
        output.write_columns([[field, output.plain(value)] for field, value in shown])


@app.command(epilog=example("sealwright download ID --format fullchain --out www.pem"))
def download(
    certificate: Certificate,
    form: Annotated[str, choice("--format", "-f", values=DOWNLOAD_FORMS, text="Format")] = "pem",
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="File; default standard output.")
    ] = None,
) -> None:
    """Download a certificate or its chain."""
    with reported():
        files.check_writable(target)
        server = client()
        content = server.download(server.certificate_id(certificate), form)
        if target is None:
            sys.stdout.buffer.write(content)
        else:
            target.write_bytes(content)
            output.say(f"Written to {target}.")


@app.command(epilog=example("sealwright export ID --password-file secret --out www.p12"))
def export(
    certificate: Certificate,
    target: Annotated[Path, typer.Option("--out", "-o", help="File (mode 0600); a new one.")],
    form: Annotated[str, choice("--format", "-f", values=EXPORT_FORMS, text="Format")] = "pkcs12",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    legacy: Annotated[
        bool, typer.Option("--legacy", help="PKCS#12 with triple DES and SHA-1, for old devices.")
    ] = False,
) -> None:
    """Export a key stored by the server; asks for a password unless --password-file is given."""
    with reported():
        files.check_new(target)
        if password_file is not None:
            password = files.read_text(password_file).rstrip("\r\n")
        else:
            password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        server = client()
        content = server.export(
            server.certificate_id(certificate),
            form,
            password=password,
            legacy=legacy,
            on_note=lambda note: output.say(f"Note: {note}"),
        )
        files.write_secret(target, content)
        output.say(f"Written to {target}.")


@app.command(epilog=example("sealwright revoke ID --reason keyCompromise"))
def revoke(
    certificate: Certificate,
    reason: Reason = "unspecified",
    allow_expired: Annotated[
        bool, typer.Option("--allow-expired", help="Revoke it even if it has expired.")
    ] = False,
    authority: Annotated[
        str, typer.Option(help="Its issuer, where several have used the serial number.")
    ] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Revoke a certificate; with --yes a token needs no scope but revoke."""
    with reported():
        server = client()
        if authority and is_id(certificate):
            raise typer.BadParameter("--authority goes with a serial number, not with an id.")
        if not yes:
            what = output.safe(f"{certificate} of {authority}")
            if not authority:
                found = server.read_certificate(server.certificate_id(certificate))
                what = output.safe(f"{found['name']} ({found['serial_number']})")
            typer.confirm(f"Revoke {what}?", abort=True, err=True)
        if is_id(certificate):
            result = server.revoke(certificate, reason, allow_expired=allow_expired)
        else:
            result = server.revoke_by_serial_number(
                certificate, reason, authority=authority, allow_expired=allow_expired
            )
        if as_json:
            output.write_json(result)
        else:
            output.say(f"{result['name']}: {result['state']}")


@app.command(epilog=example("sealwright release ID"))
def release(certificate: Certificate, as_json: Json = False) -> None:
    """Take a certificate off hold."""
    with reported():
        server = client()
        result = server.release(server.certificate_id(certificate))
        if as_json:
            output.write_json(result)
        else:
            output.say(f"{result['name']}: {result['state']}")
