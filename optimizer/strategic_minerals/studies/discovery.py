"""Scenario discovery: which ranges of which inputs make a plan fail a promise (Bryant and Lempert 2010).

Rows of a sweep or of a stress test are split by a seed. On one part a box is searched by patient rule induction (PRIM). On the
other, which the search never sees, coverage (how many of the failures lie in the box) and density (how many of its rows fail) are
counted. A box that rows held out do not confirm does not count. Rows in a box are set aside, and the rest are searched again."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.stats import binom, hypergeom

from ..answer.notes import heading
from ..answer.result import Result
from ..answer.run_folder import load_run
from ..answer.study import Study, run_of
from ..core.errors import Fault, InputError, PlanError, near_miss, shown
from ..core.frames import Bools, Floats, rows_of
from ..core.verb import Seed, verb
from ..question.dataset import Dataset
from ..question.names import UNNAMED, Names, column_in_words, is_share, owner_in_words, read_axis, unit_in_words
from ..question.plan import Plan
from .sweep import FIGURES

# Patient rule induction: the box, a range of each of a few inputs, in which failures are frequent.
PEELED = 0.05
"""Share of the rows in a box that one step takes off (Friedman and Fisher's alpha)."""
LEAST_MASS = 0.05
"""Share of all rows that a box has at least; where fewer than twice as many fail, half of those that fail."""
LEAST_ROWS = 5
"""Rows that a box has at least."""
LUCK = 0.05
"""Probability by luck above which a limit is dropped, and a box is not confirmed."""
MOST_TRIED = 12
"""Boxes of the path that are tried where luck may explain the better ones."""
MOST_ROUNDS = 20
"""Rounds in which ends move; each makes the measure better, and few are needed."""


@dataclass(frozen=True, eq=False)
class Limits:
    """A box: of each column the values above `ends[0]` and below `ends[1]`; NaN where there is no limit."""

    ends: Floats
    """(2, columns)"""

    def hold(self, values: Floats) -> Bools:
        """(rows,) which rows lie in the box. values: (rows, columns)."""
        return np.asarray(~((values <= self.ends[0]) | (values >= self.ends[1])).any(axis=1))

    @property
    def places(self) -> list[tuple[int, int]]:
        """(column, side) of every limit; side 0: from below, 1: from above."""
        return [(int(column), int(side)) for column, side in np.argwhere(~np.isnan(self.ends.T))]

    def moved(self, column: int, side: int, limit: float = math.nan) -> Limits:
        """The same box with another limit, or with one less."""
        ends = self.ends.copy()
        ends[side, column] = limit
        return Limits(ends)


def find_box(values: Floats, failed: Bools) -> Limits:
    """A box that describes failures; without limits where luck may explain every one.

    It begins with the box of peeling that measures best; where luck may explain all of its limits, with the next best.

    values: (rows, columns), finite or infinite. failed: (rows,)."""
    path = list(_peeled(values, failed))
    scores = np.array([_score(values, failed, box) for box in path])
    best_first = np.argsort(-scores, kind="stable")  # the first of equals has fewest limits
    for number in best_first[:MOST_TRIED]:
        if scores[number] <= scores[0]:  # no better than all rows
            break
        found = _best_ends(values, failed, path[number])
        while (lucky := _luckiest(values, failed, found)) is not None:
            found = _best_ends(values, failed, found.moved(*lucky))
        if found.places:
            return found
    return path[0]


def quasi_p(values: Floats, failed: Bools, limits: Limits, column: int, side: int) -> float:
    """Probability that a limit cuts off so few failures, or fewer, by luck: that of as many rows, each failing as often as those of
    the box without this limit, as many fail as in the box (Bryant and Lempert 2010)."""
    inside, wider = limits.hold(values), limits.moved(column, side).hold(values)
    if not wider.any():
        return 1.0
    return float(binom.sf(failed[inside].sum() - 1, inside.sum(), failed[wider].mean()))


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


def _measure(rows: Any, failures: Any, all_failures: int) -> Any:
    """How good a box is: harmonic mean of coverage and density. rows, failures: numbers, or arrays of them, in the box."""
    return 2 * failures / np.maximum(1.0, rows + all_failures)


def _score(values: Floats, failed: Bools, box: Limits) -> float:
    inside = box.hold(values)
    return float(_measure(inside.sum(), failed[inside].sum(), failed.sum()))


def _peeled(values: Floats, failed: Bools) -> Iterator[Limits]:
    """Boxes from all rows to the smallest one, each without a slab of the one before: the slab in which least fails."""
    least = max(LEAST_ROWS, math.ceil(min(LEAST_MASS * len(failed), failed.sum() / 2)))
    box = Limits(np.full((2, values.shape[1]), math.nan))
    while True:
        yield box
        inside = box.hold(values)
        here, bad = values[inside], failed[inside]
        size, best, peeled = max(1, int(PEELED * len(bad))), math.inf, box
        for column, side in product(range(values.shape[1]), (0, 1)):
            sign = 1 - 2 * side  # from above the same is done with negative values
            outward = sign * here[:, column]
            ordered = np.sort(outward)
            second = int(np.searchsorted(ordered, ordered[0], side="right"))
            if second == len(ordered):
                continue
            edge = max(ordered[size], ordered[second])
            cut = outward < edge
            if len(bad) - cut.sum() < least:
                continue
            # a row at the mean beside it: a slab of few says little
            share = (bad[cut].sum() + bad.mean()) / (cut.sum() + 1)
            if share < best - 1e-12:
                limit = sign * roundest(float(outward[cut].max()), float(edge)) + 0.0
                best, peeled = share, box.moved(column, side, limit)
        if peeled is box or bad.all() or not bad.any():
            return
        box = peeled


def _best_ends(values: Floats, failed: Bools, box: Limits) -> Limits:
    """The box with each of its limits where the measure is best while the others stay, again and again until none moves."""
    for _ in range(MOST_ROUNDS):
        before = box
        for column, side in box.places:
            box = _best_end(values, failed, box, column, side)
        if np.array_equal(box.ends, before.ends, equal_nan=True):
            break
    return box


def _best_end(values: Floats, failed: Bools, box: Limits, column: int, side: int) -> Limits:
    """The box with one limit where the measure is best; where it is if no place is better."""
    sign = 1 - 2 * side
    other = box.moved(column, side).hold(values)
    known, at = np.unique(sign * values[other, column], return_inverse=True)
    rows = np.bincount(at)[::-1].cumsum()[::-1]  # from each value outward
    failures = np.bincount(at, weights=failed[other])[::-1].cumsum()[::-1]
    scores = np.where(rows >= LEAST_ROWS, _measure(rows, failures, failed.sum()), -math.inf)
    best = int(np.argmax(scores))
    if scores[best] <= _score(values, failed, box) + 1e-12:
        return box
    return box.moved(column, side, sign * roundest(*map(float, known[best - 1 : best + 1])) + 0.0 if best else math.nan)


def _luckiest(values: Floats, failed: Bools, box: Limits) -> tuple[int, int] | None:
    """The limit that luck explains best, if it may. It was picked among both ends of all columns, which share what luck may do."""
    found = [(quasi_p(values, failed, box, *place), place) for place in box.places]
    worst, place = max(found, default=(0.0, None))
    return place if worst > LUCK / (2 * values.shape[1]) else None


# Rows in which a promise may fail: points of a sweep, scenarios of a stress test by what happens in them, a table of one's own.
DISCOVER = "discover"
"""Place of a fault of an argument."""
POINTS = "points"
"""Name of the rows of a sweep."""
EVERY = "*"
"""Stands for all hazards in names of features."""
KEY = ["scenario", "replicate"]
"""Of a scenario in the tables of a stress test."""
OWN = ("row", "failed", "held_out", "box", "value")
"""Columns of the table `cases` of an answer beside its inputs."""
NO_OUTCOMES = ("reason", "seconds", "cold")
"""Columns of a sweep's points that are neither inputs nor outcomes."""
FEATURES = {
    "strikes": ("number of events of {}", "", 1.0),
    "start_year": ("begin of {} (fiscal year)", "", 1.0),
    "length_months": ("longest cut by {}", " months", 1.0),
    "cut_share": ("deepest cut by {}", "%", 100.0),
    "disrupted_months": ("disrupted time of {}", " months", 1.0),
}
"""Feature of the events of a scenario -> words, unit and factor of the input `hazard.feature`, `*.feature` for all of them, or
`material.disrupted_months`.

start_year: of the first event, a decimal fiscal year; infinite where there is none. cut_share: of the supply that it hits.
disrupted_months: in which some event touches a material, or anything. All but the year are 0 where there is no event."""


@dataclass(frozen=True)
class Cases:
    """Rows as a search takes them."""

    inputs: pd.DataFrame
    """(rows, inputs) what may explain a failure: numbers, yes or no, or text."""
    outcomes: pd.DataFrame
    """(rows, columns) what may be promised; NaN where there is no answer."""
    called: str = "rows"
    """Name of the rows."""
    hazards: Mapping[str, str] = field(default_factory=dict)
    """Names of hazards by code."""
    weights: Floats | None = None
    """(rows,) probability of each; None: there is none."""
    block: int = 1
    """Rows that hang together, one after the other: they are held out, or not, as a whole."""


def cases_of_study(tables: Mapping[str, pd.DataFrame], block: int = 1) -> Cases:
    """The rows of a study, from its tables by name. block: points of a sweep that hang together.

    Raises InputError where the tables are neither of a sweep nor of a stress test."""
    if {"points", "decisions"} <= set(tables):
        points = tables["points"].reset_index(drop=True)
        figures = [str(name) for name in points if name in FIGURES]
        outcomes = points[[name for name in figures if name not in NO_OUTCOMES]]
        return Cases(points.drop(columns=figures), outcomes, POINTS, block=block)
    if {"scenarios", "events"} <= set(tables):
        scenarios, events = tables["scenarios"].reset_index(drop=True), tables["events"]
        return Cases(
            event_features(tables),
            scenarios.select_dtypes("number").drop(columns=["replicate", "probability"]),
            "scenarios",
            dict(zip(events["hazard"], events["name"].fillna("").astype(str), strict=True)),
            scenarios["probability"].to_numpy(dtype=float),
        )
    known, expected = ", ".join(sorted(tables)), "the tables of a sweep, or of a stress test with its events"
    raise InputError([Fault(DISCOVER, "", "study", known, expected)])


def cases_of_frame(frame: pd.DataFrame) -> Cases:
    """A table of one's own: every number may be promised, and every column explain but the figures of a sweep's points, which are
    outcomes too. Raises InputError for names that stand twice."""
    plain = frame.reset_index(drop=True)
    plain.columns = [str(name) for name in plain]
    twice = plain.columns[plain.columns.duplicated()]
    if len(twice):
        raise InputError([Fault(DISCOVER, "", "study", f"two columns '{twice[0]}'", "each name once")])
    outcomes = [name for name in plain if name in FIGURES]
    return Cases(plain.drop(columns=outcomes), plain.select_dtypes(["number", "bool"]).astype(float))


def event_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What happens in each scenario of a stress test, as numbers (`FEATURES`): one row a scenario, in the order of its table
    `scenarios`. tables: of a stress test by name (`Study.tables`), or as they were stored."""
    events = _placed(tables["events"], tables["scenarios"].reset_index(drop=True))
    columns: dict[str, pd.Series] = {}
    for hazard, rows in events.groupby("hazard", sort=True):
        by = rows.groupby("row")
        columns |= {
            f"{hazard}.strikes": by.size(),
            f"{hazard}.start_year": by["start_year"].min(),
            f"{hazard}.length_months": 12 * by["duration_yr"].max(),
            f"{hazard}.cut_share": by["cut_share"].max(),
        }
    columns[f"{EVERY}.strikes"] = events.groupby("row").size()
    columns[f"{EVERY}.disrupted_months"] = _disrupted(events)
    touched = events["materials"].astype(str).str.split()
    for material in tables["materials"]["material"].astype(str):
        mine = [EVERY in names or material in names for names in touched]
        columns[f"{material}.disrupted_months"] = _disrupted(events[np.array(mine, dtype=bool)])
    every = range(len(tables["scenarios"]))
    never = {name: math.inf if name.endswith("start_year") else 0.0 for name in columns}
    return pd.DataFrame({name: found.reindex(every) for name, found in columns.items()}).fillna(never).astype(float)


def _placed(table: pd.DataFrame, scenarios: pd.DataFrame) -> pd.DataFrame:
    """A table of scenarios with the place of each row's scenario, as `row`."""
    return table.merge(scenarios[KEY].assign(row=scenarios.index), on=KEY)


def _disrupted(events: pd.DataFrame) -> pd.Series:
    """Months in which some cut lasts, by row."""
    begin = events["start_year"] + events["flood_yr"]
    spans = events[["row"]].assign(begin=begin, end=begin + events["duration_yr"]).sort_values(["row", "begin"])
    until = spans.groupby("row")["end"].cummax().groupby(spans["row"]).shift(fill_value=-math.inf)
    return 12 * (spans["end"] - np.maximum(spans["begin"], until)).clip(lower=0.0).groupby(spans["row"]).sum()


def chosen_inputs(cases: Cases, promised: str) -> pd.DataFrame:
    """What a search looks at: all inputs but the promised column. Raises InputError for names that columns of the answer have."""
    chosen = [str(name) for name in cases.inputs if str(name) != promised]
    expected = f"another name: {', '.join(OWN)} are columns of the answer"
    if faults := [Fault(DISCOVER, "", "inputs", f"'{name}'", expected) for name in chosen if name in OWN]:
        raise InputError(faults)
    return cases.inputs[chosen]


SIGNS: dict[str, tuple[str, Callable[[Floats, float], Bools]]] = {
    "<=": ("at most", operator.gt),
    "<": ("under", operator.ge),
    ">=": ("at least", operator.lt),
    ">": ("over", operator.le),
}
"""Sign of a promise -> in words; where it is broken."""
WRITTEN = re.compile(
    r"^\s*(?P<column>.+?)\s*(?P<sign><=|>=|<|>)\s*(?P<value>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*$"
)


@dataclass(frozen=True)
class Promised:
    """A promise that a figure of the rows stays on one side of a number."""

    column: str
    words: str
    values: Floats
    """(rows,) NaN where there is no answer."""
    sign: str
    limit: float

    @property
    def broken(self) -> Bools:
        """(rows,) where it is broken; False where there is no value."""
        return SIGNS[self.sign][1](self.values, self.limit)


def promised_of(cases: Cases, promise: str) -> Promised:
    """What is promised, by row. Raises InputError where the rows do not tell it."""
    if (found := WRITTEN.match(promise)) is None:
        how = "a column, a sign and a number, e.g. loss_musd <= 500"
        raise InputError([Fault(DISCOVER, "", "promise", shown(promise), how)])
    column, sign, limit = found["column"], found["sign"], float(found["value"])
    known = [str(name) for name in cases.outcomes]
    if column not in known:
        expected = f"one of {', '.join(known)}{near_miss(column, known)}" if known else "a column of numbers"
        raise InputError([Fault(DISCOVER, "", "promise", f"no column of numbers '{column}'", expected)])
    name, _, unit = heading(column).partition(" [")
    words = f"{name} is {SIGNS[sign][0]} {exact(limit)}{' ' * bool(unit)}{unit.removesuffix(']')}"
    return Promised(column, words, cases.outcomes[column].to_numpy(dtype=float), sign, limit)


# Inputs as the search sees them, and their ranges with names in place of codes.
MOST_CATEGORIES = 10
"""Different texts of an input up to which each is tried as a category."""
LISTED = re.compile(r"^scenarios\.(?P<scenario>\d+)(?:\.events\.(?P<event>\d+))?$")
"""The address of a scenario that the plan lists, or of an event in it."""


@dataclass(frozen=True)
class Column:
    """An input as the search sees it: numbers, or whether it is of one category."""

    name: str
    values: Floats
    """(rows,)"""
    category: str = ""
    """Empty: the values themselves; else 1 where the input is this, 0 elsewhere."""
    otherwise: str = ""
    """What the input is elsewhere."""


def columns_of(inputs: pd.DataFrame) -> tuple[list[Column], list[str]]:
    """Inputs as the search takes them, those that do not vary left out, and notes on others left aside."""
    found: list[Column] = []
    empty, many = [], []
    for name, values in inputs.items():
        name = str(name)
        if values.isna().any():
            empty.append(name)
        elif pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            found.append(Column(name, values.to_numpy(dtype=float)))
        else:
            texts = values.map(lambda value: str(value).lower() if isinstance(value, bool | np.bool_) else str(value))
            known = sorted(texts.unique())
            if len(known) > MOST_CATEGORIES:
                many.append(name)
            elif len(known) == 2:
                found.append(Column(name, (texts == known[1]).to_numpy(dtype=float), known[1], known[0]))
            else:
                found += [Column(name, (texts == text).to_numpy(dtype=float), text, f"not {text}") for text in known]
    aside = {"are empty in some rows": empty, f"are text with more than {MOST_CATEGORIES} values": many}
    notes = [f"left aside because they {why}: {', '.join(those)}" for why, those in aside.items() if those]
    return [column for column in found if np.ptp(np.unique(column.values, return_inverse=True)[1]) > 0], notes


@dataclass(frozen=True)
class InputWords:
    """Inputs in words."""

    names: Names = UNNAMED
    hazards: Mapping[str, str] = field(default_factory=dict)
    """Names of hazards that the rows themselves tell, by code."""
    plan: Plan | None = None
    """Names the scenarios and events that addresses number."""

    def clause(self, column: Column, low: float, high: float) -> str:
        """A range of an input in words: `longest cut by Licence stop is over 14 months`. NaN: no limit on that side."""
        subject, unit, scale = self.subject(column.name)
        if column.category:
            return f"{subject} is {column.otherwise if math.isnan(low) else column.category}"
        over, under = ("after", "before") if column.name.endswith("start_year") else ("over", "under")
        if column.name.endswith(".strikes"):  # limits lie between whole numbers
            low, high = float(np.floor(low)), float(np.ceil(high))
        first, last = exact(scale * low), exact(scale * high)
        if math.isnan(high):
            never = ", or never" * bool(np.isinf(column.values).any())
            return f"{subject} is {over} {first}{unit}{never}"
        return f"{subject} is {f'{under} {last}' if math.isnan(low) else f'between {first} and {last}'}{unit}"

    def title(self, name: str) -> str:
        """An input as the title of an axis."""
        subject, unit, scale = self.subject(name)
        return f"{subject} [{'share' if scale != 1 else unit.strip()}]" if unit else subject

    def subject(self, name: str) -> tuple[str, str, float]:
        """An input in words, the unit after a number of it, and the factor on the number: shares are percentages."""
        of, _, feature = name.rpartition(".")
        if of and feature in FEATURES and not {".", "["} & set(of):
            words, unit, scale = FEATURES[feature]
            return words.format(self._called(of, feature)), unit, scale
        try:
            axis = read_axis(name)
        except PlanError:  # a column of one's own
            return column_in_words(name), "", 1.0
        if axis.table:
            parts = [part for part in axis.key.split("/") if part != "*"]
            whose = f" of {owner_in_words('/'.join(parts), self.names)}" if parts else ""
            words, last, times = f"{column_in_words(axis.column)}{whose}", axis.column, " times the table"
        else:
            before, _, last = axis.path.rpartition(".")
            whose, text = self._listed(before), column_in_words(last.removesuffix("_years"))
            words, times = f"{whose}: {text}" if whose else text, " times the plan's"
        if axis.factor:
            return words, times, 1.0
        if is_share(last):
            return words, "%", 100.0
        return words, " years" if last.endswith("_years") else unit_in_words(last), 1.0

    def _called(self, code: str, feature: str) -> str:
        if code == EVERY:
            return "all hazards"
        return (
            self.names.material(code)
            if feature == "disrupted_months"
            else self.hazards.get(code) or self.names.hazard(code)
        )

    def _listed(self, path: str) -> str:
        """A scenario or event that the plan lists by its name; other parts of the plan by their own."""
        found = LISTED.match(path)
        if self.plan is None or found is None or int(found["scenario"]) >= len(self.plan.scenarios):
            return path.replace("_", " ")
        scenario = self.plan.scenarios[int(found["scenario"])]
        if found["event"] is None:
            return f"scenario {scenario.name}"
        number = int(found["event"])
        hazard = scenario.events[number].hazard if number < len(scenario.events) else None
        return f"{f'event {number}' if hazard is None else self.names.hazard(hazard)} of scenario {scenario.name}"


def exact(value: float) -> str:
    """A limit with all its digits, which are few; years without commas."""
    return f"{value:,.10g}" if abs(value) >= 1e4 else f"{value:.10g}"


# The search for boxes: one after the other on the rows searched, each tested on the rows held out.
LEAST_FURTHER = 0.1
"""Share of all failures that a box after the first one covers at least."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Search:
    """Rows, split, and what they are called."""

    columns: list[Column]
    values: Floats
    failed: Bools
    aside: Bools
    """(rows,) held out."""
    words: InputWords

    def boxes(self, most: int, weights: Floats | None) -> tuple[Rows, Rows, Any]:
        """Rows of boxes and limits, and of each row the confirmed box that it lies in, 0 for none."""
        boxes: Rows = []
        limits: Rows = []
        which = np.zeros(len(self.failed), dtype=int)
        for number in range(1, most + 1):
            left = which == 0
            seen = left & ~self.aside
            if not 0 < self.failed[seen].sum() < seen.sum():
                break
            found = find_box(self.values[seen], self.failed[seen])
            if not found.places:
                break
            box = left & found.hold(self.values)
            if number > 1 and self.failed[box & seen].sum() < LEAST_FURTHER * self.failed[~self.aside].sum():
                break
            ends = sorted(self._ends(number, found, seen), key=lambda row: float(row["density_without"]))
            order = list(dict.fromkeys(int(row.pop("column")) for row in ends))
            fails_when = " and ".join(
                self.words.clause(self.columns[at], *map(float, found.ends[:, at])) for at in order
            )
            row = {"box": number, "fails_when": fails_when, "limits": len(ends)}
            boxes.append(row | self._figures(box, left, weights))
            limits += ends
            if not boxes[-1]["confirmed"]:
                break
            which[box] = number
        return boxes, limits, which

    def _figures(self, box: Bools, left: Bools, weights: Floats | None) -> dict[str, Any]:
        """What a box holds, on the rows searched and on those held out; left: (rows,) those of no earlier box."""
        failed, aside = self.failed, self.aside
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

    def _ends(self, number: int, limits: Limits, seen: Bools) -> Iterator[dict[str, Any]]:
        """Rows of the limits of a box that was searched in some rows."""
        for column, side in limits.places:
            of = self.columns[column]
            wider = seen & limits.moved(column, side).hold(self.values)
            yield {
                "column": column,
                "box": number,
                "input": of.name,
                "called": self.words.title(of.name),
                "category": of.category,
                "side": (("is", "is not") if of.category else ("over", "under"))[side],
                "limit": math.nan if of.category else float(limits.ends[side, column]),
                "quasi_p": quasi_p(self.values[seen], self.failed[seen], limits, column, side),
                "density_without": _share(self.failed[wider].sum(), wider.sum()),
            }


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else math.nan


def _split(failed: Bools, share: float, draw: np.random.Generator, groups: Any) -> Bools:
    """(rows,) which are held out: a share of the groups with failures, and of others. groups: (rows,) what belongs together."""
    known, at = np.unique(groups, return_inverse=True)
    bad = np.bincount(at, weights=failed) > 0
    aside = np.zeros(len(known), dtype=bool)
    for part in (np.flatnonzero(bad), np.flatnonzero(~bad)):
        aside[draw.permutation(part)[: round(share * len(part))]] = True
    return np.asarray(aside[at])


# What scenario discovery found: boxes, their limits, and all of it in words.
BOXES = (
    "box promised fails_when confirmed limits rows failures coverage density held_out_rows "
    "held_out_failures held_out_coverage held_out_density luck probability failing_probability"
).split()
LIMITS = ["box", "input", "called", "category", "side", "limit", "quasi_p", "density_without"]
MOSTLY = 0.5
"""Share of a box that fails from which a promise fails in it, in words; below, it fails more often."""
FEW_ROWS = 50
"""Rows below which the summary warns."""
FEW_FAILURES = 10
"""Failures, and rows that do not fail, below which it does."""
TITLES = {"boxes": "Where it fails", "limits": "Limits"}
"""Headings of the short tables."""


def _words(facts: Mapping[str, Any], boxes: pd.DataFrame) -> list[str]:
    """A discovery in plain words."""
    what, tested = facts["called"], facts["held_out_rows"] > 0
    split = (
        f"{facts['held_out_rows']:,} of them were held out."
        if tested
        else "None were held out: nothing here was tested."
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
        if tested:
            lines.append(
                f"  Held out: this explains {row.held_out_coverage:.0%} of the failures; in it {row.held_out_density:.0%} fail "
                f"({row.held_out_failures} of {row.held_out_rows}), overall "
                f"{facts['held_out_failures'] / facts['held_out_rows']:.0%}. By luck: {_luck(row.luck)}."
            )
        searched = f"{row.density:.0%} fail ({row.failures} of {row.rows})"
        lines.append(f"  Where it was searched, it explains {row.coverage:.0%} of the failures; in it {searched}.")
        if not math.isnan(row.probability):
            lines.append(
                f"  Probability of such {what}: {row.probability:.3g}; and that it fails: {row.failing_probability:.3g}."
            )
    if not confirmed.any():
        lines.append(
            f"NO RANGE of the {facts['inputs']} inputs tells where it fails: luck may explain each that was tried."
        )
    for row in rows_of(boxes[~confirmed]):
        there = f"{row.held_out_failures} of {row.held_out_rows} fail there; by luck: {_luck(row.luck)}"
        lines.append(f"  Not confirmed by the {what} held out, and so left aside: {row.fails_when} ({there}).")
    return [*lines, *(f"  Note: {note}." for note in facts["notes"])]


def _luck(p: float) -> str:
    """A probability by luck: `0.3%`, `less than 1 in a million`."""
    return "less than 1 in a million" if p < 1e-6 else f"{p:.1%}" if p < 0.1 else f"{p:.0%}"


def _warnings(counts: Mapping[str, int], cases: Cases) -> Iterator[str]:
    """What makes the answer weak."""
    if counts["rows"] < FEW_ROWS or min(counts["failures"], counts["rows"] - counts["failures"]) < FEW_FAILURES:
        yield f"so few {cases.called}, or so few that fail or do not, hardly tell ranges from luck; hundreds are better"
    if counts["unsolved"]:
        yield f"{counts['unsolved']} {cases.called} without an answer were left out"
    if cases.block > 1:
        yield (
            f"the design moves one figure at a time within blocks of {cases.block} points: whole blocks were held out, and the "
            f"probabilities by luck, which take rows as independent, are too small; a Latin hypercube suits better"
        )


@verb
def discover(
    study: Study | pd.DataFrame | Path | str,
    promise: Annotated[
        str,
        Field(
            max_length=300,
            description="What is promised: a column of the study, a sign and a number, in the column's unit, e.g. "
            "'loss_musd <= 500'.",
        ),
    ],
    *,
    held_out: Annotated[
        float, Field(ge=0, lt=0.9, description="Share of the rows that the search does not see.")
    ] = 0.3,
    seed: Seed = 0,
    boxes: Annotated[int, Field(ge=1, le=10, description="Most boxes looked for.")] = 3,
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
    it, on the rows searched), density_without (in the box without this limit). `cases`, one row a row of the
    study that has an answer: row (its place, from 0), failed, held_out, box (0: none), value (what is promised), and the inputs
    that some box limits; empty where an event does not occur. Facts: promise, promised (in words), called (what the rows are),
    rows, failures, held_out_rows, held_out_failures, inputs (searched), unsolved (left out), seed, notes.

    Raises InputError for a malformed promise or one that names no column, for rows of which none or all fail, and for a folder
    without such tables."""
    if isinstance(study, Path | str) and (run := run_of(Path(study))) is not None and plan is None and data is None:
        result = load_run(run, Result)
        plan, data = result.plan, result.data
    if isinstance(study, pd.DataFrame):
        cases = cases_of_frame(study)
    else:
        found = study if isinstance(study, Study) else Study.load(study)
        cases = cases_of_study(found.tables, int(found.facts.get("block", 1)))
    names = UNNAMED if data is None else Names.of(data)
    promised = promised_of(cases, promise)
    chosen = chosen_inputs(cases, promised.column)
    answered = ~np.isnan(promised.values)
    bad, outcomes = promised.broken[answered], promised.values[answered]
    if bad.all() or not bad.any():
        which = f"one that fails in {'all' if bad.any() else 'none'} of {len(bad):,} {cases.called}"
        between = f"; {promised.column} goes from {outcomes.min():,.4g} to {outcomes.max():,.4g}" * bool(len(outcomes))
        raise InputError(
            [Fault(DISCOVER, "", "promise", which, f"one that fails in some of them and not in others{between}")]
        )
    columns, notes = columns_of(chosen[answered])
    if not columns:
        known = ", ".join(map(str, chosen)) or "no columns"
        raise InputError([Fault(DISCOVER, "", "inputs", known, "at least one input that varies, stated in every row")])
    values = np.stack([column.values for column in columns], axis=1)
    aside = _split(bad, held_out, np.random.default_rng(seed), np.flatnonzero(answered) // cases.block)
    search = Search(columns, values, bad, aside, InputWords(names, cases.hazards, plan))
    boxes_found, limits, of_row = search.boxes(boxes, None if cases.weights is None else cases.weights[answered])
    counts = {
        "rows": len(bad),
        "failures": int(bad.sum()),
        "held_out_rows": int(aside.sum()),
        "held_out_failures": int(bad[aside].sum()),
        "inputs": len({column.name for column in columns}),
        "unsolved": int((~answered).sum()),
    }
    notes = [*_warnings(counts, cases), *notes]
    own = dict(zip(OWN, (np.flatnonzero(answered), bad, aside, of_row, outcomes), strict=True))
    limited = chosen[answered][list(dict.fromkeys(str(row["input"]) for row in limits))]
    limited = limited.replace([np.inf, -np.inf], np.nan).reset_index(drop=True)
    tables = {
        "boxes": pd.DataFrame(boxes_found, columns=BOXES).assign(promised=promised.words),
        "limits": pd.DataFrame(limits, columns=LIMITS),
        "cases": pd.concat([pd.DataFrame(own), limited], axis=1),
    }
    facts = {
        "promise": promise,
        "promised": promised.words,
        "called": cases.called,
        **counts,
        "seed": seed,
        "notes": tuple(notes),
    }
    return Study("discover", tables, _words(facts, tables["boxes"]), facts, TITLES)
