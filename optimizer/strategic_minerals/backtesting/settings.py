"""The plan of a backtest: what is asked, with which estimates. A folder may state it as `backtest.toml`; every field that it
leaves out follows from the folder's own files by the rule in the field's docstring, so that files alone are enough.

An estimate has a value, the range that it may lie in, and a reason. All of it is fixed, and hashed, before anything is scored.
"""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..core.errors import Fault, InputError, shown
from ..schemas.base import Day, Iso3, NonNegative, Positive, Share
from .tables import KnownLine, Table, read_tables
from .timeline import ONE_DAY, years_between

FILE = "backtest.toml"
RE_PLAN = (1, 31)
"""Month and day of the yearly re-plan."""
LETTERS = 10
"""Of a day in full."""
CONTROL = "control:"
"""How the metric of a control begins."""


class Part(BaseModel):
    """Base of the settings: closed and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Guess(Part):
    """An estimate: a value, its range, and why."""

    value: float
    low: float
    high: float
    reason: str

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"low, value, high in this order, not {self.low:g}, {self.value:g}, {self.high:g}")
        return self


def _guess(value: float, low: float, high: float, reason: str) -> Guess:
    return Guess(value=value, low=low, high=high, reason=reason)


class Tier(Part):
    """Part of use that is left unserved at one cost."""

    share: Annotated[float, Field(gt=0, le=1)]
    loss_multiplier: NonNegative


class Run(Part):
    """One reading of what was known."""

    name: str
    first: Literal["strict", "vintage"]
    """Day of the first plan. `strict`: the freeze; `vintage`: the day on which the last row of that gate could be read."""
    proxies: bool = False
    """Whether rows of the gate `proxy` may be read: years before the freeze from a later release."""
    controls: Literal["available", "effective"] = "available"
    """From when a re-plan knows of a control: from the row's `available_from`, or from the day on which it took effect."""


class Estimates(Part):
    """What a plan needs and no folder has. All were fixed before the first run."""

    discount_rate: Guess = _guess(
        0.03, 0.02, 0.07, "real rate of public cost-benefit analysis, the low one of 3 and 7 %"
    )
    loss_multiple: Guess = _guess(
        10,
        3,
        30,
        "loss of a missing tonne as a multiple of its price: no loss in money was published; in earlier squeezes users paid "
        "several times the usual price, at most about ten times, rather than go without",
    )
    price_multiplier: Guess = _guess(
        3, 1.5, 10, "price while a control lasts, as a multiple: no series of an earlier squeeze is in the folder"
    )
    headroom: Guess = _guess(1.1, 1.0, 1.3, "what an origin can sell beside what it sells: a tenth more, judgement")
    depth_of_output: Guess = _guess(
        0.01,
        0.01 / 3,
        0.03,
        "a reserve can buy 1 % of world output a year at its first premium; scale set with hindsight",
    )
    depth_of_use: Guess = _guess(0.10, 0.10 / 3, 0.30, "and no more than a tenth of home use; scale set with hindsight")
    premium: Guess = _guess(0.05, 0.05 / 3, 0.10, "premium of the first step; three times it at each further one")
    haircut_base: Guess = _guess(0.05, 0.025, 0.10, "part of the haircut that any sale costs")
    haircut_per_variation: Guess = _guess(0.2, 0.1, 0.4, "haircut per unit of the price's coefficient of variation")
    haircut_most: Guess = _guess(0.4, 0.3, 0.5, "largest haircut")
    holding_base: Guess = _guess(0.0086, 0.0086, 0.0172, "staff of a stockpile over its value, as printed for 2010")
    holding_usd_per_kg: Guess = _guess(0.02, 0.005, 0.05, "yearly storage of a kilogram, judgement")
    other_duration_yr: Guess = _guess(1.0, 0.5, 3.0, "length of a control where no earlier one has ended")
    other_cut_share: Guess = _guess(0.5, 0.3, 1.0, "cut of a control where no earlier one has a figure")


class Sampling(Part):
    """Sizes of the samples."""

    scenarios: Annotated[int, Field(ge=1)] = 60
    """Scenarios that a plan is made with."""
    draws: Annotated[int, Field(ge=1)] = 2000
    """Scenarios drawn and reduced to them."""
    outlook: Annotated[int, Field(ge=20)] = 2000
    """Scenarios behind the intervals of a forecast."""
    seed: Annotated[int, Field(ge=0)] = 1


class Factor(Part):
    """Tonnes of a material in a tonne of what its figures are printed in."""

    material: str
    statistics: tuple[str, ...]
    factor: Positive
    reason: str


