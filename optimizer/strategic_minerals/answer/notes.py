"""A look at a question before it is solved: what rests on estimates, what looks doubtful, what is missing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..core.errors import FORMAT, Fault, FormulationError, InputError, PlanError, UntrustedError
from ..core.formats import digits, in_tonnes, listed, lower, musd, some
from ..core.frames import Floats, plainly, records, rows_of, typed
from ..core.stats import MUSD_PER_T, SMALL_T
from ..matrix.own import WHOLE, OwnParts
from ..matrix.problem import prepare
from ..model.sets import main_aim
from ..question.base import UNITS, grouped, key_of, stem_and_unit
from ..question.consistency import check_data
from ..question.dataset import Dataset, PlanSheet, home_row, not_compiled, restated
from ..question.doubts import KIND as DOUBT
from ..question.doubts import unlikely
from ..question.names import Names, range_in_words
from ..question.plan import Plan
from ..question.recipes import outdated
from ..question.references import qualified_forms, select_materials, with_feeds
from ..question.sources import objections, unquoted
from ..question.tables import FACT_TABLES
from ..question.together import ALL
from ..solver.optimise import Solved
from ..world.build import build_instance
from ..world.events import UNNAMED, ScenarioSet, hazards, longest_event, profiles_of
from ..world.instance import DEFENCE, Instance, floor_names
from ..world.packages import Support, build_support, never
from ..world.producers import survival
from ..world.scenarios import build_scenarios, pricing_sample, with_priced_contracts
from ..world.unused import averaged_away, unused
from .act_now import ActNow
from .record import Record

THIN = 0.01
"""Probability of the baseline course at the end of the planned years below which a plan's late years mean little; share of a
demand up to which what lacks on it is not worth a note."""

DEAR = "price above value"
"""Kind of the notes on materials whose crisis price exceeds what the supply is worth to some users."""
MOST_DEAR = 6
"""Materials up to which each has such a note of its own."""
EITHER = "defence tied"
NO_DEMAND = "there is no demand for the planned materials in these years, so there is nothing to protect"
MARKETS_APART = (
    "price_channel: what a home buys or spares abroad moves prices for itself alone, not for the other homes"
)
UNSURE = "unsure owner"
"""Kind of the notes on materials of which defence may run short in the place of others at the same cost."""
REPLAYED = "losses above what was seen"
"""Kind of the notes on materials of which the plan's loss function says more than an observed shortage allows for."""
AVERAGED = "averaged over periods"
"""Kind of the notes on disruptions whose deepest cuts last for less than a period."""
ONE_MARKET = "no price quoted outside"
"""Kind of the notes on controlled materials that are taken to cost the same in and outside the countries that control them."""
PEACE = "short without any event"
"""Kind of the notes on materials that users lack on the baseline course of the answer."""
CLOSES = "closes without any event"
"""Kind of the notes on home producers that close on it."""
NEVER = "cannot be chosen"
"""Kind of the notes on floors, packages and projects that are asked for and cannot be had."""


OWNERS = ("producer", "activity", "project")
"""Columns of whom a row is."""


@dataclass(frozen=True)
class Provenance:
    """How many values of the planning tables are facts and how many estimates, and which estimates are widest."""

    facts: int
    estimates: int
    by_table: Mapping[str, tuple[int, int]]
    widest: pd.DataFrame
    """table, key, column, low, value, high, spread: estimates by spread = (high - low)/value."""


def provenance(plan: Plan, data: Dataset) -> Provenance:
    """Count facts and estimates among the rows that a plan reads."""
    chosen = set(select_materials(plan, data))
    producers = {row.producer for row in data.rows("yields") if row.material in chosen}
    sellers = {row.seller for row in data.rows("offers") if row.material in chosen}
    by_table: dict[str, tuple[int, int]] = {}
    wide: list[tuple[Any, ...]] = []
    shaped, stated = profiles_of(plan, data), hazards(plan, data)
    drawn = set(plan.sample.hazards) if plan.sample is not None else set()  # of no other hazards the rates matter
    quoted = {
        row.hazard
        for row in data.rows("hazards")
        if row.hazard in shaped and chosen.intersection(row.materials.split()) <= shaped[row.hazard].priced
    }
    # figures that the plan states in place of the table's
    own = {one.hazard: {name for name, value in one if value is not None} for one in plan.hazards}
    idle_tables = set() if plan.price_channel else {"price_responses"}
    for table in sorted(data.tables.keys() - FACT_TABLES - idle_tables):
        rows = [row for row in data.rows(table) if _at_work(plan, table, row, chosen, producers, sellers)]
        rows = [stated[row.hazard] for row in rows] if table == "hazards" else rows
        guessed = sum(row.confidence == "estimate" for row in rows)
        by_table[table] = (len(rows) - guessed, guessed)
        shape = table == "hazards"
        for row in rows:
            key = key_of(row)
            idle = set() if drawn & {key, "*"} else {"rate_per_yr"}
            idle |= own.get(key, set()) if shape else set()
            idle |= {"duration_yr", "cut_share"} if shape and key in shaped else set()
            idle |= {"price_multiplier"} if shape and key in quoted else set()
            for name in (name for name in type(row).model_fields if name not in idle):
                low, high = getattr(row, f"{name}_low", None), getattr(row, f"{name}_high", None)
                value = getattr(row, name)
                if low is not None and high is not None and value and high > low:
                    wide.append((table, key, name, low, value, high, (high - low) / abs(value)))
    columns = ["table", "key", "column", "low", "value", "high", "spread"]
    widest = pd.DataFrame(wide, columns=columns).sort_values("spread", ascending=False, ignore_index=True)
    facts = sum(f for f, _ in by_table.values())
    return Provenance(facts, sum(e for _, e in by_table.values()), by_table, widest)


