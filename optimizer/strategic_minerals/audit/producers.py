"""The audit's own reckoning of producers and floors: what each receives in its market, when it is shut, what its owner needs and
what a floor tops up.

Commitments and events of the formulation in plain loops over tonnes, from nothing of the model's own arithmetic.

Arrays have the axes (path, period); million USD per tonne; periods from 0."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np

from ..core.frames import Bools, Floats
from ..matrix.problem import Problem
from ..world.events import DisruptionEvent, ScenarioSet
from ..world.instance import Floor, Instance, Instrument, Project
from ..world.scenarios import PricingSample, build_scenarios, pricing_sample

TINY = 1e-9
"""Relative slack of a comparison of data with data, so that ties are not decided by rounding."""


def revenue(
    n: Instance,
    j: int,
    price: Floats,
    floors: Sequence[Floor],
    start: int,
    factor: float = 1.0,
    gap: Floats | None = None,
    most: Floats | None = None,
) -> Floats:
    """(W, n) sum_{y>0} y*recv((1+premium)*w*P) + sum_{y<0} y*w*P over (W, I, n) prices, in its market  [million USD/unit].

    gap: (W, I, n), as in `asked_price`. most: (1, I, n) highest prices that count, in the same market.

    recv = max(P,F) - upside*max(0,P-F) within a floor's term, on the share of the output that it covers; of two floors
    on one material, a market's and one agreed before the plan, the owner has the better."""
    total = np.zeros((price.shape[0], price.shape[2]))
    for i, y in enumerate(n.yields[j]):
        outside = bool(y > 0 and n.outside[j, i])
        asked = asked_price(n, i, outside, price[:, i], None if gap is None else gap[:, i])
        if most is not None:
            asked = np.minimum(asked, asked_price(n, i, outside, most[:, i]))
        if y <= 0:
            total += y * factor * asked
            continue
        plain = (1 + n.premium[j]) * factor * asked
        received, covered = plain.copy(), set()
        for floor in floors:
            if floor.material == i and floor.kind != "earnings":
                part = min(1.0, floor.take / (y * n.capacity[j].max())) if n.capacity[j].max() > 0 else 0.0
                for t in range(begins(floor, start), min(begins(floor, start) + floor.term, price.shape[2])):
                    p = plain[:, t]
                    recv = np.maximum(p, floor.level) - floor.upside * np.maximum(0.0, p - floor.level)
                    gets = part * recv + (1 - part) * p
                    received[:, t] = np.maximum(received[:, t], gets) if t in covered else gets
                    covered.add(t)
        total += y * received
    for floor in floors:
        for t in range(begins(floor, start), min(begins(floor, start) + floor.term, price.shape[2])):
            if floor.kind == "earnings":
                most_made = float(n.yields[j, floor.material] * n.capacity[j].max())
                part = min(1.0, floor.take / most_made) if most_made > 0 else 0.0
                total[:, t] = part * np.maximum(total[:, t], floor.level) + (1 - part) * total[:, t]
    return total


def asked_price(n: Instance, i: int, outside: bool, price: Floats, gap: Floats | None = None) -> Floats:
    """(W, m) price of a material in one of its two markets, of the lower one's (W, m), from the first period on  [million USD/t].

    Outside the countries that control it no tonne is cheaper, while it is controlled, than what is quoted there, less what prices
    have fallen by; nor than `gap` (W, m) times the lower price in an event. The last period holds after T."""
    if not outside:
        return price
    last = np.minimum(np.arange(price.shape[1]), n.calendar.periods - 1)
    share, quote, calm = n.outside_share[i, last], float(n.outside_quote[i]), n.price[i, last]
    fallen = price < calm
    dear = np.maximum(price, np.where(fallen, quote * price / np.where(fallen, calm, 1.0), quote))
    asked = price + share * (dear - price)
    return np.asarray(asked if gap is None else np.maximum(asked, gap * price))


def begins(floor: Floor, start: int) -> int:
    """First period of a floor: its own date; of a package's floor, first output."""
    return start if floor.begin is None else floor.begin


