"""Files of the certificates issued for many CSRs, each next to its CSR."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sealwright import files
from sealwright.errors import SealwrightClientError


def refuse_existing(csrs: Iterable[Path], folder: Path | None) -> None:
    """Refuse to start when an output file exists already (it may contain a key), or cannot be made.

    Raises:
        SealwrightClientError: lists the files.
    """
    targets = [_target(csr, folder) for csr in csrs]
    there = [str(path) for path in targets if path.exists()]
    if there:
        raise SealwrightClientError(f"Nothing is overwritten: {', '.join(there)}.")
    twice = sorted({str(path) for path in targets if targets.count(path) > 1})
    if twice:
        raise SealwrightClientError(f"Two CSRs would share a file: {', '.join(twice)}.")
    files.check_writable(*targets)


def save_all(
    csrs: Iterable[Path], results: Iterable[dict[str, Any]], folder: Path | None
) -> list[str]:
    """Write every certificate with its chain; return one line of text for each CSR."""
    return [_save(csr, one, folder) for csr, one in zip(csrs, results, strict=True)]


def _save(csr: Path, result: dict[str, Any], folder: Path | None) -> str:
    if result["problem"] is not None:
        reasons = [item["reason"] for item in result["problem"]["errors"]]
        return f"{csr.name}: refused. {' '.join(reasons) or result['problem']['detail']}"
    certificate = result["request"]["certificate"]
    if certificate is None:
        return f"{csr.name}: waits for approval: request {result['request']['id']}"
    path = _target(csr, folder)
    path.write_text(certificate["pem"] + certificate["chain_pem"])
    notes = [f"{note['what']} {note['why']}".strip() for note in result["request"].get("notes", ())]
    return f"{csr.name}: {path}" + "".join(f"\n  note: {note}" for note in notes)


def _target(csr: Path, folder: Path | None) -> Path:
    return (folder or csr.parent) / f"{csr.stem}.crt.pem"
