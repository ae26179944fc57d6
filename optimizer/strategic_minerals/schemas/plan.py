"""The question: a plan file (TOML) and its schema.

A plan states the materials, years, instruments, money, disruptions and the objective.
It holds no facts: those are in tables (`data/dataset.py`). Years are fiscal years and may be decimal where a date
within the year is meant (2028.5 is the middle of FY2028).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..core.errors import MisplacedError, near_miss
from ..core.format import FORMAT
from ..core.units import MONTHS_PER_YEAR
from ..core.words import BASELINE_COURSE
from .base import USA, Iso3, Key, Section, Share, Year
from .columns import Column
from .plan_sections import (
    QUIET,
    Budget,
    Control,
    DaysOfCover,
    Diversification,
    HazardOverride,
    Horizon,
    Instruments,
    Loss,
    Objective,
    Owners,
    Procurement,
    Risk,
    Sample,
    Scenario,
    Selection,
    ServiceLevel,
)
from .state_sections import Ongoing, StockRule
from .together_section import Together


class Plan(Section):
    """A planning question."""

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT, exclude=True)] = FORMAT
    """Format of the file; without it, the only one that there is."""
    name: Key
    title: str = ""
    description: str = ""
    home: Iso3 = USA
    """Whose demand, stock and money are planned: a country, or a union of the table `homes` (`EUU`)."""
    price_year: Year
    """Year of the price level in which all money is stated."""
    price_set: Annotated[Key, Column("Price set")]
    """Price set of the table `prices`."""
    loss_function: Annotated[Key, Column("Loss function: economic loss per missing tonne")]
    """Named loss function. It influences the answer more than any other input, so there is no default."""
    loss_level: Annotated[Literal["low", "central", "high"], Column("Loss estimate to use")] = "central"
    loss: Loss = Loss()
    users_convenience_share: Annotated[float, Field(gt=0, le=1), Column(low=0.002, high=0.3)] = 0.02
    """What users' own stocks are worth to them beyond interest, per year as a share of their value; an estimate. Only with rows in
    the table `users_stock`."""
    discount_rate: Annotated[float, Field(ge=0, le=0.5), Column("Discount rate per year", 0.002, 0.2, "share")]
    """Real social discount rate per year."""
    residual: Annotated[Share, Column(low=0.02, unit="share")] = 1.0
    """Value of a project's remaining life at the end of the horizon, as a share of what was paid for it."""
    price_gain: Annotated[bool, Column("Count the gain from selling at crisis prices")] = True
    """False: operations in a disruption are valued at undisturbed prices, so that no stock is held to speculate on prices."""
    tight_cut_share: Annotated[Share, Column(low=0.001, high=0.5)] = 0.0
    """Share of a source that must be cut before its material counts as tight (in short supply); 0: any cut."""
    ore_runs_out: bool = False
    """True: an existing mine gives nothing once its country's published reserves (`reserves`), mined at today's rate
    (`production`), are used up. Smelters and refineries buy ore elsewhere; exploration adds reserves: this is the careful case."""
    materials: Selection = ("*",)
    """Materials of the plan; `*`: all with demand, and all that their producers use and make."""
    horizon: Horizon
    budget: Budget
    instruments: Instruments = Instruments()
    procurement: Procurement = Procurement()
    risk: Risk = Risk()
    objective: Objective = Objective()
    owners: Owners = Owners()
    controls: tuple[Control, ...] = ()
    ongoing: tuple[Ongoing, ...] = ()
    hazards: tuple[HazardOverride, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    sample: Sample | None = None
    service_levels: tuple[ServiceLevel, ...] = ()
    diversification: tuple[Diversification, ...] = ()
    days_of_cover: tuple[DaysOfCover, ...] = ()
    stock_rules: tuple[StockRule, ...] = ()
    together: Together | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        places = [*self._contradictions(), *self._misnamed()]
        if places:
            raise MisplacedError(*places)
        return self

    def uses_hazard(self, name: str) -> bool:
        """Whether a scenario has an event of a hazard, or events of it are drawn."""
        drawn = () if self.sample is None else self.sample.hazards
        named = [event.hazard for scenario in self.scenarios for event in scenario.events]
        named += [event.hazard for event in self.ongoing]
        return name in drawn or "*" in drawn or name in named

    def _contradictions(self) -> Iterator[tuple[str, str, str]]:
        """(place, found, expected) of fields that do not fit together."""
        kind, sample = self.objective.kind, self.sample
        if self.budget.branch_money == "appropriated" and kind != "social_cost":
            yield (
                "budget.branch_money",
                "'appropriated'",
                f"'planned' with objective.kind = '{kind}': an objective that counts the plan's spending would shift all purchases "
                "to disruptions, where they cost nothing",
            )
        if sample is not None and sample.draws is not None and sample.draws < sample.scenarios:
            yield "sample.draws", str(sample.draws), f"at least sample.scenarios ({sample.scenarios})"
        total = sum(scenario.probability for scenario in self.scenarios)
        if total > 1 + 1e-9:
            yield "scenarios", f"probabilities that sum to {total:g}", "a sum of at most 1"
        elif (
            sample is not None
            and sample.quiet_probability != QUIET
            and (both := sample.quiet_probability + total) > 1 + 1e-9
        ):
            quiet = f"{sample.quiet_probability:g}"
            yield (
                "sample.quiet_probability",
                quiet,
                f"at most {1 - total:g}: quiet_probability {quiet} and the listed {total:g} add up to {both:g}, and the sample "
                "gets the rest of 1",
            )
        yield from self._doubly_overridden()
        yield from self._not_begun()
        years = range(self.horizon.first_year, self.horizon.first_year + self.horizon.years)
        for what, signing in (
            ("signing", self.instruments.signing_years),
            ("contract", self.instruments.contract_years),
        ):
            outside = sorted(set(signing or ()) - set(years))
            if outside:
                yield f"instruments.{what}_years", str(outside), f"years of the horizon, {years[0]}-{years[-1]}"

    def _not_begun(self) -> Iterator[tuple[str, str, str]]:
        """Events in force that begin after the plan does, or have one name."""
        names = [event.name for event in self.ongoing]
        end = self.horizon.first_year + self.horizon.period_months / MONTHS_PER_YEAR
        for n, event in enumerate(self.ongoing):
            if event.start_year >= end:
                expected = f"a date before the end of the first period ({end:g}); later events are scenarios"
                yield f"ongoing.{n}.start_year", f"{event.start_year:g}", expected
            if event.ended_year is not None and not event.start_year <= event.ended_year <= end:
                expected = f"a date from its start to the end of the first period ({end:g})"
                yield f"ongoing.{n}.ended_year", f"{event.ended_year:g}", expected
            if event.name in names[:n]:
                yield f"ongoing.{n}.name", f"'{event.name}'", "a unique name"

    def _doubly_overridden(self) -> Iterator[tuple[str, str, str]]:
        """Fields of one hazard that two overrides state differently."""
        stated: dict[tuple[str, str], tuple[int, Any]] = {}
        for n, override in enumerate(self.hazards):
            for name, value in override.model_dump(exclude={"hazard"}, exclude_none=True).items():
                first, known = stated.setdefault((override.hazard, name), (n, value))
                if known != value:
                    yield (
                        f"hazards.{n}.{name}",
                        f"{value:g}",
                        f"one value of {override.hazard}: hazards.{first} says {known:g}",
                    )

    def _misnamed(self) -> Iterator[tuple[str, str, str]]:
        """(place, found, expected) of names that occur twice, or that no scenario has."""
        names = [scenario.name for scenario in self.scenarios]
        for n, name in enumerate(names):
            if name in names[:n]:
                yield f"scenarios.{n}.name", f"'{name}'", "a unique name"
            if name == BASELINE_COURSE:
                yield (
                    f"scenarios.{n}.name",
                    f"'{name}'",
                    "another name: this is the name of the baseline course (before any disruption)",
                )
            if self.sample is not None and name.startswith("sample-"):
                yield (
                    f"scenarios.{n}.name",
                    f"'{name}'",
                    "another name: sampled scenarios are called sample-1, sample-2, ...",
                )
        for n, level in enumerate(self.service_levels):
            for name in level.scenarios:
                place = f"service_levels.{n}.scenarios"
                if name not in names:
                    yield place, f"'{name}'", f"a listed scenario{near_miss(name, names)}"
                elif not self.scenarios[names.index(name)].design_basis:
                    yield place, f"'{name}'", "a scenario with design_basis = true"

    def to_toml_like(self) -> dict[str, Any]:
        """The plan as plain JSON-ready data; `Plan.model_validate` takes it back."""
        return self.model_dump(mode="json", exclude_none=True)


NO_CHANCE = 1e-9
"""Probability that is none."""


def no_room_for_draws(plan: Plan) -> str:
    """Why a plan cannot be tried in new scenarios; empty if it can."""
    taken = sum(scenario.probability for scenario in plan.scenarios)
    if taken >= 1 - NO_CHANCE:
        return f"the listed scenarios have probability {taken:g}: it must be less than 1 to leave some for random scenarios"
    return ""
