"""Tables that a planner hands in when a year is over: what was really done, and which events began, were lifted or announced."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from scipy.stats import gamma

from ..core.errors import Fault, Faults, InputError, expected, near_miss, shown
from ..core.files import read_bounded, text_of
from ..core.stats import MONTHS_PER_YEAR
from ..question.base import Key, Names, NonNegative, Positive, Share
from ..question.dataset import Dataset
from ..question.estimates import LEVEL
from ..question.plan import Ongoing, Plan, Sample
from ..question.project_tables import Date
from ..question.tables import TABLES
from ..world.draws import shape_of
from ..world.events import DisruptionEvent
from ..world.instance import Instance
from ..world.scenarios import draws

LARGEST_BYTES = 5_000_000


class Noted(BaseModel):
    """Base of a row that a planner hands in beside the tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
    file: ClassVar[str]
    """What the file is called in faults."""


class DoneRow(Noted):
    """Something that was done otherwise than planned; what is not named was done as planned."""

    file = "done.csv"
    kind: Literal["stock", "bought", "package", "contract", "market_floor", "users_missing", "spent", "money_kept"]
    """`stock`: tonnes in store at the end of the year, as counted. `bought`: tonnes bought through an offer in the year. `package`:
    share of a project that was supported (0: not signed). `contract`: tonnes a year under an offtake contract. `market_floor`: 1 or
    0. `users_missing`: share that users' own stock of a material lacks. `spent`: million USD that the year cost in all; what may be
    kept of the rest follows. `money_kept`: million USD that may be spent next year, stated."""
    item: Key | None = None
    """Material, offer, project, source or floor; empty for money."""
    detail: str = ""
    """Of a package its name; of users' stock the segment, empty for all."""
    amount: NonNegative
    unit: str = ""
    """For the reader: t, share, t a year, million USD."""


class HappenedRow(Noted):
    """An event that began, was announced, or was lifted since the last plan."""

    file = "events.csv"
    event: Key
    status: Literal["in force", "announced", "suspended", "ended"]
    """`in force`: it has begun and nobody knows when it ends. `announced`: it is to begin at `from_year`, with `probability`.
    `suspended`: not in force; with `from_year` and `probability` it may come back. `ended`: over."""
    hazard: Key | None = None
    """The hazard of which it is an event; it counts as evidence when it is in force."""
    from_year: Date | None = None
    probability: Share | None = None
    countries: Names | None = None
    materials: Names | None = None
    cut_share: Share | None = None
    price_multiplier: Positive | None = None
    severity: NonNegative | None = None
    stretch: Positive | None = None
    duration_years: Positive | None = None
    """Of what was announced or may come back; unset: the hazard's."""
    remaining_years: Positive | None = None
    """Of what is in force: expected further years; unset: by the hazard's law, given its age."""
    counted: bool = True
    """False: no evidence on its hazard, as where another event brought it on."""

    @model_validator(mode="after")
    def _complete(self) -> HappenedRow:
        if self.status in ("in force", "announced") and self.from_year is None:
            raise ValueError(f"from_year: the date from which it is {self.status}")
        if self.status == "announced" and self.probability is None:
            raise ValueError("probability with which it comes into force")
        if self.hazard is None and (self.status == "in force" or self.probability):
            needed = ["countries", "materials", "cut_share"]
            needed += ["remaining_years" if self.status == "in force" else "duration_years"]
            missing = [name for name in needed if getattr(self, name) is None]
            if missing:
                raise ValueError(f"a hazard of hazards.csv; an event without one needs {', '.join(missing)}")
        if self.status == "suspended" and self.probability and self.from_year is None:
            raise ValueError("from_year: the date from which it may come back")
        return self


Kind = TypeVar("Kind", bound=Noted)


def read_noted(path: Path, kind: type[Kind]) -> tuple[Kind, ...]:
    """Rows of a CSV file.

    path: the file. kind: what its rows are, `DoneRow` or `HappenedRow`. Raises InputError with every fault: file, line, column,
    found, expected.
    """
    content = read_bounded(path, LARGEST_BYTES, "a CSV table")
    text = content if isinstance(content, Fault) else text_of(content, path.name, "a CSV table in UTF-8")
    if isinstance(text, Fault):
        raise InputError([text])
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise InputError([Fault(path.name, "", "", str(error), "a CSV table")]) from None
    header = [cell.strip() for cell in lines[0]] if lines else []
    records = [(n, dict(zip(header, row, strict=False))) for n, row in enumerate(lines[1:], start=2) if any(row)]
    return validated(records, header, kind, path.name)


