"""Sizes in a plan compared with the tables: money, floors, penalties, events."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .compare import PLAN, Comparison, Evidence, Figure
from .facts import ONE
from .figures import Facts
from .words import meant

LEAST_BUDGET = 2.5e-4
"""Of what a year's use of the planned materials is worth: less buys nothing that matters. Shipped plans: 0.05 to 0.24."""
MOST_BUDGET = 10.0
"""Likewise: more than ten years' use has nothing to buy."""
LONGEST_EVENT = 4.0
"""Times the longest that the record of a hazard holds."""
USUAL_EVENT = 0.5
MOST_YEARS = 2.3
"""Planned years over those that the tables have figures of."""
KNOWN_YEARS = 10
"""Years that tables count for which end sooner: their last figures hold."""

EVENT: dict[str, tuple[float, float]] = {
    "duration_years": (0.01, 15),
    "price_multiplier": (0.05, 100),
    "flood_years": (0.01, 8),
    "flood_multiplier": (0.02, 3),
    "cut_share": (0.005, 1),
    "third_country_cut_share": (0.002, 1),
}
"""Least and most that passes without a word. The record (hazards.csv) has events of up to 6.9 years, floods of 2, prices times
22.5: twice, and four times, of that."""
HAZARD: dict[str, tuple[float, float]] = {
    "rate_per_yr": (0.001, 8),
    "duration_yr": (0.01, 15),
    "cut_share": (0.005, 1),
    "price_multiplier": (0.05, 100),
    "flood_yr": (0.01, 8),
    "flood_multiplier": (0.02, 3),
    "after_lag_yr": (0.003, 30),
}
"""The same of rows of `hazards`."""


def plan_evidence(facts: Facts, planned: Collection[str]) -> Iterator[Evidence]:
    """Comparisons of what a plan states with the tables. planned: its materials."""
    yield from _horizon(facts, planned)
    yield from _money(facts, planned)
    yield from _floors(facts)
    yield from _rules(facts)
    yield from _events(facts)


def _figure(facts: Facts, field: str, value: float) -> Figure:
    """A figure of the plan, its value noted."""
    facts.values[PLAN, "", field] = value
    return PLAN, "", field


def _alone(facts: Facts, field: str, value: float | None, low: float, high: float) -> Iterator[Evidence]:
    if value:
        figure, usual = _figure(facts, field, value), meant(field, value, low, high, (low * high) ** 0.5)
        yield Comparison(
            f"the usual range of such figures ({low:g} to {high:g})", ((1.0, (figure,)),), ONE, low, high, usual
        )


def _series(facts: Facts, field: str, value: object) -> Iterator[Figure]:
    """Figures of an amount a year, one for all years or one for each named."""
    amounts = (
        {f"{field}.{year}": amount for year, amount in value.items()} if isinstance(value, dict) else {field: value}
    )
    for name, amount in amounts.items():
        if isinstance(amount, int | float) and amount > 0:
            yield _figure(facts, name, float(amount))


def _horizon(facts: Facts, planned: Collection[str]) -> Iterator[Evidence]:
    """Planned and computed years compared with those of the tables."""
    horizon = facts.plan.horizon
    yield from _alone(facts, "horizon.years", horizon.years, 0.5, 30)
    yield from _alone(facts, "horizon.tail_years", horizon.tail_years, 0.5, 20)
    last = max((row.from_year for row in facts.data.rows("demand") if row.material in planned), default=0)
    known = max(KNOWN_YEARS, last - horizon.first_year + 1)
    label = f"the years that the tables cover (at least {KNOWN_YEARS}; demand is given until {last} and then stays constant)"
    usual = meant("horizon.years", horizon.years / known, 0.0, MOST_YEARS, 0.5)
    figure = _figure(facts, "horizon.years", horizon.years)
    yield Comparison(label, ((1.0, (figure,)),), ((float(known), ()),), 0.0, MOST_YEARS, usual)


