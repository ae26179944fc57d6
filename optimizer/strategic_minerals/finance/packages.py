"""Every way the plan may support a project, and every market floor, with what it costs and what it keeps alive.

Enumerated once from data: package x market floors x signing date. What cannot be financed, or fails participation, is
dropped and listed with its reason. Section 4 of the formulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np

from ..core.arrays import Bools, Floats
from ..core.runner import checkpoint
from ..instance.floor import Floor
from ..instance.instance import Instance, MarketFloor, Package, Project
from ..instance.producer_economics import built_anyway, survival
from ..scenarios.pricing import PricingSample
from ..scenarios.scenario_set import ScenarioSet
from .floor_costs import FloorMoney, total_money
from .market_floors import MarketSupport, market_support
from .owner_value import ROUNDING_MUSD, FloorSet, OwnerValuation, SupportTerms

TWIN = "no gap to finance: a package that differs only in its instrument does the same"
"""Why a package is left out that is no other than one already there: nothing that a planner misses."""


@dataclass(frozen=True)
class Option:
    """Signing one package (with the market floors it counts on) for one project at one date."""

    project: int
    package: Package
    market: tuple[int, ...]
    """Market floors whose top-up the project's output gets under this option."""
    signed: int
    start: int
    """Period of first output."""
    npv: float
    gap: float
    scored: float
    """Sum of the payments that close the gap [million USD, undiscounted]."""
    payments: Floats
    """(T,)"""
    fees: Floats
    """(T,)"""
    floor: FloorMoney | None
    border_loss: float
    """Discounted expected treasury revenue lost under a border floor, terminal part included."""
    residual: float
    """Discounted credit at the end of the horizon, at residual 1."""
    output_class: int
    """Options of a project with the same class give the same output in every scenario and period."""
    hurdle: float
    """Hurdle rate with the package, by which gap, capital and participation are worked out."""
    expected_hurdle: float
    """Hurdle rate of what its owner expects, without a package."""
    risk_charge: float
    """What the government bears for the downside moved to it, discounted [million USD]."""


@dataclass(frozen=True)
class PurchaseRight:
    """Tonnes that the reserve may buy at the market price, as long as the purchase floor behind it is in force."""

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
    alive_at_end: bool
    """Alive on the trunk in the last period."""
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
    """(option, material) -> market floors beside which the option may not stand."""
    dropped: tuple[tuple[str, str], ...]
    """(what, why)"""
    owners: OwnerValuation
    """What it was worked out from that no probability changes."""
    refused: Mapping[tuple[int, str, tuple[int, ...]], str] = field(default_factory=dict)
    """(project, package, market floors that it would count on) -> why it stands at no date, where there are dates; `TWIN` too."""

    @cached_property
    def outlay(self) -> Floats:
        """(options, T) what the budget pays for a signature: payments that close the gap, fees, its floor's expected cost."""
        return self._stacked([o.payments + o.fees + (0.0 if o.floor is None else o.floor.budget) for o in self.options])

    @cached_property
    def liability(self) -> Floats:
        """(options, T) what a signature's floor may cost at the price state that the plan's cap is for."""
        return self._stacked(
            [np.zeros_like(o.payments) if o.floor is None else o.floor.liability for o in self.options]
        )

    @cached_property
    def market_outlay(self) -> Floats:
        """(market floors, T) what the budget expects to pay."""
        return self._stacked([market.money.budget for market in self.markets])

    @cached_property
    def market_liability(self) -> Floats:
        """(market floors, T) as `liability`."""
        return self._stacked([market.money.liability for market in self.markets])

    def _stacked(self, rows: Sequence[Floats]) -> Floats:
        return np.array(rows, dtype=float).reshape(len(rows), self.trunk_alive.shape[1])


