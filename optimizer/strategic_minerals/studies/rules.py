"""Rules of thumb of ministries as purchases by year: days of cover, published ceilings, equal money, shares by value.

Each comes at its own money and at as much as the plan spends. A rule signs nothing, or all that the plan signs: plants,
contracts, floors."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from ..answer.act_now import SAMPLES
from ..answer.notes import require_plain
from ..answer.result import Result
from ..answer.study import Study
from ..core.errors import Fault, InputError
from ..core.formats import SMALL_MUSD, musd
from ..core.frames import Floats, rows_of
from ..core.runner import HERE, Runner, current
from ..core.stats import DAYS_PER_YEAR, bracket, estimated
from ..core.verb import Confidence, verb
from ..matrix.problem import Problem, prepare
from ..matrix.solution import Solution, trunk_alone
from ..model.values import net_imports
from ..question.plan import Plan
from ..solver.optimise import SampleSearch, require_bounded, sample_seeds
from ..world.build import published_ceilings
from ..world.producers import purchase_price
from .stress import A_SAMPLE, MOST_SCENARIOS, SAMPLES_AT_ONCE, SCENARIOS, TEST_SEED_MASK, met, stages_of
from .stress import SAMPLES as COUNT

COVERS = (60, 90, 120, 180)
"""Days of net imports."""
CEILINGS = "published purchase ceilings"
"""Name of the rule that buys them in full."""
OTHER_COVERS = tuple(f"{days} days of cover" for days in COVERS[1:])
OF_DEPTH = 0.9
"""Share of what the market offers in a year that a rule reckons with."""
OF_MONEY = 0.85
"""Share of a year's appropriation that it spends on purchases: what is held has to be paid for too."""
MOST_SCALE, HALVINGS = 1e4, 60
"""Of a rule, to spend as much as the plan."""


def without_promises(plan: Plan) -> Plan:
    """The plan without its promises, refilling in time among them: rules of thumb make none."""
    rules = tuple(rule.model_copy(update={"refill_within_years": None}) for rule in plan.stock_rules)
    none = dict.fromkeys(("service_levels", "diversification", "days_of_cover"), ())
    return plan.model_copy(update={**none, "stock_rules": rules})


@dataclass(frozen=True)
class PurchaseRule:
    """What a rule buys as long as nothing happens."""

    name: str
    money: str
    """`its own`, or `the plan's`."""
    bought: Mapping[str, Floats]
    """Purchase -> (T,) tonnes."""
    spent_musd: float
    """On purchases of the planned years, not discounted."""
    plants: bool
    """Whether it signs what the plan signs."""
    note: str = ""


@dataclass(frozen=True)
class Offered:
    """Offers of one material, the cheapest first."""

    purchases: tuple[str, ...]
    depth: Floats
    """(offers, T) tonnes."""
    price: Floats
    """(offers, T) [million USD/t]."""


Schedule = Callable[[float], dict[str, Floats]]
"""Scale of a rule -> purchase -> (T,) tonnes."""


def purchase_rules(
    problem: Problem, base: Solution, own: Solution, plan_musd: float, ceilings: Mapping[str, float]
) -> Iterator[PurchaseRule]:
    """All rules, each at its own money and at the plan's.

    base, own: courses of doing nothing and of the plan: each says which plants stand. plan_musd: what the plan spends on purchases
    in the planned years. ceilings: material -> tonnes a year that a published plan
    lets the stockpile buy."""
    n, market, signed = problem.natural, offered(problem, base), offered(problem, own)
    imports = {i: float(net_imports(n, i).max()) for i in market}
    worth = {i: imports[i] * float(n.price[i, 0]) for i in market}
    total = sum(worth.values())
    given = float(n.appropriation[: len(n.calendar.planned_years)].sum())
    listed = {n.materials.index(m): tonnes for m, tonnes in ceilings.items() if m in n.materials}
    covers = {days: {i: float(net_imports(n, i).max()) * days / DAYS_PER_YEAR for i in signed} for days in COVERS}
    schedules = {f"{days} days of cover": _stock(problem, market, target) for days, target in covers.items()}
    signing = f"{COVERS[0]} days of cover and all that the plan signs"
    schedules[signing] = _stock(problem, signed, covers[COVERS[0]])
    if any(listed.get(i, 0.0) > 0 for i in market):
        step = problem.natural.calendar.step
        schedules[CEILINGS] = lambda scale: _filled(problem, market, lambda i, t, _: scale * listed.get(i, 0.0) * step)
    schedules["equal money for each material"] = _money(problem, market, {i: given / len(market) for i in market})
    if total > 0:
        by_value = {i: given * worth[i] / total for i in market}
        schedules["money by value of net imports"] = _money(problem, market, by_value)
    for name, schedule in schedules.items():
        of, bought = signed if name == signing else market, schedule(1.0)
        yield PurchaseRule(name, "its own", bought, spent(problem, of, bought), name == signing)
        if name in OTHER_COVERS:  # scaled to the same money they are the first
            continue
        scale, note = _scale(problem, of, schedule, plan_musd)
        bought = schedule(scale)
        yield PurchaseRule(name, "the plan's", bought, spent(problem, of, bought), name == signing, note)


