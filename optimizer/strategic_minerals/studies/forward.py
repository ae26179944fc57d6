"""Live a plan through scenarios that nobody foresees: period by period, by targets and a rule of release.

Until something happens to a component it follows the baseline course. From then on each period is one small linear program: the
reserve buys towards its target as far as offers and money reach, and gives in a shortage what dearer uses will not need. What a
storekeeper believes of the future comes from the hazards alone: how long this event may go on, given its age, and what new events
would take. Of its scenario a period sees its own data, and of the events in force whether they last beyond its end.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from ..audit.producers import PathData, path_data_along
from ..core.errors import UntrustedError
from ..core.frames import INF, Bools, Floats, Ints
from ..core.runner import checkpoint
from ..matrix.assembly import Assembly, PlacedBlock, Templates
from ..matrix.named import objective_costs
from ..matrix.problem import Problem
from ..matrix.solution import Solution
from ..model.sets import ComponentSets
from ..question.plan import Event, Plan, Release
from ..solver.highs import SmallProgram
from ..world.draws import POINTS, mean_remainder
from ..world.events import (
    UNNAMED,
    DisruptionEvent,
    ScenarioSet,
    combine_events,
    hazards,
    profiles_of,
    resolve_event,
    sampled,
    spread,
)
from ..world.instance import Instance
from ..world.producers import purchase_price
from ..world.scenarios import UNKNOWN_MEAN_YR, for_ever, ongoing_events, trunk_course
from .carry import Question, outlays
from .recourse import FirstStage, RecourseOutcome, along, evaluate, fixed_columns, home_first, solution_of

SHOWN = 3
"""Period of the plan for which tonnes to leave aside are stated."""
CHUNK = 64
"""Scenarios that are instantiated together."""
AGES = 0.25
"""Years between the ages at which the rest of an event is looked up."""
LIKE_PRICE = 1.02
"""What a stored tonne counts, against its price, where nobody states a loss for it: a little more, so that it is not used up for
its price alone."""
MOST_KNOWN = 20_000
"""Answers of a program that are remembered."""
TURNED_OVER = 1e-3
"""What buying in place of what is given costs beyond its price, so that nobody gives what no use lacks  [share of its worth]."""
AFTER_USERS = 0.999
"""What filling the reserve counts against filling users' own stocks, which come first."""
SLACK = 1e-7
"""What a use may lack more than without the reserve: rounding  [unit of the model]."""
ROOM = 1e-7
"""Tolerance of a row that earlier periods filled  [unit of the model]."""


T = TypeVar("T")


@dataclass
class _Met:
    """What is known of chunks of the scenarios that were met last, by where they begin."""

    scenarios: ScenarioSet | None = None
    parts: dict[int, Any] = field(default_factory=dict)

    def of(self, scenarios: ScenarioSet, begin: int, made: Callable[[], T]) -> T:
        """What is known of a chunk, made where it is not."""
        if self.scenarios is not scenarios:
            self.scenarios = scenarios
            self.parts.clear()
        if begin not in self.parts:
            self.parts[begin] = made()
        found: T = self.parts[begin]
        return found