def _at_work(plan: Plan, table: str, row: Any, chosen: set[str], producers: set[str], sellers: set[str]) -> bool:
    """Whether a plan reads a row, and it is of a material, a producer, a seller or a hazard that can touch it."""
    sets = (getattr(row, name, getattr(plan, name)) == getattr(plan, name) for name in ("price_set", "loss_function"))
    if getattr(row, "material", "*") not in (None, "*", *chosen) or not all(sets):
        return False
    owner = next((one for name in OWNERS if (one := getattr(row, name, None))), None)
    if owner and table != "commitments":  # whatever was signed, the plan's money pays
        return owner in producers
    if table == "sellers":
        return row.seller in sellers
    if table == "hazard_prices":
        own = next((one for one in plan.hazards if one.hazard == row.hazard), None)  # its quotes may be left aside
        stated = () if own is None else (own.price_multiplier, own.cut_share, own.duration_yr)
        return plan.uses_hazard(row.hazard) and all(figure is None for figure in stated)
    if table == "hazard_profiles":
        return plan.uses_hazard(row.hazard)
    if table != "hazards":
        return True
    struck = row.materials.split() if isinstance(row.materials, str) else row.materials
    return plan.uses_hazard(row.hazard) and ("*" in struck or not chosen.isdisjoint(struck))


def doubtful(plan: Plan, data: Dataset) -> list[str]:
    """Notes on values that are legal and probably not meant. Raises PlanError for events outside the horizon."""
    instance = build_instance(plan, data, longest_event(plan, data))
    left_out = [f"{what} left out: {why}" for what, why in instance.left_out if (what, why) not in instance.impossible]
    odd, scenarios = [text for _, _, text in unlikely(plan, data)], build_scenarios(instance, data)
    idle = [text for _, _, text in unused(plan, data, instance.calendar.years, instance.materials)]
    names = Names.of(data)
    pricing = pricing_sample(instance, data)
    instance = with_priced_contracts(instance, scenarios if pricing is None else pricing.scenarios)
    support = build_support(instance, scenarios, pricing=pricing)
    noted = notes(instance, scenarios, support, names)
    dear = [item for kind, item, _ in noted if kind == DEAR]
    many = len(dear) > MOST_DEAR
    return [
        *(data.asked.notes if isinstance(data.asked, PlanSheet) else ()),
        *odd,
        *outdated(data),
        *idle,
        *(text for _, text in (*objections(plan, data), *averaged_away(plan, data), *unquoted(plan, data))),
        *([_dear_in_one(dear, names)] if many else []),
        *(text for kind, _, text in noted if not (many and kind == DEAR)),
        *left_out,
    ]


def _dear_in_one(materials: Sequence[str], names: Names) -> str:
    """Many materials whose crisis price is beyond what supply is worth to some users, in one sentence."""
    return (
        f"{len(materials)} materials: in some scenarios the crisis price exceeds the value of the supply to some users. Where the "
        "loss of a tonne is an estimate made of the price itself, as its note then says, the cheapest tiers of users "
        f"give up first by construction; elsewhere one of the two figures is wrong: {', '.join(map(names.material, materials))}"
    )


def notes(instance: Instance, scenarios: ScenarioSet, support: Support, names: Names) -> list[tuple[str, str, str]]:
    """(kind, item, text) of what looks doubtful about a question, and of what cannot be chosen; all in the same units.

    Items are codes, texts have names."""
    apart = instance.plan.home == ALL and bool((instance.market_trade > 0).any())
    found = {
        DEAR: _cheaper_short(instance, scenarios, names),
        "short from the start": _short_from_the_start(instance, names),
        "disruption nearly certain": _nearly_certain(instance, scenarios, names),
        "service level without effect": _idle_levels(instance, scenarios, names),
        "option cheaper than stock": _cheap_options(instance, names),
        UNSURE: _unsure(instance, names),
        "already owed": _already_owed(instance),
        "no demand": [] if (instance.demand > 0).any() else [("demand", f"demand: {NO_DEMAND}")],
        EITHER: _ties(instance, names),
        "markets apart": [("price_channel", MARKETS_APART)] * apart,
    }
    noted = [(kind, item, text) for kind, texts in found.items() for item, text in texts]
    never_chosen = never(instance, support)
    return [*noted, *((NEVER, what, f"{names.item(what)} cannot be chosen: {why}") for what, why in never_chosen)]


def in_peace(n: Instance, short: Floats, run: Floats, names: Names) -> Iterator[tuple[str, str, str]]:
    """(kind, item, text) of what users lack on the baseline course, where that is over 1 % of a planned year's demand, and of home
    producers that close on it. short: (Q, T), run: (J, T) of the answer [t]."""
    planned, years = n.calendar.planned, n.calendar.planned_years
    for i, material in enumerate(n.materials):
        each = [part[n.demand_material == i].sum(axis=0) for part in (short, n.demand)]
        lacks, wanted = (np.bincount(n.calendar.year_index[:planned], part[:planned]) for part in each)
        if (over := lacks > THIN * wanted).any():
            most = int((lacks * over).argmax())
            text = f"{in_tonnes(lacks[most])} of the {in_tonnes(wanted[most])} {lower(names.material(material))} of FY{years[most]}"
            yield PEACE, material, f"{text}, over {THIN:.0%} in {over.sum()} of {len(years)} years"
    for j in np.flatnonzero(n.home[: n.sources]).tolist():
        open_ = survival(n, j, n.price, (), 0)[:planned] | (run[j, :planned] > SMALL_T)
        if open_[0] and not open_.all():
            year = years[n.calendar.year_index[open_.argmin()]]
            yield CLOSES, n.producers[j], f"{names.producer(n.producers[j])} from FY{year}"


