"""Commands of the ``sealwright`` command line.

Exit codes: 0 done, 1 other failure, 2 wrong usage, 3 refused by policy or unusable request,
4 not allowed, 5 not found, 6 conflict, 7 server not reached or unavailable, 8 still pending.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from sealwright import __version__, local_key, many, profile
from sealwright.client import Client
from sealwright.errors import ApiError, ConnectionFailed, SealwrightClientError

app = typer.Typer(
    name="sealwright",
    help="Request, evaluate, download, renew and revoke certificates with Sealwright.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

_EXIT_OF_STATUS = {400: 3, 401: 4, 403: 4, 404: 5, 409: 6, 422: 3, 429: 7, 502: 7, 503: 7, 504: 7}
_PENDING = 8

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Application = Annotated[str, typer.Option("--application", "-a", help="Application, name or id.")]
Profile = Annotated[str, typer.Option("--profile", "-p", help="Profile, name or id.")]
CertificateId = Annotated[str, typer.Argument(help="The certificate's id.")]
CsrFile = Annotated[
    Path | None, typer.Option("--csr", help="PKCS#10 file (PEM); '-' reads standard input.")
]
CommonName = Annotated[str, typer.Option("--cn", help="Common name.")]
Dns = Annotated[list[str] | None, typer.Option("--dns", help="DNS name; may be repeated.")]
Ip = Annotated[list[str] | None, typer.Option("--ip", help="IP address; may be repeated.")]
Email = Annotated[list[str] | None, typer.Option("--email", help="E-mail address.")]
Uri = Annotated[list[str] | None, typer.Option("--uri", help="URI, e.g. a SPIFFE id.")]
Ttl = Annotated[str, typer.Option("--ttl", help="Lifetime: 90d, 12h, 30m.")]
Algorithm = Annotated[str, typer.Option("--key-algorithm", "-k", help="Key algorithm.")]


@contextmanager
def _reported() -> Iterator[None]:
    """Turn failures into a message on standard error and an exit code."""
    try:
        yield
    except ApiError as error:
        err.print(f"[red]{_safe(str(error))}[/red]")
        raise typer.Exit(_EXIT_OF_STATUS.get(error.status, 1)) from error
    except ConnectionFailed as error:
        err.print(f"[red]{_safe(str(error))}[/red]")
        raise typer.Exit(7) from error
    except (SealwrightClientError, ValueError, OSError) as error:
        err.print(f"[red]{_safe(str(error))}[/red]")
        raise typer.Exit(1) from error


def _safe(text: str) -> str:
    """Return text from the server without terminal controls or markup."""
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    return printable.replace("[", "\\[")


def _client() -> Client:
    login = profile.load()
    return Client(login.url, login.token, ca_file=login.ca_file or None)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


@app.command()
def login(
    url: Annotated[str, typer.Option(help="Origin of the server, https://host[:port].")] = "",
    token: Annotated[
        str, typer.Option(help="API token; asked for when left out.", show_default=False)
    ] = "",
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="PEM file with the server's root.")
    ] = None,
    quickstart: Annotated[
        Path | None, typer.Option(help="Take all three from a quickstart.json.")
    ] = None,
) -> None:
    """Check a token against a server and remember both."""
    with _reported():
        if quickstart is not None:
            facts = json.loads(quickstart.read_text())
            url, token, ca_file = facts["https_url"], facts["token"], Path(facts["ca_file"])
        if not url:
            raise SealwrightClientError("Name the server: --url https://host[:port].")
        token = token or typer.prompt("Token", hide_input=True)
        found = profile.Login(url, token, str(ca_file.absolute()) if ca_file else "")
        client = Client(found.url, found.token, ca_file=found.ca_file or None)
        names = [item["name"] for item in islice(client.applications(), 10)]
        target = profile.save(found)
        err.print(f"Logged in to {_safe(url)}; stored in {target}.")
        err.print(f"Applications: {_safe(', '.join(names)) or 'none yet'}.")


@app.command()
def logout() -> None:
    """Forget the stored login; the token itself stays valid."""
    err.print("Login removed." if profile.forget() else "There was no login.")


@app.command()
def request(
    application: Application,
    profile_name: Profile,
    csr: CsrFile = None,
    cn: CommonName = "",
    dns: Dns = None,
    ip: Ip = None,
    email: Email = None,
    uri: Uri = None,
    ttl: Ttl = "",
    key_algorithm: Algorithm = "",
    server_key: Annotated[bool, typer.Option(help="Let the server make and keep the key.")] = False,
    key_out: Annotated[Path | None, typer.Option(help="Where a new key goes (0600).")] = None,
    cert_out: Annotated[Path | None, typer.Option(help="Where certificate and chain go.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait while somebody must approve.")] = False,
    as_json: Json = False,
) -> None:
    """Request a certificate.

    With --csr the key stays where it is. Without it a key is made here and written to
    --key-out, unless --server-key lets the server make it.
    """
    with _reported():
        client = _client()
        requested, key = _requested(csr, cn, dns, ip, email, uri, ttl), None
        if csr is not None:
            requested["csr"] = _read(csr)
        elif server_key:
            requested |= _names_as_fields(cn, dns, ip, email, uri)
            requested["key_algorithm"] = key_algorithm or None
        else:
            if key_out is None:
                raise SealwrightClientError("Say where the new key goes: --key-out FILE.")
            key = local_key.make(key_algorithm or "ec-p256")
            requested["csr"] = local_key.csr_pem(
                key, common_name=cn, dns=dns or (), ip=ip or (), email=email or (), uri=uri or ()
            )
            # Before the certificate exists: a key that cannot be stored must not be certified.
            local_key.write(key, key_out)
        try:
            result = client.request(application, profile_name, **requested)
        except SealwrightClientError:
            if key is not None and key_out is not None:
                key_out.unlink()
            raise
        if result["certificate"] is None and wait:
            result = client.wait(result["id"])
        _deliver(result, key_out if server_key else None, cert_out, as_json=as_json)


@app.command("request-many")
def request_many(
    application: Application,
    profile_name: Profile,
    csrs: Annotated[list[Path], typer.Argument(help="PKCS#10 files (PEM), up to a hundred.")],
    ttl: Ttl = "",
    folder: Annotated[Path | None, typer.Option("--out", "-o", help="Their folder.")] = None,
    as_json: Json = False,
) -> None:
    """Request a certificate for each of many CSRs; www.csr gives www.crt.pem with its chain.

    A refused one stops none of the others; the exit status is 3 when there was any.
    """
    with _reported():
        many.refuse_existing(csrs, folder)
        items = [{"csr": _read(path)} | ({"ttl": ttl} if ttl else {}) for path in csrs]
        result = _client().request_many(application, profile_name, items)
        said = many.save_all(csrs, result["results"], folder)
        if as_json:
            _print_json(result)
        else:
            out.print("\n".join(said), markup=False, highlight=False)
        if result["refused"]:
            raise typer.Exit(3)


@app.command()
def evaluate(
    application: Application,
    profile_name: Profile,
    csr: CsrFile = None,
    cn: CommonName = "",
    dns: Dns = None,
    ip: Ip = None,
    email: Email = None,
    uri: Uri = None,
    ttl: Ttl = "",
    key_algorithm: Algorithm = "",
    as_json: Json = False,
) -> None:
    """Evaluate a request: show every rule with its verdict, without issuing."""
    with _reported():
        requested = _requested(csr, cn, dns, ip, email, uri, ttl)
        if csr is not None:
            requested["csr"] = _read(csr)
        else:
            requested |= _names_as_fields(cn, dns, ip, email, uri)
            requested["key_algorithm"] = key_algorithm or None
        result = _client().evaluate(application, profile_name, **requested)
        if as_json:
            _print_json(result)
        else:
            _show_decision(result)
        if not result["accepted"]:
            raise typer.Exit(3)


@app.command("list")
def list_certificates(
    application: Annotated[str, typer.Option("--application", "-a")] = "",
    profile_name: Annotated[str, typer.Option("--profile", "-p")] = "",
    state: Annotated[str, typer.Option(help="active, held, revoked or expired.")] = "",
    name: Annotated[str, typer.Option(help="Part of a name.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List certificates, newest first."""
    filters = {"application": application, "profile": profile_name, "state": state, "name": name}
    with _reported():
        found = _client().certificates(**{k: v for k, v in filters.items() if v})
        rows = list(islice(found, limit))
        if as_json:
            _print_json(rows)
            return
        if not rows:
            err.print("No certificates.")
            return
        columns = ("id", "name", "application", "profile", "state", "not_after")
        _print_table(rows, columns, {"not_after": _expires})


