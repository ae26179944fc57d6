"""Rows in which a promise may fail: points of a sweep, scenarios of a stress test by what happens in them, a table of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..core.arrays import Floats
from ..core.errors import Fault, InputError, near_miss
from ..core.frames import rows_of
from .common_draws import DIFFERENCES
from .sweep_segments import FIGURES

DISCOVER = "discover"
"""Where a fault of an argument stands."""
POINTS = "points"
"""What rows of a sweep are called."""
EVERY = "*"
"""Stands for all hazards in names of features."""
MONTHS = 12
OWN = ("row", "failed", "held_out", "box", "value")
"""What the table `cases` of an answer tells of a row beside its inputs."""
NO_OUTCOMES = ("reason", "seconds", "cold", "told")
"""Columns of a sweep's points that are neither varied nor something to be promised."""
FEATURES = {
    "strikes": "how many events of a hazard there are",
    "start_year": "when the first of them begins, a decimal fiscal year; infinite where there is none",
    "length_months": "length of the longest cut; 0 where there is none",
    "cut_share": "the deepest cut of the supply that it hits; 0 where there is none",
    "severity": "largest factor on the hazard's profile, where it has one; 0 where there is no event; of an event with a cut of "
    "its own, the factor that would cut as deep",
    "disrupted_months": "months in which some event touches a material, or anything",
    "together_months": "months in which two events or more last at once",
}
"""What is told of the events of a scenario, as `hazard.feature`, `material.disrupted_months` and `*.feature`."""


@dataclass(frozen=True)
class Cases:
    """Rows as a search takes them."""

    inputs: pd.DataFrame
    """(rows, inputs) what may explain a failure: numbers, yes or no, or text."""
    outcomes: pd.DataFrame
    """(rows, columns) what may be promised; NaN where there is no answer."""
    called: str = "rows"
    """What the rows are."""
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
        told = [str(name) for name in points if name in FIGURES or name in DIFFERENCES]
        outcomes = points[[name for name in told if name not in NO_OUTCOMES]]
        inputs = points[[name for name in points if name not in told]]
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
    found_tables = ", ".join(sorted(tables)) or "no tables"
    raise InputError(
        [Fault(DISCOVER, "", "study", found_tables, "the tables of a sweep, or of a stress test with its events")]
    )


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

    tables: of a stress test by name (`StressTest.tables`), or as they were stored. Columns: `hazard.feature` for each hazard that
    occurs, `*.feature` for all together, `material.disrupted_months`; months, shares from 0 to 1, decimal fiscal years, as
    `FEATURES` says.

    Raises KeyError where a table is missing.
    """
    scenarios, events = tables["scenarios"], _placed(tables["events"], tables["scenarios"])
    count = len(scenarios)
    assert events is not None
    columns: dict[str, Floats] = {}
    for hazard, rows in events.groupby("hazard", sort=True):
        by = rows.groupby("row")
        columns[f"{hazard}.strikes"] = _filled(by.size(), count, 0.0)
        columns[f"{hazard}.start_year"] = _filled(by["start_year"].min(), count, np.inf)
        columns[f"{hazard}.length_months"] = _filled(MONTHS * by["duration_yr"].max(), count, 0.0)
        columns[f"{hazard}.cut_share"] = _filled(by["cut_share"].max(), count, 0.0)
        if rows["severity"].notna().any():
            columns[f"{hazard}.severity"] = _filled(_severities(rows).groupby(rows["row"]).max(), count, 0.0)
    columns[f"{EVERY}.strikes"] = _filled(events.groupby("row").size(), count, 0.0)
    columns[f"{EVERY}.disrupted_months"], columns[f"{EVERY}.together_months"] = _lasting(events, count)
    named = events["materials"].astype(str).str.split()
    for material in tables["materials"]["material"].astype(str):
        mine = [EVERY in names or material in names for names in named]
        columns[f"{material}.disrupted_months"] = _lasting(events[np.array(mine, dtype=bool)], count)[0]
    return pd.DataFrame(columns)


def chosen_inputs(cases: Cases, asked: Sequence[str] | None, promised: str) -> pd.DataFrame:
    """The inputs that a search looks at: those asked for, or all but the promised column. Raises InputError for unknown ones."""
    known = [str(name) for name in cases.inputs if str(name) != promised]
    if asked is None:
        return cases.inputs[known]
    faults = [
        Fault(DISCOVER, "", "inputs", f"'{name}'", f"one of {', '.join(known) or 'no inputs'}{near_miss(name, known)}")
        for name in dict.fromkeys(asked)
        if name not in known
    ]
    if faults:
        raise InputError(faults)
    return cases.inputs[list(dict.fromkeys(asked))]


def require_other_names(inputs: Sequence[str]) -> None:
    """Raise InputError for inputs that are named as columns of the answer are."""
    own = [name for name in inputs if name in OWN]
    if own:
        expected = f"another name: {', '.join(OWN)} are columns of the answer"
        raise InputError([Fault(DISCOVER, "", "inputs", f"'{name}'", expected) for name in own])


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
        if len(parts) == 1:
            some[row] = parts[0][1] - parts[0][0]
            continue
        turns = sorted([(begin, 1) for begin, _ in parts] + [(end, -1) for _, end in parts])
        at, on = turns[0][0], 0
        for when, change in turns:
            some[row] += (when - at) * (on > 0)
            several[row] += (when - at) * (on > 1)
            at, on = when, on + change
    return MONTHS * some, MONTHS * several