def survives(
    n: Instance, j: int, price: Floats, floors: Sequence[Floor], start: int, gap: Floats | None = None
) -> Bools:
    """(W, n) alive: revenue >= cash in every period from max(start, t-restart) to t; nothing is shut before `start`, nor before a
    source has any capacity.

    Floors that the source had before the plan count as well."""
    covers = revenue(n, j, price, (*floors, *n.in_force[j]), start, gap=gap) >= n.cash[j] * (1 - TINY)
    alive, start = np.ones(covers.shape, dtype=bool), max(start, int(n.opens[j]))
    for t in range(start, covers.shape[1]):
        alive[:, t] = covers[:, max(start, t - int(n.restart[j])) : t + 1].all(axis=1)
    return alive


def held(series: Floats, periods: int) -> Floats:
    """A series along its last axis, its last value held until `periods`."""
    missing = max(0, periods - series.shape[-1])
    return np.concatenate([series, np.repeat(series[..., -1:], missing, axis=-1)], axis=-1)[..., :periods]


def owner_npv(n: Instance, project: Project, floors: Sequence[Floor], signed: int) -> float:
    """PV at the hurdle rate from signing of K*ramp*(E_w revenue - cash) less capex in `lead` parts  [million USD]."""
    j, D, start = project.producer, n.calendar.step, signed + project.lead
    price = held(n.price, start + project.life)[None]
    value = 0.0
    for u in range(project.lead):
        value -= project.capex / project.lead * (1 + project.hurdle) ** (-u * D)
    for w, q in zip(n.state_factor, n.state_probability, strict=True):
        earned = revenue(n, j, price, floors, start, float(w))[0]
        for age in range(project.life):
            margin = n.capacity[j, 0] * project.ramp[age] * (earned[start + age] - n.cash[j])
            value += q * margin * (1 + project.hurdle) ** (-(project.lead + age) * D)
    return float(value)


def is_baseline(n: Instance, project: Project) -> bool:
    """Built anyway: committed; or by its owner, with no gap at its own date and not declared additional."""
    if project.earliest + project.lead >= n.calendar.periods or (project.additional and not project.committed):
        return False
    return project.committed or (project.chance == 0 and owner_npv(n, project, (), project.earliest) >= 0)


def worth(instrument: Instrument, hurdle: float) -> float:
    """Grant equivalent to the owner of one USD of face: 1 less PV at hurdle of what goes back (yearly, in arrears)."""
    if instrument.kind in ("none", "grant"):
        return float(instrument.kind == "grant")
    years, r = max(1, round(instrument.tenor)), instrument.rate
    left = sum(1 for a in range(1, years + 1) if a > instrument.grace)
    value = 1.0
    for a in range(1, years + 1):
        back = r
        if instrument.kind == "loan" and a > instrument.grace:
            back = 1 / left if r == 0 else r / (1 - (1 + r) ** -left)
        value -= back * (1 + hurdle) ** -a
    return value


def capital(instrument: Instrument, gap: float, project: Project) -> tuple[float, float]:
    """(budget cost at signing, gap left open) of closing a gap with an instrument  [million USD].

    face = gap/worth <= most = min(max_share*capex, what others leave of capex); on top, where allowed: score*most and what is
    then left of the gap."""
    left = project.capex - project.financed * project.capex
    value, most = worth(instrument, project.hurdle), min(instrument.max_share * project.capex, left)
    if gap <= 0:
        return 0.0, 0.0
    if instrument.kind == "none" or value <= 0:
        return (gap, 0.0) if instrument.grant_on_top and instrument.kind != "none" else (0.0, gap)
    face = min(gap / value, most)
    rest = gap - value * face
    if rest <= TINY * gap:
        return instrument.score * face, 0.0
    return (instrument.score * face + rest, 0.0) if instrument.grant_on_top else (instrument.score * face, rest)


