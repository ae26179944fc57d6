"""What an item of a plan would be at every value of a figure of its own: built by its owner, chosen, not chosen, or out of reach.

Where an item can be chosen at all, and where its owner builds it alone, is read off the data without a solve (`ItemStatuses`).
Elsewhere the question is solved twice at each value tried, with the item and without it, and the better one is what the plan would
do. Values tried are the ends of the range, the plan's own, landmarks, and those where the data change what owners do; each pair of
neighbours that differ is then narrowed down, by data alone where these say why.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Any, Final, Literal

from ..core.errors import FaultsError, FormulationError, InfeasibleError, ReserveError
from ..core.formats import digits
from ..core.stats import MUSD_PER_T, bracket
from ..matrix.problem import SHARES, DecisionIndex, ForcedDecision, Problem, same_courses
from ..model.sets import slack_of_later_aims
from ..question.base import key_of
from ..question.consistency import require
from ..question.dataset import Dataset
from ..question.plan import Plan
from ..solver.session import Session
from ..world.build import build_instance
from ..world.events import SampledScenarios, ScenarioSet, longest_event
from ..world.instance import Instance, level_in, scale
from ..world.packages import Identity, Item, MenuLevel, build_support, identity, market_items, refusals, signings
from ..world.scenarios import PricingSample, build_scenarios, pricing_sample

# What could flip an item of a plan: figures of the plan and its tables, each with the whole range in which it makes sense.
MOST_TIMES = 4.0
"""Times its value up to which a cost is tried."""
SHARE_AROUND = 1.0
"""How far a share is tried on both sides of its value."""
LEVEL_TIMES = (0.1, 3.0)
"""Times its value between which the level of a floor is tried."""
PREMIUM = ("premium", "premium_share", "share")
"""Name of a figure, its column, its unit."""
YEARS_OF_OUTPUT = 10.0
"""Years of output whose worth is the most tried of a capex that is 0."""


@dataclass(frozen=True)
class Figure:
    """What is varied: a value, or a factor on several."""

    name: str
    """capex, premium, floor level, fee."""
    addresses: tuple[str, ...]
    """Fields and cells (`question.names`) that get the value."""
    base: float
    low: float
    high: float
    unit: str
    affects_owners: bool
    """Owners look at it: what they build alone, which packages they take and when plants shut can hang on it."""
    own: bool
    """It acts through the item alone: a plan without the item is worth the same at every value."""
    landmarks: tuple[float, ...] = ()
    """Values at which the item meets its rivals: levels of other floors on the material."""

    def changes(self, value: float) -> dict[str, Any]:
        """Values by address."""
        return dict.fromkeys(self.addresses, value)


def figures_of(problem: Problem, item: Item) -> list[Figure]:
    """Figures of an item that could flip it."""
    own: list[Figure] = []
    if item.kind == "project":
        own = _of_project(problem, item)
    elif item.kind == "contract":
        fee = "fee", "fee_usd_per_kg", "USD/kg"
        own = _cell(problem, "activities", item.name, fee, affects_owners=False, own=True)
    elif item.kind == "offer":
        own = _cell(problem, "offers", item.name, PREMIUM, affects_owners=False, own=False)
    if item.level is not None:
        own += _of_level(problem, item, item.level)
    elif item.package:
        level = ("floor level", "floor_usd_per_kg", "USD/kg")
        own += _cell(problem, "packages", item.package, level, affects_owners=True, own=item.kind == "package")
    return own


def _of_project(problem: Problem, item: Item) -> list[Figure]:
    whole = not item.package  # with another package the project is built where this one is forced out
    committed = any(project.committed for project in problem.natural.projects if project.name == item.project)
    capex = [] if committed else [("capex", "capex_musd", "million USD")]  # of committed ones it is sunk
    found: list[Figure] = []
    for cell in (*capex, PREMIUM):
        found += _cell(problem, "projects", item.project, cell, affects_owners=True, own=whole)
    return found


def _cell(
    problem: Problem, table: str, key: str, cell: tuple[str, str, str], *, affects_owners: bool, own: bool
) -> list[Figure]:
    """A cell of one row, where it has a value. cell: name of the figure, its column, its unit."""
    name, column, unit = cell
    row = next((row for row in problem.data.rows(table) if key_of(row) == key), None)
    value = None if row is None else getattr(row, column)
    if value is None:
        return []
    if unit == "share":
        low, high = value - SHARE_AROUND, value + SHARE_AROUND
    elif name == "floor level":
        low, high = (value * times for times in LEVEL_TIMES)
    else:
        low, high = 0.0, MOST_TIMES * value or _worth(problem, key, unit)
    address = f"{table}[{key}].{column}"
    found = Figure(name, (address,), float(value), low, high, unit, affects_owners, own)
    return [found] if high > low else []


def _worth(problem: Problem, producer: str, unit: str) -> float:
    """What a producer's output is worth at base prices: USD a kg of activity, or million USD in `YEARS_OF_OUTPUT`."""
    n = problem.natural
    j = n.producers.index(producer)
    per_tonne = float(n.yields[j].clip(min=0.0) @ n.base_price)
    if unit == "USD/kg":
        return per_tonne / MUSD_PER_T
    return per_tonne * float(n.capacity[j, 0]) / n.calendar.step * YEARS_OF_OUTPUT