def _money(facts: Facts, planned: Collection[str]) -> Iterator[Evidence]:
    """Budget, limits and caps compared with the value of a year's use of the planned materials, and each other [million USD]."""
    plan, budget = facts.plan, facts.plan.budget
    materials = [material for material in facts.demand if material in planned and material in facts.base]
    use = facts.short([(1e-3, (figure, facts.base[m])) for m in materials for figure in facts.demand[m]])
    if facts.total(use) <= 0:
        return
    label = f"the value of a year's use of the planned materials ({facts.total(use):,.4g} million USD)"
    years = list(_series(facts, "budget.appropriation_musd", budget.appropriation_musd))
    for figure in years:
        yield Comparison(label, ((1.0, (figure,)),), use, LEAST_BUDGET, MOST_BUDGET, 0.1)
    for n, figure in enumerate(years):
        for other in years[max(0, n - 3) : n]:
            yield Comparison("the other years", ((1.0, (figure,)),), ((1.0, (other,)),), 1 / 200, 200)
    for figure in _series(facts, "budget.emergency_musd", budget.emergency_musd):
        yield Comparison(label, ((1.0, (figure,)),), use, 1e-4, MOST_BUDGET, 0.1)
    for figure in _series(facts, "budget.liability_cap_musd", budget.liability_cap_musd):
        yield Comparison(label, ((1.0, (figure,)),), use, 1e-3, MOST_BUDGET, 0.2)
        for other in years[:1]:
            yield Comparison("the appropriation", ((1.0, (figure,)),), ((1.0, (other,)),), 0.01, 100)
    if budget.total_musd:
        whole = tuple((factor * plan.horizon.years, product) for factor, product in use)
        said = f"the total of all planned years ({facts.total(whole):,.4g} million USD)"
        figure = _figure(facts, "budget.total_musd", budget.total_musd)
        yield Comparison(f"{label}, {said}", ((1.0, (figure,)),), whole, LEAST_BUDGET, MOST_BUDGET, 0.1)
    rows = [row for row in facts.data.rows("loss_functions") if row.loss_function == plan.loss_function]
    worth = {row.material: facts.figure("loss_functions", row, "loss_usd_per_t") for row in rows}
    stated = [material for material in materials if material in worth]
    lost = facts.short([(1e-6, (figure, worth[m])) for m in stated for figure in facts.demand[m]])
    said = f"the loss of a year without any of the planned materials ({facts.total(lost):,.4g} million USD)"
    for name in ("cvar_limit_musd", "expected_loss_limit_musd"):
        if amount := getattr(plan.risk, name):
            yield Comparison(said, ((1.0, (_figure(facts, f"risk.{name}", amount),)),), lost, 1e-5, 300, 0.1)


def _floors(facts: Facts) -> Iterator[Evidence]:
    """Levels of floors compared with the price of their material, and with each other."""
    for n, menu in enumerate(facts.plan.instruments.price_floors):
        place = f"instruments.price_floors.{n}"
        price = facts.base.get(menu.material)
        levels = [
            _figure(facts, f"{place}.levels_usd_per_kg.{k}", level) for k, level in enumerate(menu.levels_usd_per_kg)
        ]
        for k, level in enumerate(levels):
            if price is not None:
                label = f"the price of {menu.material} ({facts.values[price]:g} USD/kg)"
                yield Comparison(label, ((1.0, (level,)),), ((1.0, (price,)),), 0.05, 20)
            for other in levels[:k]:
                yield Comparison("the other levels of the floor", ((1.0, (level,)),), ((1.0, (other,)),), 0.02, 50)
        yield from _alone(facts, f"{place}.term_years", menu.term_years, 0.25, 40)
        yield from _alone(facts, f"{place}.upside_share", menu.upside_share, 0.005, 1)