def _cheaper_short(instance: Instance, scenarios: ScenarioSet, names: Names) -> Iterator[tuple[str, str]]:
    """Users to whom supply is worth less than the highest price of any course to the cheapest of the material's producers."""
    makes = (instance.yields > 0) & (instance.capacity.max(axis=1, initial=0.0) > 0)[:, None]
    least = np.where(makes, instance.premium[:, None], np.inf).min(axis=0, initial=np.inf)
    courses = (scenarios.price * scenarios.market_gap).max(axis=(0, 2), initial=0.0)
    highest = np.maximum(courses, instance.price.max(axis=1, initial=0.0))
    peak = highest * (1 + np.where(np.isfinite(least), least, 0.0))
    cheap: dict[int, list[str]] = defaultdict(list)
    for k, (q, tier) in enumerate(instance.tiers):
        i = int(instance.demand_material[q])
        dear = instance.tier_loss[k] < peak[i] and not instance.adaptation[q]
        if dear and not instance.embedded[i]:
            cheap[i].append(f"{instance.demands[q][1]} {tier}")
    for i, users in cheap.items():
        material, price = instance.materials[i], peak[i] / instance.material_unit[i] / MUSD_PER_T
        yield (
            material,
            f"{names.material(material)}: in some scenarios the crisis price of {digits(price, 4)} USD/kg exceeds the "
            f"value of the supply to some users (segment and tier: {', '.join(users)})",
        )


def _short_from_the_start(instance: Instance, names: Names) -> Iterator[tuple[str, str]]:
    """Materials whose demand existing sources cannot cover even without a disruption."""
    existing = slice(0, instance.sources)
    running = (instance.capacity * instance.availability)[existing]
    for i, name in enumerate(instance.materials):
        wanted = instance.demand[instance.demand_material == i].sum(axis=0)
        made = instance.yields[existing, i].clip(min=0) @ running
        if (wanted > made * (1 + 1e-9)).any():
            t = int((wanted - made).argmax())
            period = instance.calendar.period_label(t)
            unit = instance.material_unit[i]
            controlled = bool((instance.availability[existing, t] < 1)[instance.yields[existing, i] > 0].any())
            as_it_is = ", with the controls in force at the start" if controlled else ""
            yield (
                name,
                f"{names.material(name)}: even without a disruption{as_it_is}, existing sources supply only "
                f"{digits(made[t] * unit, 6)} t of the {digits(wanted[t] * unit, 6)} t demanded in {period}",
            )


def _idle_levels(instance: Instance, scenarios: ScenarioSet, names: Names) -> Iterator[tuple[str, str]]:
    """Service levels that name a scenario which never touches their material."""
    for level in instance.plan.service_levels:
        c = instance.component[instance.materials.index(level.material)] if level.material in instance.materials else -1
        if c < 0:
            yield level.material, f"{names.material(level.material)} is not planned, so the promise on it has no effect"
        for name in level.scenarios if c >= 0 else ():
            if scenarios.onset[scenarios.names.index(name), c] >= instance.calendar.periods:
                yield (
                    level.material,
                    f"{names.material(level.material)}, {level.segment}: scenario {name} never affects this material, so the "
                    "service level has no effect there",
                )


def _unsure(instance: Instance, names: Names) -> Iterator[tuple[str, str]]:
    """Projects that their owners may build without support."""
    for project in instance.projects:
        if project.chance > 0:
            likely = f"{100 * project.chance:.2g}%"
            yield (
                project.name,
                f"{names.producer(project.name)}: by the range of its cost its owner builds it without support with a chance of "
                f"{likely}; so much of it counts in any case, and support adds the rest",
            )


def _cheap_options(instance: Instance, names: Names) -> Iterator[tuple[str, str]]:
    """Offtake contracts that cost less for a tonne and year, whoever pays, than to hold that tonne: storage, and the discount rate
    on its price; in one sentence."""
    calendar, cheap = instance.calendar, list[str]()
    for j in np.flatnonzero(~np.isnan(instance.contract_lot)).tolist():
        made = np.flatnonzero(instance.yields[j] > 0)
        price = float((instance.yields[j] * instance.base_price)[made].sum())
        held = float((instance.yields[j] * instance.holding)[made].sum()) + calendar.rate * price
        cost = float(instance.contract_fee[j] + instance.contract_rise[j]) / calendar.step
        if cost < held * (1 - 1e-9):
            per_kg = 1.0 / (instance.producer_unit[j] * MUSD_PER_T)
            name = names.producer(instance.producers[j])
            cheap.append(f"{name} {digits(cost * per_kg, 3)} against {digits(held * per_kg, 3)} USD/kg")
    if cheap:
        text = "an offtake option costs less a year than holding the tonne, which sellers in a crisis seldom grant: "
        yield "contracts", f"{text}{'; '.join(cheap)}"


