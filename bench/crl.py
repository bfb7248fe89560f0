"""W4: publication of a CRL of many entries, by a process of its own as the job worker runs it.

Every sample is the publication of a whole CRL after one of the same size, which the gate compares it
with. OpenSSL verifies each of them, and counts its entries.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import processes
from bench.cpu import tree_cpu_s
from bench.database import Database
from bench.stats import Spread
from bench.verify import UnequalWorkError

_ROOT = Path(__file__).resolve().parents[1]
_FILL_S = 3600


def measure(base: Database, folder: Path, *, entries: int, rounds: int) -> dict[str, Any]:
    """Return the report of a run.

    Args:
        base: where the ledger is.
        folder: for the data directory and the CRLs.
        entries: revoked certificates.
        rounds: samples; the publication before the first is not counted.
    """
    home = folder / "sealwright"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SEALWRIGHT_")
    } | {
        "SEALWRIGHT_HOME": str(home),
        "SEALWRIGHT_DATABASE_URL": base.create("bench_crl", folder),
        "SEALWRIGHT_LOG_LEVEL": "WARNING",
    }

    def run(*command: str) -> str:
        return processes.run(
            [sys.executable, *command], folder=_ROOT, environment=environment, timeout_s=_FILL_S
        )

    run("manage.py", "migrate", "--verbosity", "0")
    name = run("-m", "bench.stubs.revocations", str(entries)).split()[-1]
    file, samples = folder / "crl", []
    for number in range(rounds + 1):
        before = tree_cpu_s(base.pids)
        line = run("-m", "bench.stubs.publish_crl", name, str(file)).splitlines()[-1]
        sample = json.loads(line) | {"db_cpu_s": tree_cpu_s(base.pids) - before}
        _verify(file, home / "ca.pem", sample, entries)
        print(f"round {number}: {json.dumps(sample)}", file=sys.stderr, flush=True)
        if number:
            samples.append(sample)
    return {
        "entries": entries,
        "rounds": samples,
        "figures": {
            "CPU s": Spread.of([s["cpu_s"] + s["db_cpu_s"] for s in samples]).show(),
            "app": Spread.of([s["cpu_s"] for s in samples]).show(),
            "db": Spread.of([s["db_cpu_s"] for s in samples]).show(),
            "wall s": Spread.of([s["wall_s"] for s in samples]).show(),
            "peak MB": Spread.of([float(s["peak_mb"]) for s in samples]).show(0),
            "MB before": Spread.of([float(s["start_mb"]) for s in samples]).show(0),
            "CRL MB": f"{samples[0]['size'] / 1e6:.1f}",
        },
    }


def _verify(file: Path, issuer: Path, sample: dict[str, Any], entries: int) -> None:
    done = subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-in", file, "-CAfile", issuer, "-noout", "-verify"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "verify OK" not in done.stderr:
        raise UnequalWorkError(f"OpenSSL refuses the CRL: {done.stderr}")
    if sample["entries"] != entries or file.stat().st_size != sample["size"]:
        raise UnequalWorkError(f"{sample['entries']} entries, {file.stat().st_size} octets")