def topup(price: Floats, floor: Floor) -> Floats:
    """max(0, F-P) - upside*max(0, P-F)  [million USD/t]."""
    return np.asarray(np.maximum(0.0, floor.level - price) - floor.upside * np.maximum(0.0, price - floor.level))


def expected_topup(n: Instance, price: Floats, floor: Floor) -> Floats:
    """E_w of the top-up at w*P  [million USD/t]."""
    total = np.zeros_like(price)
    for w, q in zip(n.state_factor, n.state_probability, strict=True):
        total += q * topup(w * price, floor)
    return total


def worst_state(n: Instance) -> float:
    """w*: the largest factor with Prob(w >= w*) >= quantile."""
    pairs = list(zip(n.state_factor, n.state_probability, strict=True))
    level = n.plan.budget.liability_quantile
    return float(max(w for w, _ in pairs if sum(q for v, q in pairs if v >= w) >= level - 1e-12))


# The audit's own facts: the formulation in plain loops over tonnes.
Prices = tuple[Floats, Floats]
"""(W, I, T) prices in the lower market, and as a multiple of them outside in an event."""


@dataclass(frozen=True, eq=False)
class OwnerBook:
    """What owners expect, in tonnes, and what the audit has worked out of it so far."""

    pricing: PricingSample | None
    """None: owners look at the baseline course."""
    known: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PathData:
    """Data of every path; a component follows the trunk until it is touched."""

    instance: Instance
    scenarios: ScenarioSet
    price: Floats
    """(W, I, T)"""
    rho: Floats
    """(W, J, T)"""
    direct: Floats
    """(W, J, T) availability to the reserve."""
    demand: Floats
    """(W, Q, T) delta*demand."""
    tight: Bools
    """(W, I, T)"""
    crisis: Floats
    """(W, I, T) share of the period in which the material is tight, weighed by how deep the cut is."""
    branch: Bools
    """(W, C, T) whether the component has branched off."""
    weight: Floats
    """(W, C, T) w0 on the trunk, pi in a branch, 0 where a scenario still follows the trunk."""
    alive: Floats
    """(W, J, T) survival of existing sources without any market floor; 1 for projects."""
    owners: OwnerBook
    cut: Floats
    """(W, I, T) share of the period in which a cut on the material's component lasts; 0 on the trunk."""
    gap: Floats
    """(W, I, T) price outside the countries of an event as a multiple of that inside; 1 on the trunk."""

    def lasting(self, i: int) -> Floats:
        """(W, T) share of a period under a cut of a material's component, 1 where there is none."""
        return np.where(self.cut[:, i] > 0, self.cut[:, i], 1.0)

    @property
    def reached(self) -> Floats:
        """(C, T) w0 of the trunk; 0 below 1e-9: nobody is there, no soft penalty counts and no rule or cap holds."""
        return np.where(self.weight[0] < 1e-9, 0.0, self.weight[0])

    @property
    def counted(self) -> Prices:
        """Prices at which operations are valued: undisturbed ones everywhere."""
        return np.broadcast_to(self.instance.price, self.price.shape), np.ones_like(self.gap)

    def floor_price(self, i: int, outside: bool = False) -> Floats:
        """(W, T) price of a material at which floors pay, in one of its markets: no dearer than
        undisturbed, so that no floor pays for itself by claw-back in a squeeze; a flood costs what it costs."""
        n = self.instance
        asked = asked_price(n, i, outside, self.price[:, i], self.gap[:, i])
        return np.minimum(asked, asked_price(n, i, outside, n.price[i][None]))

    def expect(self, component: int, values: Floats) -> float:
        """sum_t beta[t] (w0[t] values[trunk,t] + sum_s pi[s] values[s,t] in branches)  [that of values]."""
        beta = self.instance.calendar.beta[: values.shape[1]]
        return float((self.weight[:, component] * beta * values).sum())

    def along(self, component: int, values: Floats) -> Floats:
        """(S,) sum_t beta[t] values[s,t] of each scenario's whole course."""
        return np.asarray(values[1:] @ self.instance.calendar.beta[: values.shape[1]])