def _ties(instance: Instance, names: Names) -> Iterator[tuple[str, str]]:
    """Materials of which a tonne less costs defence what it costs others: the aim does not say who runs short."""
    for i, name in enumerate(instance.materials):
        of: dict[str, set[float]] = {"defence": set(), "others": set()}
        for k, (q, _) in enumerate(instance.tiers):
            if instance.demand_material[q] == i and instance.demand[q].any():
                who = "defence" if instance.priority[q] == DEFENCE else "others"
                of[who].add(float(f"{instance.tier_loss[k]:.9g}"))
        if of["defence"] & of["others"]:
            yield (
                name,
                f"{names.material(name)}: a missing tonne costs defence as much as other users, so the model may let either "
                "run short; other plans that are as good may leave defence with more or less",
            )


def _already_owed(instance: Instance) -> Iterator[tuple[str, str]]:
    """Years whose appropriation does not even hold what is in store at the start, and a total that does not."""
    what = "holding the opening stock costs"
    if instance.carried.due.any():
        what = "holding the opening stock and what was signed before cost"
    alike: dict[str, list[int]] = {}  # years that owe as much share a line
    for year, owed, money in zip(instance.calendar.years, instance.owed, instance.available, strict=True):
        if owed > money * (1 + 1e-9):
            text = f"{what} {owed:,.4g} million USD, {owed - money:,.4g} more than is appropriated"
            alike.setdefault(text, []).append(year)
    for text, years in alike.items():
        span = listed([f"FY{year}" for year in years], 3)
        yield span, f"{span}: {text}: already owed, whatever the plan does"
    cap = instance.plan.budget.liability_cap_musd
    if cap is not None:
        over = instance.carried.liability > instance.by_year(cap)
        years = [year for year, full in zip(instance.calendar.planned_years, over, strict=False) if full]
        if years:
            yield (
                "the limit on floors",
                f"FY{years[0]} to FY{years[-1]}: what was guaranteed before uses up the limit on what floors may cost, so no new "
                "floor fits",
            )
    total = instance.plan.budget.total_musd
    owed_in_all = float(instance.owed[: len(instance.calendar.planned_years)].sum())
    if total is not None and owed_in_all > total * (1 + 1e-9):
        yield (
            "all years of the plan",
            f"all years of the plan: {what} {owed_in_all:,.4g} million USD, {owed_in_all - total:,.4g} "
            "more than the total budget: already owed, whatever the plan does",
        )


def _nearly_certain(instance: Instance, scenarios: ScenarioSet, names: Names) -> Iterator[tuple[str, str]]:
    """Components that some disruption hits in nearly every scenario before the planned years end."""
    last = scenarios.trunk_weight(instance.calendar.periods)[:, instance.calendar.planned - 1]
    for name, weight in zip(instance.components, last, strict=True):
        if weight < THIN:
            yield (
                name,
                f"{names.material(name)}: a disruption hits it with {1 - weight:.0%} probability before the plan ends; the last "
                "years of its plan are based on few scenarios",
            )


def other_losses(plan: Plan, data: Dataset, material: str = "") -> tuple[tuple[float, str], tuple[float, str]]:
    """(least, of which material), (most, of which) of other published losses, as multiples of those of the plan's loss function,
    over the plan's materials or of one alone."""
    chosen = {qualified_forms(plan, data).of(material)} if material else set(select_materials(plan, data))
    rows = [
        row for row in restated(plan, data).rows("loss_functions") if row.material in chosen and row.loss_usd_per_t > 0
    ]
    own = {(row.material, row.segment): row.loss_usd_per_t for row in rows if row.loss_function == plan.loss_function}
    other = [row for row in rows if row.loss_function != plan.loss_function]
    times = [
        (row.loss_usd_per_t / value, material)
        for (material, segment), value in sorted(own.items())
        for row in other
        if row.material == material and (segment == row.segment or "*" in (segment, row.segment))
    ]
    least = min(times, key=lambda pair: pair[0], default=(1.0, ""))
    return least, max(times, key=lambda pair: pair[0], default=(1.0, ""))


def without_data(data: Dataset) -> list[str]:
    """Minerals of the table `minerals` for which the planning tables hold no material."""
    planned = {row.mineral for row in data.rows("materials")}
    planned |= {row.mineral for row in data.rows("listed_minerals") if row.materials}
    return sorted(row.mineral for row in data.rows("minerals") if row.mineral not in planned)


# What a caller's own variables, constraints and terms came to, beside the plan: a table, and lines of the objective.
OWN_PARTS = "own_parts"
"""Name of the table."""
COLUMNS = {
    **dict.fromkeys(("part", "name"), "text"),
    **dict.fromkeys(("value", "lower", "upper"), "number"),
    "binds": "boolean",
    "price": "number",
    "meaning": "text",
}
TOLERANCE = 1e-6
"""Violation of an own constraint that is rounding, as a share of its largest term and 1."""
TERM, CONSTRAINT, VARIABLE = "term", "constraint", "variable"
SETTLED = "settled_"
"""How constraints begin that settle a plan: that which `regret` recommends, or doing nothing new."""
MOST_SAID = 8
"""Constraints that a summary names."""
Extended = Literal["", "rules", "terms", "settled"]