def validated(
    records: Iterable[tuple[int, Mapping[str, str]]], header: list[str], kind: type[Kind], file: str
) -> tuple[Kind, ...]:
    """Rows from records by line. Raises InputError with every fault."""
    faults, rows = Faults(), []
    fields = kind.model_fields
    for column in (column for column in header if column not in fields):
        faults.add(Fault(file, "1", column, shown(column), f"a known column{near_miss(column, fields)}"))
    for column in (name for name, field in fields.items() if field.is_required() and name not in header):
        faults.add(Fault(file, "1", column, "no such column", "a required column"))
    if faults:
        raise InputError(faults.told())
    for line, record in records:
        cells = {name: cell.strip() for name, cell in record.items() if cell is not None and cell.strip()}
        try:
            rows.append(kind.model_validate(cells))
        except ValidationError as error:
            faults.add(*_of_row(error, record, file, line))
    if faults:
        raise InputError(faults.told())
    return tuple(rows)


def _of_row(error: ValidationError, record: Mapping[str, Any], file: str, line: int) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        column = str(item["loc"][0]) if item["loc"] else ""
        found = shown(record.get(column, "")) if column else "the row as it stands"
        found = "an empty cell" if item["type"] == "missing" else found
        yield Fault(file, str(line), column, found, expected(item))


# What the years since the last plan have shown of its hazards: gamma posteriors of their rates.


class Evidence(NamedTuple):
    """What some years have shown of one hazard."""

    exposure_yr: float
    onsets: int


def evidence_of(
    hazards: Sequence[Any], happened: Sequence[HappenedRow], begin: float, end: float, lasting: Mapping[str, float]
) -> dict[str, Evidence]:
    """Evidence on each hazard from the dates [begin, end) [decimal fiscal years].

    lasting: hazard -> date until which an event of it was in force since before `begin`. Onsets are the counted rows of events that
    came into force in these years; while an event lasts, the hazard cannot begin, and that time is no exposure.
    """
    over = {row.event: row.from_year for row in happened if row.status in ("ended", "suspended")}
    found = {}
    for row in hazards:
        spans, onsets = [(begin, min(end, lasting.get(row.hazard, begin)))], 0
        for event in happened:
            if event.hazard != row.hazard or event.status != "in force" or event.from_year is None:
                continue
            if begin <= event.from_year < end:
                until = over.get(event.event)
                spans.append((float(event.from_year), end if until is None else min(end, float(until))))
                onsets += event.counted
        busy, reached = 0.0, begin
        for first, last in sorted(spans):
            busy += max(0.0, last - max(first, reached))
            reached = max(reached, last)
        found[row.hazard] = Evidence(max(0.0, end - begin - busy), onsets)
    return found


def learned(
    rows: dict[str, list[Any]],
    evidence: Mapping[str, Evidence],
    provenance: Mapping[str, Any],
    believed: Mapping[str, float],
) -> dict[str, list[Any]]:
    """Tables with the evidence added to `hazard_evidence` and the rates of `hazards` after it.

    provenance: of new rows. believed: hazard -> rate that the plan states itself in place of the table's.
    """
    known = {row.hazard: row for row in rows.get("hazard_evidence", [])}
    hazards, table = [], []
    for row in rows.get("hazards", []):
        new = evidence.get(row.hazard, Evidence(0.0, 0))
        before = known.get(row.hazard)
        exposure, onsets = new
        if before is None:
            prior_rate, shape = believed.get(row.hazard, row.rate_per_yr), shape_of(row)
        else:
            prior_rate, shape = before.prior_rate_per_yr, before.prior_onsets
            exposure, onsets = exposure + before.exposure_yr, onsets + before.onsets
        if exposure <= 0 and onsets == 0:
            hazards.append(row)
            continue
        hazards.append(row.model_copy(update=posterior(prior_rate, shape, exposure, onsets)))
        cells = {"hazard": row.hazard, "exposure_yr": exposure, "onsets": onsets}
        prior = {"prior_rate_per_yr": prior_rate, "prior_onsets": shape}
        table.append(TABLES["hazard_evidence"].model_validate({**provenance, **cells, **prior}))
    return {**rows, "hazards": hazards, "hazard_evidence": table}


