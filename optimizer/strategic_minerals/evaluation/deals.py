"""Agreements that were signed, replayed: gap, cost and liability on the facts of their day, beside what was signed; and what must
be believed for the floor to have been the cheapest way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..checks.consistency import require
from ..core.errors import Fault, InputError
from ..core.units import MUSD_PER_T
from ..data.dataset import Dataset
from ..data.deflation import restating
from ..data.names import Names
from ..instance.build import build_instance
from ..instance.producer_economics import worth
from ..results.study import StudyResult
from ..scenarios.events import longest_event, sampled
from ..scenarios.pricing import PricingSample, pricing_sample
from ..schemas.plan import Plan
from ..schemas.plan_sections import HazardOverride
from .deal_terms import deal_of, instruments_by_kind, signed_capital, term
from .deal_value import Deal, DealFigures, deal_figures
from .deal_words import capital_words, floor_words

MULTIPLES = (1.25, 1.6, 2.0, 3.0, 5.0)
"""Multiples and fractions of today's belief at which another sign is looked for, nearest first."""
PREMIUMS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
HIGHEST = 2.0
"""Multiple of a signed level up to which one is looked for that closes the gap."""
CLOSE = 0.01
"""Relative accuracy of a belief."""

FLOORS = [
    "agreement",
    "producers",
    "signed_year",
    "price_set",
    "material",
    "price_usd_per_kg",
    "floor_usd_per_kg",
    "term_yr",
    "upside_share",
    "firm_t_per_yr",
    "capex_musd",
    "hurdle_rate",
    "hurdle_rate_expected",
    "hurdle_rate_with_floor",
    "gap_without_musd",
    "gap_with_musd",
    "expected_cost_musd",
    "closing_level_usd_per_kg",
    "closing_cost_musd",
    "signed_fair_value_musd",
    "liability_musd",
    "downside_moved_musd",
    "advantage_musd",
    "cheapest",
    "risk_charge_at_switch",
    "owner_risk_price",
    "hazard_multiple_at_switch",
    "price_multiple_at_switch",
    "premium_at_switch",
    "output_kept_without_share",
    "output_kept_with_share",
    "cost_of_output_kept_usd_per_kg",
]
CAPITAL_COLUMNS = [
    "agreement",
    "producers",
    "price_set",
    "capex_musd",
    "gap_musd",
    "signed_loans_musd",
    "signed_grants_musd",
    "signed_equity_musd",
    "worth_to_owner_musd",
    "of_gap_share",
    "of_capex_share",
]


@dataclass(frozen=True)
class Deals(StudyResult):
    """Signed agreements beside what the plan's facts say of them."""

    floors: pd.DataFrame
    """A row an agreement with a price floor. gap_*: grant that the owner's plants would need, without the floor and with it.
    expected_cost_musd: the floor over its term, discounted. closing_*: the lowest floor with the same terms that closes the gap.
    advantage_musd: how much less the floor costs than a grant alone; cheapest: whether it is a cheaper way that its owner takes.
    *_at_switch: value from which on that is otherwise, all else as it is; empty where none was found.
    cost_of_output_kept_usd_per_kg: expected cost for each kg that would else not be made."""
    capital: pd.DataFrame
    """A row an agreement that brought capital: financing gap and what was signed."""
    terms: pd.DataFrame
    """Every term as signed."""
    left_out: tuple[str, ...]
    """Agreements that could not be replayed, with why."""
    premium: float
    risk_charge: float
    beliefs: bool
    """Whether the values at which a floor starts or stops to pay were looked for."""
    hazards: bool
    """Whether the plan draws hazards, so that how often they strike is a belief too."""
    names: Names

    kind: ClassVar[str] = "deals"
    titles: ClassVar[Mapping[str, str]] = {"floors": "Price floors", "capital": "Capital", "terms": "As signed"}

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """floors, capital, terms."""
        return {"floors": self.floors, "capital": self.capital, "terms": self.terms}

    @property
    def facts(self) -> Mapping[str, Any]:
        """price_risk_premium and risk_charge of the plan; beliefs; left_out."""
        return {
            "price_risk_premium": self.premium,
            "risk_charge": self.risk_charge,
            "beliefs": self.beliefs,
            "left_out": list(self.left_out),
        }

    def _steadfast(self) -> str:
        """What was tried where no belief turns a verdict; empty where none was."""
        if not self.beliefs:
            return ""
        tried = "hazards or prices" if self.hazards else "prices"
        return (
            f" No {tried} from {1 / MULTIPLES[-1]:g} to {MULTIPLES[-1]:g} times today's, and no premium up to "
            f"{PREMIUMS[-1]:.0%}, change that."
        )

    def summary(self) -> str:
        """The tables as text."""
        lines = [
            "Signed agreements on the prices of their day; hazards, calendar and capital costs are those of the plan and tables.",
            f"Price risk counts {self.premium:.1%} in the owners' hurdle rates; the government is charged {self.risk_charge:g} USD "
            "for each USD of downside that it takes over.",
            "Offtake, guaranteed earnings and capital in other money are listed as signed (table terms) and not valued.",
        ]
        for row in self.floors.to_dict("records"):
            lines += ["", *floor_words(row, self.names, self._steadfast())]
        if len(self.capital):
            lines += ["", "Capital:"]
        lines += [capital_words(row, self.names) for row in self.capital.to_dict("records")]
        return "\n".join([*lines, *([""] if self.left_out else []), *(f"Left out: {text}" for text in self.left_out)])