class Simulator:
    """One plan and one rule, with what they share from chunk to chunk of scenarios."""

    def __init__(self, first: FirstStage, rule: Release, beside: Simulator | None = None) -> None:
        """beside: one of the same facts, whatever its decisions: what the audit reads of scenarios is shared with it."""
        self.first, self.rule = first, rule
        self._templates: Templates | None = None
        self._programs: dict[tuple[int, bytes], _Program] = {}
        self._hazards = hazards(first.plan, first.data)
        self._rest: dict[str, Floats] = {}
        self._met = _Met()
        self._read: _Met = _Met() if beside is None else beside._read

    def by(self, first: FirstStage) -> Simulator:
        """One of the same decisions by another rule of release: what does not hang on the rule is shared, scenarios that were met
        last among it."""
        assert first.solution is self.first.solution
        _ = self.beliefs  # worked out once, with what is compiled for them
        twin = copy(self)
        twin.first, twin.rule = first, first.plan.release
        return twin

    def live(self, scenarios: ScenarioSet) -> RecourseOutcome:
        """Costs in scenarios (in tonnes), chunk by chunk.

        Raises UntrustedError if a period is not solved to optimality, StoppedError at a limit of the current call.
        """
        found = []
        for begin in range(0, len(scenarios.names), CHUNK):
            checkpoint()
            rows = slice(begin, begin + CHUNK)
            part, course = self._read.of(scenarios, begin, partial(self._course, scenarios, rows))
            problem, shares = self._met.of(scenarios, begin, partial(self._along, part))
            found.append(self._lived(Chunk(self, problem, shares, part), course)[1])
        return RecourseOutcome.joined(found)

    def _course(self, scenarios: ScenarioSet, rows: slice) -> tuple[ScenarioSet, PathData]:
        """Some of the scenarios, each counted in full, and what the audit reads of them."""
        part = replace(scenarios.rows(rows), probability=np.ones(len(scenarios.names[rows])))
        return part, path_data_along(self.first.natural, part, self.first.owners)

    def _along(self, part: ScenarioSet) -> tuple[Problem, Floats]:
        """The problem along some scenarios, and shares signed."""
        problem, shares, self._templates = along(self.first, part, self._templates)
        return problem, shares

    def lived(self, scenarios: ScenarioSet) -> tuple[Solution, RecourseOutcome]:
        """(what is done, in tonnes, what it costs) in a chunk of scenarios."""
        return self._lived(self.chunk(scenarios), None)

    def _lived(self, chunk: Chunk, course: PathData | None) -> tuple[Solution, RecourseOutcome]:
        """As `lived`. course: of the chunk's scenarios, where it was read already."""
        self.run(chunk)
        solution = solution_of(chunk.problem, chunk.x, chunk.shares)
        return solution, evaluate(chunk.problem, solution, chunk.scenarios, self.first, course)

    def chunk(self, scenarios: ScenarioSet) -> Chunk:
        """Some scenarios (in tonnes) before anything is done in them. Each counts in full: beside what a tonne in store is worth,
        costs weighted by its chance would say that nothing is to be given."""
        scenarios = replace(scenarios, probability=np.ones(len(scenarios.names)))
        return Chunk(self, *self._along(scenarios), scenarios)

    def run(self, chunk: Chunk) -> None:
        """Live them, period by period."""
        calendar = self.first.natural.calendar
        for t in range(1, calendar.periods):
            if t % calendar.per_year == 0:
                chunk.carry_over(int(calendar.year_index[t]))
            for c in chunk.components:
                chunk.step(c, t, self.beliefs)

    def aside(self) -> Iterator[tuple[str, str, str, float, float]]:
        """(hazard, material, segment, tonnes to be left aside for dearer needs before the segment gets its last, what it lacks then
        [t]) in the typical event of the hazard that is expected to take most of each stored material, by what is left aside.

        A segment with several tiers of loss counts with its cheapest. Only where a use takes what is stored itself.
        """
        n, structure, rule = self.first.natural, self.first.structure, self.rule
        t, typical = min(SHOWN, n.calendar.periods - 1), self.beliefs.typical
        events = profiles_of(self.first.plan, self.first.data)
        rates = _rates(_foreseen(self.first.plan, self.first))
        for c, sets in enumerate(structure.component_sets):
            mine = {hazard: need for (hazard, of), need in typical.items() if of == c}
            scaled, every = structure.instance, uses(sets)
            rows = [(scaled.tiers if name == "shortfall" else scaled.steps)[k] for name, k in every]
            loss = np.array([scaled.tier_loss[k] if name == "shortfall" else scaled.step_cost[k] for name, k in every])
            for i in sets.stocked:
                here = [h for h, (q, *_) in enumerate(rows) if scaled.demand_material[q] == i]
                if not here or not mine or float(self.first.solution.stock[0, i].max()) <= 0:
                    continue
                hazard = max(mine, key=lambda one: rates[one] * float(mine[one][here].sum()))
                need, unit = mine[hazard], float(scaled.material_unit[i])
                typical_event = resolve_event(
                    Event(hazard=hazard, start_year=2000.0), self._hazards[hazard], events.get(hazard)
                )
                rest = self.rest(typical_event, n.calendar.step) / n.calendar.step
                kept = rule.this_event * rest * need + rule.new_events_yr * self.beliefs.needs[c][t]
                stated = []
                for q in dict.fromkeys(rows[h][0] for h in here):
                    own = [h for h in here if rows[h][0] == q and every[h][0] == "shortfall" and need[h] > 0]
                    if not own:
                        continue
                    cheapest = min(own, key=lambda h: float(loss[h]))
                    dearer = [h for h in here if loss[h] > loss[cheapest] * (1 + 1e-9)]
                    left, lacks = float(kept[dearer].sum()) * unit, float(need[own].sum()) * unit
                    stated.append((left, hazard, n.materials[i], n.demands[q][1], lacks))
                for left, name, material, segment, lacks in sorted(stated):
                    if lacks > 0:
                        yield name, material, segment, left, lacks

    def program(self, c: int, key: bytes, made: Any) -> _Program:
        """The program of a component whose matrix is that of the key."""
        found = self._programs.get((c, key))
        if found is None:
            found = self._programs[c, key] = made()
        return found

    def rest(self, event: DisruptionEvent, age: float) -> float:
        """Years that an event is expected to go on, once its cut has lasted so long."""
        row = self._hazards.get(event.label)
        for one in self.first.plan.ongoing if event.begun is not None else ():
            same = ((one.hazard or UNNAMED), one.start_year) == (event.label, event.start)
            if same and one.remaining_years is not None:
                return one.remaining_years
        if row is None:
            return UNKNOWN_MEAN_YR
        if event.label not in self._rest:
            self._rest[event.label] = _remainders(row, profiles_of(self.first.plan, self.first.data).get(event.label))
        table = self._rest[event.label]
        return float(np.interp(age, AGES * np.arange(len(table)), table))

    @cached_property
    def free_money(self) -> tuple[Floats, float]:
        """((F,) what the baseline course leaves of each year's money to disruptions, and declared emergency money; how much of it
        may be spent in all, beside emergency money) [million USD]."""
        n, budget = self.first.natural, self.first.plan.budget
        emergency = n.by_year(budget.emergency_musd)
        if budget.branch_money == "planned":
            return emergency, 0.0
        x = self.first.solution
        own = outlays(Question(self.first.structure, n, x)) - n.carried.due
        before = np.concatenate([[0.0], x.carry[:-1]])  # what the baseline course keeps is meant for later years
        free = np.maximum(0.0, n.spendable + before - x.carry - own)
        in_all = math.inf
        if n.spendable_in_all is not None:
            in_all = max(0.0, n.spendable_in_all - float(own[: len(n.calendar.planned_years)].sum()))
        return np.asarray(emergency + free), in_all

    @cached_property
    def beliefs(self) -> Beliefs:
        """What new events would take, by hazard at its typical event."""
        return _beliefs(self)


def _remainders(row: Any, profile: Any) -> Floats:
    """Expected years that an event goes on at ages in steps of `AGES`, by its hazard's law."""
    if profile is None:
        return np.array([mean_remainder(row, age) for age in np.arange(0.0, 20.0, AGES)])
    lengths = profile.length * spread(row.stretch_p05, row.stretch_p95, POINTS)
    found = []
    for age in np.arange(0.0, 20.0, AGES):
        longer = lengths[lengths > age]
        found.append(float(longer.mean()) - age if len(longer) else 1 / 12)
    return np.array(found)


