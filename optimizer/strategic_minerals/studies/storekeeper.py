"""What a storekeeper does in one period of a component: a small linear program, solved many times with other bounds and costs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import UntrustedError
from ..core.frames import INF, Bools, Floats, Ints
from ..matrix.template import Template
from ..model.sets import ComponentSets
from ..solver.highs import SmallProgram
from ..world.instance import Instance

LIKE_PRICE = 1.02
"""What a stored tonne counts, against its price, without a stated loss: a little more, so that its price alone never uses it up."""
MOST_KNOWN = 20_000
"""Answers of a program that are remembered."""
TURNED_OVER = 1e-3
"""What buying in place of what is given costs beyond its price, so that nobody gives what no use lacks  [share of its worth]."""
AFTER_USERS = 0.999
"""What filling the reserve counts against filling users' own stocks, which come first."""
SLACK = 1e-7
"""What a use may lack more than without the reserve: rounding  [unit of the model]."""
TOUCHING = ("acquisition", "release", "disposal", "users_pull", "users_refill")
"""Variables by which reserve and users' stocks act in a period."""
ROOM = 1e-7
"""Tolerance of a row that earlier periods filled  [unit of the model]."""


def segments(n: Instance, sets: ComponentSets) -> list[int]:
    """Segment of demand of each use."""
    return [int((n.tiers if name == "shortfall" else n.steps)[k][0]) for name, k in uses(sets)]


def uses(sets: ComponentSets) -> list[tuple[str, int]]:
    """What goes without in a shortage: tiers of demand and substitution steps, as columns of a period."""
    return [*(("shortfall", k) for k in sets.tiers), *(("substitute", h) for h in sets.steps)]


def stores_of(n: Instance, sets: ComponentSets) -> list[tuple[int, ...]]:
    """Stocked materials that are one store in an event: those of homes that pool their stock by need; else each alone."""
    pools = [pool for pool in sets.pools if n.pooled_in_events[pool[0]]]
    return [*pools, *((i,) for i in sets.stocked if not any(i in pool for pool in pools))]


def plants_of(n: Instance, sets: ComponentSets, columns: Iterable[tuple[str, Any]]) -> list[int]:
    """Producers among a period's columns that make one material of another; none that qualifies its form, as what is kept of a
    material serves no user of that."""
    made = [j for name, j in columns if name == "output" and (n.yields[j] < 0).any() and j not in sets.clean.qualifying]
    return [j for j in made if float(n.kappa[j]) >= 1 - 1e-9]


class Goal(NamedTuple):
    """What a period does towards its targets [unit]."""

    want: Floats
    """(stores,) tonnes to buy."""
    again: Floats
    """(stores,) tonnes that may be bought beside in place of what an event takes in the same period."""
    excess: Floats
    """(stocked,) tonnes above the target."""
    sold: Mapping[int, float]
    """Column of an offer -> what it sells of them."""
    short: bool
    """Whether there is less money than that would take."""


class Period(NamedTuple):
    """Bounds, costs and limits of one period, with earlier decisions put in."""

    lower: Floats
    """(own columns,) bounds."""
    upper: Floats
    cost: Floats
    low: Floats
    """(rows,) right-hand sides."""
    high: Floats
    price: Floats
    """(2, materials) what a tonne is worth that serves no shortage, to the reserve and to users who hold it [million USD/unit]."""


class Kept(NamedTuple):
    """What is kept for the time ahead, beside what is wanted [unit]."""

    want: Floats
    again: Floats
    """(stores,) as in `Goal`."""
    ahead: Floats
    """(uses,) what each may lack in the time ahead."""
    spare: Floats
    """(plants,) what each may make more."""
    tight: Bools
    """(I,) materials that are tight."""
    sale: Floats
    """(stocked,) what is given for its price."""


class Untouched(NamedTuple):
    """A period in which nothing is bought, released, drawn from users' stocks or put back [unit]."""

    need: Floats
    """(uses,) what each use lacks."""
    spare: Floats
    """(plants,) what each plant could make more."""
    x: Floats
    """(own columns,) what is done."""


def _key(*asked: Iterable[Floats | Bools]) -> bytes:
    """What a program is asked, in a few bytes: the same question has the same answer."""
    digest = hashlib.blake2b(digest_size=16)
    for part in chain(*asked):
        digest.update(part.tobytes())
    return digest.digest()