@app.command()
def show(certificate_id: CertificateId, as_json: Json = False) -> None:
    """Show one certificate."""
    with _reported():
        found = _client().read_certificate(certificate_id)
        if as_json:
            _print_json(found)
            return
        table = Table(show_header=False, box=None)
        for field, value in found.items():
            if field == "subject_alt_names":
                table.add_row(field, _safe(", ".join(f"{n['type']}:{n['value']}" for n in value)))
            elif field not in {"pem", "chain_pem"}:
                table.add_row(field, _safe("" if value is None else str(value)))
        out.print(table)


@app.command()
def download(
    certificate_id: CertificateId,
    form: Annotated[
        str, typer.Option("--format", "-f", help="pem, chain, fullchain, der, p7b.")
    ] = "pem",
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="File; default standard output.")
    ] = None,
) -> None:
    """Download a certificate or its chain."""
    with _reported():
        _write(_client().download(certificate_id, form), target)


@app.command()
def export(
    certificate_id: CertificateId,
    target: Annotated[Path, typer.Option("--out", "-o", help="File (0600).")],
    form: Annotated[str, typer.Option("--format", "-f", help="pkcs12 or private-key.")] = "pkcs12",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    legacy: Annotated[
        bool, typer.Option("--legacy", help="PKCS#12 with triple DES and SHA-1, for old devices.")
    ] = False,
) -> None:
    """Export a key stored by the server; asks for a password unless --password-file is given."""
    with _reported():
        if password_file is not None:
            password = password_file.read_text().rstrip("\n")
        else:
            password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        content = _client().export(
            certificate_id,
            form,
            password=password,
            legacy=legacy,
            on_note=lambda note: err.print(f"Note: {_safe(note)}"),
        )
        target.touch(mode=0o600, exist_ok=False)
        target.write_bytes(content)
        err.print(f"Written to {target}.")


