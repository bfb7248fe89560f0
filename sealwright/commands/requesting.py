"""Commands that ask for certificates: evaluate, request, request-many, renew, requests, watch."""

import base64
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from sealwright import delivery, local_key, many, output
from sealwright.errors import SealwrightClientError
from sealwright.failures import REFUSED, reported
from sealwright.options import (
    REQUEST_STATES,
    Algorithm,
    Application,
    Certificate,
    CertOut,
    CommonName,
    CsrFile,
    Dns,
    Email,
    Ip,
    Json,
    Limit,
    OnlyApplication,
    OnlyProfile,
    Profile,
    Quiet,
    QuietId,
    Request,
    Ttl,
    Uri,
    choice,
    client,
    example,
)

app = typer.Typer()


@app.command(
    epilog=example(
        "sealwright request -a demo -p tls-server --dns www.example.com",
        "--key-out www.key --cert-out www.pem",
    )
)
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
    key_algorithm: Algorithm = None,
    server_key: Annotated[bool, typer.Option(help="Let the server make and keep the key.")] = False,
    key_out: Annotated[
        Path | None, typer.Option(help="File for a new key (mode 0600); a new one.")
    ] = None,
    cert_out: CertOut = None,
    wait: Annotated[bool, typer.Option(help="Wait while somebody must approve.")] = False,
    quiet: QuietId = False,
    as_json: Json = False,
) -> None:
    """Request a certificate.

    With --csr the key stays where it is. Without it a key is made here and written to
    --key-out, unless --server-key lets the server make it.
    """
    with reported():
        delivery.check(key_out, cert_out, quiet=quiet)
        server = client()
        requested, key = _requested(csr, cn, dns, ip, email, uri, ttl), None
        if csr is not None:
            requested["csr"] = _read(csr)
        elif server_key:
            requested |= _names_as_fields(cn, dns, ip, email, uri)
            requested["key_algorithm"] = key_algorithm
        else:
            if key_out is None:
                raise SealwrightClientError(
                    "Say where the new key goes: --key-out FILE; or name a CSR (--csr), or let "
                    "the server make the key (--server-key)."
                )
            key = local_key.make(key_algorithm or "ec-p256")
            requested["csr"] = local_key.csr_pem(
                key, common_name=cn, dns=dns or (), ip=ip or (), email=email or (), uri=uri or ()
            )
            # Before the certificate exists: a key that cannot be stored must not be certified.
            local_key.write(key, key_out)
        try:
            result = server.request(application, profile_name, **requested)
        except SealwrightClientError:
            if key is not None and key_out is not None:
                key_out.unlink()
            raise
        if result["certificate"] is None and wait:
            result = server.wait(result["id"])
        delivery.deliver(
            result, key_out if server_key else None, cert_out, quiet=quiet, as_json=as_json
        )


@app.command(
    "request-many",
    epilog=example("sealwright request-many -a demo -p tls-server *.csr --out certificates"),
)
def request_many(
    application: Application,
    profile_name: Profile,
    csrs: Annotated[
        list[Path], typer.Argument(help="PKCS#10 files (PEM or DER), up to a hundred.")
    ],
    ttl: Ttl = "",
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder; default that of each CSR.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Request a certificate for each of many CSRs; www.csr gives www.crt.pem with its chain.

    A refused one stops none of the others; the exit status is 3 when there was any.
    """
    with reported():
        many.refuse_existing(csrs, folder)
        items = [{"csr": _read(path)} | ({"ttl": ttl} if ttl else {}) for path in csrs]
        result = client().request_many(application, profile_name, items)
        said = many.save_all(csrs, result["results"], folder)
        if as_json:
            output.write_json(result)
        else:
            output.write(output.safe("\n".join(said)))
        if result["refused"]:
            raise typer.Exit(REFUSED)


@app.command(epilog=example("sealwright evaluate -a demo -p tls-server --dns www.example.com"))
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
    key_algorithm: Algorithm = None,
    as_json: Json = False,
) -> None:
    """Evaluate a request: show every rule with its verdict, without issuing."""
    with reported():
        requested = _requested(csr, cn, dns, ip, email, uri, ttl)
        if csr is not None:
            requested["csr"] = _read(csr)
        else:
            requested |= _names_as_fields(cn, dns, ip, email, uri)
            requested["key_algorithm"] = key_algorithm
        result = client().evaluate(application, profile_name, **requested)
        if as_json:
            output.write_json(result)
        else:
            output.write_decision(result)
        if not result["accepted"]:
            raise typer.Exit(REFUSED)


@app.command(epilog=example("sealwright renew ID --key-out next.key --cert-out next.pem"))
def renew(
    certificate: Certificate,
    csr: CsrFile = None,
    reuse_key: Annotated[bool, typer.Option(help="Keep the key that the server holds.")] = False,
    key_out: Annotated[
        Path | None, typer.Option(help="File for the server's key (mode 0600); a new one.")
    ] = None,
    cert_out: CertOut = None,
    quiet: QuietId = False,
    as_json: Json = False,
) -> None:
    """Issue a successor with the same names."""
    with reported():
        delivery.check(key_out, cert_out, quiet=quiet)
        server = client()
        result = server.renew(
            server.certificate_id(certificate),
            key="reuse" if reuse_key else "new",
            csr=_read(csr) if csr is not None else None,
        )
        delivery.deliver(result, key_out, cert_out, quiet=quiet, as_json=as_json)


@app.command(epilog=example("sealwright requests --state pending_approval"))
def requests(
    application: OnlyApplication = None,
    profile_name: OnlyProfile = None,
    state: Annotated[
        str | None, choice("--state", values=REQUEST_STATES, text="Only those in a state")
    ] = None,
    limit: Limit = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """List all requests, newest first; tab-separated unless on a terminal."""
    filters = {"application": application, "profile": profile_name, "state": state}
    with reported():
        found = client().certificate_requests(
            **{field: v for field, v in filters.items() if v is not None}
        )
        output.write_list(
            islice(found, limit),
            ("id", "name", "application", "profile", "state", "requester", "created_at"),
            {},
            as_json=as_json,
            quiet=quiet,
            nothing="No requests.",
        )


@app.command(epilog=example("sealwright watch REQUEST --cert-out www.pem"))
def watch(
    request_id: Request,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0, help="Seconds.")] = 3600.0,
    cert_out: CertOut = None,
    quiet: QuietId = False,
    as_json: Json = False,
) -> None:
    """Wait until a pending request has ended."""
    with reported():
        delivery.check(None, cert_out, quiet=quiet)
        result = client().wait(request_id, timeout_s=timeout_s)
        delivery.deliver(result, None, cert_out, quiet=quiet, as_json=as_json)
        if result["certificate"] is None:
            raise typer.Exit(REFUSED)


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
    if not data.strip():
        raise SealwrightClientError(f"{source}: empty, where a PKCS#10 file is needed.")
    if data[:1] == b"\x30":
        return base64.b64encode(data).decode()
    # Text around the PEM block may be in any encoding; the block itself is ASCII.
    return data.decode("utf-8", "replace")