def _of_level(problem: Problem, item: Item, level: MenuLevel) -> list[Figure]:
    """The level of a floor of the plan's menu; its landmarks are the other levels on the material."""
    menus = problem.plan.instruments.price_floors
    at = level_in(problem.plan, level.menu, level.at)
    if at is None:
        return []
    value = menus[at.menu].levels_usd_per_kg[at.level]
    rivals = {v for menu in menus if menu.material == menus[at.menu].material for v in menu.levels_usd_per_kg} - {value}
    address = f"instruments.price_floors.{at.menu}.levels_usd_per_kg.{at.level}"
    low, high = (value * times for times in LEVEL_TIMES)
    own, landmarks = item.kind == "floor", tuple(sorted(rivals))
    return [Figure("floor level", (address,), value, low, high, "USD/kg", True, own, landmarks)]


# Status of an item at a value of a figure, from data alone: whether it can be chosen, and why not.
Edit = Callable[[Plan, Dataset, Mapping[str, Any]], tuple[Plan, Dataset]]


@dataclass(frozen=True)
class ItemStatus:
    """An item in one variant of a question."""

    there: bool
    """The plan may choose it."""
    alone: bool
    """A project that its owner builds without support."""
    why: str
    """Why it is not there."""


class ItemStatuses:
    """Status of one item in variants of a question."""

    def __init__(self, item: Item, held: SampledScenarios | None, like: Problem | None = None) -> None:
        """held: sampled scenarios to keep. like: a variant that is prepared."""
        self._item, self._held = item, held
        self._last: tuple[Instance, ScenarioSet | None, PricingSample | None] | None = None
        """What the last variant was built from, in tonnes: the next one takes over what it has in common with it."""
        if like is not None:
            self._last = like.natural, like.scenarios, like.pricing

    def of(self, plan: Plan, data: Dataset) -> ItemStatus:
        """Status of the item. Raises PlanError, InputError where plan and tables refuse the variant."""
        require(plan, data)
        item = self._item
        if item.kind in ("contract", "offer"):
            return ItemStatus(True, False, "")
        natural = build_instance(plan, data, longest_event(plan, data))
        instance, (last, known, expected) = scale(natural), self._last or (None, None, None)
        alike = last is not None and same_courses(last, natural)
        pricing = pricing_sample(natural, data, expected, alike=alike)
        if pricing is not None:  # what may be signed does not hang on the plan's own sample
            scenarios = pricing.scenarios
        else:
            scenarios = build_scenarios(natural, data, self._held, known if alike else None)
        counted = scenarios.counted_in(instance.material_unit)
        key = identity(item, plan)
        near = _near(instance, item, key)
        support = build_support(near, counted, pricing and pricing.counted_in(instance.material_unit))
        self._last = natural, scenarios, pricing
        built = [
            bool(alone) for p, alone in zip(near.projects, support.baseline, strict=True) if p.name == item.project
        ]
        alone = item.kind == "project" and any(built)
        _, members = signings(near, support).get(key, (item, []))
        there, why = bool(members) or key in market_items(near, support), ""
        if not there:
            why = refusals(near, support).get(key, (item, "neither the plan nor its tables offer it"))[1]
        return ItemStatus(there, alone, why)


