"""Benchmark of Sealwright's cost against lower bounds and other servers.

Participants take turns, round by round, and only samples of the same round are divided by each
other; see ``bench/README.md``.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from bench import crl, database, product
from bench.database import Database
from bench.limits.participants import limit
from bench.participant import Participant, ending
from bench.peers import PEERS, PeerUnavailableError
from bench.stats import Sample, Spread, ratios

_TARGETS = tomllib.loads((Path(__file__).parent / "targets.toml").read_text())


@dataclass(frozen=True, slots=True)
class Workload:
    """What is measured.

    Attributes:
        dialect: how drivers ask Sealwright.
        ops: certificates in one of its samples.
        limits: lower bounds, and the certificates in a sample of each.
        peers: other servers that can do this.
    """

    dialect: str
    ops: int
    limits: dict[str, int]
    peers: tuple[str, ...] = ()


WORKLOADS = {
    "W1": Workload(product.ACME, 120, {}, ("pebble", "acme2certifier", "django-ca-acme")),
    "W2": Workload(
        "sealwright", 400, {"crypto": 3000, "insert": 1500}, ("django-ca", "django-ca-md5")
    ),
    "W2b": Workload("sealwright-bulk", 1200, {"crypto": 3000, "batch": 2500}),
    "W3": Workload(product.OCSP, 5000, {}, ("openssl-ocsp", "django-ca-ocsp")),
    "W3b": Workload(product.OCSP_NONCE, 3000, {}, ("openssl-ocsp",)),
}


CRL = "W4"


def main() -> int:
    """Run one workload; the exit status tells whether the targets are reached."""
    options = _options()
    workload = WORKLOADS.get(options.workload, WORKLOADS["W2"])
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="sealwright-bench-") as scratch,
        database.running(options.database) as base,
    ):
        folder = Path(scratch)
        folder.chmod(0o755)
        if options.workload == CRL:
            return _crl(options, base, folder)
        participants, skipped, server = _participants(options, workload, base, folder)
        try:
            with ending(participants):
                rounds = _rounds(participants, options, began, skipped)
        finally:
            server.stop()
    report = _report(options, base, participants, rounds, skipped)
    _show(report)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["holds"] else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("workload", nargs="?", default="W2", choices=[*WORKLOADS, CRL])
    parser.add_argument("--pairs", type=int, default=3, help="rounds (default 3; 7 to quote)")
    parser.add_argument("--database", default="postgresql", choices=["postgresql", "sqlite"])
    parser.add_argument("--peer", action="append", default=[], choices=PEERS, help="repeatable")
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the CRL in W4")
    parser.add_argument("--seconds", type=float, default=3600, help="start no round after these")
    parser.add_argument("--json", help="write everything measured to this file")
    return parser.parse_args()


def _crl(options: argparse.Namespace, base: Database, folder: Path) -> int:
    """Measure the publication of a CRL, which no driver asks for."""
    report = crl.measure(base, folder, entries=options.entries, rounds=options.pairs) | {
        "workload": CRL,
        "database": base.version,
        "machine": _machine(),
        "command": " ".join(["python -m bench", *sys.argv[1:]]),
    }
    machine, figures = report["machine"], report["figures"]
    print(f"\n{CRL}: {_TARGETS[CRL]['title']}, {report['entries']} entries")
    print(f"{machine['cpus']} x {machine['cpu']}, {base.version}, load {machine['load'][0]}\n")
    print(
        f"| {' | '.join(figures)} |\n|{'---|' * len(figures)}\n| {' | '.join(figures.values())} |"
    )
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _participants(
    options: argparse.Namespace, workload: Workload, base: Database, folder: Path
) -> tuple[list[Participant], dict[str, str], product.Product]:
    """Start all participants; peers that cannot take part are returned with the reason."""
    acme = workload.dialect == product.ACME
    server = product.start(base, folder, acme=acme)
    if workload.dialect in {product.OCSP, product.OCSP_NONCE}:
        nonce = workload.dialect == product.OCSP_NONCE
        found = [server.ocsp_participant("sealwright", workload.ops, nonce=nonce)]
    else:
        found = [server.participant("sealwright", workload.dialect, workload.ops)]
    found += [limit(mode, base, folder, ops) for mode, ops in workload.limits.items()]
    skipped = {}
    for name in options.peer:
        if name not in workload.peers:
            skipped[name] = "has nothing like this workload"
            continue
        try:
            found.append(PEERS[name](base, folder))
        except PeerUnavailableError as error:
            skipped[name] = str(error)
    return found, skipped, server


def _rounds(
    participants: list[Participant],
    options: argparse.Namespace,
    began: float,
    skipped: dict[str, str],
) -> list[dict[str, Sample]]:
    """Take samples in turn; a peer that fails is dropped, and its earlier samples stay."""
    for participant in participants:
        participant.warm(participant.warm_ops if participant.app_pids else 20)
    rounds: list[dict[str, Sample]] = []
    for number in range(options.pairs):
        if rounds and time.monotonic() - began > options.seconds:
            break
        # Every second round backwards, so that no participant always comes first.
        order = participants if number % 2 == 0 else participants[::-1]
        samples = {}
        for participant in [one for one in order if one.name not in skipped]:
            try:
                samples[participant.name] = _sample(participant)
            except Exception as error:
                if participant.name not in options.peer:
                    raise
                skipped[participant.name] = f"failed in round {number + 1}: {error}"
        rounds.append(samples)
        shown = ", ".join(f"{n} {s.cpu_ms:.2f}" for n, s in sorted(samples.items()))
        print(f"round {number + 1}: CPU ms/op {shown}", file=sys.stderr, flush=True)
    return rounds


def _sample(participant: Participant) -> Sample:
    """Take a sample; an error names the participant."""
    try:
        return participant.sample()
    except Exception as error:
        error.add_note(f"participant: {participant.name}")
        raise


def _report(
    options: argparse.Namespace,
    base: Database,
    participants: list[Participant],
    rounds: list[dict[str, Sample]],
    skipped: dict[str, str],
) -> dict[str, Any]:
    targets = _TARGETS[options.workload]
    report: dict[str, Any] = {
        "workload": options.workload,
        "title": targets["title"],
        "database": base.version,
        "machine": _machine(),
        "command": " ".join(["python -m bench", *sys.argv[1:]]),
        "about": {participant.name: participant.about for participant in participants},
        "skipped": skipped,
        "participants": {
            participant.name: _figures(samples)
            for participant in participants
            if (samples := [r[participant.name] for r in rounds if participant.name in r])
        },
        "rounds": [{name: s.as_dict() for name, s in samples.items()} for samples in rounds],
        "ratios": [],
        "holds": True,
    }
    wanted = []
    if "limit" in targets:
        wanted.append((targets["limit"], "sealwright", "of the limit", targets["of_limit"]))
    wanted += [
        (peer, "sealwright", f"times better than {peer}", goal)
        for peer, goal in targets.get("times_better", {}).items()
        if peer in report["participants"]
    ]
    wanted += [
        (p, "sealwright", f"times better than {p}", {})
        for p in ("cfssl",)
        if p in report["participants"]
    ]
    wanted += [
        ("sealwright", peer, f"times {peer}", goal)
        for peer, goal in targets.get("at_most", {}).items()
        if peer in report["participants"]
    ]
    for above, below, label, goal in wanted:
        spread, discarded = ratios(rounds, above, below)
        most = above == "sealwright"  # then less is better
        held = spread is not None and (
            spread.median <= goal.get("must", inf) if most else spread.median >= goal.get("must", 0)
        )
        report["ratios"].append(
            {
                "label": label,
                "spread": None if spread is None else vars_of(spread),
                "discarded": discarded,
                "goal": goal,
                "holds": held,
            }
        )
        gates = base.kind == "postgresql" and spread is not None
        report["holds"] = report["holds"] and (held or not gates)
    return report


def vars_of(spread: Spread) -> dict[str, float]:
    """Return the JSON form of a spread."""
    return {"median": spread.median, "least": spread.least, "greatest": spread.greatest}


def _figures(samples: list[Sample]) -> dict[str, str]:
    """Return what a table shows of one participant, each ``median [min-max]``."""
    return {
        "CPU ms/op": Spread.of([s.cpu_ms for s in samples]).show(),
        "app": Spread.of([s.app_cpu_s * 1000 / s.ops for s in samples]).show(),
        "db": Spread.of([s.db_cpu_s * 1000 / s.ops for s in samples]).show(),
        "ops/s": Spread.of([s.ops / s.wall_s for s in samples]).show(0),
        "p50 ms": Spread.of([s.p50_ms for s in samples]).show(1),
        "p95 ms": Spread.of([s.p95_ms for s in samples]).show(1),
        "driver": Spread.of([s.driver_share * 100 for s in samples]).show(0) + " %",
    }


def _machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def _show(report: dict[str, Any]) -> None:
    machine = report["machine"]
    print(f"\n{report['workload']}: {report['title']}")
    print(
        f"{machine['cpus']} x {machine['cpu']}, Python {machine['python']}, {report['database']}, "
        f"load {machine['load'][0]}; {len(report['rounds'])} rounds, median [min-max]\n"
    )
    columns = list(next(iter(report["participants"].values())))
    print(f"| participant | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, figures in report["participants"].items():
        print(f"| {name} | {' | '.join(figures.values())} |")
    print()
    for ratio in report["ratios"]:
        if ratio["spread"] is None:
            print(f"{ratio['label']}: no baseline, every round was discarded")
            continue
        shown = Spread(**ratio["spread"]).show()
        goal = ", ".join(f"{word} {value:g}" for word, value in ratio["goal"].items())
        verdict = f"; {goal}" if goal else ""
        if "must" in ratio["goal"]:
            verdict += f": {'holds' if ratio['holds'] else 'FAILS'}"
        print(f"{ratio['label']}: {shown} ({ratio['discarded']} rounds discarded){verdict}")
    for name, reason in report["skipped"].items():
        kept = "only earlier rounds count" if name in report["participants"] else "no baseline"
        print(f"{name}: {kept}: {reason}")