@app.command()
def revoke(
    certificate_id: CertificateId,
    reason: Annotated[
        str, typer.Option(help="Reason of RFC 5280, e.g. keyCompromise.")
    ] = "unspecified",
    allow_expired: Annotated[
        bool, typer.Option("--allow-expired", help="Revoke it even if it has expired.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Revoke a certificate."""
    with _reported():
        client = _client()
        if not yes:
            found = client.read_certificate(certificate_id)
            typer.confirm(f"Revoke {_safe(found['name'])} ({found['serial_number']})?", abort=True)
        result = client.revoke(certificate_id, reason, allow_expired=allow_expired)
        _print_json(result) if as_json else err.print(f"{_safe(result['name'])}: {result['state']}")


@app.command()
def release(certificate_id: CertificateId, as_json: Json = False) -> None:
    """Take a certificate off hold."""
    with _reported():
        result = _client().release(certificate_id)
        _print_json(result) if as_json else err.print(f"{_safe(result['name'])}: {result['state']}")


@app.command()
def authorities(as_json: Json = False) -> None:
    """List the authorities."""
    with _reported():
        rows = list(_client().authorities())
        columns = ("name", "kind", "state", "parent", "not_after")
        _print_json(rows) if as_json else _print_table(rows, columns, {"not_after": _expires})


@app.command("revoke-authority")
def revoke_authority(
    name: Annotated[str, typer.Argument(help="The authority, name or id.")],
    reason: Annotated[str, typer.Option(help="Reason of RFC 5280, e.g. cACompromise.")],
    serial_number: Annotated[
        str | None,
        typer.Option(help="Only this earlier certificate, which a renewal has replaced."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Since when the key is doubted, e.g. 2027-01-31T12:00:00Z."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Revoke an authority at its parent, for good, and tell what to do next."""
    with _reported():
        client = _client()
        if not yes:
            whole = serial_number is None
            what = f"{name} for good" if whole else f"certificate {serial_number} of {name}"
            typer.confirm(f"Revoke {what}?", abort=True)
        result = client.revoke_authority(
            name, reason, serial_number=serial_number, invalidity_date=since
        )
        if as_json:
            _print_json(result)
            return
        err.print(f"{_safe(result['name'])}: {result['state']}")
        left = result["revocation"]
        if left is not None:
            out.print(f"Certificates in force below: {left['certificates_in_force']}")
            for number, step in enumerate(left["next_steps"], start=1):
                out.print(f"{number}. {_safe(step)}", highlight=False)


@app.command()
def renew(
    certificate_id: CertificateId,
    csr: CsrFile = None,
    reuse_key: Annotated[bool, typer.Option(help="Keep the key that the server holds.")] = False,
    key_out: Annotated[
        Path | None, typer.Option(help="Where the server's key goes (0600).")
    ] = None,
    cert_out: Annotated[Path | None, typer.Option(help="Where certificate and chain go.")] = None,
    as_json: Json = False,
) -> None:
    """Issue a successor with the same names."""
    with _reported():
        result = _client().renew(
            certificate_id,
            key="reuse" if reuse_key else "new",
            csr=_read(csr) if csr is not None else None,
        )
        _deliver(result, key_out, cert_out, as_json=as_json)


@app.command()
def watch(
    request_id: Annotated[str, typer.Argument(help="The request's id.")],
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds.")] = 3600.0,
    cert_out: Annotated[Path | None, typer.Option(help="Where certificate and chain go.")] = None,
    as_json: Json = False,
) -> None:
    """Wait until a pending request has ended."""
    with _reported():
        result = _client().wait(request_id, timeout_s=timeout_s)
        _deliver(result, None, cert_out, as_json=as_json)
        if result["certificate"] is None:
            raise typer.Exit(3)


@app.command()
def applications(as_json: Json = False) -> None:
    """List the applications that the token may see."""
    with _reported():
        rows = list(_client().applications())
        _print_json(rows) if as_json else _print_table(rows, ("name", "description"), {})


def _requested(
    csr: Path | None,
    cn: str,
    dns: list[str] | None,
    ip: list[str] | None,
    email: list[str] | None,
    uri: list[str] | None,
    ttl: str,
) -> dict[str, Any]:
    if csr is not None and any((cn, dns, ip, email, uri)):
        raise SealwrightClientError("Names go either into the CSR or on the command line.")
    return {"ttl": ttl} if ttl else {}


def _names_as_fields(
    cn: str,
    dns: list[str] | None,
    ip: list[str] | None,
    email: list[str] | None,
    uri: list[str] | None,
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if cn:
        fields["subject"] = {"common_name": cn}
    typed = {"dns_name": dns, "ip_address": ip, "email": email, "uri": uri}
    names = [{"type": kind, "value": v} for kind, values in typed.items() for v in values or ()]
    if names:
        fields["subject_alt_names"] = names
    return fields


def _read(source: Path) -> str:
    """Return a PKCS#10 file as the API takes it: PEM as it is, DER in base64."""
    data = sys.stdin.buffer.read() if str(source) == "-" else source.read_bytes()
    if data[:1] == b"\x30":
        return base64.b64encode(data).decode()
    # Text around the PEM block may be in any encoding; the block itself is ASCII.
    return data.decode("utf-8", "replace")


def _write(content: bytes, target: Path | None) -> None:
    if target is None:
        sys.stdout.buffer.write(content)
    else:
        target.write_bytes(content)
        err.print(f"Written to {target}.")


def _deliver(
    result: dict[str, Any], key_out: Path | None, cert_out: Path | None, *, as_json: bool
) -> None:
    """Write the requested files; print the rest."""
    certificate = result.get("certificate")
    key_pem = result.get("private_key_pem")
    _show_notes(result)
    if key_pem and key_out is not None:
        key_out.touch(mode=0o600, exist_ok=False)
        key_out.write_text(key_pem)
        result.pop("private_key_pem")
    if certificate and cert_out is not None:
        cert_out.write_text(certificate["pem"] + certificate["chain_pem"])
    if as_json:
        _print_json(result)
    elif certificate is None:
        err.print(f"Request {result['id']} is {result['state']}.")
    else:
        err.print(
            f"{_safe(certificate['name'])}: id {certificate['id']}, "
            f"serial number {certificate['serial_number']}, until {certificate['not_after']}"
        )
        if cert_out is None:
            sys.stdout.write(certificate["pem"] + certificate["chain_pem"])
        if key_pem and key_out is None:
            sys.stdout.write(key_pem)
    if certificate is None and result["state"] not in {
        "rejected",
        "failed",
        "cancelled",
        "expired",
    }:
        raise typer.Exit(_PENDING)


def _show_notes(result: dict[str, Any]) -> None:
    """Tell what of the request was changed or left out; older servers send texts or nothing."""
    for note in result.get("notes", ()):
        said = note if isinstance(note, str) else f"{note['what']} {note['why']}".strip()
        err.print(f"[yellow]note[/yellow] {_safe(said)}")


def _show_decision(result: dict[str, Any]) -> None:
    table = Table("", "rule", "field", "what is wrong")
    for rule in result["rules"]:
        violation = rule["violation"] or {}
        mark = "[green]ok[/green]" if rule["passed"] else "[red]no[/red]"
        text = f"{violation.get('reason', '')} {violation.get('hint', '')}".strip()
        table.add_row(mark, _safe(rule["rule"]), _safe(rule["field"]), _safe(text))
    out.print(table)
    shown = {rule["violation"]["code"] for rule in result["rules"] if rule["violation"]}
    for violation in result["violations"]:
        if violation["code"] not in shown:
            out.print(f"[red]no[/red] {_safe(violation['field'])}: {_safe(violation['reason'])}")
    _show_notes(result)
    out.print("Would be issued." if result["accepted"] else "Would be refused.")


def _print_table(
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    formats: dict[str, Callable[[Any], str]],
) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_safe(formats.get(column, _plain)(row.get(column))) for column in columns))
    out.print(table)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _expires(text: str) -> str:
    left = datetime.fromisoformat(text) - datetime.now(UTC)
    return f"{text[:10]} ({left.days} d)"


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
