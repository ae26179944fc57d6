"""Scenario discovery: which ranges of which inputs make a plan fail a promise (Bryant and Lempert 2010).

Rows of a sweep or of a stress test are split by a seed. On one part a box is searched (`prim`). On the other, which the search
never sees, coverage (how many of the failures lie in the box) and density (how many of its rows fail) are counted. A box that rows
held out do not confirm does not count. Rows in a box are then set aside, and the next one is searched in the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.stats import binom, hypergeom

from ..answer.run_folder import load_result
from ..answer.study import Study, run_of
from ..core.errors import Fault, InputError, MisplacedError, near_miss
from ..core.formats import capital
from ..core.frames import Bools, Floats, Ints, rows_of
from ..core.verb import Seed, verb
from ..question.dataset import Dataset
from ..question.load import Promise
from ..question.names import UNNAMED, Names
from ..question.plan import Plan
from .discovery_words import (
    DISCOVER,
    OWN,
    POINTS,
    Cases,
    Column,
    InputWords,
    Threshold,
    cases_of_frame,
    cases_of_study,
    chosen_inputs,
    luck_in_words,
)

# Patient rule induction (PRIM): the box, a range of each of a few inputs, in which failures are frequent.


PEELED = 0.05
"""Share of the rows in a box that one step takes off (Friedman and Fisher's alpha)."""
LEAST_MASS = 0.05
"""Share of all rows that a box holds at least; where fewer than twice as many fail, half of those that fail."""
LEAST_ROWS = 5
"""Rows that a box holds at least."""
LUCK = 0.05
"""Probability by luck above which a limit is dropped, and a box is not confirmed."""
MOST_TRIED = 12
"""Boxes of the path that are tried where luck may explain the better ones."""
MOST_ROUNDS = 20
"""Rounds in which ends move; each makes the measure better, and few are needed."""


@dataclass(frozen=True, eq=False)
class Limits:
    """A box: of each column the values above `low` and below `high`; NaN where there is no limit."""

    low: Floats
    """(columns,)"""
    high: Floats
    """(columns,)"""

    def hold(self, values: Floats) -> Bools:
        """(rows,) which rows lie in the box. values: (rows, columns)."""
        return np.asarray(~((values <= self.low) | (values >= self.high)).any(axis=1))

    @property
    def ends(self) -> list[tuple[int, int]]:
        """(column, side) of every limit; side 0: from below, 1: from above."""
        pair = np.stack([self.low, self.high], axis=1)
        return [(int(column), int(side)) for column, side in np.argwhere(~np.isnan(pair))]

    def without(self, column: int, side: int) -> Limits:
        """The same box with one limit less."""
        pair = self.low.copy(), self.high.copy()
        pair[side][column] = math.nan
        return Limits(*pair)


def measure(rows: Any, failures: Any, all_failures: int) -> Any:
    """How good a box is: harmonic mean of coverage and density. rows, failures: numbers, or arrays of them, in the box."""
    return 2 * np.asarray(failures, dtype=float) / np.maximum(1.0, np.asarray(rows, dtype=float) + all_failures)


def find_box(values: Floats, failed: Bools) -> Limits:
    """A box that describes failures; without limits where luck may explain every one.

    It begins with the box of peeling that measures best; where luck may explain all of its limits, with the next best.

    values: (rows, columns), finite or infinite. failed: (rows,).
    """
    ranks = _Ranks(values)
    path = list(_peeled(ranks, failed))
    total = int(failed.sum())
    scores = measure([s.rows for s in path], [s.failures for s in path], total)
    best_first = np.argsort(-scores, kind="stable").tolist()  # the first of equals has fewest limits
    box = path[0]
    tried: set[bytes] = set()
    for number in best_first:
        if scores[number] <= scores[0] or len(tried) >= MOST_TRIED:  # no better than all rows
            break
        found = _moved(ranks, path[number], failed)
        same = found.low.tobytes() + found.high.tobytes()
        if same in tried:
            continue
        tried.add(same)
        while (lucky := _luckiest(ranks, found, failed)) is not None:
            found = _moved(ranks, found.opened(ranks, *lucky), failed)
        if ranks.ends(found):
            box = found
            break
    return ranks.limits(box)


def quasi_p(values: Floats, failed: Bools, limits: Limits, column: int, side: int) -> float:
    """Probability that a limit cuts off so few failures, or fewer, by luck: that of as many rows, each failing as often as those of
    the box without this limit, as many fail as in the box (Bryant and Lempert 2010)."""
    inside, wider = limits.hold(values), limits.without(column, side).hold(values)
    return _by_luck(int(inside.sum()), int(failed[inside].sum()), int(wider.sum()), int(failed[wider].sum()))


def chance(inside: Bools, failed: Bools) -> float:
    """Probability that as many rows, picked blindly, hold as many failures as a box (hypergeometric); 1 where it is empty."""
    return float(hypergeom.sf(int(failed[inside].sum()) - 1, len(failed), int(failed.sum()), int(inside.sum())))


def roundest(above: float, below: float) -> float:
    """The number strictly between two that takes fewest digits to write, near their middle; one of the two may be infinite."""
    if math.isinf(above) and math.isinf(below):
        return 0.0
    if math.isinf(below):
        return float(math.floor(above) + 1)
    if math.isinf(above):
        return float(math.ceil(below) - 1)
    middle = (above + below) / 2
    for digits in range(-math.ceil(math.log10(max(abs(above), abs(below), 1e-300))), 17):
        found = round(middle, digits)
        if above < found < below:
            return float(found) + 0.0
    return middle


def _by_luck(rows: int, failures: int, wider_rows: int, wider_failures: int) -> float:
    return float(binom.sf(failures - 1, rows, wider_failures / wider_rows)) if wider_rows else 1.0


@dataclass(frozen=True, eq=False)
class _Box:
    """A box in ranks, both ends inside."""

    low: Ints
    high: Ints
    rows: int = 0
    failures: int = 0

    def opened(self, ranks: _Ranks, column: int, side: int) -> _Box:
        """The same with one limit less."""
        ends = self.low.copy(), self.high.copy()
        ends[side][column] = (0, ranks.last[column])[side]
        return replace(self, low=ends[0], high=ends[1])


class _Ranks:
    """Values by their ranks among those that occur."""

    def __init__(self, values: Floats) -> None:
        found = [np.unique(column, return_inverse=True) for column in values.T]
        self.known = [known for known, _ in found]
        self.at = np.zeros(values.shape, np.int64)
        for column, (_, at) in enumerate(found):
            self.at[:, column] = at
        self.last = np.array([len(known) - 1 for known in self.known], dtype=np.int64)

    def inside(self, box: _Box, but: int = -1) -> Bools:
        """(rows,) which rows lie in a box, or would without the limits of the column `but`."""
        hold = (self.at >= box.low) & (self.at <= box.high)
        if but >= 0:
            hold[:, but] = True
        return np.asarray(hold.all(axis=1))

    def ends(self, box: _Box) -> list[tuple[int, int]]:
        """(column, side) of every limit."""
        pair = np.stack([box.low > 0, box.high < self.last], axis=1)
        return [(int(column), int(side)) for column, side in np.argwhere(pair)]

    def limits(self, box: _Box | Any) -> Limits:
        """In values: the roundest numbers between the last value left out and the first one kept."""
        limits = np.full((2, len(self.last)), math.nan)
        for column, side in self.ends(box):
            below = box.high[column] if side else box.low[column] - 1
            limits[side, column] = roundest(*map(float, self.known[column][below : below + 2]))
        return Limits(*limits)


def _peeled(ranks: _Ranks, failed: Bools) -> Iterator[_Box]:
    """Boxes from all rows to the smallest one, each without a slab of the one before."""
    rows, failures = len(failed), int(failed.sum())
    least = max(LEAST_ROWS, math.ceil(min(LEAST_MASS * rows, failures / 2)))
    box = _Box(np.zeros_like(ranks.last), ranks.last.copy(), rows=rows, failures=failures)
    inside = np.ones(rows, dtype=bool)
    while True:
        yield box
        best: tuple[float, _Box] | None = None
        here, bad = ranks.at[inside], failed[inside]
        mean = bad.mean() if len(bad) else 0.0
        for column, low, high, cut in _slabs(box, here, ranks.last):
            count = int(cut.sum())
            if len(bad) - count < least:
                continue
            share = (bad[cut].sum() + mean) / (count + 1)  # a row at the mean beside it: a slab of few says little
            if best is None or share < best[0] - 1e-12:
                ends = box.low.copy(), box.high.copy()
                ends[0][column], ends[1][column] = low, high
                kept = int(bad.sum() - bad[cut].sum())
                best = share, _Box(ends[0], ends[1], len(bad) - count, kept)
        if best is None or box.failures == 0 or box.failures == box.rows:
            return
        box = best[1]
        inside = ranks.inside(box)


def _slabs(box: _Box, here: Ints, last: Ints) -> Iterator[tuple[int, int, int, Bools]]:
    """(column, low, high, rows taken off) of every end of a box that can be peeled. here: ranks of the rows in the box."""
    size = max(1, int(PEELED * len(here)))
    ordered = np.sort(here, axis=0)
    for column in range(len(last)):
        found, low, high = ordered[:, column], int(box.low[column]), int(box.high[column])
        first, final = int(found[0]), int(found[-1])
        if first == final:
            continue
        edge = max(int(found[size]), int(found[np.searchsorted(found, first, side="right")]))
        yield column, edge, high, here[:, column] < edge
        edge = min(int(found[-1 - size]), int(found[np.searchsorted(found, final, side="left") - 1]))
        yield column, low, edge, here[:, column] > edge


def _moved(ranks: _Ranks, box: _Box, failed: Bools) -> _Box:
    """The box with each of its limits where the measure is best while the others stay, again and again until none moves."""
    total = int(failed.sum())
    inside = ranks.inside(box)
    box = replace(box, rows=int(inside.sum()), failures=int(failed[inside].sum()))
    for _ in range(MOST_ROUNDS):
        before = box
        for column, side in ranks.ends(box):
            box = _best_end(ranks, box, column, side, failed, total)
        if np.array_equal(box.low, before.low) and np.array_equal(box.high, before.high):
            break
    return box


def _best_end(ranks: _Ranks, box: _Box, column: int, side: int, failed: Bools, total: int) -> _Box:
    """The box with one limit where the measure is best; where it is if no place is better."""
    other = ranks.inside(box, but=column)
    at = ranks.at[other, column]
    size = int(ranks.last[column]) + 1
    rows = np.bincount(at, minlength=size)
    failures = np.bincount(at, weights=failed[other], minlength=size)
    shift = side * int(box.low[column])
    if side == 0:  # from each rank up to the high end
        until = int(box.high[column]) + 1
        rows, failures = (part[:until][::-1].cumsum()[::-1] for part in (rows, failures))
    else:
        rows, failures = rows[shift:].cumsum(), failures[shift:].cumsum()
    scores = np.where(rows >= LEAST_ROWS, measure(rows, failures, total), -math.inf)
    best = int(np.argmax(scores))
    if scores[best] <= measure(box.rows, box.failures, total) + 1e-12:
        return box
    ends = box.low.copy(), box.high.copy()
    ends[side][column] = best + shift
    return replace(box, low=ends[0], high=ends[1], rows=int(rows[best]), failures=int(failures[best]))


def _luckiest(ranks: _Ranks, box: _Box, failed: Bools) -> tuple[int, int] | None:
    """The limit that luck explains best, if it may. It was picked among both ends of all columns, which share what luck may do."""
    inside = ranks.inside(box)
    rows, failures = int(inside.sum()), int(failed[inside].sum())
    found = []
    for column, side in ranks.ends(box):
        wider = ranks.inside(box.opened(ranks, column, side))
        found.append((_by_luck(rows, failures, int(wider.sum()), int(failed[wider].sum())), column, side))
    if not found:
        return None
    worst, column, side = max(found)
    return (column, side) if worst > LUCK / (2 * len(ranks.last)) else None


# The search for boxes: one after the other on the rows searched, each held against the rows held out.


LEAST_FURTHER = 0.1
"""Share of all failures that a box after the first one covers at least."""


@dataclass(frozen=True, eq=False)
class Search:
    """Rows, split, and what they are called."""

    columns: list[Column]
    values: Floats
    failed: Bools
    aside: Bools
    """(rows,) held out."""
    words: InputWords

    def in_words(self, limits: Limits, order: Sequence[int]) -> str:
        """All limits of a box, those of the columns that say most first."""
        ends = [(self.columns[at], float(limits.low[at]), float(limits.high[at])) for at in order]
        return " and ".join(self.words.clause(*end) for end in ends)


Rows = list[dict[str, Any]]


def boxes_of(search: Search, most: int, weights: Floats | None, promised: str) -> tuple[Rows, Rows, Any]:
    """Rows of boxes and limits, and of each row the confirmed box that it lies in, 0 for none."""
    boxes: Rows = []
    limits: Rows = []
    which = np.zeros(len(search.failed), dtype=int)
    for number in range(1, most + 1):
        left = which == 0
        seen = left & ~search.aside
        if not 0 < search.failed[seen].sum() < seen.sum():
            break
        found = find_box(search.values[seen], search.failed[seen])
        if not found.ends:
            break
        box = left & found.hold(search.values)
        if number > 1 and search.failed[box & seen].sum() < LEAST_FURTHER * search.failed[~search.aside].sum():
            break
        ends = sorted(_ends(search, number, found, left), key=lambda row: float(row["density_without"]))
        order = list(dict.fromkeys(int(row.pop("column")) for row in ends))
        fails_when = search.in_words(found, order)
        row = {"box": number, "promised": promised, "fails_when": fails_when, "limits": len(ends)}
        row |= _figures(search, box, left, weights)
        boxes.append(row)
        limits += ends
        if not row["confirmed"]:
            break
        which[box] = number
    return boxes, limits, which


def _figures(search: Search, box: Bools, left: Bools, weights: Floats | None) -> dict[str, Any]:
    """What a box holds, on the rows searched and on those held out; left: (rows,) those of no earlier box."""
    failed, aside = search.failed, search.aside
    entry: dict[str, Any] = {}
    for prefix, part in (("", ~aside), ("held_out_", aside)):
        inside = box & part
        entry |= {
            f"{prefix}rows": int(inside.sum()),
            f"{prefix}failures": int(failed[inside].sum()),
            f"{prefix}coverage": _share(failed[inside].sum(), failed[part].sum()),
            f"{prefix}density": _share(failed[inside].sum(), inside.sum()),
        }
    tested = left & aside
    luck = chance(box[tested], failed[tested]) if aside.any() else math.nan
    entry |= {"luck": luck, "confirmed": not luck > LUCK}  # NaN: nothing was held out
    chances = (math.nan, math.nan) if weights is None else (weights[box].sum(), weights[box & failed].sum())
    return entry | dict(zip(("probability", "failing_probability"), map(float, chances), strict=True))


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else math.nan


def _ends(search: Search, number: int, limits: Limits, left: Bools) -> Iterator[dict[str, Any]]:
    """Rows of the limits of a box."""
    seen, tested = left & ~search.aside, left & search.aside

    def by_luck(part: Bools, column: int, side: int) -> float:
        return quasi_p(search.values[part], search.failed[part], limits, column, side) if part.any() else math.nan

    for column, side in limits.ends:
        of = search.columns[column]
        wider = seen & limits.without(column, side).hold(search.values)
        yield {
            "column": column,
            "box": number,
            "input": of.name,
            "called": search.words.title(of.name),
            "category": of.category,
            "side": (("is", "is not") if of.category else ("over", "under"))[side],
            "limit": math.nan if of.category else float((limits.low, limits.high)[side][column]),
            "quasi_p": by_luck(seen, column, side),
            "held_out_quasi_p": by_luck(tested, column, side),
            "density_without": _share(search.failed[wider].sum(), wider.sum()),
        }


# What scenario discovery found: boxes, their limits, and all of it in words.


BOXES = (
    "box promised fails_when confirmed limits rows failures coverage density held_out_rows "
    "held_out_failures held_out_coverage held_out_density luck probability failing_probability"
).split()
LIMITS = ["box", "input", "called", "category", "side", "limit", "quasi_p", "held_out_quasi_p", "density_without"]
MOSTLY = 0.5
"""Share of a box that fails from which a promise fails in it, in words; below, it fails more often."""
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
        text = "more of them, or others (--seed), may tell more."
        lines.append(f"  Luck may explain every limit that was tried on the {what} searched; {text}")
    for row in rows_of(boxes[~confirmed]):
        there = "none of them lies there"
        if row.held_out_rows:
            there = f"{row.held_out_failures} of {row.held_out_rows} fail there, by luck with a probability of "
            there += luck_in_words(row.luck)
        lines.append(f"  Not confirmed by the {what} held out, and so left aside: {row.fails_when} ({there}).")
    return [*lines, *(f"  Note: {note}." for note in facts["notes"])]


def _explained(row: Any, facts: Mapping[str, Any]) -> Iterator[str]:
    """What a box explains, on rows held out first."""
    what = facts["called"]
    failures = facts["failures"] - facts["held_out_failures"]
    searched = (
        f"it explains {row.coverage:.0%} of the failures ({row.failures} of {failures}); "
        f"in it {row.density:.0%} fail ({row.failures} of {row.rows})."
    )
    if facts["held_out_rows"]:
        overall = facts["held_out_failures"] / facts["held_out_rows"]
        yield (
            f"Held out: this explains {row.held_out_coverage:.0%} of the failures ({row.held_out_failures} of "
            f"{facts['held_out_failures']}); in it {row.held_out_density:.0%} fail ({row.held_out_failures} of "
            f"{row.held_out_rows}), overall {overall:.0%}. By luck: {luck_in_words(row.luck)}."
        )
        yield f"Where it was searched: {searched}"
    else:
        yield capital(searched)
    if not math.isnan(row.probability):
        yield (
            f"Probability of such {what}: {row.probability:.3g}; of such in which the promise fails: "
            f"{row.failing_probability:.3g} (on all rows, at their own probabilities)."
        )


FEW_ROWS = 50
"""Rows below which the summary warns."""
FEW_FAILURES = 10
"""Failures, and rows that do not fail, below which it does."""
MOST_CATEGORIES = 10
"""Different texts of an input up to which each is tried as a category."""
MOST_BOXES = 10


@verb
def discover(
    study: Study | pd.DataFrame | Path | str,
    promise: Annotated[
        str,
        Field(
            max_length=300,
            description="What is promised: a column of the study, a sign and a number, in the column's unit, e.g. "
            "'loss_musd <= 500'; of a stress test also material:segment:level, e.g. ndfeb_magnet:civil:0.8.",
        ),
    ],
    *,
    inputs: Annotated[
        Sequence[str] | None, Field(description="Inputs that may explain failures. Default: all of the study.")
    ] = None,
    held_out: Annotated[
        float, Field(ge=0, lt=0.9, description="Share of the rows that the search does not see.")
    ] = 0.3,
    seed: Seed = 0,
    boxes: Annotated[int, Field(ge=1, le=MOST_BOXES, description="Most boxes looked for.")] = 3,
    data: Dataset | None = None,
    plan: Plan | None = None,
) -> Study:
    """Find which ranges of which inputs make a plan fail a promise, from the rows of a sweep or a stress test.

    study: a sweep, whose varied addresses are the inputs; a stress test, with what happens in its scenarios (`event_features`);
    the folder in which either was stored; or a data frame, a row a case. data: tables that name what codes mean. plan: names the
    scenarios and events that addresses number. None: those of the run that a folder belongs to, else codes and numbers stand.

    Tables: `boxes`, one row a box, in the order found: promised and fails_when (words), confirmed (by rows held out), limits (how
    many); rows, failures, coverage (share of all failures) and density (share that fails) on the rows searched; the same on rows
    held out. Each box is without the rows of earlier ones. luck: probability that as many rows, picked blindly from those held
    out, fail as often; of a stress test, probability of the box and of failing in it. `limits`, one row a limit: box, input,
    called (in words), category (where it is one of several), side (over, under; is, is not), limit, quasi_p (that luck explains
    it, on the rows searched and on those held out), density_without (in the box without this limit). `cases`, one row a row of the
    study that has an answer: row (its place, from 0), failed, held_out, box (0: none), value (what is promised), and the inputs
    that some box limits; empty where an event does not occur. Facts: promise, promised (in words), called (what the rows are),
    rows, failures, held_out_rows, held_out_failures, inputs (searched), unsolved (left out), seed, notes.

    Raises InputError for a malformed promise or one that names no column, for unknown inputs, for rows of which none or all fail,
    and for a folder without such tables.
    """
    if isinstance(study, Path | str) and (run := run_of(Path(study))) is not None and plan is None and data is None:
        result = load_result(run)
        plan, data = result.plan, result.data
    if isinstance(study, pd.DataFrame):
        cases = cases_of_frame(study)
    else:
        found = study if isinstance(study, Study) else Study.load(study)
        cases = cases_of_study(found.tables, int(found.facts.get("block", 1)))
    names = UNNAMED if data is None else Names.of(data)
    words = InputWords(names, cases.hazards, plan, cases.called == POINTS)
    promised = _promised(cases, promise, names)
    chosen = chosen_inputs(cases, inputs, promised.column)
    missing = np.isnan(promised.values)
    failed, answered = promised.threshold.fails(promised.values) & ~missing, ~missing
    _require_both(promised, failed[answered], cases.called)
    columns, notes = _columns(chosen[answered])
    if not columns:
        known = ", ".join(map(str, chosen)) or "no columns"
        raise InputError([Fault(DISCOVER, "", "inputs", known, "at least one input that varies, stated in every row")])
    values, bad = np.stack([column.values for column in columns], axis=1), failed[answered]
    aside = _split(bad, held_out, np.random.default_rng(seed), np.flatnonzero(answered) // cases.block)
    search = Search(columns, values, bad, aside, words)
    weights = None if cases.weights is None else cases.weights[answered]
    boxes_found, limits, which = boxes_of(search, boxes, weights, promised.words)
    counts = {
        "rows": len(bad),
        "failures": int(bad.sum()),
        "held_out_rows": int(aside.sum()),
        "held_out_failures": int(bad[aside].sum()),
        "inputs": len({column.name for column in columns}),
        "unsolved": int(missing.sum()),
    }
    notes = [*_warnings(counts, cases, promised), *notes]
    own = dict(zip(OWN, (np.flatnonzero(answered), bad, aside, which, promised.values[answered]), strict=True))
    limited = chosen[answered][list(dict.fromkeys(str(row["input"]) for row in limits))].replace(
        [np.inf, -np.inf], np.nan
    )
    tables = {
        "boxes": pd.DataFrame(boxes_found, columns=BOXES),
        "limits": pd.DataFrame(limits, columns=LIMITS),
        "cases": pd.concat([pd.DataFrame(own), limited.reset_index(drop=True)], axis=1),
    }
    facts = {
        "promise": promise,
        "promised": promised.words,
        "called": cases.called,
        **counts,
        "seed": seed,
        "notes": tuple(notes),
    }
    return Study("discover", tables, words_of(facts, tables["boxes"]), facts, TITLES)


@dataclass(frozen=True)
class _Promised:
    """A promise held against rows."""

    column: str
    """Empty: none of the inputs' table."""
    words: str
    values: Floats
    """(rows,) NaN where there is no answer."""
    threshold: Threshold


def _promised(cases: Cases, promise: str, names: Names) -> _Promised:
    """What is promised, by row. Raises InputError where the rows do not tell it."""
    if promise.count(":") == 2 and cases.shortfalls is not None:
        return _served(cases, cases.shortfalls, promise, names)
    threshold = Threshold.parse(promise)
    known = [str(name) for name in cases.outcomes]
    if threshold.column not in known:
        expected = f"one of {', '.join(known)}{near_miss(threshold.column, known)}" if known else "a column of numbers"
        if threshold.column in cases.inputs:
            text = not pd.api.types.is_numeric_dtype(cases.inputs[threshold.column])
            found = f"'{threshold.column}', which is {'text' if text else 'an input that was varied'}"
            raise InputError([Fault(DISCOVER, "", "promise", found, expected)])
        raise InputError([Fault(DISCOVER, "", "promise", f"no column '{threshold.column}'", expected)])
    values = cases.outcomes[threshold.column].to_numpy(dtype=float)
    return _Promised(threshold.column, threshold.in_words(), values, threshold)


def _served(cases: Cases, shortfalls: pd.DataFrame, promise: str, names: Names) -> _Promised:
    """A share of a demand that is to be served, in every scenario of a stress test."""
    try:
        asked = Promise.parse(promise)
    except MisplacedError as error:
        raise InputError([Fault(DISCOVER, "", "promise", found, wanted) for _, found, wanted in error.places]) from None
    mine = (shortfalls["material"] == asked.material) & (shortfalls["segment"] == asked.segment)
    if not mine.any():
        known = sorted({f"{row.material}:{row.segment}" for row in rows_of(shortfalls)})
        near = near_miss(f"{asked.material}:{asked.segment}", known)
        expected = f"one that goes short in some scenario: {', '.join(known) or 'there is none'}{near}"
        found = f"no scenario in which {asked.material}:{asked.segment} goes short"
        raise InputError([Fault(DISCOVER, "", "promise", found, expected)])
    values = np.ones(len(cases.outcomes))
    values[shortfalls.loc[mine, "row"].to_numpy(dtype=int)] = shortfalls.loc[mine, "served_share"].to_numpy(dtype=float)
    level = "in full" if asked.level == 1 else f"at {100 * asked.level:.4g}% or more"
    words = f"{names.material(asked.material)}, {asked.segment} is served {level}"
    return _Promised("", words, values, Threshold("served_share", ">=", asked.level - 1e-6))


def _require_both(promised: _Promised, failed: Bools, called: str) -> None:
    """Raise InputError where nothing fails, or everything does: there is nothing to tell apart."""
    if 0 < failed.sum() < len(failed):
        return
    values = promised.values[~np.isnan(promised.values)]
    between = (
        f"; {promised.threshold.column} goes from {values.min():,.4g} to {values.max():,.4g}" if len(values) else ""
    )
    which = "is told by none" if not len(failed) else "fails in all" if failed.any() else "fails in none"
    expected = f"one that fails in some of them and not in others{between}"
    raise InputError([Fault(DISCOVER, "", "promise", f"one that {which} of {len(failed):,} {called}", expected)])


def _columns(inputs: pd.DataFrame) -> tuple[list[Column], list[str]]:
    """Inputs as the search takes them, and notes on those left aside.

    Inputs that do not vary, and those that order the rows as an earlier one does, tell nothing more.
    """
    found: list[Column] = []
    empty, many, same = [], [], []
    for name in map(str, inputs):
        values = inputs[name]
        if values.isna().any():
            empty.append(name)
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            found.append(Column(name, values.to_numpy(dtype=float)))
        else:
            texts = values.map(lambda value: str(value).lower() if isinstance(value, bool | np.bool_) else str(value))
            known = sorted(texts.unique())
            if len(known) > MOST_CATEGORIES:
                many.append(name)
                continue
            two = len(known) == 2
            which, otherwise = (known[-1:], known[0]) if two else (known, "")
            found += [Column(name, (texts == text).to_numpy(dtype=float), text, otherwise) for text in which]
    kept: dict[bytes, Column] = {}
    for column in found:
        known_values, ranks = np.unique(column.values, return_inverse=True)
        if len(known_values) > 1:
            first = kept.setdefault(ranks.astype(np.int64).tobytes(), column)
            if first.name != column.name:
                what = f"{column.name} is {column.category}" if column.category else column.name
                same.append(f"{what} (as {first.name})")
    aside = {
        "order the rows as another input does": same,
        "are empty in some rows": empty,
        f"are text with more than {MOST_CATEGORIES} values": many,
    }
    notes = [f"left aside because they {why}: {', '.join(those)}" for why, those in aside.items() if those]
    return list(kept.values()), notes


def _split(failed: Bools, share: float, draw: np.random.Generator, groups: Any) -> Bools:
    """(rows,) which are held out: a share of the groups with failures, and of those without. groups: (rows,) what belongs
    together."""
    known, at = np.unique(groups, return_inverse=True)
    bad = np.bincount(at, weights=failed) > 0
    aside = np.zeros(len(known), dtype=bool)
    for part in (np.flatnonzero(bad), np.flatnonzero(~bad)):
        aside[draw.permutation(part)[: round(share * len(part))]] = True
    return np.asarray(aside[at])


def _warnings(counts: Mapping[str, int], cases: Cases, promised: _Promised) -> Iterator[str]:
    """What makes the answer weak."""
    rows, failures = counts["rows"], counts["failures"]
    if rows < FEW_ROWS:
        yield f"only {rows} {cases.called}: too few to tell ranges from luck; {FEW_ROWS} are little, hundreds are better"
    if min(failures, rows - failures) < FEW_FAILURES:
        few, which = min((failures, "fail"), (rows - failures, "do not fail"))
        yield f"only {few} {cases.called} {which}: ranges found among so few hang on single ones"
    if failures > rows / 2 and promised.column:
        yield f"most {cases.called} fail: a box of nearly all of them says little"
    if counts["unsolved"]:
        yield f"{counts['unsolved']} {cases.called} without an answer were left out"
    if cases.block > 1:
        yield (
            f"the design moves one figure at a time within blocks of {cases.block} points: whole blocks were held out, and the "
            f"probabilities by luck, which take rows as independent, are too small; a Latin hypercube suits better"
        )
