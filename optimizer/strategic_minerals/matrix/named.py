"""Cost vectors of every aim, and the model under names that a caller knows, for constraints of one's own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from ..core.errors import Fault, InputError
from ..core.frames import Floats, Ints
from ..model.catalogue import COMPONENTS
from ..model.period import LESS, MORE
from ..model.sets import STAGES, TRUNK, ComponentSets, Structure
from ..question.base import gathered
from ..world.instance import Instance, seller_unit
from .assembly import Assembly
from .problem import Problem

# What indices of the model mean to people: names of materials, projects and dates in place of numbers, and tonnes of a unit.
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
        labels = map(calendar.period_label, range(calendar.periods))
        self.periods = [int(label) if label.isdigit() else label for label in labels]
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
        unit = dict(zip(n.materials, u, strict=True))
        self._labels: dict[str, Sequence[Label]] = {
            "option": _distinct(
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
            "rule": _distinct(rules),
            "users_stock": [(n.materials[i], demand[q][1] if q >= 0 else PLANTS) for i, q in n.users],
            "service_level": _distinct([(level.material, level.segment) for level in plan.service_levels]),
            "seller": [(name,) for name in n.sellers],
            "period": [(period,) for period in self.periods],
            "piece": [(k + 1,) for k in range(max(len(LESS), len(MORE)) - 1)],
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
            "rule": [unit.get(material, 1.0) for material, _ in rules],
            "users_stock": [u[i] for i, _ in n.users],
            "service_level": [unit.get(level.material, 1.0) for level in plan.service_levels],
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


def _distinct(labels: Sequence[Label], more: Sequence[str] = ()) -> list[Label]:
    """Labels; equal ones get `more` of their own, or their place."""
    found = list(labels)
    if more:
        alike = Counter(found)
        found = [
            (*one[:-2], f"{one[-2]} with {extra}", one[-1]) if alike[one] > 1 and extra else one
            for one, extra in zip(found, more, strict=True)
        ]
    alike = Counter(found)
    return [(*one, k + 1) if alike[one] > 1 else one for k, one in enumerate(found)]


OWN = "own"
"""Costs that a caller has added to the first aim of the plan."""


def denominator(problem: Problem, objective: float) -> float:
    """What a gap is measured against: max(|Z - Z0|, discounted appropriation, 1 million USD)."""
    calendar = problem.natural.calendar
    by_year = calendar.beta[np.arange(len(calendar.years)) * calendar.per_year]
    return max(abs(objective), float(by_year @ problem.natural.appropriation), 1.0)


def objective_costs(problem: Problem) -> dict[str, Floats]:
    """Cost vectors of the social cost and of the plan's aims over all columns [million USD]."""
    costs, m, plan = problem.assembly.costs, problem.plan.objective.cvar_share, problem.plan
    shares: dict[str, dict[str, float]] = {
        "social_cost": {
            "social_cost": 1.0,
            "residual_credit": -plan.residual,
            "tail_risk": plan.risk.cvar_weight,
            "penalty": 1.0,
            "unfilled": 1.0,
        },
        "risk": {"expected_loss": 1 - m, "tail_risk": m, "penalty": 1.0, "unfilled": 1.0},
        "spending": {"spending": 1.0, "penalty": 1.0, "unfilled": 1.0},
    }
    shares[STAGES[plan.objective.kind][0]][OWN] = 1.0
    found = {}
    for name in dict.fromkeys(("social_cost", *STAGES[plan.objective.kind])):
        found[name] = np.zeros_like(problem.assembly.lower)
        for part, share in shares[name].items():
            if share and part in costs:
                found[name] += costs[part] if share == 1.0 else share * costs[part]
    return found


