"""What scenario discovery says: promises, and the ranges in which they fail, with names in place of codes."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..answer.notes import heading
from ..core.errors import Fault, InputError, PlanError, near_miss, shown
from ..core.frames import Bools, Floats, rows_of
from ..question.names import UNNAMED, Names, column_in_words, is_share, owner_in_words, read_axis, unit_in_words
from ..question.plan import Plan
from .designs import DIFFERENCES
from .sweep import FIGURES

# Rows in which a promise may fail: points of a sweep, scenarios of a stress test by what happens in them, a table of one's own.


DISCOVER = "discover"
"""Place of a fault of an argument."""
POINTS = "points"
"""Name of the rows of a sweep."""
EVERY = "*"
"""Stands for all hazards in names of features."""
MONTHS = 12
OWN = ("row", "failed", "held_out", "box", "value")
"""Columns of the table `cases` of an answer beside its inputs."""
NO_OUTCOMES = ("reason", "seconds", "cold", "told")
"""Columns of a sweep's points that are neither inputs nor outcomes."""
FEATURES = {
    "strikes": ("events", ""),
    "start_year": ("begins", " [fiscal year]"),
    "length_months": ("longest cut", " [months]"),
    "cut_share": ("deepest cut", " [share]"),
    "severity": ("severity", " [times its profile]"),
    "disrupted_months": ("disrupted", " [months]"),
    "together_months": ("two or more at once", " [months]"),
}
"""Feature of the events of a scenario -> title and unit of the input `hazard.feature`, `material.disrupted_months` or `*.feature`.

strikes: events of a hazard. start_year: begin of the first of them, a decimal fiscal year; infinite where there is none.
length_months: of the longest cut. cut_share: deepest cut of the supply that it hits. severity: largest factor on the hazard's
profile, where it has one; of an event with a cut of its own, the factor that would cut as deep. disrupted_months: months in which
some event touches a material, or anything. together_months: months in which two events or more last at once. All 0 where there is
no event."""
CLAUSES = {
    "length_months": "{name} lasts {span} months{never}",
    "cut_share": "{name} cuts {span}% of the supply that it hits{never}",
    "severity": "{name} is {span} times as deep as its profile{never}",
    "together_months": "two disruptions last at once for {span} months",
    "disrupted_months": "disruptions of {name} last {span} months in all",
}
"""Feature -> a range of it in words."""


@dataclass(frozen=True)
class Cases:
    """Rows as a search takes them."""

    inputs: pd.DataFrame
    """(rows, inputs) what may explain a failure: numbers, yes or no, or text."""
    outcomes: pd.DataFrame
    """(rows, columns) what may be promised; NaN where there is no answer."""
    called: str = "rows"
    """Name of the rows."""
    shortfalls: pd.DataFrame | None = None
    """row, material, segment, served_share of demands that go short; None: not known."""
    hazards: Mapping[str, str] = field(default_factory=dict)
    """Names of hazards by code."""
    weights: Floats | None = None
    """(rows,) probability of each; None: there is none."""
    block: int = 1
    """Rows that hang together, one after the other: they are held out, or not, as a whole."""


def cases_of_study(tables: Mapping[str, pd.DataFrame], block: int = 1) -> Cases:
    """The rows of a study, from its tables by name. block: points of a sweep that hang together.

    Raises InputError where the tables are neither of a sweep nor of a stress test.
    """
    if {"points", "decisions"} <= set(tables):
        points = tables["points"].reset_index(drop=True)
        figures = [str(name) for name in points if name in FIGURES or name in DIFFERENCES]
        outcomes = points[[name for name in figures if name not in NO_OUTCOMES]]
        inputs = points[[name for name in points if name not in figures]]
        return Cases(inputs, outcomes, POINTS, block=block)
    if {"scenarios", "events"} <= set(tables):
        scenarios = tables["scenarios"].reset_index(drop=True)
        found = scenarios.select_dtypes("number").drop(columns=["replicate", "probability"])
        events = tables["events"]
        return Cases(
            event_features(tables),
            found,
            "scenarios",
            _placed(tables.get("shortfalls"), scenarios),
            dict(zip(events["hazard"], events["name"].fillna("").astype(str), strict=True)),
            scenarios["probability"].to_numpy(dtype=float),
        )
    known, expected = (
        ", ".join(sorted(tables)) or "no tables",
        "the tables of a sweep, or of a stress test with its events",
    )
    raise InputError([Fault(DISCOVER, "", "study", known, expected)])


