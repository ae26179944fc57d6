"""Agreements that were signed, replayed: gap, cost and liability on the facts of their day, beside what was signed.

What an agreement was worth to its owner and what its floor costs follow the formulation. An owner may have several
producers: a mine, a separation plant, a magnet plant yet to be built. Their margins add up; what is built already has no capital
cost. Money in million USD at signing, which is the first period of the horizon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..answer.study import Study
from ..core.errors import Fault, InputError
from ..core.frames import Bools, Floats
from ..core.runner import HERE, Runner
from ..core.stats import MUSD_PER_T, bracket
from ..core.verb import verb
from ..question.consistency import require
from ..question.dataset import Dataset, restated, restating
from ..question.names import Names
from ..question.plan import Plan
from ..world.build import build_instance
from ..world.events import ScenarioSet, longest_event
from ..world.instance import Floor, Instance, Project, build_instruments
from ..world.owners import (
    ROUNDING,
    ROUNDING_MUSD,
    downside,
    floor_payments,
    held,
    package_rate,
    then_trunk,
    unchanged_rate,
)
from ..world.producers import covered, own_prices, revenue_of, survival, survival_of, worth, yearly_rise
from ..world.scenarios import PricingSample, pricing_sample

CLOSE = 0.01
"""Ten times the accuracy of a rate, and how far two may differ and still agree."""

FLOORS = (
    "agreement producers signed_year price_set material price_usd_per_kg floor_usd_per_kg term_yr "
    "upside_share firm_t_per_yr capex_musd hurdle_rate hurdle_rate_expected hurdle_rate_with_floor "
    "gap_without_musd gap_with_musd expected_cost_musd "
    "signed_fair_value_musd liability_musd downside_moved_musd advantage_musd cheapest "
).split()
RATES = "agreement producers signed_year price_set decided capex_musd signed_musd hurdle_rate implied_rate fits".split()
EXPLAINED = 2.0
"""Ratio of the floor's cost to what its owner booked up to which the two agree."""
HIGHEST_RATE = 1.0
"""Return up to which an agreement's is looked for, per year."""
SLACK = 1e-6
"""Of capital cost: what an owner may lose by a package and still take it."""
CAPITAL = {"debt": "loan", "loan": "loan", "grant": "grant", "equity": "equity"}
"""Last word of a term -> kind of capital."""
TITLES = {"floors": "Price floors", "rates": "Rates of return", "terms": "As signed"}


@verb
def deals(plan: Plan, data: Dataset, *, run: Runner = HERE) -> Study:
    """Replay signed support agreements: gap, cost and liability on the facts of their day, beside what was signed.

    Owners look at scenarios, drawn as the plan's section `owners` says. Tables:
    floors: a row an agreement with a price floor. gap_*: grant that the owner's plants would need, without the floor and with it.
    expected_cost_musd: the floor over its term, discounted. advantage_musd: how much less the floor costs than a grant alone;
    cheapest: whether it is a cheaper way that its owner takes.
    rates: a row an agreement with plants to be built: decided, whether their owner builds them (`committed`); implied_rate, at
    which he would just do so, floors in force and signed_musd of capital counted; hurdle_rate of the tables; fits (yes, no):
    who builds asks for no more, who has not decided for no less. Empty where the plants lose money at any rate;
    terms: every term as signed.
    Facts: price_risk_premium and risk_charge of the plan; left_out (agreements that could not be replayed, with why).

    Raises PlanError and InputError with all faults, InputError where the tables name no agreement."""
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
    floors, rates, left_out = [], [], []
    asked = [(agreement, terms.get(agreement, {}), producers) for agreement, producers in made.items()]
    replays = run.each("agreements", partial(_replayed, plan, data), asked)
    for agreement, found in zip(made, replays, strict=True):
        if isinstance(found, str):
            left_out.append(f"{agreement}: {found}")
        else:
            floors += found[0]
            rates += found[1]
    agreed = [row for row in data.rows("support_agreements") if row.agreement in made]
    left_out += [f"{name}: no producer of the tables is named for it" for name in terms if name not in made]
    columns = ["agreement", "term", "value", "unit"]
    tables = {
        "floors": pd.DataFrame(floors, columns=FLOORS),
        "rates": pd.DataFrame(rates, columns=RATES),
        "terms": pd.DataFrame([[getattr(row, name) for name in columns] for row in agreed], columns=columns),
    }
    facts = {name: getattr(plan.owners, name) for name in ("price_risk_premium", "risk_charge")} | {
        "left_out": left_out
    }
    return Study("deals", tables, _words(tables, facts, Names.of(data)), facts, TITLES)