# The model for people: a Pyomo model in tonnes and million USD, every index a name, made from the very matrix that is solved.
PLAN_COST = "plan_cost"
"""Expressions of what the plan itself costs beyond doing nothing, by aim."""
OWN_TERMS = "own_terms"
"""Expressions of the caller's that the objective counts beside the plan's own, by name."""
VARIABLES = {c.name for c in COMPONENTS if c.kind == "variable"}
DOCS = {(c.kind, c.name): f"{c.text} [{c.unit.replace('unit', 't')}]" for c in COMPONENTS}
BY_COMPONENT = ("shared_money", "loss", "branch_purchases", "calm_purchases", "branch_loss")
"""What each group of linked materials has in each scenario."""

Place = tuple[str, Label]
"""(variable or constraint, its index)."""


@dataclass(frozen=True)
class NamedMatrix:
    """Names and units of all columns and rows of a problem."""

    problem: Problem

    @property
    def base(self) -> str:
        """Name of the baseline course."""
        return self._names.base

    @cached_property
    def columns(self) -> list[Place]:
        """(columns,) (variable, index)."""
        found: list[Place] = [("", ())] * len(self.problem.assembly.lower)
        for k, block in enumerate(self.problem.assembly.blocks):
            for position, (name, key) in enumerate(block.template.columns):
                own = self._names.label("variable", block.kind, name, key, block.component)
                for n, where in enumerate(self._where[k]):
                    at = block.first_column + position + block.width * n
                    found[at] = name, self._index(name, own, block.component, where)
        return found

    @cached_property
    def tonnes(self) -> Floats:
        """(columns,) tonnes, or what else the variable counts, that the solver's unit stands for."""
        found = np.ones(len(self.problem.assembly.lower))
        for block in self.problem.assembly.blocks:
            for position, (name, key) in enumerate(block.template.columns):
                unit = self._names.tonnes("variable", block.kind, name, key, block.component)
                found[block.first_column + position + block.width * np.arange(block.count)] = unit
        return found

    def rows(self) -> Iterator[tuple[int, Place, float]]:
        """(row, (constraint, index), tonnes that its unit stands for) of every row of the plan."""
        assembly = self.problem.assembly
        known: dict[tuple[int, int], tuple[str, Label, float]] = {}
        for row in range(len(assembly.row_lower)):
            k, local, n = int(assembly.row_block[row]), int(assembly.row_local[row]), int(assembly.row_instance[row])
            if k < 0:
                continue
            block = assembly.blocks[k]
            if (k, local) not in known:
                name, key = block.template.rows[local]
                own = self._names.label("constraint", block.kind, name, key, block.component)
                tonnes = self._names.tonnes("constraint", block.kind, name, key, block.component)
                known[k, local] = name, own, tonnes
            name, own, tonnes = known[k, local]
            index = self._index(name, own, block.component, self._where[k][n])
            yield row, (name if name not in VARIABLES else f"{name}_limit", index), tonnes

    @cached_property
    def _names(self) -> IndexNames:
        return IndexNames(self.problem.structure, self.problem.natural)

    @cached_property
    def _where(self) -> list[list[Label]]:
        """By block, what the own index of each of its instances means: course and period, or scenario."""
        structure, names = self.problem.structure, self._names
        found: list[list[Label]] = []
        for block in self.problem.assembly.blocks:
            if block.kind == "commitments":
                found.append([()])
            elif block.kind == "scenario":
                found.append([(name,) for name in names.courses])
            else:
                index = structure.block_index[block.component]
                if block.kind == "branch":
                    found.append([(names.courses[s],) for s in index.branches])
                else:
                    courses = [names.base if s == TRUNK else names.courses[s] for s in index.scenario.tolist()]
                    found.append([(c, names.periods[t]) for c, t in zip(courses, index.period.tolist(), strict=True)])
        return found

    def _index(self, name: str, own: Label, component: int, where: Label) -> Label:
        group = (self.problem.natural.components[component],) if name in BY_COMPONENT and component >= 0 else ()
        return (*group, *own, *where)