@dataclass(frozen=True)
class Beliefs:
    """What a year of new events is expected to take from each use, of what the plan's contracts and plants leave uncovered."""

    needs: Mapping[int, Floats]
    """Component -> (T, tiers and steps) shortfall and substitution a year [unit]."""
    typical: Mapping[tuple[str, int], Floats]
    """(hazard, component) -> (tiers and steps,) what its typical event from period `SHOWN` on takes in its worst period [unit]."""


def _beliefs(simulator: Simulator) -> Beliefs:
    first = simulator.first
    n, plan = first.natural, first.plan
    T, step = n.calendar.periods, n.calendar.step
    rows, shaped = _foreseen(plan, first), profiles_of(plan, first.data)
    rates = _rates(rows)
    found = {c: np.zeros((T, len(uses(sets)))) for c, sets in enumerate(first.structure.component_sets)}
    going_on = for_ever(ongoing_events(plan, first.data, n.calendar))
    events, weights, dates, of = [], [], [], []
    shown = min(SHOWN, T - 1)
    worst: dict[tuple[str, int], Floats] = {}
    for name, row in rows.items():
        typical = resolve_event(Event(hazard=name, start_year=2000.0), row, shaped.get(name))
        length = max(1, math.ceil((typical.flood + typical.duration) / step))
        for t in range(1, T):
            begin = max(1, min(t, T - length))
            events.append((*going_on, replace(typical, start=n.calendar.first_year + step * begin)))
            felt = 1 - row.no_loss_share if name in shaped else 1.0
            weights.append(rates[name] * felt * row.element_share)
            dates.append(t)
            of.append(name)
    if not events:
        return Beliefs(found, {})
    count = len(events)
    names = [f"typical-{k}" for k in range(count)]
    chances, none = np.full(count, 1 / count), np.zeros(count, dtype=bool)
    scenarios = combine_events(n, names, chances, none, events, trunk_course(n, first.data))
    for begin in range(0, count, CHUNK):
        part = scenarios.rows(slice(begin, begin + CHUNK))
        chunk = simulator.chunk(part)
        for c in chunk.components:
            for t in range(1, T):
                for scenario, need in chunk.needs(c, t):
                    k = begin + scenario
                    found[c][dates[k]] += weights[k] * need
                    if dates[k] == shown and need.sum() > worst.get((of[k], c), np.zeros(1)).sum():
                        worst[of[k], c] = need
    return Beliefs(found, worst)


def _foreseen(plan: Plan, first: FirstStage) -> dict[str, Any]:
    """Hazards that a storekeeper reckons with: those of the sample, else those of the listed scenarios."""
    rows = {row.hazard: row for row in sampled(plan, first.data)}
    if rows:
        return rows
    known = hazards(plan, first.data)
    named = {event.hazard for scenario in plan.scenarios for event in scenario.events if event.hazard is not None}
    return {name: known[name] for name in sorted(named & set(known))}


def _rates(rows: Mapping[str, Any]) -> dict[str, float]:
    """Onsets a year of each hazard, those that others bring on included."""
    rates = {name: float(row.rate_per_yr) for name, row in rows.items()}
    for _ in rows:  # as many rounds as a chain of followers may be long
        rates = {
            name: float(row.rate_per_yr)
            + row.after_probability * sum(rates.get(parent, 0.0) for parent in row.after.split())
            for name, row in rows.items()
        }
    return rates


def targets_of(stock: Floats, released: Floats, decay: float) -> Floats:
    """(T,) target of a material at the end of each period: what the baseline course holds, had it released nothing.

    goal_t = stock_t + sum_{u <= t} (1 - decay)^(t-u) released_u                              [the unit of stock and releases]
    """
    age = np.subtract.outer(np.arange(len(stock)), np.arange(len(stock)))
    return np.asarray(stock + np.where(age >= 0, (1 - decay) ** np.maximum(age, 0.0), 0.0) @ released)


def uses(sets: ComponentSets) -> list[tuple[str, int]]:
    """What goes without in a shortage: tiers of demand and substitution steps, as columns of a period."""
    return [*(("shortfall", k) for k in sets.tiers), *(("substitute", h) for h in sets.steps)]


class Chunk:
    """Some scenarios while they are lived: all columns of the model, filled period by period."""

    def __init__(self, simulator: Simulator, problem: Problem, shares: Floats, scenarios: ScenarioSet) -> None:
        self.simulator, self.problem, self.shares, self.scenarios = simulator, problem, shares, scenarios
        self.assembly: Assembly = problem.assembly
        self.x = np.zeros(len(self.assembly.lower))
        columns, values = fixed_columns(problem, simulator.first, shares)
        self.x[columns] = values
        self.cost = objective_costs(problem)["social_cost"] + home_first(problem)
        self._parts = {
            part.component: _Part(self, k, part) for k, part in enumerate(self.assembly.blocks) if part.kind == "period"
        }
        free, in_all = simulator.free_money
        emergency = simulator.first.natural.by_year(simulator.first.plan.budget.emergency_musd)
        self.left = np.tile(free, (len(scenarios.names), 1))
        """(S, F) money that components share beyond what was planned for each  [million USD]."""
        self.emergency = np.tile(emergency, (len(scenarios.names), 1))
        """(S, F) how much of it is emergency money, which is spent first."""
        self.in_all = np.full(len(scenarios.names), in_all)
        """(S,) how much else may be spent of it over all planned years."""

    @property
    def components(self) -> list[int]:
        """Those that something happens to, the dearest losses a dollar first: so they share money."""
        struck = [c for c, part in self._parts.items() if len(part.blocks.branches)]
        return sorted(struck, key=lambda c: (-self._parts[c].urgency, c))

    def carry_over(self, f: int) -> None:
        """What was left of the year before and may be kept."""
        n, budget = self.simulator.first.natural, self.simulator.first.plan.budget
        if budget.branch_money == "appropriated":
            room = budget.carry_over_share * n.appropriation[f - 1] - self.simulator.first.solution.carry[f - 1]
            unspent = np.maximum(0.0, self.left[:, f - 1] - self.emergency[:, f - 1])
            self.left[:, f] += np.minimum(max(0.0, float(room)), unspent)

    def needs(self, c: int, t: int) -> Iterator[tuple[int, Floats]]:
        """(scenario, what each use of a component lacks without the reserve) in a period."""
        return self._parts[c].needs(t)

    def step(self, c: int, t: int, beliefs: Beliefs) -> None:
        """Live a period of a component in all scenarios in which it has been touched."""
        self._parts[c].step(t, beliefs)


