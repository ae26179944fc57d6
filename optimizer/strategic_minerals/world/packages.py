"""Every way the plan may support a project, and every market floor, with what it costs and what it keeps alive.

Enumerated once from data: package x market floors x signing date. What cannot be financed, or fails participation, is
dropped and listed with its reason."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Literal, get_args

import numpy as np

from ..core.frames import Bools, Floats
from ..core.runner import checkpoint
from ..question.plan import FloorMenu, Plan
from .events import ScenarioSet
from .instance import Floor, FloorId, Instance, MarketFloor, Package, Project, floor_names, level_in, start_periods
from .owners import (
    ROUNDING_MUSD,
    FloorMoney,
    Known,
    OwnerValuation,
    Signature,
    counted_price,
    floor_payments,
    held,
    total_money,
    trunk_prices,
)
from .producers import expected_payment, survival
from .scenarios import PricingSample


# Market floors as the existing producers and, under a border floor, users and treasury meet them.
@dataclass(frozen=True)
class MarketSupport:
    """A market floor as the existing producers meet it."""

    floor: MarketFloor
    trunk: Bools
    """(J, T) alive with the floor."""
    scenarios: Bools
    """(S, J, T)"""
    money: FloorMoney
    """Contract floors: top-up of existing producers. Border floors: nothing on the budget."""
    users: float
    """Border floors: discounted expected surcharge on users, terminal part included."""
    treasury: float
    """Border floors: discounted expected tariff revenue, terminal part included."""
    inverted: bool
    """Border floors: imports of a product escape the charge on its content."""


def market_support(
    instance: Instance, scenarios: ScenarioSet, market: MarketFloor, trunk_alive: Bools, scenarios_alive: Bools
) -> MarketSupport:
    """Survival and money of existing producers under a market floor."""
    floor, n, T = market.floor, instance.sources, instance.calendar.periods
    trunk, branch = trunk_alive.copy(), scenarios_alive.copy()
    monies = []
    length = max(T, floor.term)
    path, gaps = trunk_prices(instance, scenarios, length)
    after = np.array([survival(instance, j, path, (), 0, gaps) for j in range(n)]).reshape(n, length)
    capacity = held(instance.capacity, length)
    weight = scenarios.trunk_weight(T)
    for j in np.flatnonzero(market.eligible[:n]):
        alive = survival(instance, int(j), path, (floor,), 0, gaps)
        trunk[j], after[j] = alive[:T], alive
        branch[:, j] = survival(instance, int(j), scenarios.price, (floor,), 0, scenarios.market_gap)
        tonnes = capacity[j] * instance.yields[j, floor.material]
        paid_on = tonnes * alive, tonnes[:T] * branch[:, j]
        monies.append(floor_payments(instance, scenarios, int(j), floor, 0, *paid_on, weight))
    if floor.kind != "border":
        return MarketSupport(market, trunk, branch, total_money(monies, T), 0.0, 0.0, False)
    users, treasury = _border(instance, scenarios, market, after, branch)
    uses = (instance.yields[:, floor.material] < 0) & ~instance.home
    inverted = bool(uses.any()) and not market.embedded
    return MarketSupport(market, trunk, branch, total_money([], T), users, treasury, inverted)


def _border(
    instance: Instance, scenarios: ScenarioSet, market: MarketFloor, trunk: Bools, branch: Bools
) -> tuple[float, float]:
    """Discounted expected surcharge on users and tariff revenue of a border floor; `trunk` (J, n >= T) is survival.

    Charged tonnes B = demand + input of existing plants (of home plants; of all where embedded content counts); home
    part H = min(B, existing home output). Users pay E[max(0,F-P)]*B, the treasury takes it on B - H."""
    floor, calendar, T, n = market.floor, instance.calendar, instance.calendar.periods, instance.sources
    i = floor.material
    c = instance.component[i]
    y = instance.yields[:n, i]
    length = trunk.shape[-1]
    capacity = held(instance.capacity[:n], length)
    charged = np.where(market.embedded | instance.home[:n], np.maximum(-y, 0), 0.0)[:, None] * capacity
    made = np.where(instance.home[:n], np.maximum(y, 0), 0.0)[:, None] * capacity
    mine = instance.demand_material == i

    def split(demand: Floats, running: Floats, price: Floats) -> tuple[Floats, Floats]:
        """(users, treasury) per period from (..., Q, T) demand, (..., J, T) availability x alive and (..., T) price."""
        periods = running.shape[-1]
        B = demand[..., mine, :].sum(axis=-2) + (charged[:, :periods] * running).sum(axis=-2)
        H = np.minimum(B, (made[:, :periods] * running).sum(axis=-2))
        per_tonne = expected_payment(instance, price, replace(floor, upside=0.0))
        return per_tonne * B, per_tonne * (B - H)

    discount = (1 + calendar.rate) ** (-calendar.step * np.arange(length))
    # after T on the trunk, as all terminal terms
    weight = np.concatenate([scenarios.trunk_weight(T)[c], np.ones(length - T)])
    term = np.arange(length) < floor.term
    base, more = scenarios.baseline(instance), length - T
    path, _ = trunk_prices(instance, scenarios, length)
    later_on = np.repeat(instance.availability[:n, -1:], more, axis=1)
    running = np.concatenate([base.availability[0, :n], later_on], axis=1) * trunk
    asked = np.concatenate([base.demand(instance)[0], np.repeat(instance.demand[:, -1:], more, axis=1)], axis=1)
    on_trunk = split(asked, running, np.minimum(path[i], held(instance.price[i], length)))  # as `counted_price`
    demand = scenarios.demand(instance)
    in_scenarios = split(demand, scenarios.availability[:, :n] * branch, counted_price(instance, scenarios, i))
    later = scenarios.onset[:, c][:, None] <= np.arange(T)
    beta = (discount * term)[:T]
    totals = [
        float((discount * weight * term) @ trunk_part)
        + float(np.einsum("s,t,st->", scenarios.probability, beta, later * scenario_part))
        for trunk_part, scenario_part in zip(on_trunk, in_scenarios, strict=True)
    ]
    return totals[0], totals[1]


TWIN = "no gap to finance: a package that differs only in its instrument does the same"
"""Why a package is left out that is no other than one already there: nothing that a planner misses."""


@dataclass(frozen=True, kw_only=True)
class Option(Signature):
    """Signing one package (with the market floors it counts on) for one project at one date."""

    project: int
    package: Package
    market: tuple[int, ...]
    """Market floors whose top-up the project's output gets under this option."""
    signed: int
    floor: FloorMoney | None
    border_loss: float
    """Discounted expected treasury revenue lost under a border floor, terminal part included."""
    output_class: int
    """Options of a project with the same class give the same output in every scenario and period."""