def build_support(
    instance: Instance,
    scenarios: ScenarioSet,
    owners: OwnerValuation | None = None,
    pricing: PricingSample | None = None,
) -> Support:
    """Enumerate options and market floors for an instance and its scenarios (in the same units).

    owners: worked out before, as `OwnerValuation` may know them. pricing: what owners expect, in the same units; needed where the
    plan says that they look at scenarios.
    """
    if (pricing is None) != (instance.plan.owners.expectation == "trunk"):
        raise ValueError("a pricing sample is needed where owners.expectation is 'scenarios', and only there")
    dropped: list[tuple[str, str]] = []
    trunk_alive, scenarios_alive = _survival(instance, scenarios)
    markets: list[MarketSupport] = []
    for market in instance.market_floors:
        support = market_support(instance, scenarios, market, trunk_alive, scenarios_alive)
        judged = support if pricing is None else _on_pricing_sample(instance, pricing, market)
        total = judged.money.expected + judged.money.terminal
        if market.floor.kind != "border" and total < -ROUNDING_MUSD:
            dropped.append((market.name, "its expected cost for existing producers is negative: it would print money"))
            continue
        markets.append(replace(support, floor=_renumber(market, len(markets))))
    valuation = OwnerValuation(instance, scenarios, owners, pricing)
    builder = _Options(instance, scenarios, [m.floor for m in markets], valuation)
    baseline = []
    for p, project in enumerate(instance.projects):
        checkpoint()
        baseline.append(built_anyway(instance, project))
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
        builder.owners.settle(),
        builder.refused,
    )


def signed_support(
    instance: Instance, scenarios: ScenarioSet, support: Support, signed: Sequence[int], floors: Sequence[int]
) -> Support:
    """What is signed and nothing else, its output and the survival of sources worked out along other scenarios.

    Chosen market floors are folded into survival, so the result has none to choose. `signed` and `floors` index `support`.
    """
    builder = _Options(
        instance, scenarios, [market.floor for market in support.markets], OwnerValuation(instance, scenarios)
    )
    options: list[Option] = []
    classes: list[OutputClass] = []
    for o in signed:
        option, project = support.options[o], instance.projects[support.options[o].project]
        own = builder.own_floor(option.package, project)
        every = tuple(f for f in (own, *(support.markets[m].floor.floor for m in option.market)) if f is not None)
        output, _ = builder.output(option.project, builder.owners.backing(option.package, every), option.start)
        options.append(replace(option, market=(), output_class=len(classes)))
        classes.append(output)  # one each, so that the structure is the same along any scenarios
    alone = _survival(instance, scenarios)
    saved = [market_support(instance, scenarios, support.markets[m].floor, *alone) for m in floors]
    trunk = alone[0] + sum((m.trunk.astype(int) - alone[0] for m in saved), np.zeros(alone[0].shape, dtype=int)) > 0
    along = alone[1] + sum((m.scenarios.astype(int) - alone[1] for m in saved), np.zeros(alone[1].shape, dtype=int)) > 0
    return Support(tuple(options), tuple(classes), (), trunk, along, support.baseline, {}, (), builder.owners.settle())