def path_data_of(problem: Problem) -> PathData:
    """Every path's data and what owners expect, scenarios built afresh from the natural instance and the events that were drawn."""
    n, data = problem.natural, problem.data
    scenarios = build_scenarios(n, data, problem.structure.scenarios.drawn)
    return path_data_along(n, scenarios, OwnerBook(pricing_sample(n, data)))


def path_data_along(n: Instance, scenarios: ScenarioSet, owners: OwnerBook) -> PathData:
    """Every path's data along given scenarios; instance and scenarios in tonnes."""
    S, T, C = len(scenarios.names), n.calendar.periods, len(n.components)
    branch = np.zeros((1 + S, C, T), dtype=bool)
    weight = np.zeros((1 + S, C, T))
    for c in range(C):
        for t in range(T):
            branch[1:, c, t] = scenarios.onset[:, c] <= t
            weight[1:, c, t] = scenarios.probability * branch[1:, c, t]
            weight[0, c, t] = 1 - weight[1:, c, t].sum()

    def path(trunk: Floats, scenario: Floats | Bools, component: Sequence[int]) -> Floats:
        """(W, k, T) the scenario's values once its component has branched, else the trunk's."""
        out = np.repeat(np.asarray(trunk, dtype=float)[None], 1 + S, axis=0)
        for k, c in enumerate(component):
            out[1:, k] = np.where(branch[1:, c], scenario[:, k], out[1:, k])
        return out

    own, producers = [int(c) for c in n.component], range(len(n.producers))
    of_demand = [own[int(i)] for i in n.demand_material]
    base = scenarios.baseline(n)
    price = path(base.price[0], scenarios.price, own)
    tight = path(tightness(n, base)[0], tightness(n, scenarios), own) > 0
    cut = path(lasting_share(n, base)[0], lasting_share(n, scenarios), own)
    depth = path(squeezed_share(n, base)[0], squeezed_share(n, scenarios), own)
    gap = path(base.market_gap[0], scenarios.market_gap, own)
    alive = np.ones((1 + S, len(n.producers), T))
    for j in range(n.sources):
        alive[:, j] = survives(n, j, price, (), 0, gap)
    return PathData(
        n,
        scenarios,
        price,
        path(base.availability[0], scenarios.availability, [component_of(n, j) for j in producers]),
        path(base.direct[0], scenarios.direct, [component_of(n, j) for j in producers]),
        path(n.demand * base.demand_factor[0], n.demand * scenarios.demand_factor, of_demand),
        tight,
        depth * tight,
        branch,
        weight,
        alive,
        owners,
        cut,
        gap,
    )


def component_of(n: Instance, j: int) -> int:
    """Component of a producer: that of any material it makes or takes."""
    return int(n.component[next(i for i in range(len(n.materials)) if n.yields[j, i] != 0)])


def tightness(n: Instance, scenarios: ScenarioSet) -> Bools:
    """(S, I, T) tight: an event on i's chain lasts and a source is short or shut, or demand surges,
    or an input of i's makers, or an output made from i, is tight. An event's own word overrides."""
    S, T = len(scenarios.names), n.calendar.periods
    lasts = np.zeros((S, len(n.materials), T), dtype=bool)
    tight = np.zeros_like(lasts)
    for s, i, event in _named(n, scenarios):
        lasts[s, n.chain == n.chain[i]] |= _squeeze(n, event)
    for j in range(len(n.producers)):
        if j >= n.sources and not is_baseline(n, n.projects[j - n.sources]):
            continue
        troubled = (scenarios.availability[:, j] < n.usual[j] * (1 - max(TINY, n.plan.tight_cut_share))) | ~survives(
            n, j, scenarios.price, (), 0, scenarios.market_gap
        )
        for made in np.flatnonzero(n.yields[j] > 0):
            tight[:, made] |= troubled & lasts[:, made]
    for q, i in enumerate(int(k) for k in n.demand_material):
        tight[:, i] |= (scenarios.demand_factor[:, q] > 1 + TINY) & lasts[:, i]
    before = -1
    while before != int(tight.sum()):
        before = int(tight.sum())
        for y in n.yields:
            for a, b in product(np.flatnonzero(y > 0), np.flatnonzero(y < 0)):
                tight[:, a] |= tight[:, b] & lasts[:, a]
                tight[:, b] |= tight[:, a] & lasts[:, b]
    for s, i, event in _named(n, scenarios):
        if event.tight is not None:
            tight[s, i, _squeeze(n, event)] = event.tight
    return tight