def _near(instance: Instance, item: Item, key: Identity) -> Instance:
    """The instance with the projects alone that could have the item: ways of support of others do not hang on them."""
    named = item.level.menu.material if item.kind == "floor" and item.level is not None else ""
    material = instance.materials.index(named) if named in instance.materials else -1

    def mine(name: str, producer: int) -> bool:
        if item.kind == "project":
            return name == item.project
        return item.kind == "package" or (material >= 0 and bool(instance.yields[producer, material] > 0))

    kept = [p for p, project in enumerate(instance.projects) if mine(project.name, project.producer)]
    packages = [
        package if package.project is None else replace(package, project=kept.index(package.project))
        for package in instance.packages
        if package.project is None or package.project in kept
    ]
    projects = tuple(replace(instance.projects[p], needs=(), excludes=()) for p in kept)
    return replace(instance, projects=projects, packages=tuple(packages))


# What an item is at the values of a figure, and the intervals that this makes of the figure's range.
State = Literal[
    "built by its owner",
    "built by its owner and supported",
    "chosen",
    "not chosen",
    "cannot be chosen",
    "as good with as without",
    "no plan",
    "not known",
]
IN = ("chosen", "built by its owner and supported")
"""States in which the plan has the item."""
OUT = ("not chosen", "cannot be chosen", "built by its owner")
TIED: Final = "as good with as without"


@dataclass(frozen=True)
class Point:
    """An item at one value of a figure."""

    value: float
    state: State
    cost: float
    """What having it costs the main aim [million USD], negative where it is chosen; NaN where nothing was solved."""
    why: str
    """Of a state that needs a reason."""


@dataclass(frozen=True)
class Interval:
    """Neighbouring values with one state; the switch to the next interval lies between its end and the other's start."""

    state: State
    start: float
    end: float
    why: str


@dataclass(frozen=True)
class BreakEven:
    """The whole picture of an item over a figure."""

    figure: str
    unit: str
    base: float
    chosen: bool
    """At the base value."""
    stands_at: float
    """Value nearest to the flip at which the plan still has the item, or has it not, as at the base value."""
    flips_at: float
    """Value nearest to the base one at which it is the other way; NaN where it is nowhere in the range."""
    proved: bool
    """Whether no more than the width asked for lies between the two, beyond the gap of the solves on both sides."""
    note: str
    low: float
    """Least value tried; below it plan and tables may refuse the figure."""
    high: float
    intervals: tuple[Interval, ...]

    @property
    def switches(self) -> int:
        """How often the state changes over the range."""
        return len(self.intervals) - 1


TOLERANCE = 0.05
"""Width of a bracket, relative to the figure's own value, or to its range where that is 0."""
ROUNDING = 1e-6
"""Relative difference of two aims that says nothing."""
BESIDE = 0.45
"""Share of the width asked for to which the ends of values that are as good either way are narrowed down."""
EDGE = 0.1
"""Share of a bracket at either end that a next try keeps away from."""
GRID = 12
"""Evenly spaced values at which the data are looked at, without a solve."""
SHARP, SHARPEST = 1e-4, 1e-6
"""Share of the width asked for, and of the range, to which ends of the range, and of the item's reach, are narrowed down."""
ASIDE = 1e-4
"""Share of the range by which a value is moved that the plan refuses alone, such as a level that a menu has already."""
FIGURES_OF_A_LEVEL = 6
"""Digits of a level that is tried: it is part of names."""
NO_ROOM = "no plan that includes it stays within the money and meets all requirements"