def own_table(solved: Solved, own: OwnParts) -> pd.DataFrame:
    """A row for each term [million USD, discounted], constraint (its price in economic sign) and variable that was added.

    Worked out from the caller's own expressions at the plan's decisions, not from the matrix that was solved. Raises UntrustedError
    where a constraint does not hold there."""
    own.load(solved.x)
    aim = main_aim(solved.problem.plan)
    rows: list[dict[str, Any]] = [
        {"part": TERM, "name": name, "value": own.value(term) + 0.0, "meaning": "million USD, discounted"}
        for name, term in own.terms.items()
    ]
    for row in own.rows:
        value = own.value(row.body)
        beyond = max(row.lower - value, value - row.upper, 0.0)
        size = _largest_term(solved, row.row) / row.factor
        if beyond > TOLERANCE * (1 + size):
            raise UntrustedError(f"the constraint {row.name} is broken by {beyond:g}, at {value:g}")
        price, meaning = _price(solved, row.row, row.factor, row.lower, row.upper, aim)
        limits = {"lower": _finite(row.lower), "upper": _finite(row.upper)}
        binds = min(value - row.lower, row.upper - value) <= TOLERANCE * (1 + size)
        entry = {**limits, "binds": binds, "price": price, "meaning": meaning}
        rows.append({"part": CONSTRAINT, "name": row.name, "value": value + 0.0, **entry})
    _require_own_limits(solved, own)
    rows += [{"part": VARIABLE, "name": v.name, "value": own.value(v) + 0.0, "meaning": ""} for v in own.added]
    return typed(pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)


def _require_own_limits(solved: Solved, own: OwnParts) -> None:
    """Raise UntrustedError where a variable that was added leaves its bounds, or is not whole where it has to be."""
    assembly, first = solved.problem.assembly, len(own.named.columns)
    for k, variable in enumerate(own.added, start=first):
        value = float(solved.x[k])
        beyond = max(float(assembly.lower[k]) - value, value - float(assembly.upper[k]), 0.0)
        if beyond > TOLERANCE * (1 + abs(value)):
            raise UntrustedError(f"the variable {variable.name} is {beyond:g} beyond its bounds, at {value:g}")
        if assembly.integer[k] and not solved.outcome.relaxed and abs(value - round(value)) > WHOLE:
            raise UntrustedError(f"the variable {variable.name} is not whole, at {value:g}")


