"""Usual range of each column, and how its figures are commonly misstated: percentages, factors, months, days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

MONTHS, DAYS, DAYS_A_MONTH = 12.0, 365.25, 30.4375
"""Months of a year, days of a year, days of a month."""


@dataclass(frozen=True)
class Reading:
    """A figure converted to the notation of its column."""

    value: float
    as_if: str
    """How it was given, in words."""
    question: str
    """The question to the planner, with what to write if the answer is yes."""


Readings = Callable[[float], Iterator[Reading]]
"""Possible readings of a figure outside its range."""


@dataclass(frozen=True)
class Usual:
    """The usual range of a column, and how its figures are commonly misstated."""

    readings: Readings
    low: float
    high: float
    why: str = "the usual range of such figures"

    def read(self, value: float) -> list[Reading]:
        """Readings of a figure outside the range that bring it within; none for a figure within."""
        if value <= 0 or self.low <= value <= self.high:
            return []
        return [reading for reading in self.readings(value) if self.low <= reading.value <= self.high]


def _percent(value: float) -> Reading:
    question = f"is it a percentage? {value:g} % is written {value / 100:g}"
    return Reading(value / 100, "percent instead of a share", question)


def _once_more(value: float) -> Reading:
    question = f"was it divided by 100 once too often? {value * 1e4:.4g} % is written {value * 100:.4g}"
    return Reading(value * 100, "a share divided by 100 once too often", question)


def share(value: float) -> Iterator[Reading]:
    """Of 1: percentages, one plus the share, a share divided by 100 once more."""
    yield _percent(value)
    yield _once_more(value)
    if 1 < value < 2:
        question = f"is it 1 + the share? {100 * (value - 1):.4g} % is written {value - 1:.4g}"
        yield Reading(value - 1, "1 + the share instead of the share", question)


def rate(value: float) -> Iterator[Reading]:
    """Per year, of 1: the same, and a decimal point one place off."""
    yield from share(value)
    for right in (value * 10, value / 10):
        question = f"is the decimal point one place off? {100 * right:.4g} % is written {right:.4g}"
        yield Reading(right, "the decimal point were one place off", question)


def onsets(value: float) -> Iterator[Reading]:
    """A year: percentages, years from one to the next."""
    yield _percent(value)
    yield _once_more(value)
    question = f"is it the number of years between two events? Once in {value:g} years is written {1 / value:.3g}"
    yield Reading(1 / value, "years between events instead of events per year", question)


def multiple(value: float) -> Iterator[Reading]:
    """Of what was before: percentages, a change in percent, a multiple divided by 100."""
    question = f"is it a percentage? {value:g} % is written {value / 100:g}"
    yield Reading(value / 100, "percent instead of a multiple", question)
    if value > 1:
        question = f"is it a rise in percent? {value:g} % more is written {1 + value / 100:g}"
        yield Reading(1 + value / 100, "a rise in percent instead of a multiple", question)
    else:
        question = f"is it a rise? {100 * value:.4g} % more is written {1 + value:.4g}"
        yield Reading(1 + value, "a rise instead of a multiple", question)
    question = f"was it divided by 100 once too often? {value * 1e4:.4g} % is written {value * 100:.4g}"
    yield Reading(value * 100, "a multiple divided by 100 once too often", question)


def years(value: float) -> Iterator[Reading]:
    """Months, days."""
    for name, count in (("months", MONTHS), ("days", DAYS)):
        question = f"is it in {name}? {value:g} {name} are {value / count:.3g} years"
        yield Reading(value / count, f"{name} instead of years", question)


def months(value: float) -> Iterator[Reading]:
    """Years, days."""
    yield Reading(
        value * MONTHS,
        "years instead of months",
        f"is it in years? {value:g} years are {value * MONTHS:.3g} months",
    )
    other = value / DAYS_A_MONTH
    yield Reading(other, "days instead of months", f"is it in days? {value:g} days are {other:.3g} months")


def days(value: float) -> Iterator[Reading]:
    """Months, years."""
    for name, count in (("months", DAYS_A_MONTH), ("years", DAYS)):
        question = f"is it in {name}? {value:g} {name} are {value * count:.3g} days"
        yield Reading(value * count, f"{name} instead of days", question)


def percentage(value: float) -> Iterator[Reading]:
    """A share."""
    yield Reading(value * 100, "a share instead of percent", f"is it a share? {value:g} is {value * 100:.4g} percent")


HAZARD: dict[str, Usual] = {
    "rate_per_yr": Usual(onsets, 0.005, 2),
    "duration_yr": Usual(years, 0.05, 8),
    "cut_share": Usual(share, 0.05, 1),
    "price_multiplier": Usual(multiple, 1, 25),
    "flood_yr": Usual(years, 0.1, 4),
    "flood_multiplier": Usual(multiple, 0.05, 3),
    "third_country_cut_share": Usual(share, 0.01, 1),
    "element_share": Usual(share, 0.02, 1),
    "after_probability": Usual(share, 0.01, 1),
    "after_lag_yr": Usual(years, 0.02, 1.5),
}
"""Columns of `hazards`, and fields of a plan that stand in for them. The record has lengths of 0.3 to 6.9 years, cuts of 0.3 to 1,
prices of 1.1 to 22.5 times."""

TABLES: dict[str, dict[str, Usual]] = {
    "homes": {"discount_rate": Usual(rate, 0.002, 0.2)},
    "materials": {
        "haircut_share": Usual(share, 0.01, 0.6),
        "holding_share_per_yr": Usual(share, 0.002, 0.2),
        "decay_share_per_yr": Usual(share, 5e-4, 0.2),
        "resale_share": Usual(share, 0.05, 1),
        "salvage_share": Usual(share, 0.05, 1),
        "net_import_reliance_pct": Usual(percentage, 1, 100),
    },
    "activities": {
        "premium_share": Usual(share, 0.005, 0.95),
        "kappa": Usual(share, 0.03, 1),
        "term_yr": Usual(years, 1, 30),
        "restart_yr": Usual(years, 0.1, 8),
    },
    "tiers": {"share": Usual(share, 0.01, 1), "loss_multiplier": Usual(multiple, 0.05, 50)},
    "adaptation": {"multiplier": Usual(multiple, 0.02, 3)},
    "users_stock": {"level_months": Usual(months, 0.25, 24), "missing_share": Usual(share, 0.001, 1)},
    "commitments": {"share": Usual(share, 0.01, 1), "upside_share": Usual(share, 0.02, 1)},
    "hazard_evidence": {"exposure_yr": Usual(years, 0.02, 100)},
    "loss_functions": {"horizon_months": Usual(months, 1, 120)},
    "substitution": {"limit_share": Usual(share, 0.002, 1)},
    "price_states": {"factor": Usual(multiple, 0.1, 8), "probability": Usual(share, 0.005, 1)},
    "projects": {
        "financed_share": Usual(share, 0.01, 1),
        "premium_share": Usual(share, 0.005, 0.95),
        "kappa": Usual(share, 0.03, 1),
        "hurdle_rate": Usual(rate, 0.03, 0.4),
        "lead_yr": Usual(years, 0.2, 8),
        "life_yr": Usual(years, 4, 100),
        "restart_yr": Usual(years, 0.1, 8),
    },
    "ramps": {"ramp_share": Usual(share, 0.03, 1)},
    "packages": {
        "offtake_share": Usual(share, 0.03, 1),
        "offtake_fee_share": Usual(share, 0.001, 0.25),
        "upside_share": Usual(share, 0.02, 1),
        "floor_term_yr": Usual(years, 1, 30),
    },
    "instruments": {
        "score": Usual(share, 0.004, 1),
        "max_share_of_capex": Usual(share, 0.05, 1),
        "rate": Usual(rate, 0.003, 0.3),
        "tenor_yr": Usual(years, 1, 35),
        "grace_yr": Usual(years, 0.1, 10),
    },
    "offers": {
        "premium_share": Usual(share, 0.005, 0.95),
        "crisis_availability": Usual(share, 0.006, 1),
    },
    "hazards": {**HAZARD, "observed_yr": Usual(years, 1, 150), "no_loss_share": Usual(share, 0.01, 1)},
    "hazard_profiles": {"cut_share": Usual(share, 0.001, 1)},
    "hazard_prices": {"price_multiplier": Usual(multiple, 0.05, 100)},
    "minerals": {"net_import_reliance_pct": Usual(percentage, 1, 100), "price_cv": Usual(share, 0.01, 2)},
    "import_shares": {"import_share_pct": Usual(percentage, 1, 100)},
    "crisis_prices": {
        "multiplier": Usual(multiple, 0.05, 100),
        "months": Usual(months, 1, 60),
        "supply_lost_share": Usual(share, 0.02, 1),
    },
    "allied_reliability": {"kappa_uncontracted": Usual(share, 0.02, 1)},
    "policy_events": {"export_cut_share": Usual(share, 0.02, 1)},
    # a difference of two flows, which may be next to nothing, or several times the normal one the other way
    "observed_profiles": {"loss_share": Usual(share, 0.0005, 5)},
}
"""Table and column -> its range. Wider than the shipped figures of the column and than what they were estimated to lie within."""

WHOLE_SCORE = Usual(share, 0.03, 1)
"""Of what a grant and equity cost the budget; the least that a loan has by law is 0.005."""
EVENT: dict[str, Usual] = {
    "duration_years": HAZARD["duration_yr"],
    "cut_share": HAZARD["cut_share"],
    "third_country_cut_share": HAZARD["third_country_cut_share"],
    "price_multiplier": Usual(multiple, 0.05, 25),  # prices that fall in a cut are told elsewhere
    "flood_years": HAZARD["flood_yr"],
    "flood_multiplier": HAZARD["flood_multiplier"],
    "demand_multipliers": Usual(multiple, 0.05, 8),
}
PLAN: dict[str, Usual] = {
    "discount_rate": Usual(rate, 0.002, 0.2),
    "residual": Usual(share, 0.02, 1),
    "users_convenience_share": Usual(share, 0.002, 0.3),
    "horizon.tail_years": Usual(years, 1, 15),
    "budget.carry_over_share": Usual(share, 0.02, 1),
    "instruments.price_floors.term_years": Usual(years, 1, 30),
    "instruments.price_floors.upside_share": Usual(share, 0.02, 1),
    "instruments.price_floors.take_share": Usual(share, 0.02, 1),
    "risk.alpha": Usual(share, 0.02, 1),
    "risk.cvar_weight": Usual(share, 0.001, 20),
    "objective.cvar_share": Usual(share, 0.01, 1),
    "together.members.money_share": Usual(share, 0.01, 1),
    "owners.price_risk_premium": Usual(rate, 0.001, 0.12),
    "owners.risk_charge": Usual(share, 0.005, 5),
    "objective.stage_slack": Usual(share, 0, 0.5),
    "sample.quiet_probability": Usual(share, 0.001, 1),
    "service_levels.level": Usual(share, 0.05, 1),
    "tight_cut_share": Usual(share, 0.001, 0.5),
    "controls.probability": Usual(share, 0.005, 1),
    "diversification.share": Usual(share, 0.02, 1),
    "days_of_cover.days": Usual(days, 7, 1500),
    "controls.cut_share": Usual(share, 0.02, 1),
    "controls.feed_cut_share": Usual(share, 0.02, 1),
    "controls.price_multiplier": HAZARD["price_multiplier"],
    "scenarios.probability": Usual(share, 0.002, 1),
    **{f"scenarios.events.{name}": usual for name, usual in EVENT.items()},
    **{f"hazards.{name}": usual for name, usual in HAZARD.items()},
    **{f"ongoing.{name}": usual for name, usual in EVENT.items()},
    "ongoing.remaining_years": Usual(years, 0.02, 15),
    "stock_rules.from_lost_share": Usual(share, 0.005, 1),
    "stock_rules.resale_share": Usual(share, 0.05, 1),
    "stock_rules.refill_within_years": Usual(years, 0.25, 15),
    "stock_rules.refill_share": Usual(share, 0.05, 1),
}
"""Field of a plan, the numbers of list entries left out -> its range."""
