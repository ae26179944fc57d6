"""What scenario discovery says: promises, and the ranges in which they fail, with names in place of codes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.arrays import Bools, Floats
from ..core.errors import Fault, InputError, PlanError, shown
from ..data.addresses import read_axis
from ..data.column_words import column_in_words, is_share, owner_in_words, unit_in_words
from ..data.names import UNNAMED, Names
from ..results.readable import heading
from ..schemas.plan import Plan
from .discovery_rows import DISCOVER, EVERY, FEATURES

SIGNS = {"<=": "at most", "<": "under", ">=": "at least", ">": "over"}
"""Sign of a threshold -> in words."""
THRESHOLD = re.compile(r"^\s*(?P<column>.+?)\s*(?P<sign><=|>=|<|>|≤|≥)\s*(?P<value>[^\s<>=]+)\s*$")
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
        found = THRESHOLD.match(text)
        try:
            if found is None:
                raise ValueError(text)
            value = float(found["value"])
            if not math.isfinite(value):
                raise ValueError(text)
        except ValueError:
            raise InputError([Fault(DISCOVER, "", "promise", shown(text), WRITTEN)]) from None
        return cls(found["column"], {"≤": "<=", "≥": ">="}.get(found["sign"], found["sign"]), value)

    def fails(self, values: Floats) -> Bools:
        """(rows,) where it is broken; False where there is no value."""
        return {
            "<=": values > self.value,
            "<": values >= self.value,
            ">=": values < self.value,
            ">": values <= self.value,
        }[self.sign]

    @property
    def opposite(self) -> str:
        """The promise that is kept where this one fails, as it is written."""
        sign = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}[self.sign]
        return f"{self.column} {sign} {self.value:g}"

    def in_words(self) -> str:
        """`expected loss is at most 500 million USD`."""
        name, _, unit = heading(self.column).partition(" [")
        return f"{name} is {SIGNS[self.sign]} {exact(self.value)}{' ' * bool(unit)}{unit.removesuffix(']')}"


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
        """What a range of an input says: `Licence stop lasts over 14 months`. NaN: no limit on that side."""
        if column.category == YES:
            return f"{self.title(column.name)} is {'false' if math.isnan(low) else YES}"
        if column.category and column.otherwise:
            return f"{self.title(column.name)} is {column.otherwise if math.isnan(low) else column.category}"
        if column.category:
            return f"{self.title(column.name)} is {'not ' * math.isnan(low)}{column.category}"
        of, feature = self._feature(column.name)
        if of:
            return self._event(of, feature, low, high, never=bool((column.values == _never(feature)).any()))
        who, said = self._listed(column.name)
        if said == "start_year":
            return f"{who} begins {_date(low, high)}"
        if said == "duration_years":
            return f"{who} lasts {span(low, high)} years"
        subject, unit, scale = self._subject(column.name)
        return f"{subject} is {span(low * scale, high * scale)}{unit}"

    def title(self, name: str) -> str:
        """An input as the title of an axis."""
        of, feature = self._feature(name)
        if of:
            said, unit = TITLES[feature]
            whose = "all disruptions" if of == EVERY else self._called(of, feature)
            return f"{whose}: {said}{unit}"
        subject, unit, scale = self._subject(name)
        told = " [share]" if scale != 1 else f" [{unit.strip()}]" if unit else ""
        return f"{subject}{told}"

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
        none = " or does not occur" * (never and math.isnan(low))
        if feature == "strikes":
            times = _times(low, high)
            if of == EVERY:
                return f"there {times[0]}"
            return f"{name} {times[1]}"
        if feature == "start_year":
            return f"{name} begins {_date(low, high)}{' or does not occur' * (never and math.isnan(high))}"
        if feature == "length_months":
            return f"{name} lasts {span(low, high)} months{none}"
        if feature == "cut_share":
            return f"{name} cuts {span(100 * low, 100 * high)}% of the supply that it hits{none}"
        if feature == "severity":
            return f"{name} is {span(low, high)} times as deep as its profile{none}"
        if feature == "together_months":
            return f"two disruptions last at once for {span(low, high)} months"
        if of == EVERY:
            return f"disruptions last {span(low, high)} months in all"
        return f"disruptions of {name} last {span(low, high)} months in all"

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
        told = column_in_words(last.removesuffix("_years"))
        subject = f"{whose}: {told}" if whose else told
        return (subject, " times the plan's", 1.0) if axis is not None and axis.factor else (subject, *_unit(last))


TITLES = {
    "strikes": ("events", ""),
    "start_year": ("begins", " [fiscal year]"),
    "length_months": ("longest cut", " [months]"),
    "cut_share": ("deepest cut", " [share]"),
    "severity": ("severity", " [times its profile]"),
    "disrupted_months": ("disrupted", " [months]"),
    "together_months": ("two or more at once", " [months]"),
}
"""Feature -> what it is, and its unit."""


def span(low: float, high: float) -> str:
    """`over 14`, `under 3`, `between 3 and 14`. NaN: no limit on that side."""
    if math.isnan(high):
        return f"over {exact(low)}"
    return f"under {exact(high)}" if math.isnan(low) else f"between {exact(low)} and {exact(high)}"


def _date(low: float, high: float) -> str:
    """`before 2029.4`, decimal years without commas. NaN: no limit on that side."""
    if math.isnan(high):
        return f"after {low:.12g}"
    return f"before {high:.12g}" if math.isnan(low) else f"between {low:.12g} and {high:.12g}"


def exact(value: float) -> str:
    """A limit with all its digits, which are few."""
    return f"{value:,.10g}" if abs(value) < 1e9 else f"{value:,.0f}"


def luck_in_words(p: float) -> str:
    """A probability by luck: `0.3%`, `less than 1 in a million`."""
    return "less than 1 in a million" if p < 1e-6 else f"{100 * p:.1g}%" if p < 0.1 else f"{p:.0%}"


def _never(feature: str) -> float:
    """The value of a feature where there is no such event."""
    return math.inf if feature == "start_year" else 0.0


def _times(low: float, high: float) -> tuple[str, str]:
    """How often something strikes, of all hazards and of one. Limits lie between whole numbers."""
    least = 0 if math.isnan(low) else math.floor(low) + 1
    if math.isnan(high):
        one = "strikes" if least == 1 else f"strikes {least} times or more"
        return ("is a disruption" if least == 1 else f"are {least} disruptions or more"), one
    most = math.ceil(high) - 1
    if most == 0:
        return "is no disruption", "does not strike"
    if least == most:
        return f"{'is' if most == 1 else 'are'} exactly {most} disruption{'s' * (most > 1)}", _often(most)
    if least == 0:
        return f"is at most {most} disruption{'s' * (most > 1)}", f"strikes at most {most} time{'s' * (most > 1)}"
    return f"are {least} to {most} disruptions", f"strikes {least} to {most} times"


def _often(times: int) -> str:
    return f"strikes exactly {times} time{'s' * (times > 1)}"


def _unit(column: str) -> tuple[str, float]:
    """(unit after a number, factor on the number): shares are percentages."""
    if is_share(column):
        return "%", 100.0
    return " years" if column.endswith("_years") else unit_in_words(column), 1.0