def offered(problem: Problem, course: Solution) -> dict[int, Offered]:
    """Material -> what the market offers the reserve before any event, and projects in periods in which they run on a course;
    materials without an offer are left out."""
    n, unit = problem.natural, problem.instance.material_unit
    T, trunk = n.calendar.periods, problem.structure.trunk
    found, runs = {}, np.ones((len(n.producers) + 1, T), dtype=bool)  # the last: the market
    runs[n.sources : -1] = (course.output + course.reserve_output)[0, n.sources :] > 0
    for c, sets in enumerate(problem.structure.component_sets):
        part = problem.assembly.operations[c]
        for i in sets.materials:
            mine = [p for p in sets.purchases if p.material == i and p.offer >= 0]
            depth = [problem.assembly.upper[part.columns("acquisition", p.name)[:T]] * float(unit[i]) for p in mine]
            depth = [np.where(np.isfinite(d) & runs[p.source], d, 0.0) for p, d in zip(mine, depth, strict=True)]
            price = [
                purchase_price(problem.instance, p, trunk.price[0, i], trunk.market_gap[0, i])[:T] / float(unit[i])
                for p in mine
            ]
            order = sorted(range(len(mine)), key=lambda k: float(price[k][0]))
            if mine and max(float(d.max()) for d in depth) > 0:
                names, by_price = tuple(mine[k].name for k in order), np.array([price[k] for k in order])
                found[i] = Offered(names, np.array([depth[k] for k in order]), by_price)
    return found


def spent(problem: Problem, market: Mapping[int, Offered], bought: Mapping[str, Floats]) -> float:
    """Cost of purchases in the planned periods [million USD, not discounted]."""
    planned = problem.natural.calendar.planned
    return sum(
        float(bought[name][:planned] @ of.price[k][:planned])
        for of in market.values()
        for k, name in enumerate(of.purchases)
        if name in bought
    )


def purchases_musd(problem: Problem, course: Solution) -> float:
    """Cost of a course's purchases before any event in the planned periods [million USD, not discounted]."""
    at = {name: k for k, name in enumerate(course.purchases)}
    bought = {name: course.acquisition[0, k] for name, k in at.items()}
    return spent(problem, offered(problem, course), bought)