@dataclass(frozen=True)
class Tried:
    """A plan with the item forced, or free to use it."""

    objective: float
    """Of the main aim, against doing nothing [million USD]."""
    bound: float
    has: bool
    """Whether it is free to use the item, and has some of it."""


@dataclass
class Pair:
    """A session that answers with an item in and out, at values of one figure."""

    plan: Plan
    data: Dataset
    item: Item
    amounts: bool
    """The plan may have any amount of the item (`in_amounts`): with it means that the plan is free to use it."""
    gap: float
    edit: Edit
    held: SampledScenarios | None
    threads: int = 0
    like: Problem | None = None
    """The question of `plan` and `data`, prepared, where it is at hand."""
    known: Mapping[bool, Tried | None] = field(default_factory=dict)
    """What is known at the plan's own figures with the item (True) and without it."""
    session: Session | None = None
    """That answers; None: one of its own."""
    _variant: tuple[Mapping[str, Any], Plan, Dataset] | None = field(default=None, init=False)
    """The values asked for last, with plan and tables that have them: the session knows these by identity."""
    _statuses: ItemStatuses = field(init=False)
    _session: Session = field(init=False)

    def __post_init__(self) -> None:
        self._statuses = ItemStatuses(self.item, self.held, self.like)
        own = Session(gap=self.gap, held=self.held, threads=self.threads, like=self.like)
        self._session = self.session or own

    def status(self, figure: Figure, value: float) -> ItemStatus:
        """Status of the item at a value. Raises PlanError and InputError where plan and tables refuse it."""
        return self._statuses.of(*self._edited(figure, value))

    def _edited(self, figure: Figure, value: float) -> tuple[Plan, Dataset]:
        changes = figure.changes(value)
        if self._variant is None or self._variant[0] != changes:
            self._variant = changes, *self.edit(self.plan, self.data, changes)
        return self._variant[1:]

    def solved(self, figure: Figure, value: float, *, inside: bool) -> Tried | None:
        """The plan with the item or without; None where no plan keeps to that. Raises ReserveError."""
        if value == figure.base and inside in self.known:
            return self.known[inside]
        decision = None if inside and self.amounts else ForcedDecision(self.item, inside)
        return self._answered(figure, value, decision)

    def some(self, figure: Figure, value: float, share: float) -> Tried | None:
        """The plan with a share of the least that counts of the item; None where no plan keeps to that. Raises ReserveError."""
        return self._answered(figure, value, ForcedDecision(self.item, inside=True, share=share))

    def _answered(self, figure: Figure, value: float, decision: ForcedDecision | None) -> Tried | None:
        try:
            answer = self._session.answer(*self._edited(figure, value), forced=decision)
        except InfeasibleError:
            return None
        _, objective, bound, _ = answer.outcome.stages[0]
        return Tried(objective, bound, decision is None and DecisionIndex(answer.problem).chosen(self.item, answer.x))


def find_break_even(pair: Pair, figure: Figure, chosen: bool, tolerance: float = TOLERANCE) -> BreakEven:
    """The states of an item over a figure's range, and its nearest flip. chosen: whether the plan has the item.

    Intervals and note state what goes wrong on the way, also where the item is as good in as out to begin with."""
    return _Search(pair, figure, tolerance * (abs(figure.base) or figure.high - figure.low)).found(chosen)