def lasting_share(n: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I, T) share of a period in which the cut of any event on i's chain lasts, counted edge to edge."""
    share = np.zeros((len(scenarios.names), len(n.materials), n.calendar.periods))
    spans: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    for s, i, event in _named(n, scenarios):
        begin = event.start + event.flood
        spans.setdefault((s, int(n.chain[i])), []).append((begin, begin + event.duration, 1.0))
    for (s, c), steps in spans.items():
        share[s, n.chain == c] = _mean_depth(n, [steps])
    return share


def squeezed_share(n: Instance, scenarios: ScenarioSet) -> Floats:
    """(S, I, T) share of a period in which the cut of any event on i's chain lasts, counted edge to edge; an event with a
    profile counts as deep as its cut of i is against its own deepest of i, or of all that it names where i is not named."""
    share = np.zeros((len(scenarios.names), len(n.materials), n.calendar.periods))
    struck: dict[tuple[int, int], dict[int, tuple[DisruptionEvent, list[str]]]] = {}
    for s, i, event in _named(n, scenarios):
        mine = struck.setdefault((s, int(n.chain[i])), {})
        mine.setdefault(id(event), (event, []))[1].append(n.materials[n.form_of[i]])
    for (s, c), found in struck.items():
        for i in np.flatnonzero(n.chain == c).tolist():
            name = n.materials[n.form_of[i]]
            several = [_depths(event, [name] if name in names else names) for event, names in found.values()]
            share[s, i] = _mean_depth(n, several)
    return share


def _mean_depth(n: Instance, several: list[list[tuple[float, float, float]]]) -> Floats:
    """(T,) mean over each period of how deep the deepest of some events cuts; (from, until, depth) of each."""
    D, found = n.calendar.step, np.zeros(n.calendar.periods)
    edges_of = sorted({e for steps in several for a, b, _ in steps for e in (a, b)})
    for t in range(n.calendar.periods):
        opens = n.calendar.first_year + D * t
        if not edges_of or opens + D <= edges_of[0] or opens >= edges_of[-1]:
            continue  # nothing lasts
        edges = [opens, *(e for e in edges_of if opens < e < opens + D), opens + D]
        hit = sum((b - a) * _deepest(several, (a + b) / 2) for a, b in pairwise(edges))
        found[t] = hit / D if hit / D >= TINY else 0.0
    return found


def _depths(event: DisruptionEvent, names: list[str]) -> list[tuple[float, float, float]]:
    """(from, until, how deep an event cuts against its deepest cut of these materials) [decimal fiscal years]."""
    begin = event.start + event.flood
    if event.profile is None:
        return [(begin, begin + event.duration, 1.0)]
    own = [steps for name, steps in event.profile.effective if name in names]
    cuts = [(a, b, min(1.0, event.severity * lost)) for steps in own for a, b, lost in steps]
    most = max((cut for _, _, cut in cuts), default=0.0)
    return [
        (begin + event.stretch * a, begin + event.stretch * b, cut / most if most > 0 else 0.0) for a, b, cut in cuts
    ]


def _deepest(several: list[list[tuple[float, float, float]]], when: float) -> float:
    """How deep the deepest of some events cuts at a date."""
    return max((depth for steps in several for a, b, depth in steps if a <= when < b), default=0.0)