def deals(
    plan: Plan, data: Dataset, *, on_progress: Callable[[int, int], None] | None = None, beliefs: bool = True
) -> Deals:
    """Replay the signed agreements of the fact tables: what each was worth to its owner, and what it costs.

    Owners look at scenarios, drawn as the plan's section `owners` says. on_progress: called with agreements done, and in all.
    beliefs: also look for the hazards, prices and premiums at which the floor stops or starts being the cheapest way.

    Raises PlanError and InputError with all faults, InputError where the tables name no agreement.
    """
    require(plan, data)
    terms: dict[str, dict[str, Any]] = {}
    for row in data.rows("support_agreements"):
        terms.setdefault(row.agreement, {})[row.term] = row
    made: dict[str, list[Any]] = {}
    for row in data.rows("supported_producers"):
        made.setdefault(row.agreement, []).append(row)
    if not made:
        expected = "rows of supported_producers.csv: which producers an agreement of support_agreements.csv is about"
        raise InputError([Fault("supported_producers.csv", "", "", "no row", expected)])
    floors, capital, left_out = [], [], []
    tell = on_progress or (lambda done, of: None)
    for n, (agreement, producers) in enumerate(made.items()):
        found = _replayed(plan, data, agreement, terms.get(agreement, {}), producers, beliefs)
        tell(n + 1, len(made))
        if isinstance(found, str):
            left_out.append(f"{agreement}: {found}")
            continue
        floors += [found.floor] if found.floor is not None else []
        capital += found.capital
    about = [*made]
    told = [row for row in data.rows("support_agreements") if row.agreement in about]
    left_out += [f"{name}: no producer of the tables is named for it" for name in terms if name not in about]
    return Deals(
        pd.DataFrame(floors, columns=FLOORS),
        pd.DataFrame(capital, columns=CAPITAL_COLUMNS),
        pd.DataFrame(
            [(row.agreement, row.term, row.value, row.unit) for row in told],
            columns=["agreement", "term", "value", "unit"],
        ),
        tuple(left_out),
        plan.owners.price_risk_premium,
        plan.owners.risk_charge,
        beliefs,
        bool(sampled(plan, data)),
        Names.of(data),
    )


@dataclass(frozen=True)
class _Replay:
    floor: dict[str, Any] | None
    capital: list[dict[str, Any]]