class Series(Part):
    """The price series of a material, where it is not the first that is printed for the latest year."""

    material: str
    form: str
    """Words that the form of the series holds."""
    reason: str


class PriceGuess(Part):
    """A price of a material that has no series: it is scored apart, by this estimate."""

    material: str
    usd_per_kg: Guess


class Planning(Part):
    """The part of the settings that the planner is told."""

    home: Iso3
    """Country whose use is planned for. Left out: the one with most rows of consumption."""
    freeze: Day
    """Last day of which anything is known to the strict plan. Left out: the latest `available_from` of the events."""
    tail_years: Annotated[int, Field(ge=0, le=10)] = 2
    """Years after the budget's that a plan reckons with."""
    recent_years: Annotated[int, Field(ge=1)] = 5
    """Years of which means and variations are taken."""
    stale_after_years: Annotated[int, Field(ge=1)] = 2
    """A series whose last year lies further back than this on the day of a plan is marked stale; it is used all the same."""
    main_supplier_share: Share = 0.2
    """From this share of imports or world output on a supplier is a main one."""
    outcome_years: Positive = 3.0
    """Years within which a control is forecast."""
    severe_cut_share: Share = 1 / 3
    """From this cut on a restriction is a severe one; less is within the noise."""
    tiers: tuple[Tier, ...] = (
        Tier(share=0.5, loss_multiplier=0.4),
        Tier(share=0.3, loss_multiplier=1.0),
        Tier(share=0.2, loss_multiplier=2.5),
    )
    """Parts of use from the cheapest to the dearest to leave unserved; the mean multiplier is 1, so that the loss rule holds."""
    estimates: Estimates = Estimates()
    sampling: Sampling = Sampling()
    factors: tuple[Factor, ...] = ()
    series: tuple[Series, ...] = ()

    def factor(self, material: str, statistic: str) -> float:
        """What a printed figure is multiplied by."""
        found = [f.factor for f in self.factors if f.material == material and statistic in f.statistics]
        return math.prod(found)

    def for_planner(self) -> dict[str, Any]:
        """The planner's part alone, JSON-ready: nothing of the end, of later re-plans, or of the scores."""
        return self.model_dump(mode="json", include=set(Planning.model_fields))


class Settings(Planning):
    """The plan of a backtest, complete."""

    title: str
    end: Day
    """Last day that is played. Left out: the latest day of the files that only the scorer reads, controls aside."""
    vintage_day: Day
    """Day of the first plan of a vintage run. Left out: the latest `available_from` of rows of that gate, or the freeze."""
    replans: tuple[Day, ...]
    """Left out: each 31 January after the freeze, and the day after each edition of the rolling file that came out later in its
    year than that, up to the end."""
    budgets_musd: Annotated[tuple[Positive, ...], Field(min_length=1)] = (100.0, 500.0, 1000.0, 2000.0)
    over_years: Annotated[int, Field(ge=1, le=30)]
    """Years over which a budget is spent. Left out: those from the freeze to the end, rounded up."""
    runs: Annotated[tuple[Run, ...], Field(min_length=1)]
    """Left out: strict and vintage, with and without proxies, as far as the folder has such rows."""
    price_estimates: tuple[PriceGuess, ...] = ()
    cover_days: tuple[Positive, ...] = (60.0, 120.0, 180.0)
    """Days of normal use that rival plans hold."""
    release_rule: Literal["no foresight"] = "no foresight"
    """A missing tonne is released from the quarter after the control took effect on, as far as there is stock."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if not self.freeze <= self.vintage_day < self.end:
            raise ValueError("the freeze, then the day of the vintage, then the end")
        if list(self.replans) != sorted(set(self.replans)) or any(
            not self.freeze < d <= self.end for d in self.replans
        ):
            raise ValueError("re-plans in order, after the freeze and no later than the end")
        if len({run.name for run in self.runs}) < len(self.runs):
            raise ValueError("a name of its own for each run")
        return self

    def first_day(self, run: Run) -> dt.date:
        """The day of a run's first plan."""
        return self.freeze if run.first == "strict" else self.vintage_day

    def plan_days(self, run: Run) -> tuple[dt.date, ...]:
        """Days of a rolling run's plans, the first one included."""
        first = self.first_day(run)
        return (first, *(day for day in self.replans if day > first))