@dataclass(frozen=True)
class PurchaseRight:
    """Tonnes that the reserve may buy at the plant's own price, as long as the purchase floor behind it is in force."""

    material: int
    take: float
    """Most per period."""
    begin: int
    end: int
    """First period, and the one after the last."""


@dataclass(frozen=True)
class OutputClass:
    """How much a project gives once signed, by period and scenario, as a share of capacity."""

    project: int
    offtake: float
    trunk: Floats
    """(T,) ramp * alive on the trunk."""
    scenarios: Floats
    """(S, T) ramp * alive in each scenario."""
    purchase: PurchaseRight | None
    """What the reserve may buy under a purchase floor."""
    bound: bool = False
    """Whether the support that was signed binds its runs to clean feed, back to the mine (rules of origin)."""


@dataclass(frozen=True)
class Support:
    """All options, what was dropped and why, and the survival of existing sources without market floors."""

    options: tuple[Option, ...]
    classes: tuple[OutputClass, ...]
    markets: tuple[MarketSupport, ...]
    trunk_alive: Bools
    """(J, T) existing sources, no market floor."""
    scenarios_alive: Bools
    """(S, J, T)"""
    baseline: Bools
    """(P,) projects that their owners build without support."""
    excluded_by: dict[tuple[int, int], tuple[int, ...]]
    """(option, material) -> market floors with which the option cannot be combined."""
    dropped: tuple[tuple[str, str], ...]
    """(what, why)"""
    owners: OwnerValuation
    """What it was worked out from that no probability changes."""
    refused: Mapping[tuple[int, str, tuple[int, ...]], str] = field(default_factory=dict)
    """(project, package, market floors that it would use) -> why it is possible at no date, where there are dates; `TWIN` too."""

    @cached_property
    def outlay(self) -> Floats:
        """(options, T) what the budget pays for a signature: payments that close the gap, fees, its floor's expected cost."""
        return self._stacked([o.payments + o.fees + (0.0 if o.floor is None else o.floor.budget) for o in self.options])

    @cached_property
    def market_outlay(self) -> Floats:
        """(market floors, T) what the budget expects to pay."""
        return self._stacked([market.money.budget for market in self.markets])

    def _stacked(self, rows: Sequence[Floats]) -> Floats:
        return np.array(rows, dtype=float).reshape(len(rows), self.trunk_alive.shape[1])