class Storekeeper:
    """One period of a component with what a storekeeper keeps back, solved many times with other bounds and costs.

    Beyond the columns of the period: `gap`, what a store does not buy of what is wanted, and `again`, what it buys in place of what
    it gives in the same period; and the stock that is kept, put to its use in the time ahead: `kept` of each stored material,
    `more` of what nothing is short of, `made` by plants with what is kept, `served` of each use, and `own`, users' own stocks.

        sum_o buy[o] + gap[g] = want[g] + again[g],  again[g] <= sum_{i of g} release[i]       [unit of the first]  for each store g
        sold[i] <= release[i],  and what is needed now with a share of what is beyond all needs, where prices are a reason
        kept[i] <= stock[i];    own[u] <= level[u] - missing[u];    served by own[u] <= its segment's       [unit]
        kept[i] + more[i] + sum_j y[j,i] made[j] + sum_{u of i} own[u] >= sum_{uses of i} served            [unit]  for each i
        served[k] <= what it may lack in the time ahead,  worth the mean of its loss and the next lower, of cheaper uses or none
    """

    def __init__(
        self, n: Instance, sets: ComponentSets, template: Template, kept: Ints, matrix: tuple[Ints, Ints, Floats]
    ) -> None:
        """kept: rows of the template that the period has. matrix: row, column and value of its entries."""
        self.n, self.sets, self.width = n, sets, len(template.columns)
        at = self.at = {column: k for k, column in enumerate(template.columns)}
        self.row = {template.rows[r]: k for k, r in enumerate(kept.tolist())}
        self.uses = [at[use] for use in uses(sets)]
        self.segment = segments(n, sets)
        self.material = n.demand_material[self.segment].tolist()
        self.plants = plants_of(n, sets, at)
        self.stock = [at["stock", i] for i in sets.stocked]
        self.stores = [{i: float(n.material_unit[i] / n.material_unit[of[0]]) for i in of} for of in stores_of(n, sets)]
        self.missing = [at["users_missing", u] for u in sets.users]
        self._build(*matrix)
        self.bought = [at["acquisition", p.name] for p in sets.purchases]
        self.touching = [column for (name, _), column in at.items() if name in TOUCHING]
        none, stored = np.zeros(len(self.stores)), np.zeros(len(sets.stocked))
        calm = np.zeros(len(n.materials), dtype=bool)
        self.nothing = Kept(none, none, np.zeros(len(self.uses)), np.zeros(len(self.plants)), calm, stored)
        self._worths: dict[bytes, tuple[Floats, Mapping[int, float], Mapping[int, float]]] = {}
        self._known: dict[bytes, Floats] = {}
        self._untouched: dict[bytes, Untouched] = {}

    def _build(self, row: Ints, column: Ints, value: Floats) -> None:
        """The matrix: rows of the period, then those of what is wanted and kept."""
        sets, n, W = self.sets, self.n, self.width
        count = W
        places: dict[str, list[int]] = {}
        for name, size in (
            ("gap", len(self.stores)),
            ("again", len(self.stores)),
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

        for k, units in enumerate(self.stores):
            bought = [
                (self.at["acquisition", p.name], units[p.material]) for p in sets.purchases if p.material in units
            ]
            add([*bought, (places["gap"][k], 1.0), (places["again"][k], -1.0)], 0.0, 0.0)
        for k in range(len(sets.stocked)):
            add([(places["kept"][k], 1.0), (self.stock[k], -1.0)], -INF, 0.0)
        for k, i in enumerate(sets.stocked):
            add([(places["sold"][k], 1.0), (self.at["release", i], -1.0)], -INF, 0.0)
        for k, units in enumerate(self.stores):
            add([(places["again"][k], 1.0), *((self.at["release", i], -unit) for i, unit in units.items())], -INF, 0.0)
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

    def untouched(self, asked: Period) -> Untouched:
        """The period without the reserve and users' stocks."""
        asked = asked._replace(upper=asked.upper.copy())
        asked.upper[self.touching] = 0.0
        key = _key(asked)
        if len(self._untouched) > MOST_KNOWN:
            self._untouched.clear()
        if key not in self._untouched:
            x = self._solve(asked, self.nothing)
            self._untouched[key] = Untouched(x[self.uses], self._spare(x, asked), x[: self.width])
        return self._untouched[key]

    def _spare(self, x: Floats, asked: Period) -> Floats:
        """(plants,) what each could make more."""
        upper, high = asked.upper, asked.high
        activity = self.solver.activity(x)[: len(high)]
        rows, first, found = self.row, self.n.sources, []
        for j in self.plants:
            left = float(upper[self.at["output", j]] - x[self.at["output", j]])
            for name in (("source_capacity", j), ("source_survival", j), ("project_capacity", j - first)):
                if name in rows:
                    left = min(left, float(high[rows[name]] - activity[rows[name]]))
            found.append(max(0.0, left) if math.isfinite(left) else 0.0)
        return np.array(found)

    def lived(self, asked: Period, need: Floats, goal: Goal, kept: Kept) -> Floats:
        """(own columns,) what is done in a period. need: what uses lack without the reserve."""
        asked = asked._replace(lower=asked.lower.copy(), upper=asked.upper.copy())
        lower, upper = asked.lower, asked.upper
        for column, most_sold in goal.sold.items():
            upper[column] = most_sold
        upper[self.uses] = np.minimum(upper[self.uses], need + SLACK)
        for k, i in enumerate(self.sets.stocked):
            column = self.at["disposal", i]
            upper[column] = lower[column] = min(float(upper[column]), float(goal.excess[k]))
        kept = kept._replace(want=goal.want, again=goal.again)
        key = _key(asked, kept)
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        if key not in self._known:
            self._known[key] = self._solve(asked, kept)[: self.width]
        return self._known[key]

    def worth(self, cost: Floats, prices: Floats) -> tuple[Floats, Mapping[int, float], Mapping[int, float]]:
        """(what a kept tonne counts for each use, and for no use by material: the reserve's, users' own), in a period's costs."""
        losses = cost[self.uses]
        asked = losses.tobytes() + prices.tobytes()
        if asked not in self._worths:
            self._worths[asked] = self._valued(losses, prices)
        return self._worths[asked]

    def _filled(self, cost: Floats, idle: Mapping[int, float], tight: Bools) -> dict[int, float]:
        """Material -> what a wanted tonne counts: all for sale is bought, but in an event no dearer than it is worth to keep."""
        found = dict(idle)
        for k, p in zip(self.bought, self.sets.purchases, strict=True):
            if not tight[p.material]:
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

    def _solve(self, asked: Period, kept: Kept) -> Floats:
        sets, places, tight = self.sets, self.places, kept.tight
        below, above, price = np.zeros(self.columns), np.zeros(self.columns), np.zeros(self.columns)
        W, (want, again, ahead, spare, _, sale) = self.width, kept
        below[:W], above[:W], price[:W] = asked.lower, asked.upper, asked.cost
        worth, idle, own = self.worth(asked.cost, asked.price)
        filled = self._filled(asked.cost, idle, tight)
        for k, i in enumerate(sets.stocked):
            price[self.stock[k]] = -idle[i]  # neither holding costs nor what the end pays decides what is given
            price[places["sold"][k]], above[places["sold"][k]] = -idle[i], sale[k]
            # what is kept and used counts its use alone
            price[places["kept"][k]], above[places["kept"][k]] = idle[i], INF
        for k, units in enumerate(self.stores):
            full = max(filled[i] / unit for i, unit in units.items())
            price[places["gap"][k]], above[places["gap"][k]] = full * AFTER_USERS, INF
            price[places["again"][k]], above[places["again"][k]] = TURNED_OVER * full, again[k]
        for k, u in enumerate(sets.users):
            i = self.n.users[u][0]
            price[self.missing[k]] += own[i] if tight[i] else filled[i]
            price[places["own"][k]], above[places["own"][k]] = own[i], INF
        for at, i in enumerate(sets.materials):
            price[places["more"][at]], above[places["more"][at]] = idle[i], 0.0 if tight[i] else INF
        for k, j in enumerate(self.plants):
            price[places["made"][k]], above[places["made"][k]] = asked.cost[self.at["output", j]], spare[k]
        price[places["served"]], above[places["served"]] = -worth, ahead
        rows_low = np.concatenate([asked.low, self.more_lower])
        rows_high = np.concatenate([asked.high, self.more_upper])
        m = len(asked.low)
        rows_low[m : m + len(want)] = rows_high[m : m + len(want)] = want
        for room in (0.0, ROOM):
            x = self.solver.solve(below, above, price, rows_low - room, rows_high + room)
            if x is not None:
                return x
        raise UntrustedError("a period that is lived without foresight was not solved to optimality")