def _filled(
    problem: Problem, market: Mapping[int, Offered], wanted: Callable[[int, int, float], float]
) -> dict[str, Floats]:
    """Purchases period by period: the cheapest offers first, within depth and a year's money, all materials cut alike.

    wanted: (material, period, what is held of before) -> tonnes wanted in the period."""
    n = problem.natural
    T, planned, per_year = n.calendar.periods, n.calendar.planned, n.calendar.per_year
    bought = {name: np.zeros(T) for of in market.values() for name in of.purchases}
    held, kept = {i: float(n.opening[i]) for i in market}, 1 - n.decay
    for t in range(planned):
        asked: dict[str, float] = {}
        cost = 0.0
        for i, of in market.items():
            held[i] = float(kept[i]) * (held[i] + sum(float(bought[name][t - 1]) for name in of.purchases) * (t > 0))
            left = wanted(i, t, held[i])
            for k, name in enumerate(of.purchases):
                tonnes = max(0.0, min(left, OF_DEPTH * float(of.depth[k, t])))
                asked[name], left = tonnes, left - tonnes
                cost += tonnes * float(of.price[k, t])
        money = OF_MONEY * float(n.appropriation[t // per_year]) / per_year
        share = min(1.0, money / cost) if cost > 0 else 1.0
        for name, tonnes in asked.items():
            bought[name][t] = share * tonnes
    return bought


def _stock(problem: Problem, market: Mapping[int, Offered], target: Mapping[int, float]) -> Schedule:
    """A stock of each material, as soon as market and money allow."""
    return lambda scale: _filled(problem, market, lambda i, t, held: scale * target[i] - held)


def _money(problem: Problem, market: Mapping[int, Offered], money: Mapping[int, float]) -> Schedule:
    """The same money every year, at the price of the cheapest offer  [million USD in all planned years]."""
    planned = problem.natural.calendar.planned
    return lambda scale: _filled(
        problem, market, lambda i, t, _: scale * OF_MONEY * money[i] / planned / float(market[i].price[0, t])
    )


def _scale(problem: Problem, market: Mapping[int, Offered], schedule: Schedule, musd: float) -> tuple[float, str]:
    """(scale at which a rule spends as much, why it does not)."""

    def enough(scale: float) -> bool:
        return spent(problem, market, schedule(scale)) >= musd

    if not enough(MOST_SCALE):
        return (
            MOST_SCALE,
            f"more would take over {OF_MONEY:.0%} of a year's money or {OF_DEPTH:.0%} of what is on offer",
        )
    return bracket(enough, 0.0, MOST_SCALE, halvings=HALVINGS)[1], ""


# A plan beside what ministries do: every rule of thumb and the plan in the same new scenarios, with paired differences.
CLOSE = 0.05
"""Share of the plan's worth within which a rule counts as close."""
ASKED = 0.01
"""Share of the money that a rule asks for and cannot spend, beyond which its note says so."""
PLAN = "the plan"


@verb
def compare_rules(
    result: Result,
    *,
    samples: Annotated[
        int, Field(ge=2, le=100, description="Independent samples of scenarios that all of them meet.")
    ] = COUNT,
    scenarios: Annotated[int, Field(ge=1, le=MOST_SCENARIOS, description="Scenarios of each sample.")] = SCENARIOS,
    confidence: Confidence = 0.95,
    run: Runner = HERE,
) -> Study:
    """Compare a plan with what ministries do: days of cover, published ceilings, equal money, shares by value.

    The samples of a run that `solve` tested are taken as far as they go. Table `rules`: rule, money (its own, or as
    much as the plan spends on purchases), purchases_musd, worth with its interval, share_of_plan, behind_musd the plan with
    standard error and interval (sample by sample), note.
    Facts: samples, scenarios in each, confidence.

    Raises InputError for a plan whose samples bind scenarios together, that draws none, has several aims, or own code extends."""
    plan = result.plan
    require_plain(result.tables, settled=True)
    if plan.sample is None:
        raise InputError([Fault(plan.name, "", "sample", "none", A_SAMPLE)])
    require_bounded(plan)
    free = without_promises(plan)
    problem = prepare(free, result.data)
    search = SampleSearch(problem, result.reference, deadline=time.perf_counter() + current().left())
    base, own = trunk_alone(result.reference), trunk_alone(result.solution)
    if free != plan:  # users of the plan need not keep to its limits either
        own = search.under(own, {name: own.acquisition[0, k] for k, name in enumerate(own.purchases)}) or own
    bought = purchases_musd(problem, own)
    rules = list(purchase_rules(problem, base, own, bought, published_ceilings(result.data)))
    courses = [search.under(own if rule.plants else base, rule.bought) for rule in rules]
    fitting = [(rule, course) for rule, course in zip(rules, courses, strict=True) if course is not None]
    given = [own, *(course for _, course in fitting)]
    known = result.tables[SAMPLES].seed.tolist() if SAMPLES in result.tables else []
    seeds = (known + sample_seeds(plan.sample.seed, samples, TEST_SEED_MASK))[:samples]
    asked = partial(met, stages_of(result.data, (free, base), [(free, one) for one in given]), scenarios)
    parts = [seeds[k : k + SAMPLES_AT_ONCE] for k in range(0, len(seeds), SAMPLES_AT_ONCE)]
    worth = np.array([one.worth for some in run.each("samples", asked, parts) for one in some])
    left_out = [rule for rule, course in zip(rules, courses, strict=True) if course is None]
    rows = [_row(PLAN, "", bought, "", worth[:, 0], worth[:, 0], confidence)]
    for k, (rule, course) in enumerate(fitting, 1):
        musd = purchases_musd(problem, course)
        rows.append(_row(rule.name, rule.money, musd, _note(rule, musd), worth[:, k], worth[:, 0], confidence))
    rows += [{"rule": rule.name, "money": rule.money, "note": "it does not fit the budget"} for rule in left_out]
    table = pd.DataFrame(rows).sort_values("worth_musd", ascending=False, na_position="last", ignore_index=True)
    facts = {"samples": len(seeds), "scenarios": scenarios, "confidence": confidence}
    words = _words(table, len(seeds) * scenarios, confidence)
    return Study("rules", {"rules": table}, words, facts, {"rules": "Rules of thumb in new scenarios"})


def _words(table: pd.DataFrame, draws: int, confidence: float) -> list[str]:
    """In plain words, the closest rule first. draws: scenarios that all of them met."""
    rules = table[table.rule != PLAN].dropna(subset=["worth_musd"])
    close = rules[rules.share_of_plan >= 1 - CLOSE]
    if len(close):
        best = close.iloc[0]
        found = "IS WORTH MORE" if best.share_of_plan > 1 + CLOSE else "COMES CLOSE"
        head = (
            f"A RULE OF THUMB {found}: '{best.rule}' at {best.money} money is worth {best.share_of_plan:.0%} of the "
            f"plan; {len(close)} of {len(rules)} are at most {CLOSE:.0%} worse."
        )
    elif len(rules) and rules.share_of_plan.isna().all():
        best, plan = rules.iloc[0], float(table[table.rule == PLAN].worth_musd.iloc[0])
        head = (
            f"THE PLAN GAINS NOTHING in these scenarios: it is worth {musd(plan)}, and the best rule, '{best.rule}' at "
            f"{best.money} money, {musd(best.worth_musd)}."
        )
    elif len(rules):
        best = rules.iloc[0]
        head = (
            f"NO RULE OF THUMB COMES CLOSE: the best, '{best.rule}' at {best.money} money, is worth "
            f"{best.share_of_plan:.0%} of the plan."
        )
    else:
        head = "NO RULE OF THUMB fits the plan."
    lines = [
        head,
        f"In {draws:,} new scenarios that all of them meet; million USD, discounted; "
        f"{confidence:.0%} intervals; promises of the plan are left out on all sides:",
    ]
    for row in rows_of(table):
        note = f" ({row.note})" if row.note else ""
        if pd.isna(row.worth_musd):
            lines.append(f"  {row.rule}, {row.money} money: not compared{note}")
            continue
        money = f", {row.money} money ({musd(row.purchases_musd)} of purchases)" if row.money else ""
        less = row.behind_musd > -SMALL_MUSD
        ends = (row.behind_low_musd, row.behind_high_musd) if less else (-row.behind_high_musd, -row.behind_low_musd)
        low, high = map(musd, ends)
        behind = f"; {musd(abs(row.behind_musd))} {'less' if less else 'more'} than the plan ({low} to {high})"
        behind = "" if row.rule == PLAN else behind
        interval = f"{musd(row.worth_low_musd)} to {musd(row.worth_high_musd)}"
        lines.append(f"  {row.rule}{money}: worth {musd(row.worth_musd)} ({interval}){behind}{note}")
    return lines


def _note(rule: PurchaseRule, musd: float) -> str:
    """What keeps a rule from buying what it asks for."""
    short = f"{musd / rule.spent_musd:.0%} of what it asks for" if musd < (1 - ASKED) * rule.spent_musd else ""
    return "; ".join(part for part in (rule.note, short) if part)


def _row(name: str, money: str, spent: float, note: str, worth: Any, plan: Any, confidence: float) -> dict[str, Any]:
    """One rule, or the plan."""
    own, behind = estimated(worth.tolist(), confidence), estimated((plan - worth).tolist(), confidence)
    return {
        "rule": name,
        "money": money,
        "purchases_musd": spent,
        "worth_musd": own.mean,
        "worth_low_musd": own.low,
        "worth_high_musd": own.high,
        "share_of_plan": own.mean / float(plan.mean()) if plan.mean() >= SMALL_MUSD else float("nan"),
        "behind_musd": behind.mean,
        "behind_error_musd": behind.standard_error,
        "behind_low_musd": behind.low,
        "behind_high_musd": behind.high,
        "note": note,
    }
