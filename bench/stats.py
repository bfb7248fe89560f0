"""Samples of a run: medians with their spread, and ratios within each round."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

MAX_CALIBRATION_SHIFT = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One participant doing ``ops`` operations once.

    Attributes:
        participant: name of the participant.
        ops: operations done, all of them verified.
        app_cpu_s: CPU of its process tree, less what it uses when idle.
        db_cpu_s: CPU of the database's process tree, less idle; 0 without a server.
        wall_s: from the first request to the last answer.
        calibration_s: mean of the calibration times before and after.
        p50_ms, p95_ms: latency of one request; several operations where requests are batches.
        driver_share: CPU of the load generator as a share of one core; 0 for lower bounds.
    """

    participant: str
    ops: int
    app_cpu_s: float
    db_cpu_s: float
    wall_s: float
    calibration_s: float
    p50_ms: float
    p95_ms: float
    driver_share: float = 0.0

    @property
    def cpu_ms(self) -> float:
        """Return CPU milliseconds per operation, application and database together."""
        return (self.app_cpu_s + self.db_cpu_s) * 1000 / self.ops

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self) | {"cpu_ms_per_op": self.cpu_ms}


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, minimum and maximum of some numbers."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one number."""
        return cls(statistics.median(values), min(values), max(values))

    def show(self, digits: int = 2) -> str:
        """Return ``median [least-greatest]``."""
        return f"{self.median:.{digits}f} [{self.least:.{digits}f}-{self.greatest:.{digits}f}]"


def steady(samples: Sequence[Sample]) -> bool:
    """Tell whether the machine kept its speed while these were taken."""
    calibrations = [sample.calibration_s for sample in samples]
    return max(calibrations) / min(calibrations) - 1 <= MAX_CALIBRATION_SHIFT


def ratios(
    rounds: Sequence[dict[str, Sample]], above: str, below: str
) -> tuple[Spread | None, int]:
    """Return CPU per operation of one participant divided by another's, round by round.

    Returns:
        The spread (``None`` when every round was discarded), and how many were discarded
        because the calibration moved more than 15 % between the two.
    """
    found, discarded = [], 0
    for samples in rounds:
        if above not in samples or below not in samples:
            continue
        pair = (samples[above], samples[below])
        if steady(pair):
            found.append(pair[0].cpu_ms / pair[1].cpu_ms)
        else:
            discarded += 1
    return (Spread.of(found) if found else None), discarded
