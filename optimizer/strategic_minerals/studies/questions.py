"""A planner's own questions: what a plan and its tables hold beyond those that are shipped, each with an answer.

An item that may be chosen is forced in or out, and a rule is left out, and the plan made again: what that costs is how near the
choice is to turning."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from ..answer.notes import NEVER, scenario_names, touching
from ..answer.result import Result
from ..audit.producers import PathData
from ..core.errors import BESIDE_THE_ANSWER, InputError, StoppedError, shipped
from ..core.formats import SMALL_MUSD, amount, chance, lower, rounded
from ..core.frames import rows_of
from ..matrix.problem import SHARES, DecisionIndex, ForcedDecision, Problem, prepare
from ..matrix.solution import Solution, decided_point
from ..question.base import key_of
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import RULES, Plan, ServiceLevel
from ..question.read_csv import shipped_tables
from ..question.read_toml import load_plan
from ..question.references import select_materials
from ..question.together import ALL
from ..solver.session import Session
from ..world.events import hazards, short_of_promise
from ..world.packages import Item
from .explain import GAP, ForcedSolve, forced_solve
from .forward import Simulator
from .recourse import FirstStage
from .stress import Met

COLUMNS = "kind item question answer".split()
TABLES = {"hazard": "hazards", "project": "projects", "material": "materials", "source": "activities"}
"""Kind of what a planner may add -> its table."""
CHANGED = ("hazard", "project")
"""Kinds of which a row that differs from the shipped one asks a question too."""
MOST = 24
"""Questions that are answered."""
MOST_TRIED = 4
"""Offers, contracts or levels of one thing that are tried."""
ENOUGH = 1e-6
"""Share of a demand up to which a promise counts as kept: what solves round."""


@dataclass(frozen=True)
class Statement:
    """Something that the planner has put into the question."""

    kind: str
    item: str
    """Its code; of an entry of the plan, its path: `service_levels.0`."""


def own_statements(plan: Plan, data: Dataset) -> list[Statement]:
    """What a plan and its tables hold beyond the shipped plan of the same name and the shipped tables of its home; where no shipped
    plan has the name, all that the plan itself states. Nothing of tables not made of the shipped ones, nor of a joint plan."""
    own_rows = {kind: {key_of(row): row for row in data.rows(table)} for kind, table in TABLES.items()}
    shipped_rows = _shipped_rows(plan.home)
    known = {key for rows in shipped_rows.values() for key in rows}
    if plan.home == ALL or 2 * len(known & {key for rows in own_rows.values() for key in rows}) < len(known):
        return []
    file = shipped("models") / f"{plan.name}.toml"
    base = load_plan(file) if file.is_file() else None
    added = {
        kind: [key for key, row in rows.items() if key not in before or (kind in CHANGED and before[key] != row)]
        for (kind, rows), before in zip(own_rows.items(), shipped_rows.values(), strict=True)
    }
    found = [Statement(kind, key) for kind in CHANGED for key in added[kind]]
    old = () if base is None else base.hazards
    listed = set(added["hazard"])
    found += [Statement("hazard", one.hazard) for one in plan.hazards if one not in old and one.hazard not in listed]
    scenarios = () if base is None else base.scenarios
    found += [Statement("scenario", one.name) for one in plan.scenarios if one not in scenarios]
    floors = () if base is None else base.instruments.price_floors
    found += [Statement("floor", str(k)) for k, one in enumerate(plan.instruments.price_floors) if one not in floors]
    for section in RULES:
        before = () if base is None else getattr(base, section)
        every = enumerate(getattr(plan, section))
        found += [Statement("rule", f"{section}.{k}") for k, one in every if one not in before]
    more = {*select_materials(plan, data)} - {*select_materials(plan if base is None else base, data)}
    materials = list(dict.fromkeys([*added["material"], *sorted(more)]))
    found += [Statement("material", one) for one in materials]
    found += [Statement("source", one) for one in added["source"] if one not in materials]
    return found


def _shipped_rows(home: str) -> dict[str, dict[str, Any]]:
    """Rows by key of each of `TABLES` as they are shipped for a home."""
    try:
        data = shipped_tables(home)
    except InputError:
        return {kind: {} for kind in TABLES}
    return {kind: {key_of(row): row for row in data.rows(table)} for kind, table in TABLES.items()}


def own_rows(result: Result, like: Problem, lived: Met | None = None) -> pd.DataFrame:
    """One row a statement of the planner's own (`COLUMNS`): question and answer in words; the last counts those without one.
    like: the plan's problem, its matrix is not needed. lived: the plan in its own scenarios; None: as the model has them."""
    asked = own_statements(result.plan, result.data)
    if not asked:
        return pd.DataFrame(columns=COLUMNS)
    rows: list[tuple[str, ...]] = []
    answers = _Answers(result, like, lived)
    for one in asked[:MOST]:
        try:
            question, answer = getattr(answers, one.kind)(one.item)
        except StoppedError:
            break
        except BESIDE_THE_ANSWER as error:
            question, answer = answers.names.any(one.item), f"not answered: {error}"
        rows.append((one.kind, one.item, question, answer))
    if left := len(asked) - len(rows):
        why = "time is up" if len(rows) < MOST else f"{MOST} at most are"
        rows.append(("more", "", f"{left} more of your own entries", f"not answered: {why}"))
    return pd.DataFrame(rows, columns=COLUMNS)