class _Search:
    """One figure of one item: what is known at which values. A class because looks and points are kept."""

    def __init__(self, pair: Pair, figure: Figure, width: float) -> None:
        self.pair, self.figure, self.width = pair, figure, width
        self.span = figure.high - figure.low
        self.slack = slack_of_later_aims(pair.plan) > pair.gap
        """Whether later aims may hide what lies within the slack of the main one."""
        self.evaluations: dict[float, ItemStatus | None] = {}
        self.points: dict[float, Point] = {}
        self.outside: Tried | None = None
        """Of the first solve without the item, where it is the same for all values."""
        self.has = False
        """Whether the plan has the item."""
        self.some = 0
        """Number of the share (`SHARES`) of the item that some plan has, as far as tried."""

    def found(self, chosen: bool) -> BreakEven:
        """Look, solve and narrow down."""
        self.has = chosen
        low, high = self._end(self.figure.low), self._end(self.figure.high)
        for value in self._sampled(low, high):
            self._try(value)
        self._narrow()
        return self._answer(chosen, low, high)

    # Data alone
    def _look(self, value: float) -> ItemStatus | None:
        """The status of the item at a value; None where plan and tables refuse it."""
        if value not in self.evaluations:
            self.evaluations[value] = None
            with suppress(FaultsError):
                self.evaluations[value] = self.pair.status(self.figure, value)
        return self.evaluations[value]

    def _settled(self, value: float) -> float | None:
        """The value, rounded, or one beside it where plan and tables refuse it alone; None where they refuse those too."""
        step = ASIDE * self.span
        near = (value, value + step, value - step) if value != self.figure.base else (value,)
        level = self.figure.name == "floor level"
        rounded = [float(f"{v:.{FIGURES_OF_A_LEVEL}g}") if level and v != self.figure.base else v for v in near]
        return next((v for v in rounded if self._look(v) is not None), None)

    def _end(self, end: float) -> float:
        """The end of the range, or where plan and tables begin to refuse the figure before it."""
        settled = self._settled(end)
        if settled is not None:
            return settled
        near, base = SHARP * self.width, self.figure.base
        return bracket(lambda v: self._look(v) is None, base, end, narrow=lambda a, b: abs(b - a) <= near)[0]

    def _sampled(self, low: float, high: float) -> Iterator[float]:
        """Values to try, what matters most first."""
        base = self.figure.base
        yield from (base, low, high)
        if self.figure.affects_owners:
            grid = [v for v in (self._settled(low + k * (high - low) / GRID) for k in range(GRID + 1)) if v is not None]
            for pair in pairwise(sorted({*grid, base})):
                if self._reach(pair[0]) != self._reach(pair[1]):
                    yield from self._sharp(*pair)
        for value in self.figure.landmarks:
            yield from (v for v in (value - ASIDE * self.span, value + ASIDE * self.span) if low < v < high)

    def _sharp(self, a: float, b: float) -> tuple[float, float]:
        """The values between two at which the item comes into reach or goes out, narrowed down by data alone."""
        here, narrow = self._reach(a), SHARPEST * self.span
        return bracket(lambda value: self._reach(value) != here, a, b, narrow=lambda low, high: high - low <= narrow)

    def _reach(self, value: float) -> tuple[bool, bool]:
        look = self._look(value)
        return (False, False) if look is None else (look.there, look.alone)

    # Solves
    def _try(self, value: float) -> bool:
        """Whether a value, or one beside it, is known now."""
        settled = self._settled(value)
        look = None if settled is None else self._look(settled)
        if settled is None or look is None or settled in self.points:
            return False
        if not look.there:
            state: State = "built by its owner" if look.alone else "cannot be chosen"
            self.points[settled] = Point(settled, state, math.nan, "" if look.alone else look.why)
            return True
        try:
            self.points[settled] = self._solved(settled, look)
        except FormulationError:  # so near to a change that what is left of a gap is no number for a solver
            self.evaluations[settled] = None
            return False
        return True

    def _solved(self, value: float, look: ItemStatus) -> Point:
        """The better of with and without, solved. Raises FormulationError where the numbers are unsafe."""
        shared = self.figure.own and not look.alone
        try:
            inside = self.pair.solved(self.figure, value, inside=True)
            known = self.outside if shared else None
            outside = self.pair.solved(self.figure, value, inside=False) if known is None else known
        except FormulationError:
            raise
        except ReserveError as error:
            return Point(value, "not known", math.nan, str(error).splitlines()[0])
        if shared:
            self.outside = outside
        there: State = "built by its owner and supported" if look.alone else "chosen"
        absent: State = "built by its owner" if look.alone else "not chosen"
        if inside is None and outside is None:
            return Point(value, "no plan", math.nan, "")
        if inside is None:
            return Point(value, absent if look.alone else "cannot be chosen", math.inf, NO_ROOM)
        if outside is None:
            return Point(value, there, -math.inf, "there is no plan without it")
        z_in, z_out = inside.objective, outside.objective
        room = ROUNDING * (1 + max(abs(z_in), abs(z_out)))
        if z_in < outside.bound - room:
            return Point(value, there, z_in - z_out, "")
        if z_out < inside.bound - room:
            return Point(value, absent, z_in - z_out, "")
        unused = self.pair.amounts and abs(z_in - z_out) <= room and not inside.has
        if unused and not self._some_as_good(value, z_out + room):  # free to use it, and some of it costs more
            return Point(value, absent, z_in - z_out, "")
        return Point(value, TIED, z_in - z_out, "")

    def _some_as_good(self, value: float, most: float) -> bool:
        """Whether a plan that has some of the item costs no more; not between two values without a tie."""
        if self.has and value == self.figure.base:  # the plan itself
            return True
        below, above = [v for v in self.points if v < value], [v for v in self.points if v > value]
        if below and above and TIED not in (self.points[max(below)].state, self.points[min(above)].state):
            return False
        for share in SHARES[self.some :]:
            try:
                found = self.pair.some(self.figure, value, share)
            except ReserveError:
                return False
            if found is not None:
                return found.objective <= most
            self.some += 1  # money that is short for so much here is short for it elsewhere
        return False

    def _narrow(self) -> None:
        """Try values between neighbours that differ, nearest to the base value first, until brackets are narrow."""
        done: set[tuple[float, float]] = set()
        while wide := [pair for pair in self._switches() if self._wide(*pair) and pair not in done]:
            pair = min(wide, key=lambda ends: abs(sum(ends) / 2 - self.figure.base))
            if not self._try(self._between(*pair)):
                done.add(pair)

    def _switches(self) -> list[tuple[float, float]]:
        known = sorted(self.points)
        return [(a, b) for a, b in pairwise(known) if self.points[a].state != self.points[b].state]

    def _wide(self, a: float, b: float) -> bool:
        """Whether a bracket is wider than asked; on either side of a tie, half of that."""
        tied = TIED in (self.points[a].state, self.points[b].state)
        return b - a > self.width * (BESIDE if tied else 1 + ROUNDING)

    def _between(self, a: float, b: float) -> float:
        """By false position, kept away from the ends; the middle where nothing says where the costs are equal."""
        left, right = self.points[a].cost, self.points[b].cost
        share = 0.5
        if math.isfinite(left) and math.isfinite(right) and left * right < 0:
            share = min(1 - EDGE, max(EDGE, left / (left - right)))
        return a + share * (b - a)

    # What is found
    def _answer(self, chosen: bool, low: float, high: float) -> BreakEven:
        figure, known = self.figure, sorted(self.points)
        stands, flips = self._nearest(chosen)
        note, base = "", self.points.get(figure.base)
        if base is None:
            note = "nothing is known at its present value"
        elif base.state == "not known":
            note = base.why
        elif base.state == TIED or (base.state in IN) != chosen:
            within = "what later aims may use (objective.stage_slack)" if self.slack else "the gap of the solves"
            note = f"equally good with and without it, within {within}"
        elif any(self._wide(*pair) for pair in self._switches()):
            note = "not every switch was found as closely as asked"
        proved = not note if math.isnan(flips) else abs(flips - stands) <= self.width * (1 + ROUNDING)
        decision = figure.name, figure.unit, figure.base, chosen, stands, flips, proved, note
        return BreakEven(*decision, low, high, tuple(self._intervals(known)))

    def _nearest(self, chosen: bool) -> tuple[float, float]:
        """(last value as the plan is, first value as it is not) around the flip nearest to the base; (end, NaN) where none is."""
        base, (same, other) = self.figure.base, (IN, OUT) if chosen else (OUT, IN)
        best, far = (base, math.nan), base
        for known in (
            sorted(v for v in self.points if v >= base),
            sorted((v for v in self.points if v <= base), reverse=True),
        ):
            stands = base
            for value in known:
                state = self.points[value].state
                if state in same:
                    stands = value
                elif state in other:
                    if math.isnan(best[1]) or abs(value - base) < abs(best[1] - base):
                        best = stands, value
                    break
            far = stands if abs(stands - base) > abs(far - base) else far
        return (far, math.nan) if math.isnan(best[1]) else best

    def _intervals(self, known: list[float]) -> Iterator[Interval]:
        end = 0
        for state, group in groupby((self.points[v] for v in known), key=lambda point: point.state):
            mine = list(group)
            begin, end = end, end + len(mine)
            whys = [why for why in dict.fromkeys(point.why for point in mine) if why]
            different = [why for why in whys if not any(why != other and why in other for other in whys)]
            if not self._mere_tie(known, begin, end):
                yield Interval(state, mine[0].value, mine[-1].value, "; ".join(different))

    def _mere_tie(self, known: list[float], begin: int, end: int) -> bool:
        """Whether values at which both are as good lie within one bracket, that of the switch between their neighbours."""
        if begin == 0 or end == len(known) or self.points[known[begin]].state != TIED:
            return False
        left, right = self.points[known[begin - 1]], self.points[known[end]]
        return left.state != right.state and right.value - left.value <= self.width * (1 + ROUNDING)