def build_support(
    instance: Instance, scenarios: ScenarioSet, pricing: PricingSample | None = None, known: Known | None = None
) -> Support:
    """Enumerate options and market floors for an instance and its scenarios (in the same units).

    pricing: what owners expect, in the same units; needed where the plan says that they look at scenarios. known: what may
    be taken over from an earlier question."""
    if (pricing is None) != (instance.plan.owners.expectation == "trunk"):
        raise ValueError("a pricing sample is needed where owners.expectation is 'scenarios', and only there")
    dropped: list[tuple[str, str]] = []
    trunk_alive, scenarios_alive = _survival(instance, scenarios)
    markets: list[MarketSupport] = []
    for market in instance.market_floors:
        support = market_support(instance, scenarios, market, trunk_alive, scenarios_alive)
        judged = support
        if pricing is not None:  # whether it may be chosen must not depend on the plan's own sample
            judged = market_support(instance, pricing.scenarios, market, *_survival(instance, pricing.scenarios))
        total = judged.money.expected + judged.money.terminal
        if market.floor.kind != "border" and total < -ROUNDING_MUSD:
            dropped.append((market.name, "its expected cost for existing producers is negative: it would print money"))
            continue
        renumbered = replace(market, floor=replace(market.floor, market=len(markets)))
        markets.append(replace(support, floor=renumbered))
    valuation = OwnerValuation(instance, scenarios, pricing, known)
    builder = _Options(instance, scenarios, [m.floor for m in markets], valuation)
    baseline = []
    for p in range(len(instance.projects)):
        checkpoint()
        baseline.append(valuation.baseline(p))
        builder.add_project(p, baseline[-1])
    return Support(
        tuple(builder.options),
        tuple(builder.classes),
        tuple(markets),
        trunk_alive,
        scenarios_alive,
        np.array(baseline, dtype=bool),
        builder.exclusions(),
        tuple(dropped + builder.dropped),
        valuation,
        builder.refused,
    )


def signed_support(
    instance: Instance, scenarios: ScenarioSet, support: Support, signed: Sequence[int], floors: Sequence[int]
) -> Support:
    """What is signed and nothing else, its output and the survival of sources worked out along other scenarios.

    Chosen market floors are folded into survival, so the result has none to choose. `signed` and `floors` index `support`.
    """
    markets = [market.floor for market in support.markets]
    builder = _Options(instance, scenarios, markets, OwnerValuation(instance, scenarios))
    options: list[Option] = []
    classes: list[OutputClass] = []
    for o in signed:
        option, project = support.options[o], instance.projects[support.options[o].project]
        own = builder.own_floor(option.package, project)
        every = tuple(f for f in (own, *(support.markets[m].floor.floor for m in option.market)) if f is not None)
        output, _ = builder.output(option.project, option.package, every, option.start)
        options.append(replace(option, market=(), output_class=len(classes)))
        classes.append(output)  # one each, so that the structure is the same along any scenarios
    alone = _survival(instance, scenarios)
    saved = [market_support(instance, scenarios, support.markets[m].floor, *alone) for m in floors]
    trunk = alone[0] + sum((m.trunk.astype(int) - alone[0] for m in saved), np.zeros(alone[0].shape, dtype=int)) > 0
    along = alone[1] + sum((m.scenarios.astype(int) - alone[1] for m in saved), np.zeros(alone[1].shape, dtype=int)) > 0
    return Support(tuple(options), tuple(classes), (), trunk, along, support.baseline, {}, (), builder.owners)


def _survival(instance: Instance, scenarios: ScenarioSet) -> tuple[Bools, Bools]:
    """(J, T) on the trunk and (S, J, T) in scenarios: existing sources alive without market floors."""
    n, T, base = instance.sources, instance.calendar.periods, scenarios.baseline(instance)
    trunk, along = np.zeros((n, T), dtype=bool), np.zeros((len(scenarios.names), n, T), dtype=bool)
    for j in range(n):
        trunk[j] = survival(instance, j, base.price[0], (), 0, base.market_gap[0])
        along[:, j] = survival(instance, j, scenarios.price, (), 0, scenarios.market_gap)
    return trunk, along


