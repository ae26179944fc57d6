"""What a sweep found: answers and decisions of its points, how often each thing is chosen, what moves the answer; in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..core.frames import rows_of
from ..data.names import Names
from ..instance.instruments import CHOSEN
from ..model.decisions import HALF
from ..results.study import Study
from .common_draws import DIFFERENCES
from .designs import Design, indices, left_out
from .sweep_segments import FIGURES
from .switch_words import number

TITLES = {"indices": "What moves it", "chosen": "Chosen, by share of the points", "points": "Points"}
"""Headings of the short tables."""


@dataclass(frozen=True)
class Answers:
    """All points of a sweep, answered."""

    points: pd.DataFrame
    """One row a point, in the order asked: the values of the axes, then `FIGURES`, and where new scenarios were asked for
    `common_draws.DIFFERENCES`; numbers are NaN where there is no answer."""
    decisions: pd.DataFrame
    """point, kind, item, year, value: what is signed of a project (share), the largest stock of each material [t], contracts by
    producer [t/yr] and market floors."""
    checked: int
    """Points that were solved again from nothing."""
    disagreed: int
    """Those of them that did not agree; their stretches were solved from nothing."""
    names: Names
    """What readers call the items of `decisions`."""
    relaxed: frozenset[int]
    """Points that are relaxations of whole signatures, which leave traces of many: a project counts as chosen from half of it."""
    notes: tuple[str, ...]
    """What was varied and the plan does not read, and factors that look like percent."""
    design: Design
    """What asked for the points, and how their answers are to be read."""
    fresh_scenarios: int
    """New scenarios in which every plan was scored."""

    def study(self) -> Study:
        """The answers as a study."""
        tables = {"points": self.points, "decisions": self.decisions, "chosen": self.chosen()}
        facts = {
            "failed_share": self.failed,
            "checked": self.checked,
            "disagreed": self.disagreed,
            "notes": self.notes,
            "varied": sorted({address for point in self.design.points for address in point}),
            "block": self.design.block,
        }
        if self.fresh_scenarios:
            facts["fresh_scenarios"] = self.fresh_scenarios
        if self.design.has_indices:
            tables["indices"] = indices(self.design, self.points)
            facts["left_out_share"] = left_out(self.design, self.points, "objective_musd")
        return Study("sweep", tables, in_words(self.design, self), facts, TITLES)

    @property
    def failed(self) -> float:
        """Share of points without an answer."""
        return float(self.points["objective_musd"].isna().mean())

    def chosen(self) -> pd.DataFrame:
        """kind, item, share: of the points with an answer, how many have each decision, or part of it; 1 is whatever the values."""
        answered = int(self.points["objective_musd"].notna().sum())
        found = self.decisions
        if found.empty:
            return pd.DataFrame(columns=["kind", "item", "share"])
        least = np.where(found["point"].isin(self.relaxed), HALF, CHOSEN)
        found = found[(found["kind"] != "project") | (found["value"] > least)]
        pairs = zip(found["kind"], found["item"], strict=True)
        named = [item.partition(": ")[0] if kind == "project" else item for kind, item in pairs]
        counted = (
            found.assign(item=named)
            .drop_duplicates(["point", "kind", "item"])
            .groupby(["kind", "item"], sort=True)
            .size()
        )
        return (
            (counted / max(1, answered))
            .rename("share")
            .reset_index()
            .sort_values("share", ascending=False, kind="stable", ignore_index=True)
        )


def in_words(design: Design, found: Answers) -> list[str]:
    """A sweep in plain words: what failed, how far the answer moves, what moves it, what is chosen at any value."""
    points = found.points
    answered = points[points["objective_musd"].notna()]
    again = ", so their neighbours were solved again too" if found.disagreed else ""
    lines = [
        f"SWEEP: {len(points):,} points, {found.failed:.1%} without an answer. Solved a second time without a warm start: "
        f"{found.checked}, of which {found.disagreed} gave another answer{again}."
    ]
    lines += [f"  Note: {note}." for note in found.notes]
    for reason, rows in points[points["objective_musd"].isna()].groupby("reason"):
        lines.append(f"  No answer at {len(rows)} points: {reason}")
    if len(answered):
        spans = {
            "worth compared with doing nothing": 0.0 - answered["objective_musd"],
            "expected losses": answered["expected_loss_musd"],
            "discounted spending": answered["spending_musd"],
        }
        lines.append(
            "  [million USD] "
            + "; ".join(f"{name} {span.min():,.1f} to {span.max():,.1f}" for name, span in spans.items())
        )
    if design.kind == "loss_functions":
        same: dict[tuple[float, float, float], list[str]] = {}
        for row in rows_of(answered):
            key = row.objective_musd, row.expected_loss_musd, row.spending_musd
            same.setdefault(key, []).append(row.loss_function)
        for (aim, loss, spent), names in same.items():
            worth = f"worth {0.0 - aim:,.1f}, expected losses {loss:,.1f}, spending {spent:,.1f} million USD"
            lines.append(f"  {', '.join(names)}{' (the same for these materials)' * (len(names) > 1)}: {worth}")
    elif design.has_indices:
        lines += _moved(design, found)
    if found.fresh_scenarios:
        lines += _in_new_scenarios(found)
    chosen = found.chosen()
    always = chosen["share"] >= 1 - 1e-9
    claim = "(no regret; but see the notes)" if found.notes else "(no regret)"
    for title, part in (
        (f"CHOSEN AT EVERY POINT WITH AN ANSWER {claim}", chosen[always]),
        ("CHOSEN AT SOME POINTS", chosen[~always]),
    ):
        named = [
            f"{found.names.chosen(f'{row.kind} {row.item}')}{'' if row.share >= 1 - 1e-9 else f' ({row.share:.0%})'}"
            for row in rows_of(part)
        ]
        lines.append(f"{title}: {', '.join(named) or 'nothing'}.")
    return lines


def _in_new_scenarios(found: Answers) -> list[str]:
    """How the points' plans differ from that of the question as it stands, as far as the samples can tell."""
    lines = [
        f"IN {found.fresh_scenarios:,} NEW SCENARIOS, the same for all points (million USD that a point's plan saves more than the "
        "plan of the question as it stands; in brackets the standard error). Less than the true gap of these plans, which `solve` "
        "states, may come from the few scenarios that they were made with:"
    ]
    known = [row for row in found.points.to_dict("records") if not pd.isna(row["difference_musd"])]
    if not known:
        return [*lines, "  no difference could be worked out"]
    untold = sum(not row["told"] for row in known)
    if untold:
        lines.append(f"  no difference that the samples can tell at {untold} of {len(known)} points")
    axes = [str(name) for name in found.points if name not in (*FIGURES, *DIFFERENCES)]
    known.sort(key=lambda row: float(row["difference_musd"]))
    for end, row in (("most", known[-1]), ("least", known[0])):
        at = ", ".join(f"{address} {_shown(row[address])}" for address in axes if not pd.isna(row[address]))
        apart = f"{row['difference_musd']:+,.1f} ({row['difference_error_musd']:,.1f})"
        sure = "" if row["told"] else "; may be none"
        lines.append(f"  {end}: {apart}{sure}, at {at or 'the question itself'}")
    return lines