def posterior(prior_rate: float, shape: float, exposure_yr: float, onsets: int) -> dict[str, float]:
    """Rate per year with its 5 and 95 % points after the evidence; a hazard with rate 0 keeps it unless it has struck."""
    if prior_rate <= 0:
        shape, years = (shape, exposure_yr) if onsets else (0.0, 1.0)
    else:
        years = shape / prior_rate + exposure_yr
    after, tail = shape + onsets, (1 - LEVEL) / 2
    if after <= 0 or years <= 0:
        return {"rate_per_yr": prior_rate}
    low, high = (float(gamma.ppf(q, after)) / years for q in (tail, 1 - tail))
    mean = after / years
    return {"rate_per_yr": mean, "rate_per_yr_low": min(low, mean), "rate_per_yr_high": max(high, mean)}


# Paths of years: what happens, month by month, and what of it is known at a date.


PATHS = 7_919
"""Added to the seeds of paths: other draws of the same plan have others."""


@dataclass(frozen=True)
class PathEvent:
    """An event of a path, as it truly is."""

    name: str
    event: DisruptionEvent

    @property
    def begin(self) -> float:
        """Date at which it begins, a flood before its cut included [decimal fiscal year]."""
        return self.event.start

    @property
    def end(self) -> float:
        """Date at which it ends."""
        return self.event.start + self.event.flood + self.event.duration

    def seen(self, date: float) -> Ongoing:
        """The event as it is known at a date at which it has begun: its depth and pace are, its end only once it is past."""
        e = self.event
        stated: dict[str, Any] = {"hazard": e.label, "materials": e.materials}
        if e.profile is None:
            stated["cut_share"] = e.cut
        else:
            stated |= {"severity": e.severity, "stretch": e.stretch}
        over = {"ended_year": self.end} if self.end <= date else {}
        return Ongoing.model_validate({"name": self.name, "start_year": e.start, **stated, **over})

    def happened(self) -> HappenedRow:
        """The event as evidence on its hazard."""
        hazard, own = self.event.label, not self.event.brought_on
        return HappenedRow(event=self.name, status="in force", hazard=hazard, from_year=self.begin, counted=own)


@dataclass(frozen=True)
class ScenarioPath:
    """One course of the years."""

    number: int
    events: tuple[PathEvent, ...]

    def begun(self, before: float) -> tuple[PathEvent, ...]:
        """Events that have begun before a date."""
        return tuple(event for event in self.events if event.begin < before)

    def known(self, start: float, date: float) -> tuple[Ongoing, ...]:
        """What is known at a date of events that were not over when the year began at `start`."""
        return tuple(event.seen(date) for event in self.begun(date) if event.end > start)

    def history(self, date: float) -> tuple[Any, ...]:
        """All that has been seen up to a date: paths with the same history are one to a planner."""
        seen = [(e.event, min(e.end, date)) for e in self.begun(date)]
        return tuple((e.label, e.materials, e.start, e.severity, e.stretch, e.cut, until) for e, until in seen)

    @property
    def struck(self) -> str:
        """Hazards that strike, by name, in order; `none`."""
        return ", ".join(sorted({event.event.label for event in self.events})) or "none"


def draw_paths(
    plan: Plan, data: Dataset, n: Instance, paths: int, seed: int, *, uncertain: bool, grid_months: int
) -> tuple[ScenarioPath, ...]:
    """Paths from the second period of a plan to its end. uncertain: with true rates drawn from what is believed; grid_months: step
    of all dates."""
    asked = Sample(scenarios=1, seed=0) if plan.sample is None else plan.sample
    asked = asked.model_copy(update={"rates": "uncertain" if uncertain else "known", "drawn_from_year": None})
    drawn = draws(n, data, asked, paths, seed + PATHS, grid_months / MONTHS_PER_YEAR)
    found = []
    for number, events in enumerate(drawn):
        named = sorted(events, key=lambda event: (event.start, event.label))
        found.append(ScenarioPath(number + 1, tuple(PathEvent(f"{e.label}-{k + 1}", e) for k, e in enumerate(named))))
    return tuple(found)


def by_history(paths: Sequence[ScenarioPath], chunk: int) -> list[tuple[ScenarioPath, ...]]:
    """Paths in groups, those that stay alike longest together: what they share is planned once in each group."""
    order = sorted(paths, key=lambda path: tuple((e.begin, e.event.label) for e in path.events) or ((math.inf, ""),))
    return [tuple(order[k : k + chunk]) for k in range(0, len(order), chunk)]