def load_settings(folder: Path, changes: Mapping[str, Any] | None = None) -> tuple[Settings, dict[str, str]]:
    """The settings of a folder, and for each field where it is from: the file, the command line, or the folder's files.

    changes: fields that are stated otherwise. Raises InputError with every fault.
    """
    file = folder / FILE
    stated: dict[str, Any] = {}
    if file.is_file():
        try:
            stated = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError([Fault(FILE, "", "", str(error), "a TOML file")]) from None
    given = {name: value for name, value in (changes or {}).items() if value is not None}
    derived = _derived(folder, {**stated, **given})
    whence = (
        dict.fromkeys(derived, "the folder's files")
        | dict.fromkeys(stated, FILE)
        | dict.fromkeys(given, "command line")
    )
    try:
        settings = Settings.model_validate(_merged(_merged(_merged(_defaults(), derived), stated), given))
    except ValidationError as error:
        raise InputError([_fault(item) for item in error.errors(include_url=False)]) from None
    return settings, {name: whence.get(name, "default") for name in Settings.model_fields}


def _defaults() -> dict[str, Any]:
    """The sections of which a part may be stated."""
    return {"estimates": Estimates().model_dump(), "sampling": Sampling().model_dump()}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of one laid over those of another, tables field by field."""
    both = {
        name: _merged(base[name], value)
        if isinstance(base.get(name), Mapping) and isinstance(value, Mapping)
        else value
        for name, value in over.items()
    }
    return {**base, **both}


def _fault(item: Any) -> Fault:
    column = ".".join(str(part) for part in item["loc"])
    return Fault(FILE, "", column, shown(item.get("input")), str(item["msg"]).removeprefix("Value error, "))


def _derived(folder: Path, stated: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from the files and from the dates that are stated, field by field. Files of the scorer are opened only where the
    end is not stated."""
    scorers = () if "end" in stated else ("realised", "policy")
    tables = read_tables(folder, ("known", "events", "rolling", *scorers))
    known = tables["known"].rows
    homes = [row.country for row in known if row.statistic == "consumption" and row.country]
    found: dict[str, Any] = {"title": folder.resolve().name, "runs": _runs(known)}
    if homes:
        found["home"] = max(sorted(set(homes)), key=homes.count)
    freeze = _day(stated, "freeze") or max(
        (row.available_from for row in tables["events"].rows if row.available_from), default=None
    )
    end = _day(stated, "end") or (_end(tables) if scorers else None)
    if freeze is not None:
        vintage = [row.available_from for row in known if row.gate == "vintage" and row.available_from]
        found |= {"freeze": freeze, "vintage_day": max([freeze, *vintage])}
    if end is not None:
        found["end"] = end
    if freeze is not None and end is not None:
        rolling = tables["rolling"].rows if "rolling" in tables else ()
        found["replans"] = _replans(freeze, end, rolling)
        found["over_years"] = max(1, math.ceil(years_between(freeze, end)))
    return found


def _day(stated: Mapping[str, Any], name: str) -> dt.date | None:
    """A day that is stated as one, or as text; None: neither (which the settings then tell)."""
    value = stated.get(name)
    return value if isinstance(value, dt.date) else _iso(value) if isinstance(value, str) else None


def _end(tables: Mapping[str, Table]) -> dt.date | None:
    """The latest day of what only the scorer reads; controls may be set to end later."""
    days = [row.period_end for row in tables["realised"].rows if row.period_end and not row.metric.startswith(CONTROL)]
    days += [row.date for row in (tables["policy"].rows if "policy" in tables else ()) if row.date]
    return max(days, default=None)


def _replans(freeze: dt.date, end: dt.date, rolling: Iterable[KnownLine]) -> tuple[dt.date, ...]:
    """As the docstring of `Settings.replans` says."""
    yearly = [dt.date(year, *RE_PLAN) for year in range(freeze.year, end.year + 1)]
    published = {day for row in rolling if (day := _iso(row.published)) is not None}
    late = [day + ONE_DAY for day in published if day > dt.date(day.year, *RE_PLAN)]
    return tuple(sorted({day for day in (*yearly, *late) if freeze < day <= end}))


def _iso(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if len(text) == LETTERS else None
    except ValueError:
        return None


def _runs(known: Sequence[KnownLine]) -> list[dict[str, Any]]:
    """Strict and vintage, with and without proxies, as far as there are such rows."""
    gates = {row.gate for row in known}
    firsts: list[str] = ["strict", *(["vintage"] if "vintage" in gates else [])]
    proxies = [False, True] if "proxy" in gates else [False]
    return [
        {"name": f"{first}{', proxies' if proxy else ''}", "first": first, "proxies": proxy}
        for first in firsts
        for proxy in proxies
    ]