def _shown(value: Any) -> str:
    """A value of an axis: numbers in four figures."""
    return number(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _moved(design: Design, found: Answers) -> list[str]:
    """What each figure does to the aim, the largest first."""
    out = left_out(design, found.points, "objective_musd")
    left = f"{out:.1%} of the points left out, because a point of their group has no answer"
    lines = [f"WHAT MOVES THE ANSWER (worth compared with doing nothing, million USD; {left}):"]
    for row in rows_of(indices(design, found.points)):
        if design.kind == "one_at_a_time":
            ends = ("no answer" if end != end else f"{0.0 - end:,.1f}" for end in (row.at_low, row.at_high))
            said = f"{number(row.low)} to {number(row.high)} gives {' to '.join(ends)}"
        elif design.kind == "morris":
            said = f"mean effect {row.mu_star:,.2f} (± {row.mu_star_conf:,.2f}), standard deviation {row.sigma:,.2f}"
        else:
            said = (
                f"total effect {row.total:.2f} (± {row.total_conf:.2f}), alone {row.first:.2f} (± {row.first_conf:.2f})"
            )
        lines.append(f"  {row.address}: {said}")
    first = next(iter(rows_of(indices(design, found.points))), None)
    if (
        first is not None
        and design.kind in WIDE
        and getattr(first, f"{WIDE[design.kind]}_conf") >= getattr(first, WIDE[design.kind])
    ):
        lines.append("  Intervals are as wide as the effects: more samples are needed to say what matters most.")
    return lines


WIDE = {"morris": "mu_star", "sobol": "total"}
"""Kind of design -> the index by which it ranks."""
