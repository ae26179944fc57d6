"""The planner: from what a day knows to a plan and tables of the package, its answer, and what the answer's orders come to.

`plan_on` is told what the reading lets through on the day and the state of its own reserve, and nothing else of the episode.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import episode as ep
import numpy as np
import pandas as pd

from strategic_minerals import Dataset, Plan, solve
from strategic_minerals.instance.build import build_instance
from strategic_minerals.scenarios.build import population
from strategic_minerals.scenarios.events import longest_event
from strategic_minerals.scenarios.risk_measures import quantile

PRICES, LOSS, USE = "known", "price-multiple", "use"
STEPS, STEEPER = 3, 3.0
POINTS = {"p05": 0.05, "p50": 0.5, "p95": 0.95}


def canonical(content: Any) -> str:
    """JSON of one form only: keys in order, nine significant digits, a line end."""
    return json.dumps(_plain(content), sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") + 0.0
    return value.isoformat() if isinstance(value, dt.date) else value


@dataclass(frozen=True)
class State:
    """What a plan is told of its own reserve: tonnes on its books, money left, and the quarters in which it may still buy."""

    day: dt.date
    first_quarter: int
    money_musd: float
    stock_t: Mapping[str, float]
    may_sell: bool

    @property
    def first_year(self) -> int:
        """The plan's first year: it begins with the first quarter, whatever the calendar says."""
        return self.first_quarter // ep.PER_YEAR

    @property
    def quarters(self) -> int:
        """Quarters in which money is left to spend."""
        return ep.BUDGET_QUARTERS[-1] - self.first_quarter + 1

    @property
    def years(self) -> int:
        """Years of the plan."""
        return -(-self.quarters // ep.PER_YEAR)

    def quarter(self, period: str) -> int:
        """The quarter of a period of the plan such as `2023.1`; what lies after the last one falls into it."""
        year, _, number = period.partition(".")
        return min(
            self.first_quarter + ep.PER_YEAR * (int(year) - self.first_year) + int(number) - 1, ep.BUDGET_QUARTERS[-1]
        )


def depth_of(facts: ep.Facts) -> list[tuple[float, float]]:
    """The offer curve of a material, step by step: tonnes a year, premium. Each step is as much deeper than the first as its number
    says, at three times the premium of the one before."""
    base = ep.DEPTH_OF_USE * (facts.normal_t or 0.0)
    if facts.world_t > 0:
        base = min(base, ep.DEPTH_OF_OUTPUT * facts.world_t)
    return [(base * step, ep.PREMIUM * STEEPER ** (step - 1)) for step in range(1, STEPS + 1)]


def haircut_of(facts: ep.Facts) -> float:
    """Share of the price that a sale costs."""
    return min(ep.HAIRCUT_BASE + ep.HAIRCUT_PER_VARIATION * facts.price_cv, ep.HAIRCUT_MOST)


def holding_of(facts: ep.Facts) -> float | None:
    """Yearly cost of holding as a share of value; None without a price."""
    return min(ep.HOLDING_BASE + ep.HOLDING_USD_PER_KG / facts.price, 1.0) if facts.price else None


# --- the question -------------------------------------------------------------------------------------------------------


def question(known: ep.Known, state: State) -> tuple[Plan, Dataset]:
    """The plan and its tables: stocks alone, without projects, contracts or floors, in quarters."""
    named, year = [facts.material for facts in known.planned], state.first_year
    shift = state.first_quarter % ep.PER_YEAR / ep.PER_YEAR
    plan = {
        "name": "backtest",
        "home": ep.HOME,
        "price_year": year,
        "price_set": PRICES,
        "loss_function": LOSS,
        "discount_rate": ep.DISCOUNT_RATE,
        "price_gain": False,
        "materials": named,
        "horizon": {
            "first_year": year,
            "years": state.years,
            "tail_years": ep.TAIL_YEARS,
            "period_months": 12 // ep.PER_YEAR,
        },
        "budget": {"appropriation_musd": _by_year(state), "carry_over_share": 1.0, "members_pay_holding": True},
        "instruments": {
            "projects": False,
            "offtake_contracts": False,
            "packages": ["none"],
            "trunk_disposal": state.may_sell,
        },
        "controls": [
            {
                "name": f"{control.country}-{control.material}",
                "countries": control.country,
                "materials": control.material,
                "cut_share": control.cut,
                "until_year": max(float(year), ep.decimal_year(control.until) - shift),
            }
            for control in ep.in_force(known)
            if control.material in named
        ],
        "sample": {"scenarios": ep.SCENARIOS, "draws": ep.DRAWS, "seed": ep.SEED},
    }
    frames = {name: pd.DataFrame(rows) for name, rows in _tables(known, state).items() if rows}
    return Plan.model_validate(plan), Dataset.from_tables(frames, name="what was known")


def _by_year(state: State) -> dict[int, float]:
    """Money in equal parts for each quarter that is left, by year of the plan; none afterwards. What a year leaves is kept."""
    found: dict[int, float] = {}
    for n in range(state.quarters):
        year = state.first_year + n // ep.PER_YEAR
        found[year] = found.get(year, 0.0) + state.money_musd / state.quarters
    return {**found, state.first_year + state.years: 0.0}


def _tables(known: ep.Known, state: State) -> dict[str, list[dict[str, Any]]]:
    """The tables of the question, by name.

    Each origin of imports can sell its share of a usual year's imports and the headroom more; the home country makes the rest of
    its use. In a shortage what restricting countries do not make is left of the offers. Loss: price x a fixed multiple, by tiers.
    """
    year, risky = state.first_year, ep.rates(known)
    tiers = [
        {"material": "*", "segment": USE, "tier": n, "share": share, "loss_multiplier": multiplier}
        for n, (share, multiplier) in enumerate(ep.TIERS, start=1)
    ]
    rows: dict[str, list[dict[str, Any]]] = {"tiers": tiers, "hazards": _hazards(known, risky)}

    def add(table: str, **row: Any) -> None:
        rows.setdefault(table, []).append(row)

    countries = {ep.HOME, *(country for by_country in risky.values() for country in by_country)}
    for facts in known.planned:
        name, price, normal, depth = facts.material, facts.price, facts.normal_t, depth_of(facts)
        add(
            "materials",
            material=name,
            name=name.replace("_", " "),
            mineral=facts.mineral,
            stage="refined",
            basis="t",
            haircut_share=haircut_of(facts),
            holding_share_per_yr=holding_of(facts),
            disposal_t_per_yr=sum(tonnes for tonnes, _ in depth) if state.may_sell else 0.0,
        )
        add("prices", price_set=PRICES, material=name, from_year=year, price_usd_per_kg=price)
        add("demand", material=name, segment=USE, from_year=year, demand_t_per_yr=normal)
        loss = ep.LOSS_MULTIPLE * price * ep.KG_PER_T
        add("loss_functions", loss_function=LOSS, material=name, segment="*", loss_usd_per_t=loss)
        imported = normal * facts.reliance
        usual = {code: imported * share for code, share in facts.shares.items() if code != ep.HOME}
        usual[ep.HOME] = normal - imported + imported * facts.shares.get(ep.HOME, 0.0)
        for code, tonnes in sorted(usual.items()):
            if tonnes <= 0:
                continue
            countries.add(code)
            source, most = f"{code}_{name}", tonnes * (1.0 if code == ep.HOME else ep.HEADROOM)
            add("activities", activity=source, name=source, country=code, stage="refined")
            add("capacities", activity=source, from_year=year, capacity_t_per_yr=most, normal_t_per_yr=tonnes)
            add("yields", producer=source, material=name, yield_t_per_t=1.0)
        made = (facts.output_shares or facts.shares).items()
        left = 1 - sum(share for code, share in made if code in risky.get(name, {}))
        for n, (tonnes, premium) in enumerate(depth, start=1):
            add(
                "offers",
                offer=f"{name}_{n}",
                material=name,
                source_producer="outside",
                depth_t_per_yr=tonnes,
                premium_share=premium,
                crisis_availability=min(1.0, max(0.0, left)),
            )
        if state.stock_t.get(name, 0.0) > 0:
            add("stock", material=name, opening_t=state.stock_t[name])
    for code in sorted(countries):
        add("countries", country=code, name=code, tier="home" if code == ep.HOME else "other")
    return rows


def _hazards(known: ep.Known, risky: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """One hazard for each material and country that restricted something and supplies it."""
    pooled, could = ep.severity(known), {facts.material for facts in known.planned}
    return [
        {
            "hazard": f"{country}_{material}",
            "name": f"restriction of {material.replace('_', ' ')} by {country}",
            "kind": "embargo",
            "countries": country,
            "materials": material,
            "rate_per_yr": rate,
            "duration_yr": pooled.duration_yr,
            "duration_law": "exponential",
            "cut_share": pooled.cut,
            "cut_share_low": pooled.cut_low,
            "cut_share_high": pooled.cut_high,
            "cut_law": "triangular",
            "price_multiplier": ep.PRICE_MULTIPLIER,
        }
        for material, by_country in risky.items()
        if material in could
        for country, rate in by_country.items()
    ]


# --- the answer ---------------------------------------------------------------------------------------------------------


def plan_on(known: ep.Known, state: State) -> str:
    """What a plan decides and forecasts on its day, as JSON: the same byte by byte whenever the arguments are."""
    plan, data = question(known, state)
    result = solve(plan, data, gap=0.0, method="flat", threads=1)
    by_country = ep.rates(known)
    forced = {control.material for control in ep.in_force(known)}
    return canonical(
        {
            "day": state.day,
            "purchases": [
                {"material": material, "quarter": ep.label(quarter), "tonnes": tonnes, "musd": musd}
                for material, quarter, (tonnes, musd) in _summed(
                    result.tables["acquisitions"], ["acquired_t", "cost_musd"], known, state
                )
            ],
            "sales": [
                {"material": material, "quarter": ep.label(quarter), "tonnes": tonnes}
                for material, quarter, (tonnes,) in _summed(result.tables["stock"], ["sold_t"], known, state)
            ],
            "intervals": intervals(plan, data, known, state),
            "controls": [
                {
                    "material": name,
                    "probability": 1.0 if name in forced else ep.probability(by_country.get(name, {}), facts),
                }
                for name, facts in known.materials.items()
            ],
            "materials": [_reading_of(facts) for facts in known.materials.values()],
            "rates": [
                {"material": name, "country": country, "rate_per_yr": rate}
                for name, own in by_country.items()
                for country, rate in own.items()
            ],
            "severity": asdict(ep.severity(known)),
            "in_force": [
                {"material": c.material, "country": c.country, "since": c.since, "cut_share": c.cut}
                for c in ep.in_force(known)
            ],
            "unreadable_countries": known.unnamed,
        }
    )


def _summed(
    table: pd.DataFrame, columns: Sequence[str], known: ep.Known, state: State
) -> list[tuple[str, int, list[float]]]:
    """(material, quarter, sums of columns) on the course without a disruption, where the tonnes of the first column are more than
    rounding."""
    sums: dict[tuple[str, int], list[float]] = {}
    for row in table.to_dict("records"):
        key = str(row["material"]), state.quarter(str(row["period"]))
        so_far = sums.get(key, [0.0] * len(columns))
        sums[key] = [before + float(row[column]) for before, column in zip(so_far, columns, strict=True)]
    least = {facts.material: 1e-9 * facts.normal_t for facts in known.planned}
    return [(*key, found) for key, found in sorted(sums.items()) if found[0] > least[key[0]]]


def _reading_of(facts: ep.Facts) -> dict[str, Any]:
    """What the plan took a material to be, and whether it could plan it."""
    depth = [] if facts.unplanned else depth_of(facts)
    return {
        "material": facts.material,
        "mineral": facts.mineral,
        "planned": not facts.unplanned,
        "why_not": facts.unplanned,
        "stale": facts.stale,
        "use_t": facts.normal_t,
        "use_basis": facts.use_basis,
        "reliance": facts.reliance,
        "origins": facts.share_basis,
        "shares": facts.shares,
        "output_shares": facts.output_shares,
        "price_usd_per_kg": facts.price,
        "price_year": max(facts.prices, default=None),
        "price_cv": facts.price_cv,
        "haircut_share": haircut_of(facts),
        "holding_share_per_yr": holding_of(facts),
        "depth_t_per_yr": [tonnes for tonnes, _ in depth],
        "premium_share": [premium for _, premium in depth],
    }


def intervals(plan: Plan, data: Dataset, known: ep.Known, state: State) -> list[dict[str, Any]]:
    """Forecasts of availability over normal use and of price over the last price: 5, 50 and 95 % points by material and year.

    Besides what the hazards do, availability varies as use did in the last years, and the price as it did from year to year, more
    the further ahead; both as lognormal noise.
    """
    instance = build_instance(plan, data, longest_event(plan, data))
    drawn = population(instance, data, ep.OUTLOOK, ep.SEED)
    weight = drawn.probability / drawn.probability.sum()
    rng, n = np.random.default_rng(ep.SEED), instance.sources
    quarters = range(state.first_quarter, state.first_quarter + ep.PER_YEAR * state.years)
    rows = []

    def add(name: str, year: int, quantity: str, values: np.ndarray) -> None:
        points = {point: float(quantile(values, weight, level)) for point, level in POINTS.items()}
        rows.append({"material": name, "year": year, "quantity": quantity, **points})

    for i, name in enumerate(instance.materials):
        facts = known.materials[name]
        made = np.maximum(instance.yields[:n, i], 0.0)[:, None] * instance.capacity[:n]
        abroad = facts.reliance * (1 - facts.shares.get(ep.HOME, 0.0))
        room = 1 - abroad + abroad * ep.HEADROOM  # what all sources can sell, over normal use
        for year in sorted({quarter // ep.PER_YEAR for quarter in quarters}):
            at = [k for k, quarter in enumerate(quarters) if quarter // ep.PER_YEAR == year]
            full = made[:, at].sum(axis=0)
            left = (
                (made[None, :, at] * drawn.availability[:, :n, at]).sum(axis=1) / np.where(full > 0, full, 1.0) * room
            )
            supply = np.minimum(left, 1.0).mean(axis=1)
            factor = (drawn.price[:, i, at] / instance.price[i, at]).mean(axis=1)
            ahead = math.sqrt(max(1.0, year - max(facts.prices)))
            noise = rng.standard_normal((2, len(drawn.names)))
            spread = math.sqrt(math.log1p(facts.use_cv**2))
            add(name, year, "availability", supply * np.exp(spread * noise[0] - spread**2 / 2))
            add(name, year, "price", factor * np.exp(facts.price_sigma * ahead * noise[1]))
    return rows


# --- what orders come to ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """On what terms a reserve buys, holds and sells a material: those of the first plan that knows it."""

    steps: tuple[tuple[float, float], ...]
    """Tonnes a year, premium."""
    haircut_share: float
    holding_share_per_yr: float
    shares: Mapping[str, float]
    """Country -> share of what can be bought (world output; where that is not published, imports)."""

    @property
    def depth(self) -> float:
        """Tonnes a year of all steps."""
        return sum(tonnes for tonnes, _ in self.steps)


@dataclass(frozen=True)
class Order:
    """Money to be spent on a material in a quarter (premium included), or tonnes to be bought whatever they cost."""

    material: str
    quarter: int
    musd: float = 0.0
    tonnes: float = 0.0


@dataclass(frozen=True)
class Sale:
    """Tonnes to be sold in a quarter."""

    material: str
    quarter: int
    tonnes: float


@dataclass(frozen=True)
class Entry:
    """One material in one quarter of a ledger; prices in USD/kg."""

    material: str
    quarter: int
    before_t: float
    bought_t: float
    spent_musd: float
    sold_t: float
    proceeds_musd: float
    released_t: float
    after_t: float
    price: float | None
    unspent_musd: float
    """Money ordered that could not be spent: depth, controls, the budget, no price."""


def execute(
    orders: Iterable[Order],
    sales: Iterable[Sale],
    market: Any,
    terms: Mapping[str, Terms],
    quarters: Iterable[int],
    budget_musd: float | None,
    losses: Mapping[tuple[str, int], float],
) -> list[Entry]:
    """The ledger of all materials, quarter by quarter. It runs for the reserve's own books and for the scores.

    market: `price(material, quarter)` [USD/kg; None: not known] and `closed(material, quarter, terms)`, the share of the offers
    that cannot be bought. budget_musd: no more is spent in all, and the orders of a quarter are cut alike; None: no limit.
    losses: tonnes that are released, as far as there is stock at the beginning of the quarter.
    """
    asked: dict[tuple[str, int], list[Order]] = {}
    for order in orders:
        asked.setdefault((order.material, order.quarter), []).append(order)
    leaving: dict[tuple[str, int], float] = {}
    for sale in sales:
        leaving[sale.material, sale.quarter] = leaving.get((sale.material, sale.quarter), 0.0) + sale.tonnes
    stock = dict.fromkeys([material for material, _ in (*asked, *leaving)], 0.0)
    left = math.inf if budget_musd is None else budget_musd
    ledger: list[Entry] = []
    for quarter in quarters:
        wanted = {m: _filled(asked.get((m, quarter), []), m, quarter, market, terms) for m in stock}
        total = sum(spent for _, spent, _ in wanted.values())
        scale = 1.0 if total <= left + 1e-12 * max(total, 1.0) else max(0.0, left) / total
        for material, before in stock.items():
            bought, spent, unspent = wanted[material]
            if scale < 1.0:
                cut = [Order(material, quarter, musd=spent * scale)]
                bought, again, _ = _filled(cut, material, quarter, market, terms)
                spent, unspent = again, unspent + spent - again
            left -= spent
            released = min(before, losses.get((material, quarter), 0.0))
            price, own = market.price(material, quarter), terms.get(material)
            sold = worth = 0.0
            if price is not None and own is not None:
                sold = min(leaving.get((material, quarter), 0.0), before - released)
                worth = price * (1 - own.haircut_share) * ep.KG_PER_T / ep.MUSD
            after = before - released - sold + bought
            ledger.append(
                Entry(material, quarter, before, bought, spent, sold, sold * worth, released, after, price, unspent)
            )
        stock = {entry.material: entry.after_t for entry in ledger[-len(stock) :]} if stock else stock
    return ledger


def _filled(
    orders: Sequence[Order], material: str, quarter: int, market: Any, terms: Mapping[str, Terms]
) -> tuple[float, float, float]:
    """(tonnes, million USD spent, million USD ordered and not spent) of the orders of a material in a quarter.

    They are filled from the cheapest step of the offer curve, a quarter of a year's depth each. What countries make whose control
    is in force is out of reach, by days.
    """
    money, wanted = sum(order.musd for order in orders), sum(order.tonnes for order in orders)
    if money <= 0 and wanted <= 0:
        return 0.0, 0.0, 0.0
    price, own = market.price(material, quarter), terms.get(material)
    if price is None or own is None:
        return 0.0, 0.0, money
    room = max(0.0, 1 - market.closed(material, quarter, own)) / ep.PER_YEAR
    tonnes = spent = 0.0
    for depth, premium in own.steps:
        cost = price * (1 + premium) * ep.KG_PER_T / ep.MUSD
        free = depth * room
        for_tonnes = min(free, wanted)
        for_money = min(free - for_tonnes, money / cost)
        wanted -= for_tonnes
        money -= for_money * cost
        tonnes += for_tonnes + for_money
        spent += (for_tonnes + for_money) * cost
    return tonnes, spent, max(0.0, money)


# --- the books ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a plan said on its day."""

    day: dt.date
    content: Mapping[str, Any]


def orders_of(answers: Sequence[Answer], end: dt.date) -> tuple[list[Order], list[Sale]]:
    """Orders and sales of plans, the oldest first, up to a last day.

    A plan decides from the day after its own until the day of the next; the first one has its whole first quarter. Of a quarter in
    which plans change each has the share of days for which it is in force.
    """
    orders, sales = [], []
    for n, answer in enumerate(answers):
        begin = answer.day + ep.ONE_DAY if n else ep.first_day(ep.quarter_of(answer.day + ep.ONE_DAY))
        until = min(end, answers[n + 1].day) if n + 1 < len(answers) else end
        for act in answer.content["purchases"]:
            quarter = ep.number_of(act["quarter"])
            if (share := ep.share_within(quarter, begin, until)) > 0:
                orders.append(Order(act["material"], quarter, musd=act["musd"] * share))
        for act in answer.content["sales"]:
            quarter = ep.number_of(act["quarter"])
            if (share := ep.share_within(quarter, begin, until)) > 0:
                sales.append(Sale(act["material"], quarter, act["tonnes"] * share))
    return orders, sales


def terms_of(answers: Iterable[Answer]) -> dict[str, Terms]:
    """Terms of each material by the first plan that could plan it."""
    found: dict[str, Terms] = {}
    for answer in answers:
        for row in answer.content["materials"]:
            if row["planned"] and row["material"] not in found:
                found[row["material"]] = Terms(
                    tuple(zip(row["depth_t_per_yr"], row["premium_share"], strict=True)),
                    row["haircut_share"],
                    row["holding_share_per_yr"],
                    row["output_shares"] or row["shares"],
                )
    return found


@dataclass(frozen=True)
class BookMarket:
    """Prices and controls as a day knows them: a quarter whose price is not out yet has the last one that is."""

    known: ep.Known

    def price(self, material: str, quarter: int) -> float | None:
        """The annual mean of the quarter's year, or of the last year known before it."""
        prices = self.known.materials[material].prices
        years = [year for year in prices if year <= quarter // ep.PER_YEAR]
        return prices[max(years)] if years else None

    def closed(self, material: str, quarter: int, terms: Terms) -> float:
        """By days of the controls that are known."""
        spans: dict[str, tuple[dt.date, dt.date]] = {}
        for row in ep.controls_on(self.known, self.known.materials[material]):
            if row.period_start is None or row.period_start > self.known.day:
                continue
            country, end = ep.supplier_of(row), row.period_end or self.known.day
            begin, last = spans.get(country, (row.period_start, end))
            spans[country] = (min(begin, row.period_start), max(last, end))
        return min(1.0, sum(terms.shares.get(c, 0.0) * ep.share_within(quarter, *span) for c, span in spans.items()))


def state_of(answers: Sequence[Answer], known: ep.Known, budget_musd: float) -> State:
    """What a plan is told of its reserve: tonnes at prices that were out by its day, and no release, since no loss was known.

    The first plan starts with nothing and may not sell.
    """
    orders, sales = orders_of(answers, known.day)
    quarters = [quarter for quarter in ep.BUDGET_QUARTERS if ep.first_day(quarter) <= known.day]
    ledger = execute(orders, sales, BookMarket(known), terms_of(answers), quarters, budget_musd, {})
    held = {
        entry.material: entry.after_t
        for entry in ledger
        if entry.quarter == ep.quarter_of(known.day) and entry.after_t > 0
    }
    left = max(0.0, budget_musd - sum(entry.spent_musd for entry in ledger))
    rounded = _plain({"money_musd": left, "stock_t": dict(sorted(held.items()))})
    return State(known.day, ep.quarter_of(known.day + ep.ONE_DAY), **rounded, may_sell=bool(answers))
