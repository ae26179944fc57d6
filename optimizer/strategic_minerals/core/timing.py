"""Where a solve spends time and memory: wall-clock seconds by phase, with those of HiGHS shown separately."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import pandas as pd

from .logs import logger_of

LOG = logger_of(__name__)
TOTAL = "total"


class Ran(Protocol):
    """What is counted of a solver's run."""

    @property
    def seconds(self) -> float: ...

    @property
    def iterations(self) -> int: ...


AnyRun = TypeVar("AnyRun", bound=Ran)


@dataclass
class Timings:
    """Wall-clock seconds by phase, in the order in which phases began; what HiGHS ran within them."""

    phases: dict[str, float] = field(default_factory=dict)
    highs: dict[str, float] = field(default_factory=dict)
    """HiGHS's own seconds by the phase around it."""
    iterations: dict[str, int] = field(default_factory=dict)
    """Simplex iterations, of all nodes of a mixed-integer run."""
    memory: dict[str, float] = field(default_factory=dict)
    """Largest memory that the process has held by the end of the phase [MiB]; NaN where the system does not say."""

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the time inside to a phase."""
        LOG.debug("%s begins", phase)
        start = time.perf_counter()
        self.phases.setdefault(phase, 0.0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self.phases[phase] += seconds
            LOG.info("%s: %.3f s", phase, seconds)
            self.memory[phase] = peak_memory_mib()

    def ran(self, phase: str, run: AnyRun) -> AnyRun:
        """Count a solver's run within a phase; the run itself."""
        self.highs[phase] = self.highs.get(phase, 0.0) + run.seconds
        self.iterations[phase] = self.iterations.get(phase, 0) + run.iterations
        LOG.debug("%s: HiGHS ran %.3f s, %d simplex iterations", phase, run.seconds, run.iterations)
        return run

    def frame(self) -> pd.DataFrame:
        """phase, seconds, share of the total, highs_seconds, iterations, peak_memory_mib; the total last."""
        names = [name for name in self.phases if name != TOTAL]
        whole = self.phases.get(TOTAL, sum(self.phases[name] for name in names))
        rows = [
            {
                "phase": name,
                "seconds": self.phases[name],
                "share": self.phases[name] / whole if whole > 0 else 0.0,
                "highs_seconds": self.highs.get(name, 0.0),
                "iterations": self.iterations.get(name, 0),
                "peak_memory_mib": self.memory.get(name, float("nan")),
            }
            for name in names
        ]
        rows.append(
            {
                "phase": TOTAL,
                "seconds": whole,
                "share": 1.0,
                "highs_seconds": sum(self.highs.values()),
                "iterations": sum(self.iterations.values()),
                "peak_memory_mib": peak_memory_mib(),
            }
        )
        return pd.DataFrame(rows)


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far; it never falls, so a phase shows what it added to the peak."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