def cases_of_frame(frame: pd.DataFrame) -> Cases:
    """A table of one's own: every number may be promised, and every column explain but the figures of a sweep's points, which are
    outcomes too. Raises InputError for names that stand twice."""
    plain = frame.reset_index(drop=True)
    plain.columns = [str(name) for name in plain]
    twice = plain.columns[plain.columns.duplicated()]
    if len(twice):
        raise InputError([Fault(DISCOVER, "", "study", f"two columns '{twice[0]}'", "each name once")])
    outcomes = [name for name in plain if name in FIGURES or name in DIFFERENCES]
    return Cases(plain.drop(columns=outcomes), plain.select_dtypes(["number", "bool"]).astype(float))


def event_features(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What happens in each scenario of a stress test, as numbers: one row a scenario, in the order of its table `scenarios`.

    tables: of a stress test by name (`Study.tables`), or as they were stored. Columns: `hazard.feature` for each hazard that
    occurs, `*.feature` for all together, `material.disrupted_months`; months, shares, decimal fiscal years (`FEATURES`).

    Raises KeyError where a table is missing.
    """
    scenarios, events = tables["scenarios"], _placed(tables["events"], tables["scenarios"])
    count = len(scenarios)
    assert events is not None
    columns: dict[str, Floats] = {}
    for hazard, rows in events.groupby("hazard", sort=True):
        by = rows.groupby("row")
        features: dict[str, pd.Series] = {
            "strikes": by.size(),
            "start_year": by["start_year"].min(),
            "length_months": MONTHS * by["duration_yr"].max(),
            "cut_share": by["cut_share"].max(),
        }
        if rows["severity"].notna().any():
            features["severity"] = _severities(rows).groupby(rows["row"]).max()
        columns |= {f"{hazard}.{name}": _filled(values, count, _never(name)) for name, values in features.items()}
    columns[f"{EVERY}.strikes"] = _filled(events.groupby("row").size(), count, 0.0)
    columns[f"{EVERY}.disrupted_months"], columns[f"{EVERY}.together_months"] = _lasting(events, count)
    named = events["materials"].astype(str).str.split()
    for material in tables["materials"]["material"].astype(str):
        mine = [EVERY in names or material in names for names in named]
        columns[f"{material}.disrupted_months"] = _lasting(events[np.array(mine, dtype=bool)], count)[0]
    return pd.DataFrame(columns)


def chosen_inputs(cases: Cases, asked: Sequence[str] | None, promised: str) -> pd.DataFrame:
    """The inputs that a search looks at: those asked for, or all but the promised column. Raises InputError for unknown ones, and
    for those that are named as columns of the answer are."""
    known = [str(name) for name in cases.inputs if str(name) != promised]
    chosen = known if asked is None else list(dict.fromkeys(asked))
    faults = [
        Fault(DISCOVER, "", "inputs", f"'{name}'", f"one of {', '.join(known) or 'no inputs'}{near_miss(name, known)}")
        for name in chosen
        if name not in known
    ]
    expected = f"another name: {', '.join(OWN)} are columns of the answer"
    faults = faults or [Fault(DISCOVER, "", "inputs", f"'{name}'", expected) for name in chosen if name in OWN]
    if faults:
        raise InputError(faults)
    return cases.inputs[chosen]


def _placed(table: pd.DataFrame | None, scenarios: pd.DataFrame) -> pd.DataFrame | None:
    """A table of scenarios with the place of each row's scenario, as `row`."""
    if table is None:
        return None
    keys = zip(scenarios["scenario"], scenarios["replicate"], strict=True)
    place = {key: n for n, key in enumerate(keys)}
    rows = [place.get(key, -1) for key in zip(table["scenario"], table["replicate"], strict=True)]
    if -1 in rows:
        lost = table.iloc[rows.index(-1)]
        found = f"scenario {lost['scenario']} of replicate {lost['replicate']}"
        raise InputError([Fault(DISCOVER, "", "study", found, "scenarios that the table `scenarios` has")])
    return table.assign(row=rows)


def _filled(found: pd.Series, count: int, otherwise: float) -> Floats:
    return np.asarray(found.astype(float).reindex(range(count), fill_value=otherwise), dtype=float)


def _severities(events: pd.DataFrame) -> pd.Series:
    """Severity of the events of a hazard; of those that state a cut themselves, in place of the profile, what would cut as deep."""
    severity, cut = events["severity"].astype(float), events["cut_share"].astype(float)
    below = (severity > 0) & (cut < 1)  # where the cut is not everything, it is in proportion
    deepest = float((cut[below] / severity[below]).median()) if below.any() else 1.0
    return severity.fillna(cut / deepest if deepest > 0 else cut)


def _lasting(events: pd.DataFrame, count: int) -> tuple[Floats, Floats]:
    """(rows,) months in which some cut lasts, and in which two or more do."""
    some, several = np.zeros(count), np.zeros(count)
    spans: dict[int, list[tuple[float, float]]] = {}
    for event in rows_of(events):
        begin = float(event.start_year + event.flood_yr)
        spans.setdefault(int(event.row), []).append((begin, begin + float(event.duration_yr)))
    for row, parts in spans.items():
        turns = sorted([(begin, 1) for begin, _ in parts] + [(end, -1) for _, end in parts])
        at, on = turns[0][0], 0
        for when, change in turns:
            some[row] += (when - at) * (on > 0)
            several[row] += (when - at) * (on > 1)
            at, on = when, on + change
    return MONTHS * some, MONTHS * several


SIGNS: dict[str, tuple[str, Callable[[Floats, float], Bools]]] = {
    "<=": ("at most", operator.gt),
    "<": ("under", operator.ge),
    ">=": ("at least", operator.lt),
    ">": ("over", operator.le),
}
"""Sign of a threshold -> in words; where it is broken."""
THRESHOLD = re.compile(r"^\s*(?P<column>.+?)\s*(?P<sign><=|>=|<|>)\s*(?P<value>[^\s<>=]+)\s*$")
WRITTEN = (
    "a column, a sign and a number, e.g. loss_musd <= 500, or for a stress test material:segment:level, "
    "e.g. ndfeb_magnet:civil:0.8"
)
"""How a promise is written."""

LISTED = re.compile(r"^scenarios\.(?P<scenario>\d+)\.(?:events\.(?P<event>\d+)\.)?(?P<field>\w+)$")
"""The address of a field of a scenario, or of an event in it, that the plan lists."""
YES = "true"
"""The category of inputs that are true or false."""


@dataclass(frozen=True)
class Threshold:
    """A promise that a column of the rows stays on one side of a number."""

    column: str
    sign: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """From `column <= number`, or with <, > or >=. Raises InputError for another form."""
        found, value = THRESHOLD.match(text), math.nan
        with contextlib.suppress(ValueError):
            value = float(found["value"]) if found else math.nan
        if found is None or not math.isfinite(value):
            raise InputError([Fault(DISCOVER, "", "promise", shown(text), WRITTEN)])
        return cls(found["column"], found["sign"], value)

    def fails(self, values: Floats) -> Bools:
        """(rows,) where it is broken; False where there is no value."""
        return SIGNS[self.sign][1](values, self.value)

    def in_words(self) -> str:
        """`expected loss is at most 500 million USD`."""
        name, _, unit = heading(self.column).partition(" [")
        return f"{name} is {SIGNS[self.sign][0]} {exact(self.value)}{' ' * bool(unit)}{unit.removesuffix(']')}"


@dataclass(frozen=True)
class Column:
    """An input as the search sees it: numbers, or whether it is of one category."""

    name: str
    values: Floats
    """(rows,)"""
    category: str = ""
    """Empty: the values themselves; else 1 where the input is this, 0 elsewhere."""
    otherwise: str = ""
    """What the input is elsewhere, where it is but one of two."""


@dataclass(frozen=True)
class InputWords:
    """Inputs in words."""

    names: Names = UNNAMED
    hazards: Mapping[str, str] = field(default_factory=dict)
    """Names of hazards that the rows themselves tell, by code."""
    plan: Plan | None = None
    """Names the scenarios and events that addresses number."""
    addresses: bool = False
    """Whether inputs are addresses of a sweep alone: none is then a feature of events."""

    def clause(self, column: Column, low: float, high: float) -> str:
        """A range of an input in words: `Licence stop lasts over 14 months`. NaN: no limit on that side."""
        if column.category:
            otherwise = "false" if column.category == YES else column.otherwise or f"not {column.category}"
            return f"{self.title(column.name)} is {otherwise if math.isnan(low) else column.category}"
        of, feature = self._feature(column.name)
        if of:
            return self._event(of, feature, low, high, never=bool((column.values == _never(feature)).any()))
        who, cell = self._listed(column.name)
        if cell == "start_year":
            return f"{who} begins {_date(low, high)}"
        if cell == "duration_years":
            return f"{who} lasts {span(low, high)} years"
        subject, unit, scale = self._subject(column.name)
        return f"{subject} is {span(low * scale, high * scale)}{unit}"

    def title(self, name: str) -> str:
        """An input as the title of an axis."""
        of, feature = self._feature(name)
        if of:
            text, unit = FEATURES[feature]
            whose = "all disruptions" if of == EVERY else self._called(of, feature)
            return f"{whose}: {text}{unit}"
        subject, unit, scale = self._subject(name)
        text = " [share]" if scale != 1 else f" [{unit.strip()}]" if unit else ""
        return f"{subject}{text}"

    def _feature(self, name: str) -> tuple[str, str]:
        """(hazard or material, feature) of an input that tells of events; two empty texts of others."""
        of, _, feature = name.rpartition(".")
        return ("", "") if self.addresses or feature not in FEATURES or "." in of or "[" in of else (of, feature)

    def _called(self, code: str, feature: str) -> str:
        if feature == "disrupted_months":
            return self.names.material(code)
        return self.hazards.get(code) or self.names.hazard(code)

    def _event(self, of: str, feature: str, low: float, high: float, *, never: bool) -> str:
        """A range of a feature of events. never: whether there are rows without such an event."""
        name = "the disruptions together" if of == EVERY else self._called(of, feature)
        if feature == "strikes":
            return _strikes(name, low, high, every=of == EVERY)
        if feature == "start_year":
            return f"{name} begins {_date(low, high)}{' or does not occur' * (never and math.isnan(high))}"
        if feature == "disrupted_months" and of == EVERY:
            return f"disruptions last {span(low, high)} months in all"
        scale = 100 if feature == "cut_share" else 1
        text = " or does not occur" * (never and math.isnan(low))
        return CLAUSES[feature].format(name=name, span=span(scale * low, scale * high), never=text)

    def _listed(self, name: str) -> tuple[str, str]:
        """(scenario or event of the plan, field of it) of the address of one that the plan lists; two empty texts of others."""
        found = None if self.plan is None else LISTED.match(name)
        if self.plan is None or found is None or int(found["scenario"]) >= len(self.plan.scenarios):
            return "", ""
        scenario = self.plan.scenarios[int(found["scenario"])]
        if found["event"] is None:
            return f"scenario {scenario.name}", found["field"]
        number = int(found["event"])
        hazard = scenario.events[number].hazard if number < len(scenario.events) else None
        called = f"event {number}" if hazard is None else self.names.hazard(hazard)
        listed = [event.hazard for one in self.plan.scenarios for event in one.events]
        alone = hazard is not None and listed.count(hazard) == 1
        return (called if alone else f"{called} of scenario {scenario.name}"), found["field"]

    def _subject(self, name: str) -> tuple[str, str, float]:
        """(what is varied, unit after a number, factor on the number) of an address or of a column of one's own."""
        try:
            axis = read_axis(name)
        except PlanError:
            axis = None
        if axis is not None and axis.table:
            parts = [part for part in axis.key.split("/") if part != "*"]
            whose = f" of {owner_in_words('/'.join(parts), self.names)}" if parts else ""
            subject = f"{column_in_words(axis.column)}{whose}"
            return (subject, " times the table", 1.0) if axis.factor else (subject, *_unit(axis.column))
        before, _, last = (name if axis is None else axis.path).rpartition(".")
        whose = self._listed(name if axis is None else axis.path)[0] or before.replace("_", " ")
        text = column_in_words(last.removesuffix("_years"))
        subject = f"{whose}: {text}" if whose else text
        return (subject, " times the plan's", 1.0) if axis is not None and axis.factor else (subject, *_unit(last))


def span(
    low: float, high: float, begin: str = "over", end: str = "under", write: Callable[[float], str] | None = None
) -> str:
    """`over 14`, `under 3`, `between 3 and 14`. NaN: no limit on that side."""
    first, last = ((write or exact)(limit) for limit in (low, high))
    if math.isnan(high):
        return f"{begin} {first}"
    return f"{end} {last}" if math.isnan(low) else f"between {first} and {last}"


def _date(low: float, high: float) -> str:
    """`before 2029.4`, decimal years without commas. NaN: no limit on that side."""
    return span(low, high, "after", "before", "{:.12g}".format)


def exact(value: float) -> str:
    """A limit with all its digits, which are few."""
    return f"{value:,.10g}" if abs(value) < 1e9 else f"{value:,.0f}"


def luck_in_words(p: float) -> str:
    """A probability by luck: `0.3%`, `less than 1 in a million`."""
    return "less than 1 in a million" if p < 1e-6 else f"{100 * p:.1g}%" if p < 0.1 else f"{p:.0%}"


def _never(feature: str) -> float:
    """The value of a feature where there is no such event."""
    return math.inf if feature == "start_year" else 0.0


def _strikes(name: str, low: float, high: float, *, every: bool) -> str:
    """How often a hazard strikes, or how many disruptions there are of all. Limits lie between whole numbers."""
    least, most = 0 if math.isnan(low) else math.floor(low) + 1, math.inf if math.isnan(high) else math.ceil(high) - 1
    if most == 0:
        return "there is no disruption" if every else f"{name} does not strike"
    if least == 1 and math.isinf(most):
        return "there is a disruption" if every else f"{name} strikes"
    noun = ("disruption" if every else "time") + "s" * (most > 1)
    number = f"{least} to {most} {noun}"
    if math.isinf(most):
        number = f"{least} {noun} or more"
    elif least in (0, most):
        number = f"{'exactly' if least else 'at most'} {most} {noun}"
    verb = "is" if most == 1 or least == 0 else "are"
    return f"there {verb} {number}" if every else f"{name} strikes {number}"


def _unit(column: str) -> tuple[str, float]:
    """(unit after a number, factor on the number): shares are percentages."""
    if is_share(column):
        return "%", 100.0
    return " years" if column.endswith("_years") else unit_in_words(column), 1.0
