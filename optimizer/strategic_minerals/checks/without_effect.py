"""Entries of a plan that change nothing, or mean something else than they seem to: caps on what no source makes, a cap on the cost
of floors without floors, materials that nobody needs, a CVaR of nearly all outcomes, severities of events without a profile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from ..data.dataset import Dataset
from ..schemas.plan import Plan
from ..schemas.plan_sections import Owners

Finding = tuple[str, str]
"""Place in the plan; text."""
HALF = 0.5
"""Level of the CVaR below which it is the mean of most outcomes, not of the worst ones."""
USUAL_LEVEL = 0.95


def without_effect(plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> Iterator[Finding]:
    """Notes on such entries. years: fiscal years that are computed; chosen: the planned materials."""
    yield from _caps(plan, data, chosen)
    yield from _floors(plan, data)
    yield from _owners(plan, data)
    yield from _unneeded(plan, data, years, chosen)
    yield from _mean_of_most(plan)
    yield from _shapes(plan, data)


def _shapes(plan: Plan, data: Dataset) -> Iterator[Finding]:
    """Severity and stretch of events without a profile, and a length beside a stretch."""
    flat = {own.hazard for own in plan.hazards if own.cut_share is not None or own.duration_yr is not None}
    shaped = {row.hazard for row in data.rows("hazard_profiles")} - flat
    quoted = {row.hazard for row in data.rows("hazard_prices")}
    for n, own in enumerate(plan.hazards):
        stated = [name for name in ("price_multiplier", "cut_share", "duration_yr") if getattr(own, name) is not None]
        if own.hazard in quoted and stated:
            yield (
                f"hazards.{n}.{stated[0]}",
                f"plan hazards.{n}.{stated[0]}: stated here, so that the quotes of {own.hazard} by material and market "
                "(hazard_prices.csv) have no effect",
            )
    for s, scenario in enumerate(plan.scenarios):
        for e, event in enumerate(scenario.events):
            at = f"scenarios.{s}.events.{e}"
            without = event.cut_share is not None or event.hazard not in shaped
            for name in ("severity", "stretch"):
                if without and getattr(event, name) is not None:
                    why = "the event states its own cut" if event.cut_share is not None else "its hazard has no profile"
                    yield f"{at}.{name}", f"plan {at}.{name}: {why}: {name} has no effect"
            if not without and event.stretch is not None and event.duration_years is not None:
                place = f"{at}.duration_years"
                yield place, f"plan {place}: stretch gives the length of the profile: duration_years has no effect"


def _caps(plan: Plan, data: Dataset, chosen: Collection[str]) -> Iterator[Finding]:
    """Caps on the share of a country that makes none of the material."""
    country = {row.activity: row.country for row in data.rows("activities")}
    country |= {row.project: row.country for row in data.rows("projects")}
    makers = {(country.get(row.producer), row.material) for row in data.rows("yields") if row.yield_t_per_t > 0}
    for n, rule in enumerate(plan.diversification):
        if rule.country is not None and rule.material in chosen and (rule.country, rule.material) not in makers:
            place = f"diversification.{n}.country"
            yield (
                place,
                f"plan {place}: no planned source in {rule.country} makes {rule.material}: the cap has no effect",
            )


def _packaged(plan: Plan, data: Dataset) -> bool:
    """Whether some package of the table that the plan may use has a floor."""
    offered = plan.instruments.packages if plan.instruments.projects else ()
    floors = (row for row in data.rows("packages") if row.floor_kind is not None)
    return any("*" in offered or row.package in offered for row in floors)


def _owners(plan: Plan, data: Dataset) -> Iterator[Finding]:
    """Figures of owners' expectations where they look at the baseline course, or of price risk where no floor takes any away."""
    owners, usual = plan.owners, Owners()
    if owners.expectation == "trunk":
        for name in ("sample", "seed"):
            if getattr(owners, name) != getattr(usual, name):
                place = f"owners.{name}"
                text = f"plan {place}: owners look at the baseline course (owners.expectation = 'trunk'): no sample is drawn"
                yield place, text
    if not plan.instruments.price_floors and not _packaged(plan, data):
        for name in ("price_risk_premium", "risk_charge"):
            if getattr(owners, name) > 0:
                place = f"owners.{name}"
                yield place, f"plan {place}: the plan offers no price floor, so no price risk is taken away: no effect"


def _floors(plan: Plan, data: Dataset) -> Iterator[Finding]:
    """A cap on the cost of floors where the plan may agree none."""
    if plan.budget.liability_cap_musd is not None and not plan.instruments.price_floors and not _packaged(plan, data):
        place = "budget.liability_cap_musd"
        yield place, f"plan {place}: the plan offers no price floor, alone or in a package: the cap has no effect"


def _unneeded(plan: Plan, data: Dataset, years: Sequence[int], chosen: Collection[str]) -> Iterator[Finding]:
    """Materials named one by one that no user demands and no plant of the plan uses, where others are needed; what is made beside
    something that is needed has to be named, or its makers are left out."""
    used, made = _used(data, years, chosen), defaultdict[str, set[str]](set)
    for row in data.rows("yields"):
        if row.yield_t_per_t > 0:
            made[row.producer].add(row.material)
    beside = {name for outputs in made.values() if outputs & used for name in outputs}
    for n, name in enumerate(plan.materials):
        if used and name in chosen and name not in used | beside and plan.materials.index(name) == n:
            place = f"materials.{n}"
            yield place, f"plan {place}: nobody demands {name} in the planned years, and no planned producer uses it"


def _used(data: Dataset, years: Sequence[int], chosen: Collection[str]) -> set[str]:
    """Planned materials that users demand in some computed year, or that a plant uses which makes a planned material."""
    series: dict[tuple[str, str], dict[int, float]] = {}
    for row in data.rows("demand"):
        if row.material in chosen:
            series.setdefault((row.material, row.segment), {})[row.from_year] = row.demand_t_per_yr
    found = set()
    for (material, _), amounts in series.items():
        start = max((year for year in amounts if year <= years[0]), default=min(amounts))
        if any(amount > 0 for year, amount in amounts.items() if start <= year <= max(years[-1], start)):
            found.add(material)
    makers = {row.producer for row in data.rows("yields") if row.yield_t_per_t > 0 and row.material in chosen}
    used = {row.material for row in data.rows("yields") if row.yield_t_per_t < 0 and row.producer in makers}
    return found | (used & set(chosen) if found else set())


def _mean_of_most(plan: Plan) -> Iterator[Finding]:
    """A CVaR that counts, at a level below a half: the share of worst outcomes was probably given instead."""
    risk, aim = plan.risk, plan.objective
    counts = risk.cvar_weight > 0 or risk.cvar_limit_musd is not None
    counts = counts or (aim.kind == "risk_within_budget" and aim.cvar_share > 0)
    if counts and risk.alpha < HALF:
        level = 1 - risk.alpha if risk.alpha > 0 else USUAL_LEVEL
        yield (
            "risk.alpha",
            f"plan risk.alpha: {risk.alpha:g}: the CVaR is the mean of the worst {100 * (1 - risk.alpha):.6g} % of losses; "
            f"alpha {level:.6g} is the worst {100 * (1 - level):.6g} %",
        )