class _Answers:
    """Answers about one result; each method gives (what is asked about, the answer)."""

    def __init__(self, result: Result, like: Problem, lived: Met | None) -> None:
        self.result, self.plan, self.data, self.lived = result, result.plan, result.data, lived
        self.names = Names.of(result.data)
        self.problem = prepare(result.plan, result.data, like)
        self.choices = DecisionIndex(self.problem)
        self.x = decided_point(self.problem.structure, self.problem.assembly, result.solution)
        self.objective = float(result.outcome.stages[0][1])
        gap = max(GAP, float(result.options["gap"]))
        self.little = max(SMALL_MUSD, gap * abs(self.objective))
        """Million USD that such solves do not tell from nothing."""
        self.session = Session(gap=gap, held=self.problem.structure.scenarios.drawn, threads=1, like=self.problem)
        self.paths: list[PathData] = []

    # What may be chosen.
    def project(self, code: str) -> tuple[str, str]:
        """Whether a project is supported."""
        items = [item for item in self.choices.items if item.kind == "project" and item.project == code]
        name, support = self.names.producer(code), self.problem.structure.support
        alone = [p.name for p, built in zip(self.problem.natural.projects, support.baseline, strict=True) if built]
        if code in alone and not any(self.choices.chosen(item, self.x) for item in items):
            return name, "no support needed: its owner builds it anyway, and the plan counts on it."
        return name, self._chosen(items, self._never(f"project {code}") or "this plan cannot support it")

    def source(self, code: str) -> tuple[str, str]:
        """Whether anything is bought or contracted from a producer."""
        offers = {row.offer for row in self.data.rows("offers") if row.source_producer == code}
        wanted = {"contract": {code}, "offer": offers}
        items = [item for item in self.choices.items if item.name in wanted.get(item.kind, ())]
        runs = self.result.tables["operations"]
        without = "users buy from it" if (runs.producer == code).any() else "nobody buys from it"
        return self.names.producer(code), self._chosen(items, f"it offers the reserve nothing; {without}")

    def material(self, code: str) -> tuple[str, str]:
        """Whether a material is bought for the reserve, or why it is not."""
        name, bought = self.names.material(code), self.result.figures.items("bought_t")
        if bought.get(code, 0.0) > 0:
            return name, f"yes: {amount(bought[code])} t are bought."
        makers = {row.producer for row in self.data.rows("yields") if row.material == code and row.yield_t_per_t > 0}
        offers = {row.offer for row in self.data.rows("offers") if row.material == code}
        wanted = {"contract": makers, "offer": offers}
        items = [item for item in self.choices.items if item.name in wanted.get(item.kind, ())]
        short = self.result.tables["shortfalls"]
        if short.empty or not (short.material == code).any():
            return name, "not bought: none of its own users runs short of it in any scenario."
        return name, self._chosen(items, "no table offers any of it to the reserve")

    def floor(self, number: str) -> tuple[str, str]:
        """Whether a price floor of the plan's menu is guaranteed."""
        menu = self.plan.instruments.price_floors[int(number)]
        items = [item for item in self.choices.items if item.kind == "floor" and item.level and item.level.menu == menu]
        levels = " or ".join(f"{level:.4g}" for level in menu.levels_usd_per_kg)
        name = f"a floor of {levels} USD/kg for {lower(self.names.material(menu.material))}"
        return name, self._chosen(
            items, self._never(f"floor {'market-' * (menu.scope == 'market')}{menu.material}") or "it cannot be chosen"
        )

    def _never(self, item: str) -> str:
        """Why something can never be chosen; empty where nothing says so."""
        notes = self.result.tables["notes"]
        mine = notes.item.map(lambda one: one == item or str(one).startswith((f"{item}:", f"{item}-"))).astype(bool)
        why = notes.note[(notes.kind == NEVER) & mine]
        return str(why.iloc[0]).rstrip(".") if len(why) else ""

    def _chosen(self, items: Sequence[Item], none: str) -> str:
        """Whether any of some items is in the plan, and what the choice is worth."""
        open_ = [item for item in items if not self.choices.refused(item)]
        if not open_:
            reasons = [self.choices.refused(item) for item in items]
            return f"no: {reasons[0] if reasons else none}."
        inside = [item for item in open_ if self.choices.chosen(item, self.x)]
        ask, found = partial(self.session.answer, self.plan, self.data), list[tuple[Item, ForcedSolve]]()
        for item in (inside or open_)[:MOST_TRIED]:
            shares = SHARES if not inside and self.choices.decided(item).any_amount else SHARES[:1]
            found.append((item, forced_solve(ask, ForcedDecision(item, not inside), shares, self.paths)))
        solved = [(item, one) for item, one in found if not one.note]
        if not solved:
            return "yes: no plan without it keeps all rules." if inside else f"no: no plan has it ({found[0][1].note})."
        item, one = min(solved, key=lambda pair: pair[1].objective)
        worse = one.objective - self.objective
        name = "" if len(open_) == 1 else f" ({self.names.chosen(str(item))})"
        if item.kind == "floor" and item.level is not None:
            name = f" (at {item.name.split('floor-')[-1].partition('-')[0]} USD/kg)"
        if worse <= self.little:
            answer, other = ("yes", "without") if inside else ("no", "with")
            return f"{answer}, but optional: the plan is as good {other} it{name}."
        if inside:
            return (
                f"yes{name}: without it the plan is {rounded(worse)} M worse. It stays unless it costs that much more."
            )
        return f"no: with it{name} the plan is {rounded(worse)} M worse. It would be chosen if it cost that much less."

    # What may happen.
    def hazard(self, code: str) -> tuple[str, str]:
        """What a hazard costs, with the plan and without it."""
        counts, rows = {*touching(self.plan, self.data)}, hazards(self.plan, self.data)
        for _ in rows:  # as many rounds as a chain of followers may be long
            counts |= {parent for name in counts & {*rows} for parent in rows[name].after.split()}
        if code not in counts:
            return self.names.hazard(code), "it changes nothing: it is about no material of the plan."
        table, scenarios = self.result.tables["scenario_losses"], self.problem.structure.scenarios
        end = self.problem.natural.calendar.edges[self.problem.natural.calendar.planned]
        begun = [[event.start for event in events if event.label == code] for events in scenarios.events]
        late = [name for name, of in zip(scenarios.names, begun, strict=True) if of and min(of) >= end]
        mine = table[[code in str(row).split() for row in table.hazards]]
        return self.names.hazard(code), self._with_it(mine[~mine.scenario.isin(late)], code)

    def scenario(self, name: str) -> tuple[str, str]:
        """What a listed scenario costs."""
        table = self.result.tables["scenario_losses"]
        mine = table[table.scenario == name]
        what = scenario_names(self.plan, table).get(name, name)
        return what, self._with_it(mine, name)

    def _with_it(self, mine: pd.DataFrame, code: str) -> str:
        likely = float(mine.probability.sum())
        if likely <= 0:
            none = "no scenario in this plan has it: draw more, or list one."
            return none if mine.empty else "its probability is 0: it counts for promises that name it alone."
        pi = mine.probability.to_numpy() / likely
        losses = [mine[f"loss_{end}musd"].to_numpy() for end in ("without_plan_", "")]
        if self.lived is not None:
            at = [self.lived.names.index(name) for name in mine.scenario]
            losses = [one.loss[at] for one in (self.lived.without, self.lived.plans[0])]
        before, after = (float(pi @ loss) for loss in losses)
        odds = f"{chance(likely)} likely over the plan"
        if before < SMALL_MUSD:
            return f"it changes nothing: {odds}, and nobody runs short in it."
        moved = "fall" if before > after else "rise"
        by = f"by {rounded(abs(before - after))} M," if rounded(before) == rounded(after) else f"from {rounded(before)}"
        helped = f"losses in it {moved} {by} to {rounded(after)} M"
        if abs(before - after) < SMALL_MUSD:
            helped = f"losses in it stay {rounded(before)} M with the plan or without it"
        turns = rows_of(self.result.tables.get("depends", pd.DataFrame()))
        known = (row for row in turns if row.hazard == code and row.kind == "plan")
        flips = next((row for row in known if not math.isnan(row.flips_at)), None)
        near = ""
        if flips is not None:
            side, word = "Below" if flips.flips_at < flips.value else "Above", WORDS[flips.figure]
            pays = "the plan stops paying" if flips.worth_musd > 0 else "the plan begins to pay"
            near = f" {side} a {word} of {chance(flips.flips_at)} (now {chance(flips.value)}), {pays}."
        return f"it counts: {odds}, and {helped}.{near}"

    # What is asked of the plan.
    def rule(self, path: str) -> tuple[str, str]:
        """Whether a rule is kept, with its margin, and what it costs: the plan is made again without it."""
        section, _, number = path.partition(".")
        k, entries = int(number), getattr(self.plan, section)
        entry = entries[k]
        without = self.plan.model_copy(update={section: (*entries[:k], *entries[k + 1 :])})
        answer = self.session.answer(without, self.data)
        costs = self.objective - float(answer.outcome.stages[0][1])
        held = self._kept(entry) if isinstance(entry, ServiceLevel) else "kept"
        nothing = "nothing" if self.little <= SMALL_MUSD else f"less than {rounded(self.little)} M"
        much = f"{rounded(costs)} M" if costs > self.little else nothing
        price = f"it costs {much}" + ", which the plan would gain without it" * (costs > self.little)
        if (aim := COUNTED.get(self.plan.objective.kind)) is not None:
            price = f"it adds {much} to {aim}"
        return _asked(section, entry, self.names), f"{held}; {price}."

    def _kept(self, promise: ServiceLevel) -> str:
        """Whether a promise is kept in the scenarios that it names, and by how much."""
        if (promise.material, promise.segment) not in self.problem.natural.demands:
            return "nobody has this demand"
        least = self._least_served(promise, self.result.solution)
        if least is None:
            return "not tested: no scenario that it names touches it"
        if least < promise.level - ENOUGH:
            return f"NOT kept: in the worst scenario {chance(least)} is served"
        own = "" if self.plan.sample is None else " in its own scenarios"
        spare = f"{100 * max(0.0, least - promise.level):.2g} points to spare"
        kept = f"kept{own}: at least {chance(least)} is served, {spare}"
        if self.plan.policy != "targets":
            return kept
        by_rule = self._least_served(promise, self._lived)
        if by_rule is None or by_rule >= promise.level - ENOUGH:
            return kept
        return f"kept by the plan, NOT by the rule of release, which serves {chance(by_rule)}: those who lose more come first"

    @cached_property
    def _lived(self) -> Solution:
        """What is done in the plan's own scenarios by its rule of release."""
        stage = FirstStage.of(self.plan, self.data, self.result.solution, problem=self.problem)
        return Simulator(stage, self.plan.release).lived(stage.own_scenarios)[0]

    def _least_served(self, promise: ServiceLevel, solution: Solution) -> float | None:
        """The least share that a promise is served in the scenarios that it names; None where none touches it."""
        n, scenarios = self.problem.natural, self.problem.structure.scenarios
        short = np.zeros((len(scenarios.names), len(n.demands), n.calendar.periods))
        for k, (q, _) in enumerate(n.tiers):
            short[:, q] += solution.shortfall[1:, k]
        every = promise.model_copy(update={"level": 1.0})
        natural = scenarios.counted_in(1 / self.problem.structure.instance.material_unit)
        missing, wanted = short_of_promise(n, natural, short, every)
        asked = np.isin(scenarios.names, promise.scenarios)[:, None] & (wanted > 0)
        served = 1 - np.where(asked, missing, 0.0) / np.where(asked, wanted, 1.0)
        return float(served[asked].min()) if asked.any() else None


COUNTED = {"risk_within_budget": "the risk", "least_budget": "spending"}
"""What a rule's cost is counted in where the first aim is not the social cost."""
WORDS = {"rate_per_yr": "yearly rate", "after_probability": "follow-on chance", "probability": "probability"}


def _asked(section: str, entry: Any, names: Names) -> str:
    """A rule of a plan in words."""
    name = lower(names.material(entry.material))
    if section == "service_levels":
        return f"{chance(entry.level)} of {name} for {entry.segment} users"
    if section == "days_of_cover":
        return f"{entry.days:g} days of net imports of {name}, held from {entry.from_year}"
    if section == "diversification":
        who = (
            f"from {names.country(entry.country)}"
            if entry.country
            else "from each country"
            if entry.kind == "country_cap"
            else f"from {entry.group} sources"
        )
        return f"{'at most' if entry.kind == 'country_cap' else 'at least'} {chance(entry.share)} of {name} {who}"
    return f"rule of release for {name}"