class _Part:
    """One component in a chunk."""

    def __init__(self, chunk: Chunk, number: int, part: PlacedBlock) -> None:
        self.chunk, self.part, self.c = chunk, part, part.component
        structure = chunk.problem.structure
        self.sets, self.blocks = structure.component_sets[self.c], structure.block_index[self.c]
        self.n: Instance = structure.instance
        self.at = {column: k for k, column in enumerate(part.template.columns)}
        assembly = chunk.assembly
        rows = np.flatnonzero(assembly.row_block == number)
        order = np.argsort(assembly.row_instance[rows], kind="stable")
        self.rows = rows[order]
        of = assembly.row_instance[self.rows]
        self.first_row = np.searchsorted(of, np.arange(part.count + 1))

    @cached_property
    def urgency(self) -> float:
        """Largest loss a dollar of what the reserve holds."""
        n, best = self.n, 0.0
        for k in self.sets.tiers:
            i = n.demand_material[n.tiers[k][0]]
            if i in self.sets.stocked:
                best = max(best, float(n.tier_loss[k] / n.price[i, 0]))
        return best

    def instances(self, t: int) -> Ints:
        """Instances of branches in a period."""
        return np.flatnonzero((self.blocks.scenario >= 0) & (self.blocks.period == t))

    def program_of(self, instance: int) -> tuple[_Program, Floats, Floats]:
        """The program whose matrix an instance has, and its right-hand sides, what lies outside put in."""
        assembly = self.chunk.assembly
        rows = self.rows[self.first_row[instance] : self.first_row[instance + 1]]
        begin = self.part.first_column + self.part.width * instance
        starts, ends = assembly.start[rows], assembly.start[rows + 1]
        lengths = ends - starts
        entries = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        index, value = assembly.index[entries], assembly.value[entries]
        row = np.repeat(np.arange(len(rows)), lengths)
        own = (index >= begin) & (index < begin + self.part.width)
        outside = np.bincount(row[~own], value[~own] * self.chunk.x[index[~own]], minlength=len(rows))
        local, mine, factors = assembly.row_local[rows], index[own] - begin, value[own]
        key = (
            local.tobytes() + row[own].astype(np.int32).tobytes() + mine.astype(np.int32).tobytes() + factors.tobytes()
        )

        def made() -> _Program:
            return _Program(self, local, row[own], mine, factors)

        program = self.chunk.simulator.program(self.c, key, made)
        return program, assembly.row_lower[rows] - outside, assembly.row_upper[rows] - outside

    def bounds(self, instance: int) -> tuple[Floats, Floats, Floats]:
        """Lower and upper bounds, and costs, of the own columns of an instance."""
        begin = self.part.first_column + self.part.width * instance
        own = slice(begin, begin + self.part.width)
        return self.chunk.assembly.lower[own], self.chunk.assembly.upper[own].copy(), self.chunk.cost[own]

    @cached_property
    def replaced_at(self) -> Floats:
        """(T, 2, materials of the component) what a tonne is worth that serves no shortage, to the reserve and to users who hold
        it: what users pay for the dearest, at the prices that count; to the reserve what another costs it once things are calm,
        where that is more; discounted [million USD/unit]."""
        n, found = self.n, []
        for i in self.sets.materials:
            offers = [purchase_price(n, p, n.price[i]) for p in self.sets.purchases if p.material == i and p.offer >= 0]
            users = n.dearest_price(i)
            found.append([np.maximum(users, np.min(offers, axis=0)) if offers else users, users])
        return np.asarray(np.array(found).T * n.calendar.beta[:-1, None, None])

    def prices(self, instance: int) -> Floats:
        """(2, materials of the component) `replaced_at` in an instance."""
        return np.asarray(self.replaced_at[int(self.blocks.period[instance])])

    def tight(self, instance: int) -> Bools:
        """(I,) materials that are tight."""
        s, t = self.blocks.scenario[instance], self.blocks.period[instance]
        return np.asarray(self.chunk.problem.structure.scenarios.tight[s, :, t], dtype=bool)

    def needs(self, t: int) -> Iterator[tuple[int, Floats]]:
        """(scenario, what each use lacks without release and users' stocks) in a period, where anything is tight."""
        for instance in self.instances(t).tolist():
            if not self.tight(instance)[list(self.sets.materials)].any():
                continue
            program, low, high = self.program_of(instance)
            need, _ = program.needs(self.bounds(instance), low, high, self.prices(instance))
            yield int(self.blocks.scenario[instance]), need

    def step(self, t: int, beliefs: Beliefs) -> None:
        """Live a period."""
        chunk, rule = self.chunk, self.chunk.simulator.rule
        for instance in self.instances(t).tolist():
            program, low, high = self.program_of(instance)
            bounds, tight, price = self.bounds(instance), self.tight(instance), self.prices(instance)
            ahead, spare = np.zeros(len(uses(self.sets))), np.zeros(len(program.plants))
            most_short = np.full(len(uses(self.sets)), INF)
            if self.sets.stocked or self.sets.users:  # nobody goes short for what is put into a store
                most_short, most = program.needs(bounds, low, high, price)
            if tight[list(self.sets.materials)].any() and (self.sets.stocked or self.sets.users):
                need = most_short
                rest = self.rest(int(self.blocks.scenario[instance]), t)
                ahead = rule.this_event * rest * need + rule.new_events_yr * beliefs.needs[self.c][t]
                ahead = ahead * self.fading(t)
                spare = most * max(1.0, rule.this_event * rest + rule.new_events_yr / self.n.calendar.step)
            want, again, excess, sold = self.wanted(instance, t)
            for column, most_sold in sold.items():
                bounds[1][column] = most_sold
            sale = self.price_sales(instance, t, most_short, ahead, tight)
            x = program.lived(
                bounds,
                low,
                high,
                price,
                most_short,
                want=want,
                again=again,
                excess=excess,
                ahead=ahead,
                spare=spare,
                tight=tight,
                sale=sale,
            )
            begin = self.part.first_column + self.part.width * instance
            chunk.x[begin : begin + self.part.width] = x
            self.pay(instance, t)

    def price_sales(self, instance: int, t: int, need: Floats, ahead: Floats, tight: Bools) -> Floats:
        """(stocked,) tonnes that the reserve gives because they have become so much dearer than they were: what is needed now, and
        a share of what is beyond all needs, now and ahead [unit]."""
        rule, n, found = self.chunk.simulator.rule, self.n, np.zeros(len(self.sets.stocked))
        if rule.sell_above is None:
            return found
        s, scenarios, before = (
            int(self.blocks.scenario[instance]),
            self.chunk.problem.structure.scenarios,
            self.before(instance),
        )
        needed = [
            int(n.demand_material[(n.tiers if name == "shortfall" else n.steps)[k][0]]) for name, k in uses(self.sets)
        ]
        for k, i in enumerate(self.sets.stocked):
            price = n.market_price(i, True, scenarios.price[s, i], gap=scenarios.market_gap[s, i])[t]
            if tight[i] and price >= rule.sell_above * self.mean_cost[i][t]:
                mine = [h for h, of in enumerate(needed) if of == i]
                now = float(need[mine].sum())
                spare = float((1 - n.decay[i]) * before[k]) - now - float(ahead[mine].sum())
                found[k] = now + rule.sell_share * spare if spare > 0 else 0.0
        return found

    @cached_property
    def mean_cost(self) -> Mapping[int, Floats]:
        """Material -> (T,) what a tonne bought so far has cost: the opening stock its price, the rest what the baseline course pays
        [million USD/unit]."""
        n, found = self.n, dict[int, Floats]()
        for i in self.sets.stocked:
            tonnes = np.full(n.calendar.periods, float(n.opening[i]))
            paid = tonnes * n.price[i, 0]
            for p in self.sets.purchases:
                if p.material == i:
                    bought = self.trunk("acquisition", p.name)
                    tonnes, paid = tonnes + bought.cumsum(), paid + (bought * purchase_price(n, p, n.price[i])).cumsum()
            found[i] = np.where(tonnes > 0, paid / np.where(tonnes > 0, tonnes, 1.0), n.price[i, 0])
        return found

    def fading(self, t: int) -> float:
        """In the years after the planned ones, which are computed and not shown, what is left of them counts: nobody keeps stock
        for years that the evaluation does not have."""
        calendar = self.n.calendar
        if t < calendar.planned:
            return 1.0
        return min(1.0, (calendar.periods - 1 - t) * calendar.step / 2)

    def rest(self, s: int, t: int) -> float:
        """Periods that the longest event in force at the end of a period is expected to go on; whether one ends just then, nobody
        knows in the period."""
        calendar = self.n.calendar
        now = calendar.first_year + calendar.step * (t + 1)
        named = {self.n.materials[i] for i in self.sets.materials}
        found = 0.0
        for event in self.chunk.scenarios.events[s]:
            cut = event.start + event.flood
            if (
                cut < now - 1e-9
                and cut + event.duration > now - 1e-9
                and ("*" in event.materials.split() or named & {*event.materials.split()})
            ):
                found = max(found, self.chunk.simulator.rest(event, now - cut))
        return found / calendar.step

    def wanted(self, instance: int, t: int) -> tuple[Floats, Floats, Floats, dict[int, float]]:
        """(stocked,) tonnes to buy towards the goal, as far as money reaches, tonnes that may be bought beside in place of what an
        event takes in the same period, and tonnes above the goal; what each offer sells of them [unit]."""
        chunk, sets, n = self.chunk, self.sets, self.n
        want, again, excess = np.zeros((3, len(sets.stocked)))
        before, refill = self.before(instance), chunk.simulator.rule.refill_share
        tight = chunk.problem.structure.scenarios.tight[int(self.blocks.scenario[instance])]
        struck = np.asarray(tight[:, : t + 1].any(axis=1))
        for k, i in enumerate(sets.stocked):
            goal = float(self.targets[i][t])
            held = float((1 - n.decay[i]) * before[k])
            want[k], excess[k] = max(0.0, goal - held), max(0.0, held - goal)
            if struck[i]:  # what was there before the plan is not bought again
                old = float((1 - n.decay[i]) ** (t + 1) * n.opening[i])
                before_it, left = self.least_held(instance, i) if old > 0 else (0.0, 0.0)
                old, left = min(old, before_it), min(old, left)
                want[k] = max(0.0, min(goal - held, refill * (goal - old) + left - held))
            if tight[i, t]:
                again[k] = refill * max(0.0, min(held, goal))
        if chunk.simulator.first.is_reference:
            return np.zeros_like(want), np.zeros_like(want), excess, {}
        money, sold = self.money(instance, t), dict[int, float]()
        _, upper, _ = self.bounds(instance)
        for asked in (want, again):  # what is missing comes before what may be given
            for k, i in enumerate(sets.stocked):
                bought = 0.0
                offers = [p for p in sets.purchases if p.material == i and p.offer >= 0]
                for p in sorted(offers, key=lambda p: self.price(p, instance)):
                    price, column = self.price(p, instance), self.at["acquisition", p.name]
                    left = float(upper[column]) - sold.get(column, 0.0)
                    part = max(0.0, min(asked[k] - bought, left, money / price if price > 0 else math.inf))
                    sold[column] = sold.get(column, 0.0) + part
                    bought, money = bought + part, money - part * price
                if asked is want and not any(p.material == i and p.offer < 0 for p in sets.purchases):
                    want[k] = bought
        return want, again, excess, sold

    @cached_property
    def targets(self) -> Mapping[int, Floats]:
        """Material -> (T,) its target (`targets_of`) [unit]."""
        return {
            i: targets_of(self.trunk("stock", i), self.trunk("release", i), float(self.n.decay[i]))
            for i in self.sets.stocked
        }

    def before(self, instance: int) -> Floats:
        """(stocked,) stock at the end of the period before [unit]."""
        previous = int(self.blocks.previous[instance])
        begin = self.part.first_column + self.part.width * previous
        return np.array([self.chunk.x[begin + self.at["stock", i]] for i in self.sets.stocked])

    def least_held(self, instance: int, i: int) -> tuple[float, float]:
        """The least that was held of a material before the branch began, and so far, the purchases of each period aside: so much of
        what was there before the plan is left, decayed [unit]."""
        first = int(self.blocks.first[int(self.blocks.scenario[instance])])
        onset = int(self.blocks.period[first])
        at = np.array([*range(onset), *range(first, instance)])
        begin, x = self.part.first_column + self.part.width * at, self.chunk.x
        held = x[begin + self.at["stock", i]]
        for p in self.sets.purchases:
            if p.material == i:
                held = held - x[begin + self.at["acquisition", p.name]]
        left = (1 - self.n.decay[i]) ** np.arange(len(at), 0, -1) * np.maximum(0.0, held)
        return float(left[:onset].min()), float(left.min())

    def trunk(self, variable: str, key: Any) -> Floats:
        """(T,) values on the baseline course."""
        T = self.n.calendar.periods
        return self.chunk.x[self.part.first_column + self.at[variable, key] + self.part.width * np.arange(T)]

    @cached_property
    def asked(self) -> Mapping[str, Floats]:
        """Purchase -> (S, T) what a unit costs in the branches [million USD/unit]."""
        scenarios = self.chunk.problem.structure.scenarios
        return {
            p.name: np.asarray(
                purchase_price(self.n, p, scenarios.price[:, p.material], scenarios.market_gap[:, p.material])
            )
            for p in self.sets.purchases
        }

    def price(self, p: Any, instance: int) -> float:
        """What a purchase costs in an instance [million USD/unit]."""
        return float(self.asked[p.name][int(self.blocks.scenario[instance]), int(self.blocks.period[instance])])

    @cached_property
    def planned(self) -> Floats:
        """(T,) what the baseline course pays for purchases of the component [million USD]."""
        structure, total = self.chunk.problem.structure, np.zeros(self.n.calendar.periods)
        trunk = structure.trunk
        for p in self.sets.purchases:
            if p.offer >= 0:
                price = purchase_price(self.n, p, trunk.price[0, p.material], trunk.market_gap[0, p.material])
                total += price * self.trunk("acquisition", p.name)
        return total

    def money(self, instance: int, t: int) -> float:
        """Money for purchases in a period: what the plan meant for the component this year, less what was spent, and its part of
        what components share; in even parts over what is left of the year [million USD]."""
        calendar, s = self.n.calendar, int(self.blocks.scenario[instance])
        f = int(calendar.year_index[t])
        periods = np.flatnonzero(calendar.year_index == f)
        own = max(0.0, float(self.planned[periods].sum()) - self.spent(s, periods[periods < t]))
        chunk = self.chunk
        shared = float(chunk.left[s, f])
        if f < len(calendar.planned_years):
            shared = min(shared, float(chunk.emergency[s, f] + chunk.in_all[s]))
        left = own + shared
        return left / int((periods >= t).sum())

    def spent(self, s: int, periods: Ints) -> float:
        """What has been paid in some periods [million USD]."""
        onset, first = int(self.blocks.period[self.blocks.first[s]]), int(self.blocks.first[s])
        calm = float(self.planned[periods[periods < onset]].sum())
        return calm + sum(self.paid(first + t - onset) for t in periods[periods >= onset].tolist())

    def paid(self, instance: int) -> float:
        """What a period's purchases cost [million USD]."""
        begin = self.part.first_column + self.part.width * instance
        return sum(
            self.price(p, instance) * float(self.chunk.x[begin + self.at["acquisition", p.name]])
            for p in self.sets.purchases
            if p.offer >= 0
        )

    def pay(self, instance: int, t: int) -> None:
        """Take what a period cost beyond the component's own money out of what is shared."""
        s, calendar = int(self.blocks.scenario[instance]), self.n.calendar
        f = int(calendar.year_index[t])
        periods = np.flatnonzero(calendar.year_index == f)
        before = self.spent(s, periods[periods < t])
        own = max(0.0, float(self.planned[periods].sum()) - before)
        chunk, beyond = self.chunk, max(0.0, self.paid(instance) - own)
        declared = min(beyond, float(chunk.emergency[s, f]))
        chunk.left[s, f] = max(0.0, chunk.left[s, f] - beyond)
        chunk.emergency[s, f] -= declared
        if f < len(calendar.planned_years):
            chunk.in_all[s] = max(0.0, chunk.in_all[s] - (beyond - declared))


