"""What scenario discovery found: boxes, their limits, the path of the search, and all of it in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from ..core.frames import rows_of
from ..results.study import StudyResult
from .discovery_words import luck_in_words

BOXES = [
    "box",
    "promised",
    "fails_when",
    "confirmed",
    "limits",
    "rows",
    "failures",
    "coverage",
    "density",
    "held_out_rows",
    "held_out_failures",
    "held_out_coverage",
    "held_out_density",
    "luck",
    "probability",
    "failing_probability",
]
LIMITS = ["box", "input", "called", "category", "side", "limit", "quasi_p", "held_out_quasi_p", "density_without"]
TRAJECTORY = [
    "box",
    "step",
    "peeled",
    "side",
    "limits",
    "rows",
    "failures",
    "coverage",
    "density",
    "held_out_coverage",
    "held_out_density",
    "chosen",
]
MOSTLY = 0.5
"""Share of a box that fails from which it is said that a promise fails in it; below, that it fails more often."""


@dataclass(frozen=True)
class Discovery(StudyResult):
    """Where a promise fails."""

    promise: str
    """As it was asked."""
    promised: str
    """In words."""
    boxes: pd.DataFrame
    """One row a box, in the order found: promised and fails_when (words), confirmed (by rows held out), limits (how many); rows,
    failures, coverage (share of all failures) and density (share that fails) on the rows searched; the same on rows held out. Each
    box is without the rows of earlier ones. luck: probability that as many rows, picked blindly from those held out, fail as often;
    of a stress test, probability of the box and of failing in it."""
    limits: pd.DataFrame
    """One row a limit: box, input, called (in words), category (where it is one of several), side (over, under; is, is not), limit,
    quasi_p (that luck explains it, on the rows searched and on those held out), density_without (in the box without this limit)."""
    trajectory: pd.DataFrame
    """One row a box on the path of peeling: what was peeled last, from which side, number of limits, rows, failures, coverage and
    density on the rows searched, the last two on those held out, whether it was chosen."""
    cases: pd.DataFrame
    """One row a row of the study that has an answer: row (its place, from 0), failed, held_out, box (0: none), value (what is
    promised), and the inputs that some box limits; empty where an event does not occur."""
    called: str
    """What the rows are: points, scenarios or rows."""
    counts: Mapping[str, int]
    """rows, failures, held_out_rows, held_out_failures, inputs (searched), unsolved (left out, or counted as failures)."""
    seed: int
    measure: str
    """How a box was chosen, in words."""
    notes: tuple[str, ...] = ()

    kind: ClassVar[str] = "discover"
    titles: ClassVar[Mapping[str, str]] = {
        "boxes": "Where it fails",
        "limits": "Limits",
        "trajectory": "",
        "cases": "",
    }

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """boxes, limits, trajectory, cases."""
        return {"boxes": self.boxes, "limits": self.limits, "trajectory": self.trajectory, "cases": self.cases}

    @property
    def facts(self) -> Mapping[str, Any]:
        """promise, promised (in words), called, the counts, seed, measure, notes."""
        return {
            "promise": self.promise,
            "promised": self.promised,
            "called": self.called,
            **self.counts,
            "seed": self.seed,
            "measure": self.measure,
            "notes": self.notes,
        }

    @property
    def confirmed(self) -> pd.DataFrame:
        """The boxes that stand."""
        return self.boxes[self.boxes["confirmed"].astype(bool)]

    def summary(self) -> str:
        """In plain words."""
        n, what = self.counts, self.called
        tested = n["held_out_rows"] > 0
        split = (
            f"Searched in {n['rows'] - n['held_out_rows']:,} of them; {n['held_out_rows']:,} were held out."
            if tested
            else "None were held out: nothing here was tested on other rows than those it was found on."
        )
        lines = [
            f"SCENARIO DISCOVERY: the promise that {self.promised} fails in {n['failures']:,} of {n['rows']:,} {what} "
            f"({n['failures'] / n['rows']:.0%}). {split}"
        ]
        stand = self.confirmed
        for row in rows_of(stand):
            begin = "OUTSIDE OF THAT, IT ALSO FAILS" if row.box > 1 else "IT FAILS"
            often = " MORE OFTEN" * ((row.held_out_density if tested else row.density) < MOSTLY)
            lines.append(f"{begin}{often} WHEN {row.fails_when}.")
            lines += [f"  {line}" for line in self._told(row)]
        if len(stand) > 1 and tested:
            lines.append(
                f"Together these explain {stand['held_out_coverage'].sum():.0%} of the failures among the {what} held out."
            )
        if stand.empty:
            lines.append(f"NO RANGE of the {n['inputs']} inputs tells where it fails.")
        if self.boxes.empty:
            lines.append(
                f"  Luck may explain every limit that was tried on the {what} searched; "
                "more of them, or others (--seed), may tell more."
            )
        for row in rows_of(self.boxes[~self.boxes["confirmed"].astype(bool)]):
            there = (
                f"{row.held_out_failures} of {row.held_out_rows} fail there, "
                f"by luck with a probability of {luck_in_words(row.luck)}"
                if row.held_out_rows
                else "none of them lies there"
            )
            lines.append(f"  Not confirmed by the {what} held out, and so left aside: {row.fails_when} ({there}).")
        return "\n".join([*lines, *(f"  Note: {note}." for note in self.notes)])

    def _told(self, row: Any) -> Iterator[str]:
        """What a box explains, on rows held out first."""
        n, what = self.counts, self.called
        searched = (
            f"explains {row.coverage:.0%} of the failures ({row.failures} of {n['failures'] - n['held_out_failures']}); "
            f"in it {row.density:.0%} fail ({row.failures} of {row.rows})"
        )
        if n["held_out_rows"]:
            overall = n["held_out_failures"] / n["held_out_rows"]
            yield (
                f"Held out: this explains {row.held_out_coverage:.0%} of the failures ({row.held_out_failures} of "
                f"{n['held_out_failures']}); in it {row.held_out_density:.0%} fail ({row.held_out_failures} of "
                f"{row.held_out_rows}), overall {overall:.0%}. By luck: {luck_in_words(row.luck)}."
            )
            yield f"Where it was searched: it {searched}."
        else:
            yield f"It {searched}."
        if not math.isnan(row.probability):
            yield (
                f"Probability of such {what}: {row.probability:.3g}; of such in which the promise fails: "
                f"{row.failing_probability:.3g} (on all rows, at their own probabilities)."
            )
