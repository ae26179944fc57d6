"""Live a plan through scenarios that nobody foresees: period by period, by targets and a rule of release.

Until something happens to a component it follows the baseline course. From then on each period is one small linear program: the
reserve buys towards its target as far as offers and money reach, and gives in a shortage what dearer uses will not need. What a
storekeeper believes of the future comes from the hazards alone: how long this event may go on, given its age, and what new events
would take. Of its scenario a period sees its own data, and of the events in force whether they last beyond its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from ..audit.producers import PathData, path_data_along
from ..core.frames import Bools, Floats, Ints
from ..core.runner import checkpoint
from ..matrix.assembly import Assembly, PlacedBlock, Templates
from ..matrix.named import objective_costs
from ..matrix.problem import Problem
from ..matrix.solution import Solution
from ..model.branch import targets_of
from ..question.plan import Event, Plan, Release
from ..world.draws import POINTS, felt_share, mean_remainder
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
from ..world.scenarios import FAR, UNKNOWN_MEAN_YR, for_ever, ongoing_events, trunk_course
from .carry import Question, outlays
from .recourse import FirstStage, RecourseOutcome, along, evaluate, fixed_columns, home_first, solution_of
from .storekeeper import ROOM, Goal, Period, Storekeeper, Untouched, plants_of, segments, stores_of, uses

SHOWN = 3
"""Period of the plan for which tonnes to leave aside are stated."""
CHUNK = 64
"""Scenarios that are instantiated together."""
LONGEST_CHAIN = 4
"""Plants through which what is stored may pass before it reaches who lacks it."""
TRACE = 1e-6
"""Share of demand that makes a scenario of its own, and no difference."""
AGES = 0.25
"""Years between the ages at which the rest of an event is looked up."""

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
        self.programs: dict[tuple[int, bytes], Storekeeper] = {}
        self._hazards = hazards(first.plan, first.data)
        self._rest: dict[str, Floats] = {}
        self._strikes: dict[tuple[Any, ...], Bools] = {}
        self._met = _Met()
        self._read: _Met = _Met() if beside is None else beside._read

    def by(self, first: FirstStage) -> Simulator:
        """One of the same decisions by another rule of release: they share what does not hang on it, the scenarios met last too."""
        assert first.solution is self.first.solution
        _ = self.beliefs  # worked out once, with what is compiled for them
        twin = copy(self)
        twin.first, twin.rule = first, first.plan.release
        return twin

    def live(self, scenarios: ScenarioSet) -> RecourseOutcome:
        """Costs in scenarios (in tonnes), chunk by chunk.

        Raises UntrustedError if a period is not solved to optimality, StoppedError at a limit of the current call."""
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
                chunk.parts[c].step(t, self.beliefs)

    def aside(self) -> Iterator[tuple[str, str, str, float, float]]:
        """(hazard, material, segment, tonnes to be left aside for dearer needs before the segment gets its last, what it lacks then
        [t]) in the typical event of the hazard that is expected to take most of each stored material, by what is left aside.

        A segment with several tiers of loss counts with its cheapest. Only where a use takes what is stored itself."""
        n, structure, rule = self.first.natural, self.first.structure, self.rule
        t, typical = min(SHOWN, n.calendar.periods - 1), self.beliefs.typical
        events = profiles_of(self.first.plan, self.first.data)
        rates = _rates(_foreseen(self.first.plan, self.first))
        for c, sets in enumerate(structure.component_sets):
            mine = {hazard: need for (hazard, part), need in typical.items() if part == c}
            scaled, every = structure.instance, uses(sets)
            of = segments(scaled, sets)
            loss = np.array([scaled.tier_loss[k] if name == "shortfall" else scaled.step_cost[k] for name, k in every])
            for i in sets.stocked:
                here = [h for h, q in enumerate(of) if scaled.demand_material[q] == i]
                if not here or not mine or float(self.first.solution.stock[0, i].max()) <= 0:
                    continue
                hazard = max(mine, key=lambda one: rates[one] * float(mine[one][here].sum()))
                need, unit = mine[hazard], float(scaled.material_unit[i])
                typical_event = resolve_event(
                    Event(hazard=hazard, start_year=2000.0), self._hazards[hazard], events.get(hazard)
                )
                rest = self.rest(typical_event, n.calendar.step) / n.calendar.step
                kept = _ahead(rule, rest, need, self.beliefs.needs[c][t])
                stated = []
                for q in dict.fromkeys(of[h] for h in here):
                    own = [h for h in here if of[h] == q and every[h][0] == "shortfall" and need[h] > 0]
                    if not own:
                        continue
                    cheapest = min(own, key=lambda h: float(loss[h]))
                    dearer = [h for h in here if loss[h] > loss[cheapest] * (1 + 1e-9)]
                    left, lacks = float(kept[dearer].sum()) * unit, float(need[own].sum()) * unit
                    stated.append((left, hazard, n.materials[i], n.demands[q][1], lacks))
                for left, name, material, segment, lacks in sorted(stated):
                    if lacks > 0:
                        yield name, material, segment, left, lacks

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

    def strikes(self, event: DisruptionEvent) -> Bools:
        """(components,) those in which an event takes supply, or makes users want more."""
        cuts = event.cut > 0, event.third_cut > 0, event.profile is not None and event.severity > 0
        key = event.label, event.countries, event.materials, event.producers, event.demand, event.surge, cuts
        if key not in self._strikes:
            n, year = self.first.natural, self.first.natural.calendar.first_year + 1.0
            events = [(replace(event, start=year, flood=0.0, begun=None),)]
            alone = combine_events(n, ["alone"], np.ones(1), np.zeros(1, dtype=bool), events)
            cut = (np.minimum(alone.availability, alone.direct)[0] < n.availability - TRACE).any(axis=1)
            surged = (alone.demand_factor[0] > 1 + TRACE).any(axis=1)
            struck = [*n.producer_component[cut], *n.component[n.demand_material[surged]]]
            self._strikes[key] = np.isin(np.arange(len(self.first.structure.component_sets)), struck)
        return self._strikes[key]

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


def _ahead(rule: Release, rest: float, need: Floats, begun: Floats) -> Floats:
    """What is left aside for dearer uses [in the units of need]: a share of what this event still takes, and what new ones take.

    ahead = this_event rest need + new_events_yr begun; rest: expected rest of the event, need: a period's, begun: of new events
    expected in a year."""
    return rule.this_event * rest * need + rule.new_events_yr * begun


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
    rates, alike = _rates(rows), {row.material: row.alike for row in first.data.rows("materials") if row.alike}
    found = {c: np.zeros((T, len(uses(sets)))) for c, sets in enumerate(first.structure.component_sets)}
    going_on, trunk = for_ever(ongoing_events(plan, first.data, n.calendar)), trunk_course(n, first.data)
    before = _in_force(simulator, going_on, trunk)
    events, weights, dates, of = [], [], [], []
    shown = min(SHOWN, T - 1)
    worst: dict[tuple[str, int], Floats] = {}
    for name, row in rows.items():
        typical = resolve_event(Event(hazard=name, start_year=2000.0), row, shaped.get(name))
        length = max(1, math.ceil((typical.flood + typical.duration) / step))
        for t in range(1, T):
            begin = max(1, min(t, T - length))
            events.append((*going_on, replace(typical, start=n.calendar.first_year + step * begin)))
            weights.append(rates[name] * felt_share(row, name in shaped, alike))
            dates.append(t)
            of.append(name)
    if not events:
        return Beliefs(found, {})
    count = len(events)
    names = [f"typical-{k}" for k in range(count)]
    chances, none = np.full(count, 1 / count), np.zeros(count, dtype=bool)
    scenarios = combine_events(n, names, chances, none, events, trunk)
    for begin in range(0, count, CHUNK):
        part = scenarios.rows(slice(begin, begin + CHUNK))
        chunk = simulator.chunk(part)
        for c in chunk.components:
            for t in range(1, T):
                for scenario, need in chunk.parts[c].needs(t):
                    k = begin + scenario
                    found[c][dates[k]] += weights[k] * np.maximum(0.0, need - before.get((c, t), 0.0))
                    if dates[k] == shown and need.sum() > worst.get((of[k], c), np.zeros(1)).sum():
                        worst[of[k], c] = need
    return Beliefs(found, worst)


def _in_force(
    simulator: Simulator, going_on: tuple[DisruptionEvent, ...], trunk: ScenarioSet | None
) -> dict[tuple[int, int], Floats]:
    """(component, period) -> what uses lack where events in force go on, in a scenario that hardly differs from that course."""
    if not going_on:
        return {}
    n, T = simulator.first.natural, simulator.first.natural.calendar.periods
    less = tuple((segment, 1 - TRACE) for segment in {segment for _, segment in n.demands})
    harmless = replace(going_on[0], cut=0.0, third_cut=0.0, price=1.0, profile=None, tight=None, surge=("", "", 0.0))
    begin = n.calendar.first_year + n.calendar.step
    trace = replace(harmless, start=begin, flood=0.0, duration=FAR, materials="*", demand=less)
    same = combine_events(n, ["in force"], np.ones(1), np.zeros(1, dtype=bool), [(*going_on, trace)], trunk)
    chunk = simulator.chunk(same)
    return {(c, t): need for c in chunk.components for t in range(1, T) for _, need in chunk.parts[c].needs(t)}


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


class Chunk:
    """Some scenarios while they are lived: all columns of the model, filled period by period."""

    def __init__(self, simulator: Simulator, problem: Problem, shares: Floats, scenarios: ScenarioSet) -> None:
        self.simulator, self.problem, self.shares, self.scenarios = simulator, problem, shares, scenarios
        self.assembly: Assembly = problem.assembly
        self.x = np.zeros(len(self.assembly.lower))
        columns, values = fixed_columns(problem, simulator.first, shares)
        self.x[columns] = values
        self.cost = objective_costs(problem)["social_cost"] + home_first(problem)
        self.parts = {
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
        struck = [c for c, part in self.parts.items() if len(part.blocks.branches)]
        return sorted(struck, key=lambda c: (-self.parts[c].urgency.max(initial=0.0), c))

    def carry_over(self, f: int) -> None:
        """What was left of the year before and may be kept."""
        n, budget = self.simulator.first.natural, self.simulator.first.plan.budget
        if budget.branch_money == "appropriated":
            room = budget.carry_over_share * n.appropriation[f - 1] - self.simulator.first.solution.carry[f - 1]
            unspent = np.maximum(0.0, self.left[:, f - 1] - self.emergency[:, f - 1])
            self.left[:, f] += np.minimum(max(0.0, float(room)), unspent)


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
    def urgency(self) -> Floats:
        """(stores,) largest loss a dollar of what each holds, or of what is made of it."""
        n, worth = self.n, np.zeros(len(self.n.materials))
        for k in self.sets.tiers:
            i = n.demand_material[n.tiers[k][0]]
            worth[i] = max(worth[i], n.tier_loss[k])
        return self.a_dollar(worth, plants_of(n, self.sets, self.at))

    def a_dollar(self, worth: Floats, plants: Sequence[int]) -> Floats:
        """(stores,) what a dollar of each is worth, used as it is or after the plants. worth: (I,) of a unit."""
        n = self.n
        for _ in range(LONGEST_CHAIN):
            for j in plants:
                made, feed = np.maximum(0.0, n.yields[j]) @ worth, np.flatnonzero(n.yields[j] < 0)
                worth[feed] = np.maximum(worth[feed], made / -n.yields[j, feed])
        return np.array([(worth[of] / n.price[of, 0]).max() for of, _, _ in self.stores])

    def instances(self, t: int) -> Ints:
        """Instances of branches in a period."""
        return np.flatnonzero((self.blocks.scenario >= 0) & (self.blocks.period == t))

    def program_of(self, instance: int) -> tuple[Storekeeper, Period]:
        """The program whose matrix an instance has, and what it asks, what lies outside put in."""
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
        at = np.stack([row[own], mine], dtype=np.int32)
        key = (self.c, local.tobytes() + at.tobytes() + factors.tobytes())
        programs = self.chunk.simulator.programs
        if key not in programs:
            programs[key] = Storekeeper(self.n, self.sets, self.part.template, local, (row[own], mine, factors))
        low, high = (bounds[rows] - outside for bounds in (assembly.row_lower, assembly.row_upper))
        columns, price = slice(begin, begin + self.part.width), self.replaced_at[int(self.blocks.period[instance])]
        lower, upper = assembly.lower[columns], assembly.upper[columns]
        cost, calendar = self.chunk.cost[columns].copy(), self.n.calendar
        if self.blocks.period[instance] == calendar.periods - 1:  # what the end replaces and values decides nothing
            users = [self.n.dearest_price(self.n.users[u][0])[-1] * calendar.beta[-1] for u in self.sets.users]
            cost[self.columns["users_missing"]] -= users
        asked = Period(lower, upper, cost, low, high, price)
        return programs[key], asked

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

    def tight(self, instance: int) -> Bools:
        """(I,) materials that are tight."""
        s, t = self.blocks.scenario[instance], self.blocks.period[instance]
        return np.asarray(self.chunk.problem.structure.scenarios.tight[s, :, t], dtype=bool)

    def needs(self, t: int) -> Iterator[tuple[int, Floats]]:
        """(scenario, what each use lacks without release and users' stocks) in a period, where anything is tight."""
        for instance in self.instances(t).tolist():
            if not self.tight(instance)[list(self.sets.materials)].any():
                continue
            program, asked = self.program_of(instance)
            yield int(self.blocks.scenario[instance]), program.untouched(asked).need

    def step(self, t: int, beliefs: Beliefs) -> None:
        """Live a period in all scenarios in which the component has been touched."""
        chunk, rule = self.chunk, self.chunk.simulator.rule
        for instance in self.instances(t).tolist():
            program, asked = self.program_of(instance)
            untouched, tight = program.untouched(asked), self.tight(instance)
            worth = program.worth(asked.cost, asked.price)[1]
            dear = [c for c, i in self.unusual if not tight[i] and asked.cost[c] > worth[i]]
            if dear:
                asked = asked._replace(upper=asked.upper.copy())
                asked.upper[dear] = 0.0
            need, kept, lacking = untouched.need, program.nothing, self.lacking(program, untouched, asked)
            goal = self.wanted(instance, t, asked.upper, lacking)
            begin = self.part.first_column + self.part.width * instance
            if tight[list(self.sets.materials)].any():
                rest = self.rest(int(self.blocks.scenario[instance]), t)
                ahead = self.fading(t) * _ahead(rule, rest, need, beliefs.needs[self.c][t])
                more = max(1.0, rule.this_event * rest + rule.new_events_yr / self.n.calendar.step)
                sale = self.price_sales(instance, t, need, ahead, tight)
                kept = kept._replace(ahead=ahead, spare=untouched.spare * more, tight=tight, sale=sale)
            x = untouched.x
            for _ in range(1 + len(self.sets.purchases)):
                if self.at_rest(instance, asked.upper, goal):
                    break
                x = program.lived(asked, need, goal, kept._replace(tight=tight))
                taken = self.refused(goal, x, tight)
                if not taken:
                    break
                upper = asked.upper.copy()  # others are asked
                upper[taken] = x[taken]
                asked = asked._replace(upper=upper)
                goal = self.wanted(instance, t, upper, lacking)
            chunk.x[begin : begin + self.part.width] = x
            self.pay(instance, t)

    def at_rest(self, instance: int, upper: Floats, goal: Goal) -> bool:
        """Whether nothing is to be bought, given, sold or put back: the reserve and users leave the period as it is. What homes
        hold together may come from where nothing is released."""
        if self.sets.pools:
            return False
        sold = np.where(upper[self.columns["disposal"]] > 0, goal.excess, 0.0)
        if (np.concatenate([goal.want, goal.again, sold]) > ROOM).any():
            return False
        given = (self.before(instance, self.columns["stock"]) > 0) & (upper[self.columns["release"]] > 0)
        missing = self.before(instance, self.columns["users_missing"]) > 0
        return not (given.any() or missing.any() or upper[self.columns["users_pull"]].any())

    def price_sales(self, instance: int, t: int, need: Floats, ahead: Floats, tight: Bools) -> Floats:
        """(stocked,) tonnes that the reserve gives because they have become so much dearer than they were: what is needed now, and
        a share of what is beyond all needs, now and ahead [unit]."""
        rule, n, found = self.chunk.simulator.rule, self.n, np.zeros(len(self.sets.stocked))
        if rule.sell_above is None:
            return found
        s, before = int(self.blocks.scenario[instance]), self.held(instance)
        scenarios = self.chunk.problem.structure.scenarios
        needed = n.demand_material[segments(n, self.sets)]
        for k, i in enumerate(self.sets.stocked):
            price = n.market_price(i, True, scenarios.price[s, i], gap=scenarios.market_gap[s, i])[t]
            if tight[i] and price >= rule.sell_above * self.mean_cost[i][t] * (1 - 1e-9):
                mine = needed == i
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
        found, simulator = 0.0, self.chunk.simulator
        for event in self.chunk.scenarios.events[s]:
            cut = event.start + event.flood
            if cut < now - 1e-9 and cut + event.duration > now - 1e-9 and simulator.strikes(event)[self.c]:
                found = max(found, simulator.rest(event, now - cut))
        return found / calendar.step

    def wanted(self, instance: int, t: int, upper: Floats, lacking: Floats) -> Goal:
        """What is bought and sold towards the targets, as far as money reaches. lacking: as of that method."""
        chunk, sets, n = self.chunk, self.sets, self.n
        (want, again), excess = np.zeros((2, len(self.stores))), np.zeros(len(sets.stocked))
        before, refill = self.held(instance), chunk.simulator.rule.refill_share
        tight = chunk.problem.structure.scenarios.tight[int(self.blocks.scenario[instance])]
        for k, (of, at, size) in enumerate(self.stores):
            kept = 1 - n.decay[of]
            goals, stocks = np.array([self.targets[i][t] for i in of.tolist()]), kept * before[at]
            goal, held, above = float(size @ goals), float(size @ stocks), np.maximum(0.0, stocks - goals)
            want[k] = max(0.0, goal - held)
            if above.any():
                excess[at] = above * max(0.0, held - goal) / float(size @ above)
            if tight[of, : t + 1].any():  # what was there before the plan is not bought again, but to be given at once
                old = float(size @ (kept ** (t + 1) * n.opening[of]))
                before_it, left = self.least_held(instance, of, size) if old > 0 else (0.0, 0.0)
                old, left = min(old, before_it), min(old, left)
                want[k] = max(0.0, min(goal - held, refill * (goal - old) + left - held))
            if tight[of, t].any() and held <= goal + ROOM:  # what is beyond the target is given first
                again[k] = max(0.0, goal - want[k])
        if chunk.simulator.first.is_reference:
            return Goal(np.zeros_like(want), np.zeros_like(want), excess, {}, False)
        sold = {column: 0.0 for offers in self.offers for _, column, _ in offers}
        money, short = self.money(instance, t) if want.any() or again.any() else 0.0, False
        # what users lack, the dearest a dollar first; of the rest, what is missing before what may be given, the dearest first too
        queue = [(asked, k) for asked in (want, again) for k in np.flatnonzero(asked).tolist()]
        for asked, k in sorted(queue, key=lambda one: (-lacking[one[1]], one[0] is again, -self.urgency[one[1]])):
            bought, struck = 0.0, tight[:, t]
            for p, column, unit in sorted(self.offers[k], key=lambda o: self.order(o, instance, struck)):
                price, left = self.price(p, instance), float(upper[column]) - sold[column]
                most = max(0.0, min((asked[k] - bought) / unit, left))
                part = min(most, money / price) if price > 0 else most
                short = short or part < most - ROOM
                sold[column] += part
                bought, money = bought + unit * part, money - part * price
            if asked is want and not self.made_at_home[k]:
                want[k] = bought
        return Goal(want, again, excess, sold, short)

    def lacking(self, program: Storekeeper, untouched: Untouched, asked: Period) -> Floats:
        """(stores,) largest loss a dollar of a use that lacks what is stored or what plants with room make of it; 0: no use."""
        worth = np.zeros(len(self.n.materials))
        if len(self.stores) < 2 or untouched.need.max(initial=0.0) <= ROOM:
            return np.zeros(len(self.stores))
        for use, i, need in zip(program.uses, program.material, untouched.need, strict=True):
            worth[i] = max(worth[i], float(asked.cost[use])) if need > ROOM else worth[i]
        roomy = [j for j, spare in zip(program.plants, untouched.spare, strict=True) if spare > ROOM]
        return self.a_dollar(worth, roomy)

    def refused(self, goal: Goal, x: Floats, tight: Bools) -> list[int]:
        """Columns of offers that sold less than they were asked for, where others may sell instead: their source serves users too,
        their seller has others, or money has run out."""
        together = {*chain(*dict(self.sets.sellers).values())}
        return [
            column
            for offers in self.offers
            for p, column, _ in offers
            if x[column] < goal.sold.get(column, 0.0) - ROOM
            if goal.short or (len(offers) > 1 and (p.source >= 0 or p.name in together) and not tight[p.material])
        ]

    def order(self, offer: tuple[Any, int, float], instance: int, tight: Bools) -> tuple[bool, float]:
        """The cheapest offers first; in an event those last whose source has to serve users."""
        purchase, _, unit = offer
        return bool(tight[purchase.material]) and purchase.source >= 0, self.price(purchase, instance) / unit

    @cached_property
    def stores(self) -> list[tuple[Ints, Ints, Floats]]:
        """Stores (`stores_of`): materials, their places in what is stocked, and a unit of each in that of the first."""
        places = {i: k for k, i in enumerate(self.sets.stocked)}
        unit, stores = self.n.material_unit, [list(of) for of in stores_of(self.n, self.sets)]
        return [(np.array(of), np.array([places[i] for i in of]), unit[of] / unit[of[0]]) for of in stores]

    @cached_property
    def offers(self) -> list[list[tuple[Any, int, float]]]:
        """(purchase, its column, its unit in that of the store) of what is for sale of each store."""
        for_sale = [(p, self.at["acquisition", p.name]) for p in self.sets.purchases if p.offer >= 0]
        sizes = [dict(zip(of.tolist(), size.tolist(), strict=True)) for of, _, size in self.stores]
        return [[(p, column, size[p.material]) for p, column in for_sale if p.material in size] for size in sizes]

    @cached_property
    def unusual(self) -> list[tuple[int, int]]:
        """(column, material) of offers that are dearer than all of which the baseline course buys."""
        course = self.chunk.problem.structure.trunk
        mean = {
            p: float(purchase_price(self.n, p, course.price[0, p.material], course.market_gap[0, p.material]).mean())
            for p in self.sets.purchases
        }
        most = dict.fromkeys(self.sets.stocked, 0.0)
        for p, price in mean.items():
            if self.trunk("acquisition", p.name).max() > ROOM:
                most[p.material] = max(most[p.material], price)
        dear = [p for p in self.sets.purchases if p.offer >= 0 and mean[p] > most[p.material] * (1 + 1e-9)]
        return [(self.at["acquisition", p.name], p.material) for p in dear]

    @cached_property
    def made_at_home(self) -> list[bool]:
        """(stores,) whether supported plants sell to the reserve too."""
        own = [p.material for p in self.sets.purchases if p.offer < 0]
        return [bool(np.isin(of, own).any()) for of, _, _ in self.stores]

    @cached_property
    def targets(self) -> Mapping[int, Floats]:
        """Material -> (T,) its target (`targets_of`) [unit]."""
        return {
            i: targets_of(self.trunk("stock", i), self.trunk("release", i), float(self.n.decay[i]))
            for i in self.sets.stocked
        }

    @cached_property
    def columns(self) -> Mapping[str, Ints]:
        """Name of a variable of stocks -> its columns, in the order of what is stocked, or of users."""
        stocks = dict.fromkeys(("stock", "release", "disposal"), self.sets.stocked)
        stocks |= dict.fromkeys(("users_missing", "users_pull"), self.sets.users)
        return {name: np.array([self.at[name, k] for k in keys], dtype=int) for name, keys in stocks.items()}

    def held(self, instance: int) -> Floats:
        """(stocked,) stock at the end of the period before [unit]."""
        return self.before(instance, self.columns["stock"])

    def before(self, instance: int, columns: Ints) -> Floats:
        """What some columns were at the end of the period before [unit]."""
        previous = int(self.blocks.previous[instance])
        return np.asarray(self.chunk.x[self.part.first_column + self.part.width * previous + columns])

    def least_held(self, instance: int, of: Ints, size: Floats) -> tuple[float, float]:
        """The least that was held of a store before the branch began, and so far, the purchases of each period aside: so much of
        what was there before the plan is left, decayed [unit of the first]."""
        first = int(self.blocks.first[int(self.blocks.scenario[instance])])
        onset = int(self.blocks.period[first])
        at = np.array([*range(onset), *range(first, instance)])
        begin, x, left = self.part.first_column + self.part.width * at, self.chunk.x, np.zeros(len(at))
        for i, unit in zip(of.tolist(), size.tolist(), strict=True):
            held = x[begin + self.at["stock", i]]
            for p in self.sets.purchases:
                if p.material == i:
                    held = held - x[begin + self.at["acquisition", p.name]]
            left += unit * (1 - self.n.decay[i]) ** np.arange(len(at), 0, -1) * np.maximum(0.0, held)
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

    @cached_property
    def paid(self) -> Floats:
        """(S, T) what purchases of each period cost: as planned until an event, then as lived [million USD]."""
        return np.tile(self.planned, (len(self.chunk.scenarios.names), 1))

    def own_money(self, s: int, t: int) -> float:
        """What the plan meant for the component in a year, less what was spent before a period [million USD]."""
        begin = t - t % self.n.calendar.per_year
        meant = float(self.planned[begin : begin + self.n.calendar.per_year].sum())
        return max(0.0, meant - float(self.paid[s, begin:t].sum()))

    def money(self, instance: int, t: int) -> float:
        """Money for purchases in a period: its own and its part of what components share; in even parts over what is left of the
        year [million USD]."""
        calendar, s = self.n.calendar, int(self.blocks.scenario[instance])
        chunk, f = self.chunk, t // calendar.per_year
        shared = float(chunk.left[s, f])
        if f < len(calendar.planned_years):
            shared = min(shared, float(chunk.emergency[s, f] + chunk.in_all[s]))
        left_of_year = min((f + 1) * calendar.per_year, calendar.periods) - t
        return (self.own_money(s, t) + shared) / left_of_year

    def pay(self, instance: int, t: int) -> None:
        """Take what a period cost beyond the component's own money out of what is shared."""
        s, calendar = int(self.blocks.scenario[instance]), self.n.calendar
        x = self.chunk.x[self.part.first_column + self.part.width * instance :]
        paid = sum(self.price(p, instance) * float(x[column]) for of in self.offers for p, column, _ in of if x[column])
        f, own = t // calendar.per_year, self.own_money(s, t)
        self.paid[s, t] = paid
        if paid <= own:
            return
        chunk, beyond = self.chunk, paid - own
        declared = min(beyond, float(chunk.emergency[s, f]))
        chunk.left[s, f] = max(0.0, chunk.left[s, f] - beyond)
        chunk.emergency[s, f] -= declared
        if f < len(calendar.planned_years):
            chunk.in_all[s] = max(0.0, chunk.in_all[s] - (beyond - declared))