def is_extended(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether a plan was made with more than it says itself: then the plan alone does not lead to the same answer."""
    return OWN_PARTS in tables and len(tables[OWN_PARTS]) > 0


def require_plain(tables: Mapping[str, pd.DataFrame], *, settled: bool = False) -> None:
    """Raise InputError for a plan that was extended by own code, where a study would solve the plan alone again. settled: whether
    one that was settled beforehand will do."""
    if is_extended(tables) and not (settled and _settled(tables[OWN_PARTS])):
        found = "a plan extended by own code, which this study does not know"
        if _settled(tables[OWN_PARTS]):
            found = "a plan that was not chosen by its own scenarios (`regret`, or doing nothing new)"
        raise InputError([Fault("result", "", "own_parts", found, "a plan solved as it is stated")])


def _settled(table: pd.DataFrame) -> bool:
    """Whether all that was added settles a plan."""
    return bool(table.name.str.startswith(SETTLED).all())


def objective_table(
    parts: Mapping[str, float], reference: Mapping[str, float], own: pd.DataFrame | None
) -> pd.DataFrame:
    """The table of the objective's parts, of the plan and of doing nothing, which has none of the terms of own code."""
    rows = [(name, value, reference[name]) for name, value in parts.items()]
    if own is not None:
        terms = own[own.part == TERM]
        rows += [(f"own: {name}", value, 0.0) for name, value in zip(terms.name, terms.value, strict=True)]
    return pd.DataFrame(rows, columns=["part", "plan_musd", "do_nothing_musd"])


def extended_by(tables: Mapping[str, pd.DataFrame]) -> Extended:
    """What own code has added that a proof has to tell: terms, which are weighed with the plan's worth, or rules alone; or whether
    the plan was settled beforehand."""
    if not is_extended(tables):
        return ""
    if _settled(tables[OWN_PARTS]):
        return "settled"
    return "terms" if (tables[OWN_PARTS].part == TERM).any() else "rules"


def own_lines(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What was added, in words; nothing where there was none."""
    table = tables.get(OWN_PARTS)
    if table is None or not len(table):
        return []
    if _settled(table):
        return [f"Settled beforehand: what it signs, and its targets (table {OWN_PARTS})."]
    counts = [(name, int((table.part == name).sum())) for name in (CONSTRAINT, VARIABLE, TERM)]
    text = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts if count)
    lines = [f"Extended by own code: {text}. Every figure here is the plan's alone; the terms are listed beside."]
    lines += [f"  Term {row.name}: {row.value:,.6g} million USD." for row in rows_of(table[table.part == TERM])]
    rules = table[(table.part == CONSTRAINT) & table.binds & (table.lower != table.upper)]
    rules = rules.sort_values("price", ascending=False, kind="stable")
    for row in rows_of(rules.head(MOST_SAID)):
        price = "" if np.isnan(row.price) else f"{row.price:,.4g} "
        lines.append(f"  Constraint {row.name} binds{f': {price}{row.meaning}' if row.meaning else ''}.")
    if len(rules) > MOST_SAID:
        lines.append(f"  {len(rules) - MOST_SAID} more constraints bind (table {OWN_PARTS}).")
    return lines


def _price(solved: Solved, row: int, factor: float, lower: float, upper: float, aim: str) -> tuple[float, str]:
    """What one unit more room in a constraint is worth, and in words. The dual is that of the scaled row, with the whole decisions
    as they are: of a rule on these alone it says nothing."""
    if solved.prices is None:
        return np.nan, ""
    assembly = solved.problem.assembly
    whole = assembly.integer[assembly.index[assembly.start[row] : assembly.start[row + 1]]]
    if len(whole) and whole.all():
        return np.nan, "a rule on whole decisions alone: to see what it costs, solve again with one unit more"
    dual, kept = float(solved.prices.row[row]) * factor, ", with the whole decisions as they are" * bool(whole.any())
    if lower == upper:
        return -dual + 0.0, f"million USD of {aim} avoided by a right-hand side of one more{kept}"
    return abs(dual), f"million USD of {aim} avoided by one unit more room{kept}"


def _largest_term(solved: Solved, row: int) -> float:
    """Largest absolute term of a row at the plan."""
    assembly = solved.problem.assembly
    entries = slice(assembly.start[row], assembly.start[row + 1])
    return float(np.abs(assembly.value[entries] * solved.x[assembly.index[entries]]).max(initial=0.0))


def _finite(value: float) -> float:
    return value if np.isfinite(value) else np.nan


# Tables for readers: names and units of columns, and scenarios named by what happens in them.
NAMED_UNITS = {
    "share": "share",
    "probability": "probability",
    "days_of_use": "days of that year's use",
    "fiscal_year": "fiscal year",
    "period": "fiscal year, and the part of it where there are several",
}
"""How names of a result's columns end whose unit is no ending -> unit."""
HEADINGS = {
    "sentence": "in words",
    "gained": "added at the larger budget",
    "lost": "dropped at the larger budget",
    "appropriation below": "smaller budget",
    "appropriation above": "larger budget",
    "in sample": "in the plan's own scenarios",
    "do nothing": "without the plan",
    "do": "what to do",
}
"""A column's name, its unit taken away -> what readers read."""
PARTS = {"cvar": "CVaR", "defence short": "probability of a defence shortfall"}
"""Words within a column's name -> what readers read."""
ENDED = {
    "optimal": "proven best",
    "within_gap": "proven best within the gap",
    "time_limit": "stopped at the time limit",
    "stalled": "incomplete: the solver gave no answer in part of the search",
    "interrupted": "interrupted",
    "out_of_memory": "stopped at the memory limit",
}
"""Reason of an outcome -> how the solve ended."""


def unit_of(column: str, table: pd.DataFrame) -> str:
    """Unit of a column by its name; for values with a unit beside them, that column."""
    if column == "value" and "unit" in table.columns:
        return "see column unit"
    units = {**UNITS, **NAMED_UNITS}
    return next((unit for ending, unit in units.items() if column == ending.strip("_") or column.endswith(ending)), "")


def heading(column: str) -> str:
    """A column's name for readers, its unit in brackets; `_low` and `_high` are the ends of a range or an interval."""
    for end in ("low", "high"):
        whole = str(column).removesuffix(f"_{end}")
        if whole == column:
            continue
        name, bracket, unit = heading(whole).partition(" [")
        if bracket or name in PARTS.values():
            return f"{name}, {end} end{bracket}{unit}"
    stem, unit = stem_and_unit(str(column))
    return f"{_words(stem)} [{unit}]" if unit else _words(stem)


def _words(column: str) -> str:
    """A column's name, its unit taken away, in words."""
    words = str(column).replace("_", " ")
    for part, name in PARTS.items():
        if f" {part} " in f" {words} ":
            return words.replace(part, name)
    return HEADINGS.get(words, words)


def scenario_names(plan: Plan, losses: pd.DataFrame) -> dict[str, str]:
    """Scenario -> its name for readers, no two alike: of a listed one its own and what happens, of a drawn one what happens in it.

    losses: the table `scenario_losses`."""
    listed = {scenario.name for scenario in plan.scenarios}
    happens = dict(zip(losses["scenario"], losses["what_happens"], strict=True))
    times = Counter(words for code, words in happens.items() if code not in listed)
    drawn = {code: words if times[words] == 1 else f"{words} ({code})" for code, words in happens.items()}
    return {code: f"{code} ({words})" if code in listed else drawn[code] for code, words in happens.items()}


# What an answer rests on beside its own figures: facts and estimates of the inputs, how the solve ended, how large it was.
MOST_ESTIMATES = 6
"""Widest estimates that are named, one a quantity and item."""


class Basis:
    """All that a summary says beside the figures of the answer, worked out from its plan, tables and audit."""

    def __init__(self, result: Record) -> None:
        plan, data, outcome, tables = result.plan, result.data, result.outcome, result.tables
        counted, stake, noted = provenance(plan, data), _stakes(result), tables["notes"]
        asked = {f"floor {name}" for name in floor_names(plan).values()}
        never = noted[noted.kind == NEVER]
        of_floors = never.item.isin(asked)

        def of_kind(kind: str) -> tuple[str, ...]:
            """Notes of a kind, in words."""
            return tuple(noted.note[noted.kind == kind])

        self.tables, self.relaxed = tables, outcome.relaxed
        self.touching = touching(plan, data)
        self.release = plan.release if plan.policy == "targets" else None
        """Rule of release; None: the plan knows the course of each disruption."""
        self.reason: str = outcome.reason
        self.names = names = Names.of(data)
        self.scenarios = scenario_names(plan, tables["scenario_losses"])
        self.other_losses = other_losses(plan, data)
        self.replayed = of_kind(REPLAYED)
        self.embedded = {row.material for row in data.rows("materials") if row.embedded and not plan.risk.embedded}
        """Materials that come only inside imported goods and that risk measures leave out."""
        chosen = set(select_materials(plan, data))
        wanted = [row for row in data.rows("demand") if row.material in chosen]
        self.has_defence = any(
            (row.priority or DEFENCE) == DEFENCE for row in wanted if row.priority or row.segment == "defence"
        )
        self.facts, self.estimates = counted.facts, counted.estimates
        self.widest = _widest(counted.widest, stake, names)
        self.reluctant = tuple(names.material(m) for m in sorted(set(noted.item[noted.kind == DEAR]) & set(stake)))
        self.floors_asked = len(asked)
        self.floors_gone, self.out_of_reach = tuple(never.note[of_floors]), tuple(never.note[~of_floors])
        """Price floors of the plan's menus that can never be chosen, and what else cannot, each with its reason."""
        self.averaged, self.tied = of_kind(AVERAGED), of_kind(EITHER)
        self.doubts, self.owed = of_kind(DOUBT), of_kind("already owed")
        self.held_before = _held_before(plan, data, names)
        self.owed_by_prices = _owed_by_prices(plan, data)
        """What guarantees signed before cost in the planned years by price set [million USD]; empty where there is none."""
        self.unsure, self.peace, self.closes = of_kind(UNSURE), of_kind(PEACE), of_kind(CLOSES)
        self.audit_word, self.worst = audit_word(result), result.audited.worst()
        self.counts, self.seconds = result.counts, float(result.seconds.get("total", 0.0))
        self.highs, self.tolerance = result.versions["highs"], float(result.options["primal_feasibility_tolerance"])
        self.home = home_money(plan, data)
        self.act_now = ActNow.of(tables)
        """What other samples say of the plan; None where it was solved for its own scenarios alone."""
        self.mineral_of = _main_products(plan, data)
        """Producer -> the material that most of what it makes is worth."""
        self.own = own_lines(tables)
        self.extended = extended_by(tables)


def _held_before(plan: Plan, data: Dataset, names: Names) -> str:
    """Orders that count as held when the plan starts, and stock of unpublished materials, which does not."""
    if not plan.existing:
        return ""
    planned = select_materials(plan, data)
    mine = [row for row in data.rows("stock") if row.ordered_t and row.opening_t and row.material in planned]
    ordered = {row.material: min(row.ordered_t, row.opening_t) for row in mine}
    listed = [f"{in_tonnes(tonnes)} {lower(names.material(name))}" for name, tonnes in ordered.items()]
    counted = f"Ordered before and counted as held: {some(listed)}. " * bool(listed)
    home = next((row for row in data.rows("homes") if row.home == plan.home and row.unlisted_musd), None)
    year = f" ({home.unlisted_year})" if home and home.unlisted_year else ""
    unlisted = home and f"Not counted: {musd(home.unlisted_musd)} M of stock of unpublished materials{year}."
    return f"{counted}{unlisted or ''}".strip()


def _owed_by_prices(plan: Plan, data: Dataset) -> dict[str, float]:
    """By each price set that has all materials of the plan; none where nothing is owed beside its money. What counts is made and
    used by the producers that have guarantees: nothing else is built."""
    owed = {row.producer for row in data.rows("commitments") if plan.existing and row.payer == plan.home}
    theirs = {row.material for row in data.rows("yields") if row.producer in owed}
    chosen = select_materials(plan, data)
    if theirs.isdisjoint(chosen):
        return {}
    few = plan.model_copy(update={"materials": tuple(name for name in chosen if name in theirs)})
    needed, found = set(chosen) - set(qualified_forms(plan, data).base), dict[str, float]()
    for name, rows in grouped(data.rows("prices"), "price_set").items():
        if needed <= {row.material for row in rows}:
            n = build_instance(few.model_copy(update={"price_set": name}), data)
            found[name] = float(n.carried.beside[: len(n.calendar.planned_years)].sum())
    return found if max(found.values(), default=0.0) > 0 else {}


def _main_products(plan: Plan, data: Dataset) -> dict[str, str]:
    """Producer -> the dearest part of what it makes."""
    price = {row.material: row.price_usd_per_kg for row in data.rows("prices") if row.price_set == plan.price_set}
    found: dict[str, tuple[float, str]] = {}
    for row in data.rows("yields"):
        part = row.yield_t_per_t * price.get(row.material, 0.0), row.material
        found[row.producer] = max(found.get(row.producer, part), part)
    return {producer: material for producer, (worth, material) in found.items() if worth > 0}


def floor_in_words(row: Any, names: Names) -> tuple[str, str]:
    """Who has a price floor, a row of the table `floors`, and for which material."""
    who = names.producer(row.floor.partition(": ")[0]) if row.scope == "project" else "the whole market"
    return who, names.material(row.material)


def audit_word(result: Record) -> str:
    """How the audit ended: a relaxation leaves integers open, so that there is no plan to audit."""
    if result.audited.passed:
        return "passed"
    return "not applicable to a relaxation" if result.outcome.relaxed else "FAILED"


def _widest(wide: pd.DataFrame, stake: Mapping[str, float], names: Names) -> tuple[str, ...]:
    """The widest estimates of what the plan acts on: hazards first, then by what is at stake."""
    if wide.empty:
        return ()
    wide = wide.assign(
        of=wide.key.str.split("/").str[0],
        stake=[max((stake.get(part, 0.0) for part in key.split("/")), default=0.0) for key in wide.key],
    )
    wide = wide[wide.stake > 0].sort_values("stake", ascending=False, kind="stable")
    wide = wide.drop_duplicates(["table", "column", "of"])
    hazards = wide[wide.table == "hazards"].head(MOST_ESTIMATES // 2)
    chosen = pd.concat([hazards, wide[wide.table != "hazards"].head(MOST_ESTIMATES - len(hazards))])
    return tuple(range_in_words(row.key, row.column, row.low, row.value, row.high, names) for row in rows_of(chosen))


def _stakes(result: Record) -> dict[str, float]:
    """What the plan acts on -> its share of the gross worth: materials, offers, projects, contracted sources, hazards."""
    value, bought = result.tables["value"], result.tables["purchases_in_scenarios"]
    names = set(bought.material[bought.expected_acquired_t > SMALL_T])
    value = value[value.component != "commitments"]
    gross = value.shortage_avoided_musd.abs() + value.bill_saved_musd.abs()
    total = max(float(gross.sum()), 1e-9)
    share: dict[str, float] = {}
    for materials, worth in zip(value.materials.str.split(), gross / total, strict=True):
        share |= {m: float(worth) for m in materials if m in names or worth > 0.05}
    bought, projects = result.tables["acquisitions"], result.tables["projects"]
    share |= {row.offer: share.get(row.material, 0.0) for row in rows_of(bought)}
    share |= dict.fromkeys(projects.project[projects.share > 1e-6], 0.5)
    share |= dict.fromkeys(result.tables["contracts"].activity, 0.5)
    struck = result.tables["scenario_losses"]
    avoided = (struck.loss_without_plan_musd - struck.loss_musd).clip(lower=0.0)
    for hazard, worth in come_with(struck, avoided, touching(result.plan, result.data)).items():
        share[hazard] = (1.0 + worth / total) * (worth > 0)
    return share


def touching(plan: Plan, data: Dataset) -> frozenset[str]:
    """Hazards that name a material that the home uses, or a feed of one; events of the plan that name no hazard among them."""
    used = with_feeds((row.material for row in data.rows("demand")), data)
    chosen = {*select_materials(plan, data)} & {*used} | {"*"}
    stated = *(event for scenario in plan.scenarios for event in scenario.events), *plan.ongoing
    named = [(event.hazard, event.materials or "") for event in stated if event.hazard is not None]
    named += [(control.hazard, control.materials) for control in plan.controls if control.hazard is not None]
    named += [(code, row.materials) for code, row in hazards(plan, data).items()]
    return frozenset({UNNAMED, *(code for code, materials in named if not chosen.isdisjoint(materials.split()))})


def come_with(scenarios: pd.DataFrame, amount: pd.Series, touching: Collection[str]) -> dict[str, float]:
    """Hazard -> what comes with it: how much larger an amount is where it strikes, all others being as they are, times its
    probability; by least squares over the scenarios. A frequent hazard that does no harm has none. touching: those that may."""
    pi, there = scenarios.probability.to_numpy(), [{*names.split()} & {*touching} for names in scenarios.hazards]
    always = sorted(set.intersection(*there)) if there else []  # what comes without the others comes with them
    hazards = sorted(set().union(*there) - {*always})
    strikes = np.array([[1.0, *(hazard in names for hazard in hazards)] for names in there]).reshape(len(there), -1)
    weight = np.sqrt(pi)
    found = np.linalg.lstsq(strikes * weight[:, None], amount.to_numpy() * weight, rcond=None)[0] * (pi @ strikes)
    return {
        **dict.fromkeys(always, float(found[0]) / max(1, len(always))),
        **dict(zip(hazards, found[1:].tolist(), strict=True)),
    }


# Public functions that tie several rooms together: check a question, open a run.
@dataclass(frozen=True)
class CheckReport:
    """What `check` found: faults that forbid a solve, notes that do not, and provenance."""

    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: schema_version, kind, then faults, notes, counts of facts and estimates, the widest estimates."""
        counted = self.provenance
        content = {
            "schema_version": FORMAT,
            "kind": "check",
            "faults": [asdict(fault) for fault in self.faults],
            "facts": counted.facts,
            "estimates": counted.estimates,
            "by_table": counted.by_table,
            "widest": records(counted.widest),
            "notes": self.notes,
        }
        return dict(plainly(content))


def check(plan: Plan, data: Dataset) -> CheckReport:
    """Check a plan and its tables without solving: faults, doubts, how many figures are estimates.

    What is wrong is in the report's `faults`, with its place, and so is a model that would not be compiled, among the
    `notes`. Raises nothing for a plan and tables that could be read, whatever they say."""
    faults = check_data(plan, data)
    notes: list[str] = []
    if not faults:
        try:
            notes = [*not_compiled(plan.home, data), *doubtful(plan, data)]
            prepare(plan, data)
        except PlanError as error:
            faults = [data.placed(fault) for fault in error.faults]
        except FormulationError as error:
            notes.append(f"numerically unsafe, would not be solved: {error}")
    return CheckReport(tuple(faults), tuple(notes), provenance(plan, data))


# A plan's home in words: its money beside the dollar.
def home_money(plan: Plan, data: Dataset) -> tuple[str, float, int] | None:
    """(currency, what a dollar is worth in it, in which year) of a plan's home: mean of the price year, or of the last year before
    it that is known; NaN where none is. None where no table names the home."""
    row = home_row(data, plan.home)
    if row is None:
        return None
    rates = {r.money_year: r.local_per_usd for r in data.rows("exchange_rates") if r.currency == row.currency}
    year = max((y for y in rates if y <= plan.price_year), default=0)
    return row.currency, rates.get(year, math.nan), year