def _replayed(
    plan: Plan, data: Dataset, agreement: str, terms: Mapping[str, Any], rows: Sequence[Any], beliefs: bool
) -> _Replay | str:
    """One agreement; why not, where it cannot be replayed."""
    asked = plan.model_copy(
        update={
            "price_set": rows[0].price_set,
            "controls": (),  # those of today were not in force
            "owners": plan.owners.model_copy(update={"expectation": "scenarios"}),
        }
    )
    if not any(row.price_set == asked.price_set for row in data.rows("prices")):
        return f"there is no price set {asked.price_set}"
    require(asked, data)
    instance = build_instance(asked, data, longest_event(asked, data))
    unknown = [row.producer for row in rows if row.producer not in instance.producers]
    if unknown:
        return f"{', '.join(unknown)} is not in the plan"
    deal = deal_of(asked, data, instance, terms, rows)
    if isinstance(deal, str):
        return deal
    pricing = _expected(deal, data)
    premium = plan.owners.price_risk_premium
    figures = deal_figures(deal, pricing, premium)
    floor = None
    if deal.floors:
        found = _beliefs(deal, data, pricing, figures) if beliefs else {}
        floor = _floor_row(agreement, deal, data, terms, rows, figures, _closing_level(deal, pricing, figures)) | found
    capital = _capital(agreement, deal, data, terms, rows, pricing)
    if floor is None and not capital:
        return "it has no price floor, and no capital in million USD for a plant to be built"
    return _Replay(floor, capital)


def _expected(deal: Deal, data: Dataset) -> PricingSample:
    pricing = pricing_sample(deal.instance, data)
    assert pricing is not None  # asked for by `_replayed`
    return pricing


def _floor_row(
    agreement: str,
    deal: Deal,
    data: Dataset,
    terms: Mapping[str, Any],
    rows: Sequence[Any],
    found: DealFigures,
    closing: tuple[float, float],
) -> dict[str, Any]:
    n, charge = deal.instance, deal.instance.plan.owners.risk_charge
    floor = next(iter(deal.floors.values()))
    free, kept = found.advantage(0.0), (found.kept_with - found.kept_without) * found.full_output
    return {
        "agreement": agreement,
        "producers": " ".join(n.producers[j] for j in deal.producers),
        "signed_year": rows[0].signed_year,
        "price_set": n.plan.price_set,
        "material": n.materials[floor.material],
        "price_usd_per_kg": float(n.price[floor.material, 0] / MUSD_PER_T),
        "floor_usd_per_kg": floor.level / MUSD_PER_T,
        "term_yr": floor.term * n.calendar.step,
        "upside_share": floor.upside,
        "firm_t_per_yr": floor.take / n.calendar.step if math.isfinite(floor.take) else math.nan,
        "capex_musd": sum(project.capex for project in deal.projects.values()),
        "hurdle_rate": deal.hurdle,
        "hurdle_rate_expected": found.expected_rate,
        "hurdle_rate_with_floor": found.rate,
        "gap_without_musd": found.gap_without,
        "gap_with_musd": found.gap_with,
        "expected_cost_musd": found.paid,
        "closing_level_usd_per_kg": closing[0] / MUSD_PER_T,
        "closing_cost_musd": closing[1],
        "signed_fair_value_musd": restating(n.plan, data, rows[0].signed_year)
        * term(terms, "fair_value_at_signing", math.nan),
        "liability_musd": found.liability,
        "downside_moved_musd": found.transferred,
        "advantage_musd": found.advantage(charge),
        "cheapest": found.cheapest(charge),
        "risk_charge_at_switch": free / found.transferred if free > 0 and found.transferred > 0 else math.nan,
        "owner_risk_price": found.risk_price,
        "output_kept_without_share": found.kept_without,
        "output_kept_with_share": found.kept_with,
        "cost_of_output_kept_usd_per_kg": found.paid / kept / MUSD_PER_T if kept > 0 else math.nan,
    }


def _closing_level(deal: Deal, pricing: PricingSample, now: DealFigures) -> tuple[float, float]:
    """(level, expected cost) of the lowest floor with these terms that closes the gap; NaN where there is none to close, or no
    level up to twice the signed one does."""
    if now.gap_without <= 0:
        return math.nan, math.nan
    premium, signed = deal.instance.plan.owners.price_risk_premium, next(iter(deal.floors.values())).level

    def at(level: float) -> DealFigures:
        floors = {j: replace(floor, level=level) for j, floor in deal.floors.items()}
        return deal_figures(replace(deal, floors=floors), pricing, premium)

    low, high = 0.0, HIGHEST * signed
    if at(high).gap_with > 0:
        return math.nan, math.nan
    while high - low > CLOSE / 10 * signed:
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle).gap_with <= 0 else (middle, high)
    return high, at(high).paid


