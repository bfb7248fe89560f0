"""Hands out what became of a request: files, the rest on the terminal, and the exit code."""

import sys
from pathlib import Path
from typing import Any

import typer

from sealwright import files, output
from sealwright.errors import SealwrightClientError
from sealwright.failures import PENDING

_REFUSED = frozenset({"rejected", "failed", "cancelled", "expired"})


def check(key_out: Path | None, cert_out: Path | None, *, quiet: bool) -> None:
    """Refuse what could not be handed out, before anything is requested.

    Raises:
        SealwrightClientError: a file cannot be written, or certificate or key would be lost.
    """
    if quiet and cert_out is None:
        raise SealwrightClientError("--quiet prints the id only: say where the certificate goes.")
    files.check_new(key_out)
    files.check_writable(cert_out)


def deliver(
    result: dict[str, Any],
    key_out: Path | None,
    cert_out: Path | None,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write the requested files; print the rest."""
    certificate = result.get("certificate")
    key_pem = result.get("private_key_pem")
    output.tell_notes(result)
    if key_pem and key_out is not None:
        files.write_secret(key_out, key_pem.encode())
        result.pop("private_key_pem")
    if certificate and cert_out is not None:
        cert_out.write_text(certificate["pem"] + certificate["chain_pem"])
    if as_json:
        output.write_json(result)
    elif certificate is None:
        output.say(f"Request {result['id']} is {result['state']}.")
        if result["state"] not in _REFUSED:
            output.say(f"Wait for it: sealwright watch {result['id']}")
    else:
        _tell(certificate, key_pem if key_out is None else None, cert_out, quiet=quiet)
    if certificate is None and result["state"] not in _REFUSED:
        raise typer.Exit(PENDING)


def _tell(
    certificate: dict[str, Any], key_pem: str | None, cert_out: Path | None, *, quiet: bool
) -> None:
    if quiet:
        output.write(certificate["id"])
        return
    output.say(
        f"{certificate['name']}: id {certificate['id']}, "
        f"serial number {certificate['serial_number']}, until {certificate['not_after']}"
    )
    if cert_out is None:
        sys.stdout.write(certificate["pem"] + certificate["chain_pem"])
    if key_pem:
        sys.stdout.write(key_pem)