def _named(n: Instance, scenarios: ScenarioSet) -> Iterator[tuple[int, int, DisruptionEvent]]:
    """(scenario, material, strike) of every material that a strike names."""
    for s, events in enumerate(scenarios.events):
        for event in events:
            names = event.materials.split()
            for i, of in enumerate(n.form_of):
                if "*" in names or n.materials[i] in names or n.materials[of] in names:
                    yield s, i, event


def _squeeze(n: Instance, event: DisruptionEvent) -> Bools:
    """(T,) periods that a strike's cut overlaps."""
    D, begin = n.calendar.step, event.start + event.flood
    opens = [n.calendar.first_year + D * t for t in range(n.calendar.periods)]
    return np.array([(min(a + D, begin + event.duration) - max(a, begin)) / D >= TINY for a in opens], dtype=bool)


@dataclass(frozen=True)
class Bill:
    """What a floor costs on one producer's tonnes."""

    budget: Floats
    """(T,) expected payment on the trunk, receipts not counted as budget [million USD]."""
    liability: Floats
    """(T,) payment on the trunk at w*, net of receipts [million USD]."""
    expected: float
    """Discounted expectation over all scenarios up to T [million USD]."""
    terminal: float
    """Discounted payment after T on trunk survival at the last undisturbed price [million USD]."""
    by_scenario: Floats
    """(S,) discounted payment along each scenario's course up to T [million USD]; `expected` is its expectation."""


def floor_bill(path_data: PathData, j: int, floor: Floor, start: int, tonnes: Floats, later: Floats) -> Bill:
    """E_w[top-up at (1+premium)*w*P] on (W, T) tonnes that run, and on (m,) trunk tonnes after T; within the term."""
    n, T = path_data.instance, path_data.instance.calendar.periods
    in_term = np.array([0 <= t - begins(floor, start) < floor.term for t in range(T + len(later))], dtype=bool)
    i = floor.material
    own = (1 + n.premium[j]) * path_data.floor_price(i, bool(n.outside[j, i]))
    per_tonne = expected_topup(n, own, floor)
    live = tonnes * in_term[:T]
    # whatever is in force ends with T
    calm = (1 + n.premium[j]) * asked_price(n, i, bool(n.outside[j, i]), n.price[i][None])
    last = float(expected_topup(n, calm, floor)[0, -1])
    rate, D = n.calendar.rate, n.calendar.step
    return Bill(
        live[0] * np.maximum(0.0, per_tonne[0]),
        live[0] * topup(worst_state(n) * own[0], floor),
        path_data.expect(int(n.component[floor.material]), live * per_tonne),
        sum(float(x) * last * (1 + rate) ** (-D * (T + k)) for k, x in enumerate(later) if in_term[T + k]),
        (live * per_tonne)[1:] @ n.calendar.beta[:T],
    )


# What a tonne unserved costs on every path, how much of a tier can go unserved, and users' own stocks: the audit's own reckoning.
Cuts = tuple[tuple[float, float], ...]
"""(begin, end) of cuts [decimal fiscal years]."""


def dearest(n: Instance, i: int) -> Floats:
    """(T,) dearest that any producer sells a material at, undisturbed, premium and market counted, and at least its price."""
    found = n.price[i].copy()
    for j in range(len(n.producers)):
        if n.yields[j, i] > 0:
            found = np.maximum(found, (1 + n.premium[j]) * asked_price(n, i, n.outside[j, i], n.price[i][None])[0])
    return np.asarray(found)


def value_unserved(path_data: PathData) -> Floats:
    """(W, N, T) v  [million USD/t].

    Without rows of adaptation base price + named loss, and what the dearest market asks beyond one market undisturbed; with them
    P0 where dearest + multiplier * named loss."""
    n = path_data.instance
    v = np.empty((len(path_data.price), len(n.tiers), n.calendar.periods))
    multipliers: dict[int, Floats] = {}
    for k, (q, _) in enumerate(n.tiers):
        if not n.adaptation[q]:
            i = int(n.demand_material[q])
            makers = [j for j in range(len(n.producers)) if n.yields[j, i] > 0]
            alone = n.price[i] * (1 + max([0.0, *(float(n.premium[j]) for j in makers)]))
            v[:, k] = n.tier_loss[k] + dearest(n, i) - alone
            continue
        if q not in multipliers:
            multipliers[q] = multiplier(path_data, q)
        i = int(n.demand_material[q])
        v[:, k] = dearest(n, i) + multipliers[q] * n.tier_named[k]
    return v