def _on_pricing_sample(instance: Instance, pricing: PricingSample, market: MarketFloor) -> MarketSupport:
    """A market floor along what owners expect: whether it may be chosen must not depend on the plan's own sample."""
    return market_support(instance, pricing.scenarios, market, *_survival(instance, pricing.scenarios))


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
        self._asked: dict[tuple[int, float, FloorSet, int, bool], int] = {}
        """The same by what it was asked for."""
        self._ungapped: set[tuple[object, ...]] = set()
        self._admitted: set[tuple[int, str, int, tuple[int, ...]]] = set()

    def add_project(self, p: int, baseline: bool) -> None:
        project = self.instance.projects[p]
        signing = [t for t in self.instance.signing_periods if t >= project.earliest]
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
            free = dates if own is None else [t for t in dates if not self._has_floor(project, own, t)]
            if dates and not free:
                self.dropped.append((f"{project.name}: {package.name}", "its owner has a floor on this output already"))
                continue
            for market in self._market_choices(project, own):
                floors = tuple(f for f in (own, *(self.markets[m].floor for m in market)) if f is not None)
                backing = self.owners.backing(package, floors)
                open_dates = [t for t in free if self._may_sign(p, package, t)]
                reasons = [self._add(p, backing, own, market, t) for t in open_dates]
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
        return any(f.material == own.material and f.term > signed + project.lead for f in agreed)

    def _may_sign(self, p: int, package: Package, signed: int) -> bool:
        """Whether the rules of origin leave the package open at a date; without support nothing is signed with the authority."""
        return package.name == "none" or bool(self.instance.procurement.support_open[p, signed])

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
        if package.take_share is not None:
            output = (
                self.instance.yields[project.producer, floor.material] * self.instance.capacity[project.producer, 0]
            )
            return replace(floor, take=package.take_share * output)
        return floor

    def _market_choices(self, project: Project, own: Floor | None) -> Iterator[tuple[int, ...]]:
        """Combinations of market floors, at most one a material, that the project's output would get."""
        by_material: dict[int, list[int]] = {}
        for m, market in enumerate(self.markets):
            if market.eligible[project.producer] and (own is None or own.material != market.floor.material):
                by_material.setdefault(market.floor.material, []).append(m)
        for choice in product(*([None, *ms] for ms in by_material.values())):
            yield tuple(m for m in choice if m is not None)

    def _add(self, p: int, backing: SupportTerms, own: Floor | None, market: tuple[int, ...], signed: int) -> str:
        """Append the option, or return why it is dropped. Section 4: capital and participation."""
        package, found = backing.package, self.owners.signature(p, backing, signed)
        same = (p, signed, market, package.offtake, package.fee, package.fee_share, own) if found.gap == 0 else ()
        if same and same in self._ungapped:
            self._admitted.add((p, package.name, signed, market))  # its twin stands for it, beside market floors too
            return TWIN
        if found.refused:
            return found.refused
        _, index = self.output(p, backing, found.start)
        costs = list(zip(backing.floors.each, self.owners.floor_money(p, backing.floors, found.start), strict=True))
        paid = [money for floor, money in costs if floor.kind != "border"]
        money = total_money(paid, self.instance.calendar.periods) if paid else None
        if money is not None and self.owners.earns(p, backing.floors, found.start, money.expected + money.terminal):
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
                start=found.start,
                npv=found.npv,
                gap=found.gap,
                scored=found.scored,
                payments=found.payments,
                fees=found.fees,
                floor=money,
                border_loss=sum(b.expected + b.terminal for b in borders),
                residual=found.residual,
                output_class=index,
                hurdle=found.rate,
                expected_hurdle=found.expected_rate,
                risk_charge=found.risk_charge,
            )
        )
        return ""

    def output(self, p: int, backing: SupportTerms, start: int) -> tuple[OutputClass, int]:
        """The output class of an option, made new or found among those of the project."""
        offtake = backing.package.offtake
        bound = self._bound(p, backing.package, start)
        asked = (p, offtake, backing.floors, start, bound)
        if asked not in self._asked:
            trunk, scenarios, at_end = self.owners.output(p, backing.floors, start)
            purchase = next((_right(floor, start) for floor in backing.floors.each if floor.kind == "purchase"), None)
            found = (p, offtake, purchase, at_end, trunk.tobytes(), scenarios.tobytes(), bound)
            if found not in self._class_of:
                self._class_of[found] = len(self.classes)
                self.classes.append(OutputClass(p, offtake, trunk, scenarios, at_end, purchase, bound))
            self._asked[asked] = self._class_of[found]
        index = self._asked[asked]
        return self.classes[index], index

    def exclusions(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """Which market floors each option may not stand beside: those for which its variant exists, and those on the material of
        a floor of its own, which would top its output up twice.
        """
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


def _right(floor: Floor, start: int) -> PurchaseRight:
    """The right to buy under a purchase floor of a project with first output at `start`: it lasts as long as the floor."""
    begin = start if floor.begin is None else floor.begin
    return PurchaseRight(floor.material, floor.take, begin, begin + floor.term)


def _renumber(market: MarketFloor, index: int) -> MarketFloor:
    return replace(market, floor=replace(market.floor, market=index))