def named_model(problem: Problem, z0: Floats) -> pyo.ConcreteModel:
    """The flat model of a problem, its objective the plan's difference to doing nothing. z0: (columns,) doing nothing."""
    named, assembly = NamedMatrix(problem), problem.assembly
    m = pyo.ConcreteModel(name=problem.plan.name)
    variables = _variables(m, named)
    _constraints(m, named, variables)
    m.add_component(OWN_TERMS, pyo.Expression(pyo.Any))
    m.stages = STAGES[problem.plan.objective.kind]
    m.add_component(PLAN_COST, pyo.Expression(pyo.Any))
    for name in m.stages:
        m.component(PLAN_COST)[name] = plan_cost(named, name, variables, z0)
        m.add_component(name, pyo.Objective(expr=m.component(PLAN_COST)[name]))
    for name in m.stages[1:]:
        getattr(m, name).deactivate()
    assert len(variables) == assembly.shape[1]
    _outlays(m, named, variables)
    return m


def _outlays(m: pyo.ConcreteModel, named: NamedMatrix, variables: Sequence[Any]) -> None:
    """Expressions for rules of one's own, in no row of the plan: `outlays[material, course, year]` [million USD], the outlays that
    the budget counts, on the baseline course, in a scenario those of its own purchases; `supported[country]`, projects signed.

    A contract or package counts for the first output of its source, a floor for its material; money carried over for none.
    """
    problem, names = named.problem, named.problem.natural
    made = {row.producer: row.material for row in reversed(problem.data.rows("yields")) if row.yield_t_per_t > 0}
    bought = {offer: names.materials[i] for offer, i in problem.structure.material_of_purchase.items()}
    floors = {one.floor.name: names.materials[one.floor.floor.material] for one in problem.structure.support.markets}

    def about(name: str, index: Label) -> str | None:
        if name in ("carry", "unspent", "shared_money"):
            return None
        first = str(index[0])
        return (
            bought.get(first) or floors.get(first) or made.get(first) or (first if first in names.materials else None)
        )

    found: dict[tuple[Any, ...], list[tuple[Any, float]]] = {}
    for row, (family, index), unit in named.rows():
        if family not in ("budget", "branch_purchases"):
            continue
        year, course = (index[0], named.base) if family == "budget" else (index[1], index[2])
        for column, share in zip(*row_of(problem.assembly, named.tonnes, row, unit), strict=True):
            if (material := about(*named.columns[column])) is not None:
                found.setdefault((material, course, year), []).append((variables[column], float(share)))
    m.outlays = pyo.Expression(list(found), rule=lambda _, *key: _sum(found[key]))
    country = {project.project: project.country for project in problem.data.rows("projects")}
    signs = [(index[0], column) for column, (name, index) in enumerate(named.columns) if name == "sign"]
    signed = gathered((country[project], (variables[column], 1.0)) for project, column in signs)
    m.supported = pyo.Expression(list(signed), rule=lambda _, key: _sum(signed[key]))


def _sum(parts: Sequence[tuple[Any, float]]) -> LinearExpression:
    """A linear expression of variables and their coefficients."""
    return LinearExpression(linear_coefs=[share for _, share in parts], linear_vars=[one for one, _ in parts])


def plan_cost(named: NamedMatrix, aim: str, variables: Sequence[Any], z0: Floats) -> LinearExpression:
    """What an aim of the plan costs beyond doing nothing  [million USD]."""
    cost = objective_costs(named.problem)[aim]
    used = np.flatnonzero(cost[: len(named.columns)])
    return _linear(cost[used] / named.tonnes[used], [variables[k] for k in used.tolist()], -float(cost @ z0))


def add_term(model: pyo.ConcreteModel, name: str, expression: Any) -> None:
    """Let the objective of a model from `build_model` count a term of your own [million USD, discounted].

    model: of `build_model`. name: what tables call it. expression: linear in the model's variables or your own.

    Raises ValueError for a name that is taken or none, and for another model."""
    terms = model.component(OWN_TERMS) if isinstance(model, pyo.ConcreteModel) else None
    if terms is None:
        raise ValueError("a term is added to a model of build_model, or to the one that `extend` is given")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a term needs a name that tables can call it by, not {name!r}")
    if name in terms:
        raise ValueError(f"a term '{name}' is there already")
    terms[name] = expression
    objective = getattr(model, model.stages[0])
    objective.expr = objective.expr + terms[name]