class _Options:
    """Collects the options of all projects; a class because output classes and floor outcomes are shared."""

    def __init__(
        self, instance: Instance, scenarios: ScenarioSet, markets: Sequence[MarketFloor], owners: OwnerValuation
    ) -> None:
        self.instance, self.scenarios, self.markets, self.owners = instance, scenarios, markets, owners
        self.options: list[Option] = []
        self.classes: list[OutputClass] = []
        self.dropped: list[tuple[str, str]] = []
        self.refused: dict[tuple[int, str, tuple[int, ...]], str] = {}
        self._class_of: dict[tuple[object, ...], int] = {}
        """By what a class is."""
        self._asked: dict[tuple[int, float, tuple[Floor, ...], int, bool], int] = {}
        """The same by what it was asked for."""
        self._ungapped: set[tuple[object, ...]] = set()
        self._admitted: set[tuple[int, str, int, tuple[int, ...]]] = set()

    def add_project(self, p: int, baseline: bool) -> None:
        project = self.instance.projects[p]
        signing = [
            t
            for t in start_periods(self.instance.calendar, self.instance.plan.instruments.signing_years)
            if t >= project.earliest
        ]
        if not (baseline or project.supportable):
            self.dropped.append((project.name, "the plan may not support it"))
            return
        dates = [project.earliest] if baseline else signing
        dates = [t for t in dates if t + project.lead < self.instance.calendar.periods]
        if not dates:
            self.dropped.append((project.name, "no signing date from which it would produce within the horizon"))
        for package in self.instance.packages:
            if package.project not in (None, p) or (package.name != "none" and not project.supportable):
                continue
            own = self.own_floor(package, project)
            if package.floor is not None and own is None:
                continue
            may = dates if package.name == "none" or project.begun else [t for t in dates if t in signing]
            free = may if own is None else [t for t in may if not self._has_floor(project, own, t)]
            if dates and not free:
                why = (
                    "its owner has a floor on this output already"
                    if may
                    else "its owner begins it in no year of signing"
                )
                self.dropped.append((f"{project.name}: {package.name}", why))
                continue
            for market in self._market_choices(project, own):
                floors = tuple(f for f in (own, *(self.markets[m].floor for m in market)) if f is not None)
                # without support nothing is signed with the authority, and no rule of origin closes it
                open_dates = [t for t in free if package.name == "none" or self.instance.procurement.support_open[p, t]]
                reasons = [self._add(p, package, floors, own, market, t) for t in open_dates]
                failed = sorted({reason for reason in reasons if reason})
                if dates and not open_dates:
                    failed = ["rules of origin close its support at every date"]
                if failed and all(reasons):
                    self.refused[p, package.name, market] = next((why for why in failed if why != TWIN), TWIN)
                if failed and all(reasons) and failed != [TWIN]:
                    beside = "".join(f" beside {self.markets[m].name}" for m in market)
                    self.dropped.append((f"{project.name}: {package.name}{beside}", failed[0]))

    def _has_floor(self, project: Project, own: Floor, signed: int) -> bool:
        """Whether the owner has a floor on the same output that is in force when a project signed then begins to produce."""
        agreed = self.instance.in_force[project.producer]
        return any(f.material == own.material and (f.begin or 0) + f.term > signed + project.lead for f in agreed)

    def _bound(self, p: int, package: Package, start: int) -> bool:
        """Whether a rule with reach-back is in force for what a project makes when a package for it is signed."""
        project, instance = self.instance.projects[p], self.instance
        if package.name == "none":
            return False
        makes = instance.yields[project.producer] > 0
        return bool(instance.procurement.clean_support[makes, start - project.lead].any())

    def own_floor(self, package: Package, project: Project) -> Floor | None:
        """The package's floor as this project has it; None where it makes none of the material."""
        floor = package.floor
        if floor is None or self.instance.yields[project.producer, floor.material] <= 0:
            return None
        if package.take_share is None:
            return floor
        output = self.instance.yields[project.producer, floor.material] * self.instance.capacity[project.producer, 0]
        return replace(floor, take=package.take_share * output)

    def _market_choices(self, project: Project, own: Floor | None) -> Iterator[tuple[int, ...]]:
        """Combinations of market floors, at most one a material, that the project's output would get."""
        by_material: dict[int, list[int]] = {}
        for m, market in enumerate(self.markets):
            if market.eligible[project.producer] and (own is None or own.material != market.floor.material):
                by_material.setdefault(market.floor.material, []).append(m)
        for choice in product(*([None, *ms] for ms in by_material.values())):
            yield tuple(m for m in choice if m is not None)

    def _add(
        self,
        p: int,
        package: Package,
        floors: tuple[Floor, ...],
        own: Floor | None,
        market: tuple[int, ...],
        signed: int,
    ) -> str:
        """Append the option, or return why it is dropped."""
        found = self.owners.signature(p, package, floors, signed)
        if isinstance(found, str):
            return found
        same = (p, signed, market, package.offtake, package.fee, package.fee_share, own) if found.gap == 0 else ()
        if same and same in self._ungapped:
            self._admitted.add((p, package.name, signed, market))  # its twin stands for it, beside market floors too
            return TWIN
        _, index = self.output(p, package, floors, found.start)
        costs = list(zip(floors, self.owners.floor_money(p, floors, found.start), strict=True))
        paid = [money for floor, money in costs if floor.kind != "border"]
        money = total_money(paid, self.instance.calendar.periods) if paid else None
        if money is not None and self.owners.earns(p, floors, found.start, money.expected + money.terminal):
            return "the floor would earn money: its upside share is worth more than its top-ups"
        borders = [money for floor, money in costs if floor.kind == "border"]
        if same:
            self._ungapped.add(same)
        self._admitted.add((p, package.name, signed, market))
        self.options.append(
            Option(
                project=p,
                package=package,
                market=market,
                signed=signed,
                floor=money,
                border_loss=sum(b.expected + b.terminal for b in borders),
                output_class=index,
                **vars(found),
            )
        )
        return ""

    def output(self, p: int, package: Package, floors: tuple[Floor, ...], start: int) -> tuple[OutputClass, int]:
        """The output class of an option, made new or found among those of the project."""
        offtake, bound = package.offtake, self._bound(p, package, start)
        asked = (p, offtake, floors, start, bound)
        if asked not in self._asked:
            trunk, scenarios, at_end = self.owners.output(p, floors, start)
            bought = [(f, start if f.begin is None else f.begin) for f in floors if f.kind == "purchase"]
            purchase = next((PurchaseRight(f.material, f.take, at, at + f.term) for f, at in bought), None)
            found = (p, offtake, purchase, at_end, trunk.tobytes(), scenarios.tobytes(), bound)
            if found not in self._class_of:
                self._class_of[found] = len(self.classes)
                self.classes.append(OutputClass(p, offtake, trunk, scenarios, purchase, bound))
            self._asked[asked] = self._class_of[found]
        index = self._asked[asked]
        return self.classes[index], index

    def exclusions(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """Market floors that each option excludes: its variant counts on them, or it has a floor on the material."""
        excluded: dict[tuple[int, int], tuple[int, ...]] = {}
        if not self.markets:
            return excluded
        variants = {(p, name, t, tuple(sorted(market))) for p, name, t, market in self._admitted}
        for o, option in enumerate(self.options):
            project = self.instance.projects[option.project]
            own = self.own_floor(option.package, project)
            taken = {self.markets[m].floor.material for m in option.market}
            for m, market in enumerate(self.markets):
                i = market.floor.material
                if i in taken or not market.eligible[project.producer]:
                    continue
                variant = tuple(sorted((*option.market, m)))
                twice = own is not None and own.material == i
                if twice or (option.project, option.package.name, option.signed, variant) in variants:
                    excluded[o, i] = (*excluded.get((o, i), ()), m)
        return excluded


# What a plan may choose, as items that a planner can name, and why some of them cannot be chosen.
Kind = Literal["project", "package", "contract", "offer", "floor"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Identity = tuple[object, ...]
"""What an item is in one plan: its kind, and names of rows and places in menus."""

BUILT_ALONE = "its owner builds it without support"
MOST_REASONS = 3
"""Projects whose reasons are listed one by one."""


@dataclass(frozen=True)
class MenuLevel:
    """A level of a menu, known again in a plan whose menus were edited."""

    menu: FloorMenu
    """As it was in the plan that the item is of."""
    at: FloorId


@dataclass(frozen=True)
class Item:
    """Something that a plan may choose."""

    kind: Kind
    name: str
    """For printing. project: its name, or `project: package`. package: its row, with or without a floor of the plan's menu, whoever
    signs it. contract: the producer. offer: its name. floor: a level of a menu, market-wide or whoever signs it."""
    project: str = ""
    """Projects: the name of its row."""
    package: str = ""
    """Packages, and projects with one package: the row; empty for a project with any."""
    level: MenuLevel | None = None
    """Floors, and projects with a package that has one of the plan's menu."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def identity(item: Item, plan: Plan) -> Identity:
    """What an item is in a plan. Raises KeyError where the plan has no such level."""
    at = None
    if item.level is not None:
        at = level_in(plan, item.level.menu, item.level.at)
        if at is None:
            raise KeyError(str(item))
    if item.kind == "project":
        return item.kind, item.project, item.package, at
    if item.kind == "package":
        return item.kind, item.package
    return (item.kind, at) if item.kind == "floor" else (item.kind, item.name)


def in_amounts(item: Item, plan: Plan) -> bool:
    """Whether a plan may have any amount of an item: tonnes of offers and contracts, and shares where it supports in part."""
    if item.kind in ("contract", "offer"):
        return True
    market = item.kind == "floor" and item.level is not None and item.level.menu.scope == "market"
    return plan.instruments.partial_support and not market


def items_of(instance: Instance, project: int, package: Package) -> list[Item]:
    """Items that signing a package for a project belongs to: the project, the two together, the package, its floor."""
    plan, name = instance.plan, instance.projects[project].name
    at = None if package.floor is None else package.floor.id
    level = None if at is None else MenuLevel(plan.instruments.price_floors[at.menu], at)
    found = [
        Item("project", name, project=name),
        Item("project", f"{name}: {package.name}", project=name, package=package.row, level=level),
    ]
    if package.row != "none":  # with a floor of the menu, the floor is the item
        found.append(Item("package", package.row, package=package.row))
    return found if level is None else [*found, floor_item(plan, level.at)]


def floor_item(plan: Plan, at: FloorId) -> Item:
    """A floor of the plan's menu as an item."""
    return Item("floor", floor_names(plan)[at], level=MenuLevel(plan.instruments.price_floors[at.menu], at))


def signings(instance: Instance, support: Support) -> dict[Identity, tuple[Item, list[int]]]:
    """Items with the options that have them, in the order of the options; not what an owner builds anyway."""
    found: dict[Identity, tuple[Item, list[int]]] = {}
    known: dict[tuple[int, str], list[tuple[Identity, Item]]] = {}
    for o, option in enumerate(support.options):
        if option.package.name == "none" and support.baseline[option.project]:
            continue
        what = option.project, option.package.name
        if what not in known:
            items = items_of(instance, option.project, option.package)
            known[what] = [(identity(item, instance.plan), item) for item in items]
        for key, item in known[what]:
            found.setdefault(key, (item, []))[1].append(o)
    return found


def market_items(instance: Instance, support: Support) -> dict[Identity, tuple[Item, int]]:
    """Market-wide floors that may be chosen, with their number among those of the support."""
    floors = [(m, market.floor.floor.id) for m, market in enumerate(support.markets)]
    items = [(m, floor_item(instance.plan, at)) for m, at in floors if at is not None]
    return {identity(item, instance.plan): (item, m) for m, item in items}


def refusals(instance: Instance, support: Support) -> dict[Identity, tuple[Item, str]]:
    """Items that cannot be chosen at these figures, with why: their owners take no such support, or need none.

    What no figure could bring (`Instance.impossible`, no date to sign at) is not among them."""
    there = {*signings(instance, support), *market_items(instance, support)}
    packages = {package.name: package for package in instance.packages}
    items: dict[Identity, Item] = {}
    reasons: dict[Identity, dict[str, dict[str, None]]] = defaultdict(dict)
    for (p, name, _), why in support.refused.items():
        for item in items_of(instance, p, packages[name]):
            key = identity(item, instance.plan)
            if key not in there and not (name == "none" and support.baseline[p]):
                items[key] = item
                reasons[key].setdefault(instance.projects[p].name, {})[why] = None
    found = {key: (item, _in_words(reasons[key])) for key, item in items.items()}
    for project, alone in zip(instance.projects, support.baseline, strict=True):
        item = Item("project", project.name, project=project.name)
        key = identity(item, instance.plan)
        if alone and key not in there:
            found[key] = item, BUILT_ALONE
    dropped = dict(support.dropped)
    for market in instance.market_floors:
        if market.floor.id is not None:
            item = floor_item(instance.plan, market.floor.id)
            key = identity(item, instance.plan)
            if key not in there:
                found[key] = item, dropped[market.name]
    return found


def _in_words(by_project: dict[str, dict[str, None]]) -> str:
    """Reasons of several projects: one alone where all have it, else each beside its project; `TWIN` where there is no other."""
    counted = {name: [why for why in whys if why != TWIN] or list(whys) for name, whys in by_project.items()}
    different = list(dict.fromkeys(why for whys in counted.values() for why in whys))
    if len(counted) == 1 or len(different) == 1:
        return "; ".join(different)
    named = [f"{name}: {', '.join(whys)}" for name, whys in counted.items()]
    more = f"; {len(named) - MOST_REASONS} more projects (table dropped)" if len(named) > MOST_REASONS else ""
    return "; ".join(named[:MOST_REASONS]) + more


def never(instance: Instance, support: Support) -> list[tuple[str, str]]:
    """(what, why) of floors, packages and projects that cannot be chosen: whatever figures are, or at these figures.

    Left out: projects that their owners build alone or that the plan may not support, and packages that another one stands for.
    """
    found = list(instance.impossible)
    if all(k.row == "none" for k in instance.packages) and not floor_names(instance.plan):
        return found  # a plan that offers nothing refuses nobody
    refused, dropped = refusals(instance, support), dict(support.dropped)
    there = {*signings(instance, support), *market_items(instance, support)}
    listed = {what for what, _ in found}
    late = "no project that could have it can be signed in time to produce within the horizon"
    items = [floor_item(instance.plan, at) for at in floor_names(instance.plan)]
    if instance.plan.instruments.projects:
        items += [Item("package", k.row, package=k.row) for k in instance.packages if k.row != "none"]
    for project, alone in zip(instance.projects, support.baseline, strict=True):
        items += [Item("project", project.name, project=project.name)] if project.supportable and not alone else []
    for item in dict.fromkeys(items):
        key = identity(item, instance.plan)
        why = refused[key][1] if key in refused else dropped.get(item.name, late)
        if key not in there and str(item) not in listed and why != TWIN:
            found.append((str(item), why))
    return found


# What commitments cost: one figure, or one a fiscal year, for every signature and, after those, every market floor.
def commitment_money(instance: Instance, support: Support) -> dict[str, Floats]:
    """(commitments,) or (commitments, fiscal years) figures [million USD] by the Param of the formulation that holds them; zeros
    where the plan sets no such limit. Social cost: payments that close gaps and fees + expected floor cost with terminal liability
    + charge for the downside moved from owners + border surcharge less revenue."""
    plan, calendar = instance.plan, instance.calendar
    beta = calendar.beta[: calendar.periods]
    by_year = np.equal.outer(calendar.year_index, np.arange(len(calendar.years))).astype(float)
    outlay = np.concatenate([support.outlay, support.market_outlay])
    floors = [*(option.floor for option in support.options), *(market.money for market in support.markets)]
    liability = np.array([np.zeros(calendar.periods) if floor is None else floor.liability for floor in floors])
    planned = (np.arange(calendar.periods) < calendar.planned).astype(float)

    def cost(option: Option) -> float:
        floor = option.floor.expected + option.floor.terminal if option.floor is not None else 0.0
        return float(beta @ (option.payments + option.fees)) + floor + option.risk_charge + option.border_loss

    signed = [cost(option) for option in support.options]
    market = [k.money.expected + k.money.terminal + k.users - k.treasury for k in support.markets]
    residual = [option.residual for option in support.options]
    return {
        "outlay": outlay @ by_year,
        "planned_outlay": outlay @ planned * (plan.budget.total_musd is not None),
        "discounted_outlay": outlay @ calendar.spending_weight,
        "liability": liability.reshape(len(floors), calendar.periods)
        @ by_year
        * (plan.budget.liability_cap_musd is not None),
        "social_cost": np.array(signed + market, dtype=float),
        "residual_worth": np.array(residual + [0.0] * len(market), dtype=float),
    }
