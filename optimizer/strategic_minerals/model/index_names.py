"""What indices of the model mean to people: names of materials, projects and dates in place of numbers, and tonnes of a unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..formulation.catalogue import COMPONENTS
from ..formulation.structure import ComponentSets, Structure
from ..instance.instance import Instance
from ..instance.scaling import seller_unit

BASE = "base"
"""Course of the variables on the baseline course, where others have the name of their scenario."""
EPISODE = "episode"
"""Year of what is promised of a whole disruption."""
PLANTS = "plants"
"""Segment of stock that plants hold as an input."""

Label = tuple[Any, ...]
INDEX = {(str(c.kind), c.block, c.name): c for c in COMPONENTS}


class IndexNames:
    """Names and units of the indices of one problem, by the words that the catalogue declares them with."""

    def __init__(self, structure: Structure, natural: Instance) -> None:
        """structure: in model units; natural: the instance in tonnes."""
        n = natural
        calendar, support, plan = n.calendar, structure.support, n.plan
        self._structure = structure
        u, v = structure.instance.material_unit, structure.instance.producer_unit
        self.courses = tuple(structure.scenarios.names)
        self.base = BASE if BASE not in self.courses else f"{BASE} course"
        self.periods = [
            int(label) if label.isdigit() else label for label in map(calendar.period_label, range(calendar.periods))
        ]
        demand = [tuple(pair) for pair in n.demands]
        needed = list(n.demand_material)
        projects = [project.name for project in n.projects]
        purchases = structure.material_of_purchase
        classes = Counter[int]()
        numbered = []
        for one in support.classes:
            classes[one.project] += 1
            numbered.append((projects[one.project], classes[one.project]))
        rules = [(d.material, d.country or d.group) for d in plan.diversification]
        self._labels: dict[str, Sequence[Label]] = {
            "option": _apart(
                [(projects[o.project], o.package.name, self.periods[o.signed]) for o in support.options],
                [" with ".join(support.markets[m].floor.name for m in o.market) for o in support.options],
            ),
            "class": numbered,
            "market_floor": [(m.floor.name,) for m in support.markets],
            "contract": [(n.producers[k.source], self.periods[k.start]) for k in structure.contracts],
            "year": [(year,) for year in calendar.years],
            "component": [(name,) for name in n.components],
            "producer": [(name,) for name in n.producers],
            "source": [(name,) for name in n.producers],
            "project": [(name,) for name in projects],
            "material": [(name,) for name in n.materials],
            "demand": demand,
            "tier": [(*demand[q], k) for q, k in n.tiers],
            "step": [(*demand[q], k) for q, k in n.steps],
            "rule": _apart(rules),
            "users_stock": [(n.materials[i], demand[q][1] if q >= 0 else PLANTS) for i, q in n.users],
            "service_level": _apart([(level.material, level.segment) for level in plan.service_levels]),
            "seller": [(name,) for name in n.sellers],
            "period": [(period,) for period in self.periods],
        }
        self._tonnes: dict[str, Any] = {
            "contract": [v[k.source] for k in structure.contracts],
            "producer": v,
            "source": v,
            "project": v[n.sources :],
            "material": u,
            "demand": [u[i] for i in needed],
            "tier": [u[needed[q]] for q, _ in n.tiers],
            "step": [u[needed[q]] for q, _ in n.steps],
            "rule": [u[n.materials.index(m)] if m in n.materials else 1.0 for m, _ in rules],
            "users_stock": [u[i] for i, _ in n.users],
            "service_level": [
                u[n.materials.index(level.material)] if level.material in n.materials else 1.0
                for level in plan.service_levels
            ],
            "seller": seller_unit(structure.instance, u) if n.sellers else [],
        }
        self._of_offer = {name: float(u[i]) for name, i in purchases.items()}
        self._material_unit = u

    def labels(self, word: str) -> list[Label]:
        """Names of all values of an index, by the word that the catalogue declares it with."""
        return [tuple(label) for label in self._labels[word]]

    def label(self, kind: str, block: str, name: str, key: Any, component: int) -> Label:
        """Names of an index of a declared component; key: as the block has it; component: of the block, -1 of all."""
        found: list[Any] = []
        for word, part in self._parts(kind, block, name, key):
            found += self._named(word, part, name, component)
        return tuple(found)

    def tonnes(self, kind: str, block: str, name: str, key: Any, component: int) -> float:
        """Tonnes that one unit of a declared component stands for; 1 where it counts something else."""
        if not INDEX[kind, block, name].unit.startswith("unit"):
            return 1.0
        found = 1.0
        for word, part in self._parts(kind, block, name, key):
            if word == "offer":
                found = self._of_offer[part]
            elif (i := self._material(word, part, name, component)) is not None:
                found = float(self._material_unit[i])
            elif word in self._tonnes:
                found = float(self._tonnes[word][part])
        return found

    def _parts(self, kind: str, block: str, name: str, key: Any) -> list[tuple[str, Any]]:
        words = INDEX[kind, block, name].index
        if not words:
            return []
        return list(zip(words, key if isinstance(key, tuple) else (key,), strict=True))

    def _named(self, word: str, part: Any, name: str, component: int) -> Label:
        if word in ("kind", "offer"):
            return (part,)
        if word == "group":
            return (part + 1,)
        if word == "year" and part < 0:
            return (EPISODE,)
        if word == "pool":
            return (self._structure.instance.pool[self._sets(component).pools[part][0]],)
        i = self._material(word, part, name, component)
        if i is None:
            return tuple(self._labels[word][part])
        alike = self._rules(name, component).count(i)
        return (self._structure.instance.materials[i], *((part + 1,) if alike > 1 else ()))

    def _material(self, word: str, part: Any, name: str, component: int) -> int | None:
        """Material of an index that counts within its component; None of others."""
        if word == "pool":
            return int(self._sets(component).pools[part][0])
        if word == "stock_rule" or (word == "rule" and name == "days_of_cover"):
            return int(self._rules(name, component)[part])
        return None

    def _rules(self, name: str, component: int) -> list[int]:
        sets = self._sets(component)
        return [i for i, _ in (sets.cover if name == "days_of_cover" else sets.refills)]

    def _sets(self, component: int) -> ComponentSets:
        return self._structure.component_sets[component]


def _apart(labels: Sequence[Label], more: Sequence[str] = ()) -> list[Label]:
    """Labels, of which those that are alike say what else they have, or their place."""
    found = list(labels)
    if more:
        alike = Counter(found)
        found = [
            (*one[:-2], f"{one[-2]} with {extra}", one[-1]) if alike[one] > 1 and extra else one
            for one, extra in zip(found, more, strict=True)
        ]
    alike = Counter(found)
    return [(*one, k + 1) if alike[one] > 1 else one for k, one in enumerate(found)]
