"""What scenario discovery found: boxes, their limits, the path of the search, and all of it in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ..core.frames import rows_of
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


TITLES = {"boxes": "Where it fails", "limits": "Limits"}
"""Headings of the short tables."""


def words_of(facts: Mapping[str, Any], boxes: pd.DataFrame) -> list[str]:
    """A discovery in plain words."""
    what, tested = facts["called"], facts["held_out_rows"] > 0
    split = (
        f"Searched in {facts['rows'] - facts['held_out_rows']:,} of them; {facts['held_out_rows']:,} were held out."
        if tested
        else "None were held out: nothing here was tested on other rows than those it was found on."
    )
    lines = [
        f"SCENARIO DISCOVERY: the promise that {facts['promised']} fails in {facts['failures']:,} of {facts['rows']:,} {what} "
        f"({facts['failures'] / facts['rows']:.0%}). {split}"
    ]
    confirmed = boxes["confirmed"].astype(bool)
    for row in rows_of(boxes[confirmed]):
        begin = "OUTSIDE OF THAT, IT ALSO FAILS" if row.box > 1 else "IT FAILS"
        often = " MORE OFTEN" * ((row.held_out_density if tested else row.density) < MOSTLY)
        lines.append(f"{begin}{often} WHEN {row.fails_when}.")
        lines += [f"  {line}" for line in _explained(row, facts)]
    if confirmed.sum() > 1 and tested:
        share = boxes[confirmed]["held_out_coverage"].sum()
        lines.append(f"Together these explain {share:.0%} of the failures among the {what} held out.")
    if not confirmed.any():
        lines.append(f"NO RANGE of the {facts['inputs']} inputs tells where it fails.")
    if boxes.empty:
        lines.append(
            f"  Luck may explain every limit that was tried on the {what} searched; "
            "more of them, or others (--seed), may tell more."
        )
    for row in rows_of(boxes[~confirmed]):
        there = (
            f"{row.held_out_failures} of {row.held_out_rows} fail there, "
            f"by luck with a probability of {luck_in_words(row.luck)}"
            if row.held_out_rows
            else "none of them lies there"
        )
        lines.append(f"  Not confirmed by the {what} held out, and so left aside: {row.fails_when} ({there}).")
    return [*lines, *(f"  Note: {note}." for note in facts["notes"])]


def _explained(row: Any, facts: Mapping[str, Any]) -> Iterator[str]:
    """What a box explains, on rows held out first."""
    what = facts["called"]
    searched = (
        f"explains {row.coverage:.0%} of the failures ({row.failures} of {facts['failures'] - facts['held_out_failures']}); "
        f"in it {row.density:.0%} fail ({row.failures} of {row.rows})"
    )
    if facts["held_out_rows"]:
        overall = facts["held_out_failures"] / facts["held_out_rows"]
        yield (
            f"Held out: this explains {row.held_out_coverage:.0%} of the failures ({row.held_out_failures} of "
            f"{facts['held_out_failures']}); in it {row.held_out_density:.0%} fail ({row.held_out_failures} of "
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