# What an item would be over a figure's range, in a sentence.
INTERVALS = "figure unit item state from_value to_value switch_low switch_high why".split()
"""Columns: one row an interval; between switch_low and switch_high lies the switch to the next one."""
CALLED = {
    "capex": "capital cost",
    "premium": "premium over the market price",
    "fee": "contract fee",
}
"""Figure -> what it is called in a sentence."""
STATES = {
    "built by its owner": "its owner builds it without support",
    "built by its owner and supported": "its owner builds it, and the plan supports it",
    "as good with as without": "equally good with and without it, within the gap of the solves,",
    "no plan": "no plan exists",
}
"""State -> what it is in a sentence, where that differs."""
SUPPORTED = {"chosen": "supported", "cannot be chosen": "cannot be supported"}
"""The same of projects and packages."""


def interval_rows(item: Item, found: BreakEven) -> Iterator[dict[str, Any]]:
    """The intervals of a figure as rows of `INTERVALS`."""
    for k, interval in enumerate(found.intervals):
        last = k + 1 == len(found.intervals)
        switch = (math.nan, math.nan) if last else (interval.end, found.intervals[k + 1].start)
        states = interval.state, interval.start, interval.end
        cells = (found.figure, found.unit, str(item), *states, *switch, interval.why)
        yield dict(zip(INTERVALS, cells, strict=True))