def _replayed(
    plan: Plan, data: Dataset, asked: tuple[str, Mapping[str, Any], Sequence[Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]] | str:
    """Rows on the floor and the rate of an agreement, of which each may be missing; why not, where it is not replayed.
    It travels to other processes. asked: the agreement, its terms and its producers."""
    agreement, terms, rows = asked
    then = plan.model_copy(
        update={
            "price_set": rows[0].price_set,
            "controls": (),  # those of today were not in force
            "owners": plan.owners.model_copy(update={"expectation": "scenarios"}),
        }
    )
    if not any(row.price_set == then.price_set for row in data.rows("prices")):
        return f"there is no price set {then.price_set}"
    require(then, data)
    instance = build_instance(then, data, longest_event(then, data))
    unknown = [row.producer for row in rows if row.producer not in instance.producers]
    if unknown:
        return f"not in the plan: {', '.join(unknown)}"
    year = rows[0].signed_year
    try:
        factor = restating(then, data, year)
    except KeyError as e:
        return f"deflators.csv has no row of {e}"
    deal = deal_of(then, data, instance, terms, rows, factor)
    if isinstance(deal, str):
        return deal
    pricing = _pricing(deal, data)
    capex = sum(project.capex for project in deal.projects.values())
    common = {"agreement": agreement, "price_set": then.price_set, "capex_musd": capex}
    floors = []
    if deal.floors:
        figures = deal_figures(deal, pricing, plan.owners.price_risk_premium)
        floors.append(
            {
                **common,
                **_floor_cells(deal, figures),
                "signed_year": year,
                "signed_fair_value_musd": factor * term(terms, "fair_value_at_signing", math.nan),
            }
        )
    signed = {kind: factor * amount for kind, amount in signed_capital(terms).items()}
    if not floors and not (deal.projects and any(signed.values())):
        return "it has no price floor, and no capital in million USD for a plant to be built"
    return floors, [_rate_cells(deal, instance, data, signed, pricing, common, year)] if deal.projects else []


def _rate_cells(
    deal: Deal,
    instance: Instance,
    data: Dataset,
    signed: Mapping[str, float],
    pricing: PricingSample,
    common: Mapping[str, Any],
    year: int,
) -> dict[str, Any]:
    """Cells of `RATES`. What runs already earns nothing on the plants to be built."""
    built = replace(_with_agreed(deal, instance), producers=tuple(deal.projects))
    decided = all(p.committed for p in instance.projects if p.producer in deal.projects)
    rate = implied_rate(built, data, signed, pricing)
    holds = deal.hurdle <= rate + CLOSE if decided else deal.hurdle >= rate - CLOSE
    fits = "" if math.isnan(rate) else "yes" if holds else "no"
    named = {"producers": " ".join(instance.producers[j] for j in built.producers), "signed_year": year}
    named |= {"signed_musd": sum(signed.values())}
    return {**common, **named, "decided": decided, "hurdle_rate": deal.hurdle, "implied_rate": rate, "fits": fits}


def _with_agreed(deal: Deal, instance: Instance) -> Deal:
    """The deal with the floors that the tables have in force for its producers beside those of its terms, from first output on: one
    that is lower each year, as it is fixed in money, at its mean."""
    agreed = {}
    for j in deal.producers:
        if floors := instance.in_force[j]:
            term = sum(floor.term for floor in floors)
            level = sum(floor.level * floor.term for floor in floors) / term
            agreed[j] = replace(floors[0], level=level, begin=None, term=term)
    return replace(deal, floors={**agreed, **deal.floors})


def implied_rate(deal: Deal, data: Dataset, signed: Mapping[str, float], pricing: PricingSample) -> float:
    """The return at which an agreement would just have been signed: expected margins with its floors, and capital by what it is
    worth to an owner at that rate, cover capital cost.

    sum_t (margin[t] - capital[t]) (1+r)^(-D t) + sum_k amount[k] worth[k](r) = 0       [million USD], the largest such r
    """
    n, capital = deal.instance, _capital(deal)
    kinds = {made.kind: made for made in reversed(build_instruments(data).values())}
    margins = _expected(pricing.scenarios, n.state_probability, _margins(deal, pricing.scenarios, (True, True)))

    def short(rate: float) -> bool:
        flows = float((margins - capital) @ (1 + rate) ** (-n.calendar.step * np.arange(deal.periods)))
        brought = sum(amount * worth(kinds[kind], rate) for kind, amount in signed.items() if kind in kinds)
        return flows + brought < 0

    if short(0.0):
        return math.nan
    if not short(HIGHEST_RATE):
        return HIGHEST_RATE
    low, high = bracket(short, 0.0, HIGHEST_RATE, narrow=lambda a, b: b - a <= CLOSE / 10)
    return (low + high) / 2


def _pricing(deal: Deal, data: Dataset) -> PricingSample:
    pricing = pricing_sample(deal.instance, data)
    assert pricing is not None  # asked for by `_replayed`
    return pricing


def _floor_cells(deal: Deal, found: DealFigures) -> dict[str, Any]:
    """Cells of `FLOORS` that follow from the deal and its figures."""
    n, charge = deal.instance, deal.instance.plan.owners.risk_charge
    floor, firm = next(iter(deal.floors.values())), math.fsum(one.take for one in deal.floors.values())
    return {
        **vars(found),
        "producers": " ".join(n.producers[j] for j in deal.producers),
        "material": n.materials[floor.material],
        "price_usd_per_kg": float(n.price[floor.material, 0] / MUSD_PER_T),
        "floor_usd_per_kg": floor.level / MUSD_PER_T,
        "term_yr": floor.term * n.calendar.step,
        "upside_share": floor.upside,
        "firm_t_per_yr": firm / n.calendar.step if math.isfinite(firm) else math.nan,
        "hurdle_rate": deal.hurdle,
        "advantage_musd": found.advantage(charge),
        "cheapest": found.cheapest(charge),
    }


def deal_of(
    plan: Plan, data: Dataset, instance: Instance, terms: Mapping[str, Any], rows: Sequence[Any], factor: float
) -> Deal | str:
    """The agreement's owner before anything was agreed, and its floor. factor: from money of the signed year to the plan's."""
    capex = {row.project: row.capex_musd for row in restated(plan, data).rows("projects")}
    at = {name: j for j, name in enumerate(instance.producers)}
    mine = tuple(at[row.producer] for row in rows)
    projects: dict[int, Project] = {
        p.producer: replace(p, capex=capex[p.name], committed=False) for p in instance.projects if p.producer in mine
    }
    bare = replace(instance, in_force=tuple(() if j in mine else floors for j, floors in enumerate(instance.in_force)))
    floored: dict[int, int] = {}
    for j, name in ((at[row.producer], row.floor_material) for row in rows if row.floor_material):
        if name not in instance.materials or instance.yields[j, instance.materials.index(name)] <= 0:
            return f"{instance.producers[j]} makes no {name} in the plan"
        floored[j] = instance.materials.index(name)
    floors: dict[int, Floor] = {}
    if "floor_price" in terms:
        size = {j: float(instance.capacity[j, 0] * instance.yields[j, i]) for j, i in floored.items()}
        total = sum(size.values())
        for j, i in floored.items():
            share = size[j] / total if total > 0 else 1.0
            floors[j] = _floor(instance, terms, rows[0].signed_year, i, share, factor, yearly_rise(data))
    made = list(floored.values())  # rates of those who make it stand for an owner who builds nothing
    makers = [p for p in instance.projects if (instance.yields[p.producer, made] > 0).any()]
    hurdles = [p.hurdle for p in (projects.values() or makers)]
    return Deal(bare, mine, projects, floors, max(hurdles, default=plan.discount_rate))


def _floor(
    instance: Instance, terms: Mapping[str, Any], year: int, i: int, share: float, factor: float, rise: float
) -> Floor:
    """The floor as signed, in the plan's money: fixed in money of its year, at its mean worth over the term while prices rise; one
    with a threshold for the upside above the floor is taken without upside."""
    calendar = instance.calendar
    years = term(terms, "duration", term(terms, "end_year", math.nan) - year)
    firm = term(terms, "firm_quantity", math.inf)
    upside = 0.0 if "upside_threshold" in terms else term(terms, "upside_share", 0.0)
    lasting = calendar.periods if math.isnan(years) else calendar.lasting(years)
    worth = float(np.mean((1 + rise) ** -(np.arange(lasting) // calendar.per_year).astype(float)))
    level = term(terms, "floor_price", math.nan) * MUSD_PER_T * factor * worth
    return Floor(i, level, upside, "contract", lasting, take=firm * calendar.step * share)


def term(terms: Mapping[str, Any], name: str, missing: float) -> float:
    return float(terms[name].value) if name in terms else missing


def signed_capital(terms: Mapping[str, Any]) -> dict[str, float]:
    """Million USD signed by kind of capital; amounts in other money are left out."""
    signed = dict.fromkeys(("loan", "grant", "equity"), 0.0)
    for name, row in terms.items():
        kind = CAPITAL.get(name.rpartition("_")[2])
        if kind is not None and row.unit == "million USD":
            signed[kind] += row.value
    return signed


@dataclass(frozen=True)
class Deal:
    """An owner's producers, and the floors that an agreement gives them."""

    instance: Instance
    """In tonnes; nothing agreed yet: no floor in force, capital cost not spent."""
    producers: tuple[int, ...]
    projects: Mapping[int, Project]
    """Those of them that are not built yet."""
    floors: Mapping[int, Floor]
    """By producer whose output gets one."""
    hurdle: float
    """h0 of the owner."""

    @property
    def periods(self) -> int:
        """Periods that the owner looks ahead: the horizon, the term of a floor, the life of the last plant."""
        ends = [self.start(j) + floor.term for j, floor in self.floors.items()]
        lives = [project.lead + project.life for project in self.projects.values()]
        return max([self.instance.calendar.periods, *ends, *lives])

    def start(self, producer: int) -> int:
        """Period of first output, were it signed in the first one."""
        project = self.projects.get(producer)
        return 0 if project is None else project.lead


@dataclass(frozen=True)
class DealFigures:
    """An agreement's floor beside a grant for the same plant; fields are columns of `FLOORS`."""

    hurdle_rate_expected: float
    hurdle_rate_with_floor: float
    """Hurdle rate of expected flows without the floor, and with it."""
    gap_without_musd: float
    gap_with_musd: float
    """Grant that makes the owner's plants pay, without the floor and with it."""
    expected_cost_musd: float
    """Expected payments of the floor over its term, discounted, less receipts of an upside share."""
    liability_musd: float
    """Most that it may cost in a year, at the plan's liability quantile."""
    downside_moved_musd: float
    """Downside moved from the owner to the government."""
    accepted: bool
    """Whether the owner takes the floor, and it would not earn money."""

    def advantage(self, risk_charge: float) -> float:
        """Cost of a grant alone less that of the floor, at a charge for the risk moved."""
        gain = self.gap_without_musd - self.gap_with_musd - self.expected_cost_musd
        return gain - risk_charge * self.downside_moved_musd

    def cheapest(self, risk_charge: float) -> bool:
        """Whether the floor is a way to have the plants at all, and a cheaper one than a grant alone."""
        return self.accepted and self.advantage(risk_charge) > 0


def deal_figures(deal: Deal, pricing: PricingSample, premium: float) -> DealFigures:
    """Rates, gaps and costs of an agreement; premium: the part of the hurdle rate that pays for price risk."""
    n, states = deal.instance, deal.instance.state_probability
    capital, end = _capital(deal), deal.periods
    usual = _expected(pricing.reference, states, _margins(deal, pricing.reference, (False, False)))
    quiet = _quiet_margins(deal)

    def worth(flows: Floats, rate: float) -> Floats:
        return np.asarray((flows - capital) @ (1 + rate) ** (-n.calendar.step * np.arange(end)))

    value = float(worth(quiet, deal.hurdle))
    usual_rate = unchanged_rate(
        lambda rate: float(worth(usual, rate)) - value, deal.hurdle, float(capital.sum()) + abs(value)
    )
    scenarios = pricing.scenarios
    chance = states[:, None] * scenarios.probability
    alone, bare, sold = (_margins(deal, scenarios, kept) for kept in ((False, False), (True, False), (True, True)))
    left, before = downside(chance, worth(sold, usual_rate), worth(bare, usual_rate))
    risky = before > ROUNDING * (float(capital.sum()) + float((chance * np.abs(worth(bare, 0.0))).sum()))
    rate = package_rate(usual_rate, premium, left, before) if risky else usual_rate
    moved = max(0.0, before - left) if risky else 0.0
    floored, unsupported = (_expected(scenarios, states, margins) for margins in (sold, alone))
    paid, liability = _floor_money(deal, scenarios)
    room = SLACK * float(capital.sum())
    better_without = float(worth(unsupported, rate)) > max(0.0, float(worth(floored, rate))) + room
    return DealFigures(
        usual_rate,
        rate,
        max(0.0, -float(worth(unsupported, usual_rate))),
        max(0.0, -float(worth(floored, rate))),
        paid,
        liability,
        moved,
        paid >= -ROUNDING_MUSD and not better_without,
    )


def _capital(deal: Deal) -> Floats:
    """(n,) capital cost of what is not built yet, in equal parts until first output."""
    spent = np.zeros(deal.periods)
    for project in deal.projects.values():
        spent[: project.lead] += project.capex / project.lead
    return spent


def _full_output(deal: Deal, j: int) -> Floats:
    """(n,) capacity of a producer, a new plant's by its ramp."""
    n, project = deal.periods, deal.projects.get(j)
    if project is None:
        return held(deal.instance.capacity[j], n)[:n]
    ramp = np.zeros(n)
    ramp[project.lead : project.lead + project.life] = project.ramp
    return np.asarray(deal.instance.capacity[j, 0] * ramp)


def _prices(deal: Deal, j: int, scenarios: ScenarioSet) -> dict[int, Floats]:
    """(S, n) prices of a producer's materials, the trunk's again after the horizon."""
    trunk = own_prices(deal.instance, j, deal.instance.price)
    own = own_prices(deal.instance, j, scenarios.price, scenarios.market_gap)
    return {i: then_trunk(path, trunk[i], deal.periods) for i, path in own.items()}


def _alive(deal: Deal, j: int, scenarios: ScenarioSet, kept: bool) -> Bools:
    """(S, n) whether a producer is open; kept: its floor counts."""
    return survival_of(deal.instance, j, _prices(deal, j, scenarios), _floors(deal, j, kept), deal.start(j))


def _floors(deal: Deal, j: int, counted: bool) -> tuple[Floor, ...]:
    return (deal.floors[j],) if counted and j in deal.floors else ()


def _margins(deal: Deal, scenarios: ScenarioSet, floors: tuple[bool, bool]) -> Floats:
    """(W, S, n) margins of all producers together. floors: whether they keep plants open, and whether they are paid."""
    n = deal.instance
    total = np.zeros((len(n.state_factor), len(scenarios.names), deal.periods))
    for j in deal.producers:
        calm = own_prices(n, j, n.price)
        paid = {
            i: n.state_factor[:, None, None] * np.minimum(path, held(calm[i], deal.periods))
            for i, path in _prices(deal, j, scenarios).items()
        }
        earned = revenue_of(n, j, paid, _floors(deal, j, floors[1]), deal.start(j))
        available = then_trunk(scenarios.availability[:, j], n.availability[j], deal.periods)
        total += _full_output(deal, j) * available * _alive(deal, j, scenarios, floors[0]) * (earned - n.cash[j])
    return total


def _quiet_margins(deal: Deal) -> Floats:
    """(n,) margins on the baseline course, all plants open, over price states."""
    n, total = deal.instance, np.zeros(deal.periods)
    for j in deal.producers:
        calm = {i: held(path, deal.periods) for i, path in own_prices(n, j, n.price).items()}
        states = {i: n.state_factor[:, None] * path for i, path in calm.items()}
        earned = n.state_probability @ revenue_of(n, j, states, (), deal.start(j))
        total += _full_output(deal, j) * (earned - n.cash[j])
    return total


def _expected(scenarios: ScenarioSet, states: Floats, margins: Floats) -> Floats:
    return np.asarray(scenarios.probability @ np.tensordot(states, margins, axes=1))


def _floor_money(deal: Deal, scenarios: ScenarioSet) -> tuple[float, float]:
    """(expected payments over the term, most in a year at the liability quantile)."""
    n, T = deal.instance, deal.instance.calendar.periods
    expected, liability = 0.0, np.zeros(T)
    for j, floor in deal.floors.items():
        start, end = deal.start(j), deal.periods
        tonnes = covered(n, j, floor) * n.yields[j, floor.material] * _full_output(deal, j)
        calm = survival(n, j, held(n.price, end), (floor,), start)
        alive = _alive(deal, j, scenarios, True)[:, :T]
        paid_on, weight = (tonnes * calm, tonnes[:T] * alive), scenarios.trunk_weight(T)
        money = floor_payments(n, scenarios, j, floor, start, *paid_on, weight)
        expected += money.expected + money.terminal
        liability += money.liability
    by_year = [liability[n.calendar.year_index == f].sum() for f in range(len(n.calendar.years))]
    return expected, float(max(by_year, default=0.0))


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], names: Names) -> list[str]:
    """The tables as text."""
    lines = [
        "Signed agreements on the prices of their day; hazards, calendar and capital costs are those of the plan and tables.",
        f"Price risk counts {facts['price_risk_premium']:.1%} in the owners' hurdle rates; the government is charged "
        f"{facts['risk_charge']:g} USD for each USD of downside that it takes over.",
        "Offtake and capital in other money are listed as signed (table terms) and not valued; rates of return value guarantees.",
    ]
    for row in tables["floors"].to_dict("records"):
        lines += ["", *floor_words(row, names)]
    lines += rate_words(tables["rates"], names)
    left_out = facts["left_out"]
    return [*lines, *([""] if left_out else []), *(f"Left out: {text}" for text in left_out)]


def rate_words(rates: pd.DataFrame, names: Names) -> list[str]:
    """At which returns the agreements would just have been signed, beside the hurdle rates of the tables."""
    known = rates.to_dict("records")
    lines = ["", "Rates of return, real, that plants to be built would just pay as signed:"] if known else []
    for row in sorted(known, key=lambda row: (math.isnan(row["implied_rate"]), row["implied_rate"])):
        decision = (
            "its owner builds and asks for no more" if row["decided"] else "its owner has not decided and asks for more"
        )
        rate = f"over {HIGHEST_RATE:.0%}" if row["implied_rate"] >= HIGHEST_RATE else f"{row['implied_rate']:.1%}"
        rate = "none, as they would lose money," if math.isnan(row["implied_rate"]) else rate
        rate += f" with {row['signed_musd']:,.0f} million USD signed"
        against = "" if row["fits"] != "no" else "; the model's margins and that rate cannot both be right"
        lines.append(
            f"  {row['agreement']} ({_named(row, names)}): {rate}; {decision}; hurdle rate of the tables "
            f"{row['hurdle_rate']:.1%}{against}."
        )
    return lines


def floor_words(row: Mapping[Any, Any], names: Names) -> list[str]:
    """One agreement with a floor in words."""
    fair = row["signed_fair_value_musd"]
    ratio = row["expected_cost_musd"] / fair if fair else math.nan
    why = ", unexplained: what he assumed of prices is not published" if ratio > EXPLAINED else ""
    beside = "" if math.isnan(fair) else f" (booked by its owner at {fair:,.0f}{why})"
    return [
        f"{row['agreement']} ({_named(row, names)}), signed {row['signed_year']}: {row['floor_usd_per_kg']:.4g} USD/kg of "
        f"{names.material(row['material'])} for {row['term_yr']:g} years at a price of {row['price_usd_per_kg']:.4g}.",
        f"  Financing gap {row['gap_without_musd']:,.0f} million USD without the floor, {row['gap_with_musd']:,.0f} with it; it "
        f"costs {row['expected_cost_musd']:,.0f}{beside}, at most {row['liability_musd']:,.0f} in a year without a disruption.",
        f"  Hurdle rate {row['hurdle_rate']:.1%} on the baseline course, {row['hurdle_rate_expected']:.1%} in expectation, "
        f"{row['hurdle_rate_with_floor']:.1%} with the floor.",
        f"  {_verdict(row)}.",
    ]


def _verdict(row: Mapping[Any, Any]) -> str:
    """Whether the floor is the cheapest way to have the plants."""
    better = row["advantage_musd"]
    if row["cheapest"]:
        return f"The floor is the cheaper way, by {better:,.0f} million USD"
    if better > 0:
        return "The owner would not take the floor, or it would earn the government money"
    if row["gap_without_musd"] <= 0:
        return f"No support was needed to build; the floor costs {abs(better):,.0f} million USD"
    return f"A grant alone would be cheaper, by {abs(better):,.0f} million USD"


def _named(row: Mapping[Any, Any], names: Names) -> str:
    return ", ".join(names.producer(code) for code in row["producers"].split())