def _key(*parts: Any) -> bytes:
    """What a program is asked, in a few bytes: the same question has the same answer."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.tobytes())
    return digest.digest()


class _Program:
    """One period of a component with what a storekeeper keeps back, solved many times with other bounds and costs.

    Beyond the columns of the period: `gap`, what is not bought of what is wanted, and `again`, what is bought in place of what is
    given in the same period; and the stock that is kept, put to its use in the time ahead: `kept` of each stored material, `more`
    of what nothing is short of, `made` by plants with what is kept, `served` of each use, and `own`, users' own stocks.

        sum_o buy[o] + gap[i] = want[i] + again[i],     again[i] <= release[i]                  [unit]  for each stocked i
        sold[i] <= release[i],  and what is needed now with a share of what is beyond all needs, where prices are a reason
        kept[i] <= stock[i];    own[u] <= level[u] - missing[u];    served by own[u] <= its segment's       [unit]
        kept[i] + more[i] + sum_j y[j,i] made[j] + sum_{u of i} own[u] >= sum_{uses of i} served            [unit]  for each i
        served[k] <= what dearer or equal uses would lack,  worth the mean of its loss and that of the next cheaper use
    """

    def __init__(self, part: _Part, local: Ints, row: Ints, column: Ints, value: Floats) -> None:
        sets, n = part.sets, part.n
        self.n, self.sets, self.at, self.width = n, sets, part.at, part.part.width
        self.row = {part.part.template.rows[r]: k for k, r in enumerate(local.tolist())}
        self.uses = [part.at[use] for use in uses(sets)]
        self.material = [
            int(n.demand_material[(n.tiers if name == "shortfall" else n.steps)[k][0]]) for name, k in uses(sets)
        ]
        self.segment = [int((n.tiers if name == "shortfall" else n.steps)[k][0]) for name, k in uses(sets)]
        self.plants = [  # what is kept of a material serves no user of its qualified form
            j
            for name, j in part.at
            if name == "output" and (n.yields[j] < 0).any() and float(n.kappa[j]) >= 1 - 1e-9
            if j not in sets.clean.qualifying
        ]
        self.stock = [part.at["stock", i] for i in sets.stocked]
        self.missing = [part.at["users_missing", u] for u in sets.users]
        self._build(row, column, value)
        self.bought = [part.at["acquisition", p.name] for p in sets.purchases]
        self._worths: dict[bytes, tuple[Floats, Mapping[int, float], Mapping[int, float]]] = {}
        self._known: dict[bytes, Floats] = {}
        self._lacking: dict[bytes, tuple[Floats, Floats]] = {}

    def _build(self, row: Ints, column: Ints, value: Floats) -> None:
        """The matrix: rows of the period, then those of what is wanted and kept."""
        sets, n, W = self.sets, self.n, self.width
        count = W
        places: dict[str, list[int]] = {}
        for name, size in (
            ("gap", len(sets.stocked)),
            ("again", len(sets.stocked)),
            ("kept", len(sets.stocked)),
            ("sold", len(sets.stocked)),
            ("more", len(sets.materials)),
            ("made", len(self.plants)),
            ("served", len(self.uses)),
            ("own", len(sets.users)),
        ):
            places[name] = list(range(count, count + size))
            count += size
        self.places, self.columns = places, count
        rows, columns, values = [row], [column], [value]
        m = len(self.row)
        lower, upper = [], []

        def add(entries: Sequence[tuple[int, float]], low: float, high: float) -> None:
            nonlocal m
            rows.append(np.full(len(entries), m))
            columns.append(np.array([k for k, _ in entries], dtype=int))
            values.append(np.array([v for _, v in entries], dtype=float))
            lower.append(low)
            upper.append(high)
            m += 1

        for k, i in enumerate(sets.stocked):
            bought = [(self.at["acquisition", p.name], 1.0) for p in sets.purchases if p.material == i]
            add([*bought, (places["gap"][k], 1.0), (places["again"][k], -1.0)], 0.0, 0.0)
        for k in range(len(sets.stocked)):
            add([(places["kept"][k], 1.0), (self.stock[k], -1.0)], -INF, 0.0)
        for k, i in enumerate(sets.stocked):
            add([(places["sold"][k], 1.0), (self.at["release", i], -1.0)], -INF, 0.0)
        for k, i in enumerate(sets.stocked):
            add([(places["again"][k], 1.0), (self.at["release", i], -1.0)], -INF, 0.0)
        for k, u in enumerate(sets.users):
            add([(places["own"][k], 1.0), (self.missing[k], 1.0)], -INF, float(n.users_level[u]))
        for k, u in enumerate(sets.users):
            mine = [(places["served"][h], -1.0) for h, q in enumerate(self.segment) if q == n.users[u][1]]
            add([(places["own"][k], 1.0), *mine], -INF, INF if n.users[u][1] < 0 else 0.0)
        for at, i in enumerate(sets.materials):
            entries = [(places["more"][at], 1.0)]
            entries += [(places["kept"][k], 1.0) for k, stored in enumerate(sets.stocked) if stored == i]
            entries += [
                (places["made"][k], float(n.yields[j, i])) for k, j in enumerate(self.plants) if n.yields[j, i] != 0
            ]
            entries += [(places["own"][k], 1.0) for k, u in enumerate(sets.users) if n.users[u][0] == i]
            entries += [(places["served"][h], -1.0) for h, of in enumerate(self.material) if of == i]
            add(entries, 0.0, INF)
        self.more_lower, self.more_upper = np.array(lower), np.array(upper)
        self.solver = SmallProgram(
            self.columns, m, np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
        )

    def needs(
        self, bounds: tuple[Floats, Floats, Floats], low: Floats, high: Floats, price: Floats
    ) -> tuple[Floats, Floats]:
        """(what each use lacks, what each plant could make more) where nothing is bought, released, drawn from users' stocks or put
        back."""
        lower, upper, cost = bounds
        upper = upper.copy()
        for name, key in self.at:
            if name in ("acquisition", "release", "disposal", "users_pull", "users_refill"):
                upper[self.at[name, key]] = 0.0
        asked = _key(lower, upper, cost, low, high, price)
        if len(self._lacking) > MOST_KNOWN:
            self._lacking.clear()
        if asked not in self._lacking:
            none = np.zeros(len(self.stock))
            x = self._solve(lower, upper, cost, low, high, price, none, none)
            self._lacking[asked] = x[self.uses], self._spare(x, upper, high)
        return self._lacking[asked]

    def _spare(self, x: Floats, upper: Floats, high: Floats) -> Floats:
        """(plants,) what each could make more."""
        activity = self.solver.activity(x)[: len(high)]
        rows, first, found = self.row, self.n.sources, []
        for j in self.plants:
            left = float(upper[self.at["output", j]] - x[self.at["output", j]])
            for name in (("source_capacity", j), ("source_survival", j), ("project_capacity", j - first)):
                if name in rows:
                    left = min(left, float(high[rows[name]] - activity[rows[name]]))
            found.append(max(0.0, left) if math.isfinite(left) else 0.0)
        return np.array(found)

    def lived(
        self,
        bounds: tuple[Floats, Floats, Floats],
        low: Floats,
        high: Floats,
        price: Floats,
        most_short: Floats,
        *,
        want: Floats,
        again: Floats,
        excess: Floats,
        ahead: Floats,
        spare: Floats,
        tight: Bools,
        sale: Floats,
    ) -> Floats:
        """(own columns,) what is done in a period."""
        lower, upper, cost = bounds
        lower, upper = lower.copy(), upper.copy()
        upper[self.uses] = np.minimum(upper[self.uses], most_short + SLACK)
        for k, i in enumerate(self.sets.stocked):
            column = self.at["disposal", i]
            upper[column] = lower[column] = min(float(upper[column]), float(excess[k]))
        asked = _key(lower, upper, cost, low, high, price, want, again, ahead, spare, tight, sale)
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        if asked not in self._known:
            x = self._solve(lower, upper, cost, low, high, price, want, again, ahead, spare, tight, sale)
            self._known[asked] = x[: self.width]
        return self._known[asked]

    def _worth(self, cost: Floats, prices: Floats) -> tuple[Floats, Mapping[int, float], Mapping[int, float]]:
        """(what a tonne that is kept counts for each use, and for no use by material: the reserve's and users' own), in the costs
        of the period."""
        losses = cost[self.uses]
        asked = losses.tobytes() + prices.tobytes()
        if asked not in self._worths:
            self._worths[asked] = self._valued(losses, prices)
        return self._worths[asked]

    def _filled(self, cost: Floats, idle: Mapping[int, float], tight: Bools | None) -> dict[int, float]:
        """What a tonne that is wanted counts by material: all that is for sale is bought, but in an event no dearer than keeping
        it is worth."""
        found = dict(idle)
        for k, p in zip(self.bought, self.sets.purchases, strict=True):
            if tight is None or not tight[p.material]:
                found[p.material] = max(found[p.material], LIKE_PRICE * float(cost[k]))
        return found

    def _valued(self, losses: Floats, prices: Floats) -> tuple[Floats, Mapping[int, float], Mapping[int, float]]:
        worth, idle, own = np.zeros(len(self.uses)), dict[int, float](), dict[int, float]()
        for at, i in enumerate(self.sets.materials):
            mine = [h for h, of in enumerate(self.material) if of == i]
            for found, price in ((idle, float(prices[0, at])), (own, float(prices[1, at]))):
                least = min((float(losses[h]) for h in mine if losses[h] > price), default=0.0)
                found[i] = (price + least) / 2 if least > price else LIKE_PRICE * price
            for h in mine:
                cheaper = [float(losses[g]) for g in mine if losses[g] < losses[h] * (1 - 1e-9)]
                # what the reserve would not give for it, users' own stock may be kept for
                spared = idle[i] if idle[i] < losses[h] else own[i]
                worth[h] = (losses[h] + max([spared, *cheaper])) / 2
        return worth, idle, own

    def _solve(
        self,
        lower: Floats,
        upper: Floats,
        cost: Floats,
        low: Floats,
        high: Floats,
        prices: Floats,
        want: Floats,
        again: Floats,
        ahead: Floats | None = None,
        spare: Floats | None = None,
        tight: Bools | None = None,
        sale: Floats | None = None,
    ) -> Floats:
        sets, places = self.sets, self.places
        below, above, price = np.zeros(self.columns), np.zeros(self.columns), np.zeros(self.columns)
        W = self.width
        below[:W], above[:W], price[:W] = lower, upper, cost
        worth, idle, own = self._worth(cost, prices)
        filled = self._filled(cost, idle, tight)
        for k, i in enumerate(sets.stocked):
            price[self.stock[k]] = -idle[i]  # neither holding costs nor what the end pays decides what is given
            above[places["gap"][k]] = INF
            above[places["again"][k]] = again[k]
            price[places["again"][k]] = TURNED_OVER * filled[i]
            price[places["gap"][k]] = filled[i] * AFTER_USERS
        for k, u in enumerate(sets.users):
            i = self.n.users[u][0]
            price[self.missing[k]] += own[i] if tight is not None and tight[i] else filled[i]
        if sale is not None:
            above[places["sold"]] = sale
            for k, i in enumerate(sets.stocked):
                price[places["sold"][k]] = -idle[i]
        if ahead is not None and spare is not None and tight is not None:
            for k in range(len(sets.stocked)):
                above[places["kept"][k]] = INF
            for at, i in enumerate(sets.materials):
                above[places["more"][at]] = 0.0 if tight[i] else INF
                price[places["more"][at]] = idle[i]
            above[places["made"]] = spare
            for k, j in enumerate(self.plants):
                price[places["made"][k]] = cost[self.at["output", j]]
            above[places["served"]] = ahead
            price[places["served"]] = -worth
            for k, i in enumerate(sets.stocked):  # what is kept and used counts its use alone
                price[places["kept"][k]] = idle[i]
            above[places["own"]] = INF
            for k, u in enumerate(sets.users):
                price[places["own"][k]] = own[self.n.users[u][0]]
        rows_low = np.concatenate([low, self.more_lower])
        rows_high = np.concatenate([high, self.more_upper])
        m = len(low)
        rows_low[m : m + len(want)] = rows_high[m : m + len(want)] = want
        x = self.solver.solve(below, above, price, rows_low, rows_high)
        if x is None:
            x = self.solver.solve(below, above, price, rows_low - ROOM, rows_high + ROOM)
        if x is None:
            raise UntrustedError("a period that is lived without foresight was not solved to optimality")
        return x