def multiplier(path_data: PathData, q: int) -> Floats:
    """(W, T) mean multiplier of a demand's named loss while a cut is in force in a period, 1 where none is."""
    n = path_data.instance
    c = int(n.component[n.demand_material[q]])
    own = n.chain[n.demand_material[q]]
    names = {name for name, of in zip(n.materials, n.chain, strict=True) if of == own}
    out = np.ones((1 + len(path_data.scenarios.names), n.calendar.periods))
    known: dict[Cuts, Floats] = {}
    trunk = path_data.scenarios.trunk
    courses = [(), *path_data.scenarios.events] if trunk is None else [*trunk.events, *path_data.scenarios.events]
    for w, events in enumerate(courses):
        cuts = tuple(
            (e.start + e.flood, e.start + e.flood + e.duration)
            for e in events
            if e.duration > 0 and ("*" in e.materials.split() or names & set(e.materials.split()))
        )
        if cuts and cuts not in known:
            known[cuts] = _by_period(n, cuts, n.adaptation[q])
        if cuts:
            out[w] = known[cuts]
        if w > 0:
            out[w] = np.where(path_data.branch[w, c], out[w], out[0])
    return out


def _by_period(n: Instance, cuts: Cuts, rows: tuple[tuple[float, float], ...]) -> Floats:
    """(T,) mean over the time of each period in which a cut is in force, of what holds so long after the latest one began."""
    D, found = n.calendar.step, np.ones(n.calendar.periods)
    turns = {edge for begin, end in cuts for edge in (begin, end, *(begin + month / 12 for month, _ in rows))}
    for t in range(n.calendar.periods):
        opens = n.calendar.first_year + D * t
        edges = sorted({opens, opens + D, *(edge for edge in turns if opens < edge < opens + D)})
        time, total = 0.0, 0.0
        for a, b in pairwise(edges):
            middle = (a + b) / 2
            begun = [begin for begin, end in cuts if begin <= middle < end]
            if begun:
                since = 12 * (middle - max(begun))
                value = [1.0, *(m for month, m in rows if month <= since)][-1]
                time, total = time + (b - a), total + value * (b - a)
        if time > 1e-9 * D:
            found[t] = total / time
    return found


def tier_room(path_data: PathData, k: int) -> Floats:
    """(W, T) share of its segment's demand that a tier can leave unserved, `loss.spikes` counted."""
    n = path_data.instance
    q, tier = n.tiers[k]
    out = np.full(path_data.demand[:, q].shape, float(n.tier_share[k]))
    if not n.plan.loss.spikes:
        return out
    others = [(m, other) for m, (of, other) in enumerate(n.tiers) if of == q]
    under = path_data.lasting(int(n.demand_material[q]))
    if tier == max(other for _, other in others):
        for m, other in others:
            if other != tier:
                out = out + float(n.tier_share[m]) * (1 - under)
        return out
    return out * under


def missing_cost(path_data: PathData, u: int) -> Floats:
    """(T,) cost of a tonne missing from a stock of users for a period, undiscounted  [million USD/t].

    P0 (1 - (1+r)**-D + convenience D), and in the last period P0 where dearest, times beta[T+1]/beta[T]."""
    n = path_data.instance
    i, D, T = n.users[u][0], n.calendar.step, n.calendar.periods
    cost = n.price[i] * (1 - (1 + n.calendar.rate) ** -D + n.plan.users_convenience_share * D)
    cost[T - 1] += dearest(n, i)[T - 1] * n.calendar.beta[T] / n.calendar.beta[T - 1]
    return np.asarray(cost)