def in_words(item: Item, found: BreakEven) -> str:
    """`capex (50 million USD now): its owner builds it up to 41; supported from 41.2 to 63; not chosen from 63.4 to 200 ...`."""
    begin = f"{CALLED.get(found.figure, found.figure)} ({digits(found.base, 4)} {found.unit} now)"
    if not found.intervals:
        return f"{begin}: {found.note or 'nothing could be determined'}"
    alone = len(found.intervals) == 1
    parts = [_part(item, interval, found, k, alone=alone) for k, interval in enumerate(found.intervals)]
    tied = any(interval.state == TIED and interval.start <= found.base <= interval.end for interval in found.intervals)
    note = "" if tied else found.note  # the intervals say so
    return ". ".join(text for text in (f"{begin}: {'; '.join(parts)}", note) if text)


def _part(item: Item, interval: Interval, found: BreakEven, k: int, *, alone: bool) -> str:
    """One interval in words; between the numbers of neighbours lies the switch."""
    start, end = digits(interval.start, 4), digits(interval.end, 4)
    where = f"from {start} {'up ' if k == 0 and not alone else ''}to {end} {found.unit}"
    if interval.start == interval.end:
        where = f"at {start} {found.unit}"
    where += ", as far as tried" if alone else ""
    why = f" ({interval.why})" if interval.why else ""
    words = STATES | SUPPORTED if item.kind in ("project", "package") else STATES
    return f"{words.get(interval.state, interval.state)} {where}{why}"