def variables_of(named: NamedMatrix, model: pyo.ConcreteModel) -> list[Any]:
    """(columns,) the variables of a model that was made by `named_model`, or of a copy of it.

    Raises InputError where some are gone."""
    found, faults = [], []
    for name, index in named.columns:
        try:
            found.append(model.component(name)[_key(index)])
        except (KeyError, TypeError, AttributeError):
            gone = f"no {name}[{', '.join(map(str, index))}]"
            faults.append(Fault("model", "", name, gone, "the model of this plan"))
    if faults:
        raise InputError(faults[:5])
    return found


def _variables(m: pyo.ConcreteModel, named: NamedMatrix) -> list[Any]:
    assembly, tonnes = named.problem.assembly, named.tonnes
    lower, upper = assembly.lower * tonnes, assembly.upper * tonnes
    families = gathered((name, column) for column, (name, _) in enumerate(named.columns))
    found: list[Any] = [None] * len(lower)
    for name, members in families.items():
        keys = [_key(named.columns[k][1]) for k in members]
        domain = pyo.Binary if assembly.integer[members].all() else pyo.Reals
        if domain is pyo.Reals and (lower[members] >= 0).all():
            domain = pyo.NonNegativeReals
        var = pyo.Var(keys, domain=domain, doc=DOCS["variable", name]) if keys != [None] else pyo.Var(domain=domain)
        m.add_component(name, var)
        for key, k in zip(keys, members, strict=True):
            data = var[key]
            data.setlb(None if not np.isfinite(lower[k]) else float(lower[k]))
            data.setub(None if not np.isfinite(upper[k]) else float(upper[k]))
            found[k] = data
    for kind, name in DOCS:  # what is written for any plan finds every family, empty where this plan has none of it
        if kind == "variable" and name not in families:
            m.add_component(name, pyo.Var([], doc=DOCS[kind, name]))
    return found


def _constraints(m: pyo.ConcreteModel, named: NamedMatrix, variables: list[Any]) -> None:
    assembly, tonnes = named.problem.assembly, named.tonnes
    for row, (name, index), unit in named.rows():
        columns, coefficients = row_of(assembly, tonnes, row, unit)
        body = _linear(coefficients, [variables[k] for k in columns], 0.0)
        if m.component(name) is None:
            doc = DOCS.get(("constraint", name)) or DOCS.get(("constraint", name.removesuffix("_limit")), "")
            m.add_component(name, pyo.Constraint(pyo.Any, doc=doc))
        lower, upper = float(assembly.row_lower[row]) * unit, float(assembly.row_upper[row]) * unit
        if lower == upper:
            limits: Any = (body, lower)
        else:
            limits = (lower if np.isfinite(lower) else None, body, upper if np.isfinite(upper) else None)
        m.component(name)[row_key(index)] = limits


def row_of(assembly: Assembly, tonnes: Floats, row: int, unit: float) -> tuple[Ints, Floats]:
    """(columns, coefficients in tonnes and million USD) of a row. unit: tonnes that the row's unit stands for."""
    entries = slice(assembly.start[row], assembly.start[row + 1])
    columns = assembly.index[entries]
    return columns, assembly.value[entries] * unit / tonnes[columns]


def row_key(index: Label) -> Any:
    """Pyomo's index of a row of the plan."""
    return _key(index) if index else "all"


def _linear(coefficients: Floats, variables: list[Any], constant: float) -> Any:
    return LinearExpression(constant=constant, linear_coefs=coefficients.tolist(), linear_vars=variables)


def _key(index: Label) -> Any:
    """Pyomo's own way to write an index: one name alone, several as a tuple, none at all."""
    return None if not index else index[0] if len(index) == 1 else index