def _rules(facts: Facts) -> Iterator[Evidence]:
    """Penalties compared with losses and prices; days, rates."""
    plan, data = facts.plan, facts.data
    losses = {
        (row.material, row.segment): row
        for row in data.rows("loss_functions")
        if row.loss_function == plan.loss_function
    }
    for n, level in enumerate(plan.service_levels):
        row = losses.get((level.material, level.segment)) or losses.get((level.material, "*"))
        if level.penalty_usd_per_kg and row is not None and row.loss_usd_per_t > 0:
            figure = _figure(facts, f"service_levels.{n}.penalty_usd_per_kg", level.penalty_usd_per_kg)
            loss = facts.figure("loss_functions", row, "loss_usd_per_t")
            own = [t for t in data.rows("tiers") if t.segment == level.segment and t.material in ("*", level.material)]
            tiers = [facts.figure("tiers", tier, "loss_multiplier") for tier in own]
            short = tuple((1e-3 / len(tiers), (loss, tier)) for tier in tiers) or ((1e-3, (loss,)),)
            label = f"the loss per kg of shortfall there ({facts.total(short):,.4g} USD)"
            yield Comparison(label, ((1.0, (figure,)),), short, 0.002, 40, 0.2)
    for n, rule in enumerate(plan.diversification):
        price = facts.base.get(rule.material)
        if rule.penalty_usd_per_kg and price is not None:
            figure = _figure(facts, f"diversification.{n}.penalty_usd_per_kg", rule.penalty_usd_per_kg)
            label = f"the price of {rule.material} ({facts.values[price]:g} USD/kg)"
            yield Comparison(label, ((1.0, (figure,)),), ((1.0, (price,)),), 0.002, 100, 0.3)
    for n, cover in enumerate(plan.days_of_cover):
        yield from _alone(facts, f"days_of_cover.{n}.days", cover.days, 0.5, 3000)
    yield from _alone(facts, "discount_rate", plan.discount_rate, 0.001, 0.3)
    yield from _alone(facts, "risk.cvar_weight", plan.risk.cvar_weight, 0.001, 100)


def _events(facts: Facts) -> Iterator[Evidence]:
    """Durations, shares and multipliers of events, controls and hazards as the plan states them."""
    plan, rows = facts.plan, {row.hazard: row for row in facts.data.rows("hazards")}
    for n, scenario in enumerate(plan.scenarios):
        for e, event in enumerate(scenario.events):
            place = f"scenarios.{n}.events.{e}"
            for name, (low, high) in EVENT.items():
                yield from _alone(facts, f"{place}.{name}", getattr(event, name), low, high)
            row = rows.get(event.hazard or "")
            if event.duration_years and row is not None:
                longest = "duration_yr_high" if row.duration_yr_high else "duration_yr"
                which = "longest" if row.duration_yr_high else "mean"
                label = f"the {which} of {row.hazard} ({getattr(row, longest):g} years, hazards.csv)"
                figure = _figure(facts, f"{place}.duration_years", event.duration_years)
                below = facts.figure("hazards", row, longest)
                ratio = event.duration_years / getattr(row, longest)
                usual = meant(figure[2], ratio, 0.004, LONGEST_EVENT, USUAL_EVENT)
                yield Comparison(label, ((1.0, (figure,)),), ((1.0, (below,)),), 0.004, LONGEST_EVENT, usual)
            for segment, factor in (event.demand_multipliers or {}).items():
                yield from _alone(facts, f"{place}.demand_multipliers.{segment}", factor, 0.02, 20)
    for n, control in enumerate(plan.controls):
        yield from _alone(facts, f"controls.{n}.price_multiplier", control.price_multiplier, 0.05, 100)
        yield from _alone(facts, f"controls.{n}.cut_share", control.cut_share, 0.005, 1)
        for material, share in control.cut_shares.items():
            yield from _alone(facts, f"controls.{n}.cut_shares.{material}", share, 0.005, 1)
        yield from _alone(facts, f"controls.{n}.feed_cut_share", control.feed_cut_share, 0.005, 1)
    for n, hazard in enumerate(plan.hazards):
        for name, (low, high) in HAZARD.items():
            yield from _alone(facts, f"hazards.{n}.{name}", getattr(hazard, name), low, high)