def _beliefs(deal: Deal, data: Dataset, pricing: PricingSample, now: DealFigures) -> dict[str, float]:
    """Where the advantage of the floor changes sign: by how often hazards strike, by prices of the chain, by the premium."""
    n, owners = deal.instance, deal.instance.plan.owners
    premium, charge = owners.price_risk_premium, owners.risk_charge
    chain = np.isin(n.component, n.component[[floor.material for floor in deal.floors.values()]])

    def with_premium(value: float) -> bool:
        return deal_figures(deal, pricing, value).cheapest(charge)

    def with_hazards(multiple: float) -> bool:
        more = tuple(
            HazardOverride(hazard=row.hazard, rate_per_yr=row.rate_per_yr * multiple) for row in sampled(n.plan, data)
        )
        plan = n.plan.model_copy(update={"hazards": (*n.plan.hazards, *more)})
        drawn = pricing_sample(replace(n, plan=plan), data)
        assert drawn is not None
        return deal_figures(deal, PricingSample(drawn.scenarios, pricing.reference), premium).cheapest(charge)

    def with_prices(multiple: float) -> bool:
        factor = np.where(chain, multiple, 1.0)
        other = replace(deal, instance=replace(n, price=n.price * factor[:, None], base_price=n.base_price * factor))
        return deal_figures(other, _expected(other, data), premium).cheapest(charge)

    cheapest = now.cheapest(charge)
    around = [value for multiple in MULTIPLES for value in (multiple, 1 / multiple)]
    return {
        "hazard_multiple_at_switch": switch_point(with_hazards, 1.0, cheapest, around)
        if sampled(n.plan, data)
        else math.nan,
        "price_multiple_at_switch": switch_point(with_prices, 1.0, cheapest, around),
        "premium_at_switch": switch_point(with_premium, premium, cheapest, [0.0, *PREMIUMS]),
    }


def switch_point(cheapest: Callable[[float], bool], now: float, at_now: bool, tried: Sequence[float]) -> float:
    """The value nearest to today's, among intervals between values tried, from which on the floor is or is not the cheapest way;
    NaN for none."""
    best = math.nan
    for side in (sorted(v for v in tried if v > now), sorted((v for v in tried if v < now), reverse=True)):
        inside = now
        for outside in side:
            if cheapest(outside) != at_now:
                found = _between(cheapest, inside, outside, at_now)
                if math.isnan(best) or abs(found - now) < abs(best - now):
                    best = found
                break
            inside = outside
    return best


def _between(cheapest: Callable[[float], bool], inside: float, outside: float, at_now: bool) -> float:
    while abs(outside - inside) > CLOSE * max(abs(inside), abs(outside)):
        middle = (inside + outside) / 2
        if cheapest(middle) == at_now:
            inside = middle
        else:
            outside = middle
    return (inside + outside) / 2


def _capital(
    agreement: str,
    deal: Deal,
    data: Dataset,
    terms: Mapping[str, Any],
    rows: Sequence[Any],
    pricing: PricingSample,
) -> list[dict[str, Any]]:
    """The financing gap of the owner's plants without a floor, beside the capital that was signed."""
    factor = restating(deal.instance.plan, data, rows[0].signed_year)
    signed = {kind: factor * amount for kind, amount in signed_capital(terms).items()}
    if not deal.projects or not any(signed.values()):
        return []
    plain = deal_figures(replace(deal, floors={}), pricing, 0.0)
    capex = sum(project.capex for project in deal.projects.values())
    worth_of = {
        kind: worth(instrument, plain.expected_rate)
        for kind, instrument in instruments_by_kind(data).items()
        if kind in signed
    }
    value = sum(amount * worth_of.get(kind, math.nan) for kind, amount in signed.items() if amount > 0)
    total = sum(signed.values())
    return [
        {
            "agreement": agreement,
            "producers": " ".join(p.name for p in deal.projects.values()),
            "price_set": deal.instance.plan.price_set,
            "capex_musd": capex,
            "gap_musd": plain.gap_without,
            "signed_loans_musd": signed["loan"],
            "signed_grants_musd": signed["grant"],
            "signed_equity_musd": signed["equity"],
            "worth_to_owner_musd": value,
            "of_gap_share": value / plain.gap_without if plain.gap_without > 0 else math.nan,
            "of_capex_share": total / capex if capex > 0 else math.nan,
        }
    ]
