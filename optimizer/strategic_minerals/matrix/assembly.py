"""Templates instantiated into one matrix: the whole model as arrays.

Stamping is one sparse product for all periods and scenarios of a template, taken some instances at a time so that what is in
between needs little memory; columns are counted in 32 bits, as the solver counts them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pyomo.environ as pyo

from ..core.errors import FormulationError
from ..core.frames import INF, Bools, Floats, Ints
from ..core.runner import checkpoint
from ..model.branch import add_branch
from ..model.catalogue import COMPONENTS
from ..model.commitments import add_commitments, add_variables, trunk_spending
from ..model.period import Links, add_period
from ..model.scenario import add_scenario
from ..model.sets import ComponentSets, Structure
from ..model.values import branch_values, penalty_weights, period_values, period_weights, root_values
from .template import Template, compile_block, pyomo_alone


# Parts of the whole matrix: cost vectors, what counts money, what a row is.
class Costs(Mapping[str, Floats]):
    """Cost vectors over all columns by name, written out when asked for: most are zero nearly everywhere."""

    def __init__(self, dense: dict[str, Floats]) -> None:
        """dense: (columns,) by name; taken out as they are read."""
        self._size = max(map(len, dense.values()), default=0)
        self._held: dict[str, tuple[Ints, Floats]] = {}
        for name in list(dense):
            cost = dense.pop(name)
            used = np.flatnonzero(cost).astype(np.int32)
            self._held[name] = used, cost[used]

    def __getitem__(self, name: str) -> Floats:
        """(columns,) a new vector. Raises KeyError."""
        used, values = self._held[name]
        cost = np.zeros(self._size)
        cost[used] = values
        return cost

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


@dataclass(frozen=True)
class Money:
    """Rows and columns that count money, and the unit in which the solver has them: tolerances of the solver are absolute, and a
    model in million USD may hold thousands or billions of them."""

    unit: float
    """[million USD]"""
    rows: Bools
    columns: Bools

    def of(self, rows: Ints, columns: Ints) -> Money:
        """Of some rows and columns."""
        return Money(self.unit, self.rows[rows], self.columns[columns])

    def with_more(self, rows: Bools | None = None, columns: Bools | None = None) -> Money:
        """With more rows and columns, the last; flags say which of them count money."""
        none = np.zeros(0, dtype=bool)
        more_rows, more_columns = none if rows is None else rows, none if columns is None else columns
        return Money(self.unit, np.append(self.rows, more_rows), np.append(self.columns, more_columns))


class RowName(NamedTuple):
    """What a row of the matrix is."""

    family: str
    """The constraint's name."""
    key: Any
    """Its index within the block."""
    component: int
    """-1 where it is of all."""
    instance: int
    """Which instance of the block, as `model.sets.BlockIndex` counts them."""


@dataclass(frozen=True)
class ColumnArrays:
    """Data of all columns, filled part by part."""

    lower: Floats
    upper: Floats
    integer: Bools
    costs: dict[str, Floats]


SMALLEST_ENTRY = 1e-7
"""Smallest matrix entry allowed: HiGHS drops 1e-9 silently."""

ROWS_AT_ONCE = 2_000_000
"""Matrix entries that are worked on at once: what is in between takes room of its own."""

BlockKind = Literal["commitments", "period", "branch", "scenario"]
"""Blocks of the formulation, as the catalogue names them."""


@dataclass(frozen=True)
class PlacedBlock:
    """A template put down n times: the positions of its columns and rows in the whole matrix."""

    template: Template
    kind: BlockKind
    component: int
    """Of which component it is; -1 for commitments and scenarios, which are of all."""
    count: int
    xi: Floats
    externals: Ints
    """(n, externals) column of each external, -1 where it does not exist."""
    weights: Mapping[str, Floats]
    """(n,) factor of each named cost."""
    first_column: int = 0

    @property
    def width(self) -> int:
        """Own columns of one instance."""
        return len(self.template.columns)

    @property
    def own(self) -> slice:
        """All its columns in the whole matrix, instance by instance."""
        return slice(self.first_column, self.first_column + self.width * self.count)

    def columns(self, variable: str, key: Any) -> Ints:
        """(n,) columns of a variable over the instances."""
        return self.first_column + self.template.columns.index((variable, key)) + self.width * np.arange(self.count)


COUNTS_MONEY = {(c.kind, c.name) for c in COMPONENTS if c.unit == "million USD"}
"""(kind, name) of variables and constraints in money."""


@dataclass
class Assembly:
    """The whole model as arrays, ready for the solver."""

    lower: Floats
    upper: Floats
    integer: Bools
    costs: Mapping[str, Floats]
    row_lower: Floats
    row_upper: Floats
    start: Ints
    index: Ints
    value: Floats
    blocks: tuple[PlacedBlock, ...]
    row_block: Ints
    """(rows,) which of the blocks a row is of."""
    row_local: Ints
    """(rows,) which row of the template."""
    row_instance: Ints
    """(rows,) which instance of the block."""
    money: Money
    """What the solver counts money in."""

    @property
    def row_unit(self) -> Floats:
        """(rows,) what a row's own unit is worth in the solver's: tolerances apply there."""
        return np.where(self.money.rows, self.money.unit, 1.0)

    @property
    def column_unit(self) -> Floats:
        """(columns,) the same of columns."""
        return np.where(self.money.columns, self.money.unit, 1.0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, nonzeros."""
        return len(self.row_lower), len(self.lower), len(self.index)

    def without_matrix(self) -> Assembly:
        """The blocks alone: the position of every column, and nothing of rows and values."""
        flags = np.zeros(0, dtype=bool)
        empty: dict[str, Any] = dict.fromkeys(("lower", "upper", "row_lower", "row_upper", "value"), np.zeros(0))
        places = ("start", "index", "row_block", "row_local", "row_instance")
        empty |= dict.fromkeys(places, np.zeros(0, dtype=np.int64))
        return replace(self, **empty, integer=flags, costs={}, money=Money(1.0, flags, flags))

    def rows_of(self, family: str) -> Ints:
        """Rows of a constraint family, in order."""
        found = []
        for k, part in enumerate(self.blocks):
            local = [r for r, (name, _) in enumerate(part.template.rows) if name == family]
            if local:
                found.append(np.flatnonzero((self.row_block == k) & np.isin(self.row_local, local)))
        return np.sort(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)

    @property
    def commitments(self) -> PlacedBlock:
        """The block of what is decided once."""
        return self.blocks[0]

    @property
    def operations(self) -> tuple[PlacedBlock, ...]:
        """The block of periods of each component, in order."""
        return tuple(block for block in self.blocks if block.kind == "period")

    @property
    def branches(self) -> Mapping[int, PlacedBlock]:
        """The block of whole branches of each component that has one."""
        return {block.component: block for block in self.blocks if block.kind == "branch"}

    @property
    def scenarios(self) -> PlacedBlock | None:
        """The block of what scenarios add up to, where the model has one."""
        return next((block for block in self.blocks if block.kind == "scenario"), None)

    def row_name(self, row: int) -> RowName:
        """What a row is."""
        block = self.blocks[self.row_block[row]]
        family, key = block.template.rows[self.row_local[row]]
        return RowName(family, key, block.component, int(self.row_instance[row]))

    def column_name(self, column: int) -> tuple[str, Any]:
        """(variable, index) of a column."""
        part = next(p for p in reversed(self.blocks) if p.first_column <= column)
        name, key = part.template.columns[(column - part.first_column) % part.width]
        return str(name), key


def entries_of(assembly: Assembly, rows: Ints) -> Ints:
    """Positions of all entries of some rows, row by row."""
    length = assembly.start[rows + 1] - assembly.start[rows]
    first = np.repeat(assembly.start[rows] - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    return np.asarray(first + np.arange(int(length.sum())))


def activities(assembly: Assembly, rows: Ints, x: Floats) -> Floats:
    """(rows,) what some rows add up to at a point: (columns,)."""
    entries = entries_of(assembly, rows)
    of = np.repeat(np.arange(len(rows)), assembly.start[rows + 1] - assembly.start[rows])
    terms = assembly.value[entries] * x[assembly.index[entries]]
    return np.bincount(of, terms, minlength=len(rows)).astype(float)


class TinyEntryError(FormulationError):
    """An entry of the matrix that the solver would take for zero."""

    def __init__(self, constraint: str, key: Any, variable: str, of: Any, value: float, count: int) -> None:
        """constraint[key] has `value` of variable[of]. count: of such entries."""
        self.constraint, self.key, self.variable, self.of = constraint, key, variable, of
        self.value, self.count = value, count
        where = f"{constraint}[{key}] holds {value:g} {variable}[{of}]"
        more = f" and {count - 1} more" if count > 1 else ""
        super().__init__(f"{where}{more}: the solver drops what is below {SMALLEST_ENTRY:g}")


def assemble(parts: Sequence[PlacedBlock], money_unit: float = 1.0) -> Assembly:
    """Put all instances into one matrix: columns part by part, instance by instance; empty rows that hold are left out.

    The parts are kept without the data that they were instantiated from. money_unit: in which the solver counts money [million
    USD]. Raises TinyEntryError for an entry that the solver would drop, FormulationError for what is not a finite number.
    """
    total = parts[-1].first_column + parts[-1].width * parts[-1].count if parts else 0
    names = sorted({name for part in parts for name in part.template.costs})
    columns = ColumnArrays(
        np.zeros(total), np.zeros(total), np.zeros(total, dtype=bool), {name: np.zeros(total) for name in names}
    )
    rows = _Rows()
    for k, part in enumerate(parts):
        most = max(1, ROWS_AT_ONCE // max(1, len(part.template.index)))
        for first in range(0, part.count, most):
            _instantiate_block(k, part, slice(first, min(part.count, first + most)), columns, rows)
    for name, cost in columns.costs.items():
        if not np.isfinite(cost).all():
            raise FormulationError(f"{name} holds a value that is not a finite number")
    row_lower, row_upper, row_part, row_local = map(rows.taken, ("lower", "upper", "part", "local"))
    for low, high in ((columns.lower, columns.upper), (row_lower, row_upper)):
        if np.isnan(low).any() or np.isnan(high).any() or (low == INF).any() or (high == -INF).any():
            raise FormulationError("a bound or a right-hand side is not a number, or is infinite on its wrong side")
    value = rows.taken("value")
    if not np.isfinite(value).all():
        raise FormulationError("the matrix holds a value that is not a finite number")
    start = np.zeros(len(row_lower) + 1, dtype=np.int64)
    np.cumsum(rows.taken("length"), out=start[1:])
    no_data, nowhere = np.zeros((0, 0)), np.zeros((0, 0), dtype=np.int64)
    bare = tuple(replace(p, xi=no_data, externals=nowhere) for p in parts)
    of_columns = columns.lower, columns.upper, columns.integer, Costs(columns.costs)
    matrix = row_lower, row_upper, start, rows.taken("index"), value
    money = _money(bare, row_part, row_local, total, money_unit)
    assembly = Assembly(*of_columns, *matrix, bare, row_part, row_local, rows.taken("instance"), money)
    _refuse_tiny(assembly)
    return assembly


def _money(parts: Sequence[PlacedBlock], row_part: Ints, row_local: Ints, columns: int, unit: float) -> Money:
    """Which rows and columns count money, by the declared table of the model."""
    in_rows, in_columns = np.zeros(len(row_part), dtype=bool), np.zeros(columns, dtype=bool)
    for k, part in enumerate(parts):
        of_rows = np.array([("constraint", name) in COUNTS_MONEY for name, _ in part.template.rows], dtype=bool)
        of_columns = np.array([("variable", name) in COUNTS_MONEY for name, _ in part.template.columns], dtype=bool)
        mine = np.flatnonzero(row_part == k)
        in_rows[mine] = of_rows[row_local[mine]]
        in_columns[part.first_column : part.first_column + part.width * part.count] = np.tile(of_columns, part.count)
    return Money(unit, in_rows, in_columns)


def _refuse_tiny(assembly: Assembly) -> None:
    """Raise TinyEntryError where the solver would drop an entry without a word."""
    value = np.abs(assembly.value)
    if assembly.money.unit != 1.0:
        value = value * assembly.column_unit[assembly.index] / np.repeat(assembly.row_unit, np.diff(assembly.start))
    if not len(value) or value.min() >= SMALLEST_ENTRY:
        return
    entry = int(value.argmin())
    row = int(np.searchsorted(assembly.start, entry, side="right")) - 1
    constraint, key, _, _ = assembly.row_name(row)
    variable, of = assembly.column_name(int(assembly.index[entry]))
    count = int((value < SMALLEST_ENTRY).sum())
    raise TinyEntryError(constraint, key, variable, of, float(value[entry]), count)


class _Rows:
    """Data of all rows and, in `index` and `value`, of their entries, gathered piece by piece."""

    KINDS: Mapping[str, Any] = {
        **dict.fromkeys(("length", "index", "local", "instance"), np.int32),
        **dict.fromkeys(("value", "lower", "upper"), float),
        "part": np.int16,
    }

    def __init__(self) -> None:
        self._pieces: dict[str, list[Any]] = {name: [np.zeros(0, kind)] for name, kind in self.KINDS.items()}

    def add(self, **pieces: Any) -> None:
        """Append to each."""
        for name, piece in pieces.items():
            self._pieces[name].append(piece.astype(self.KINDS[name]))

    def taken(self, name: str) -> Any:
        """All of one kind, which is given up."""
        return np.concatenate(self._pieces.pop(name))


def _merge(template: Template, index: Ints, value: Floats) -> Floats:
    """Add up entries of one row that are in the same column, so that terms which cancel leave nothing behind."""
    row = np.repeat(np.arange(len(template.rows)), np.diff(template.start))
    merged = value.copy()
    for n in range(len(index)):
        order = np.lexsort((index[n], row))
        same = (np.diff(row[order]) == 0) & (np.diff(index[n][order]) == 0)
        group = np.concatenate([[0], np.cumsum(~same)])
        total = np.bincount(group, value[n][order])
        size = np.bincount(group, np.abs(value[n][order]))
        total[np.abs(total) <= 1e-12 * size] = 0.0
        first = np.concatenate([[True], ~same])
        merged[n, order] = np.where(first, total[group], 0.0)
    return merged


def place(parts: Sequence[PlacedBlock]) -> list[PlacedBlock]:
    """Give every part its first column, in order."""
    placed, first = [], 0
    for part in parts:
        placed.append(replace(part, first_column=first))
        first += part.width * part.count
    return placed


def _instantiate_block(k: int, part: PlacedBlock, blocks: slice, into: ColumnArrays, rows: _Rows) -> None:
    """Put some instances of one part into the matrix."""
    template, xi, externals = part.template, part.xi[blocks], part.externals[blocks]
    n, m, width = len(xi), len(template.rows), part.width
    begin = part.first_column + width * blocks.start
    columns = slice(begin, begin + width * n)
    into.lower[columns] = template.lower.at(xi).ravel()
    into.upper[columns] = template.upper.at(xi).ravel()
    into.integer[columns] = np.tile(template.integer, n)
    own = begin + width * np.arange(n, dtype=np.int32)[:, None]

    def placed(index: Ints) -> Ints:
        """(n, entries) columns of template columns."""
        inside: Ints = own + np.minimum(index, width - 1 if width else 0).astype(np.int32)[None, :]
        outside = index >= width
        if outside.any():
            inside[:, outside] = externals[:, index[outside] - width]
        return inside

    for name, (where, coefficients) in template.costs.items():
        weight = part.weights.get(name)
        if weight is not None:
            into.costs[name][placed(where).ravel()] += (
                coefficients.at(xi) * weight[blocks, None]
            ).ravel()  # columns differ
    value = template.value.at(xi)
    index = placed(template.index)
    ordered = np.sort(externals, axis=1)  # whether two externals of one instance are in the same column
    if externals.size and ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        value = _merge(template, index, value)
    keep = (value != 0) & (index >= 0)
    lengths = np.zeros((n, m), dtype=np.int32)
    if m and len(template.index):
        running = np.concatenate([np.zeros((n, 1), dtype=np.int32), np.cumsum(keep, axis=1, dtype=np.int32)], axis=1)
        lengths = running[:, template.start[1:]] - running[:, template.start[:-1]]
    lower, upper = template.row_lower.at(xi), template.row_upper.at(xi)
    wanted = (lengths > 0) | ~((lower <= 0) & (upper >= 0))
    instance, local = np.nonzero(wanted)
    rows.add(
        length=lengths[wanted],
        index=index[keep],
        value=value[keep],
        lower=lower[wanted],
        upper=upper[wanted],
        part=np.full(len(instance), k),
        local=local,
        instance=blocks.start + instance,
    )


# The model as arrays: each Pyomo block is compiled once and instantiated for every period, branch and scenario.
STAND_INS = 64
"""Made at once."""

PREVIOUS = {"previous": "stock", "previous_missing": "users_missing"}
"""Externals that are a variable of the period before."""

NO_EXTERNALS = np.zeros((1, 0), dtype=np.int64)

Compiled = TypeVar("Compiled")


@dataclass(frozen=True)
class Templates:
    """Compiled blocks of a structure; one period and one branch template a component."""

    root: Template
    periods: tuple[Template, ...]
    branches: tuple[Template | None, ...]
    scenario: Template | None


def compile_templates(structure: Structure, known: Templates | None = None) -> Templates:
    """Write and compile every kind of block once. Holds the Pyomo lock.

    known: blocks of a structure whose operations are written alike; only commitments are compiled."""
    with pyomo_alone(), _uncollected():
        if known is not None:
            return replace(known, root=_root(structure))
        return Templates(
            _root(structure), tuple(_each(_period, structure)), tuple(_each(_branch, structure)), _scenario(structure)
        )


def _each(compiled: Callable[[Structure, ComponentSets], Compiled], structure: Structure) -> Iterator[Compiled]:
    """A kind of block of each component, as long as the call may run."""
    for sets in structure.component_sets:
        checkpoint()
        yield compiled(structure, sets)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would walk a hundred thousand new Pyomo objects again and again: a third of the time.

    It is switched off for the whole process, for the tenths of a second that blocks are written, under the Pyomo lock: one thread
    at a time, and none of ours finds it off that had it on. Whatever other threads leave unreachable meanwhile is collected after.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def instantiate(structure: Structure, templates: Templates) -> Assembly:
    """Give every instance its data and put all of them into one matrix. Pure numpy: safe from many threads."""
    S = len(structure.scenarios.names)
    one = np.ones(1)
    costs = dict.fromkeys(("social_cost", "residual_credit", "spending", "tail_risk"), one)
    xi = templates.root.xi(root_values(structure), 1)
    parts = [PlacedBlock(templates.root, "commitments", -1, 1, xi, NO_EXTERNALS, costs)]
    period_at: list[int] = []
    branch_at: list[int] = []
    for c, (sets, blocks) in enumerate(zip(structure.component_sets, structure.block_index, strict=True)):
        checkpoint()
        n = blocks.count
        weight = period_weights(structure, blocks, c)
        period_at.append(len(parts))
        template = templates.periods[c]
        xi = template.xi(period_values(structure, sets, blocks), n)
        weights = {"social_cost": weight, "expected_loss": weight, "penalty": penalty_weights(structure, blocks, c)}
        parts.append(PlacedBlock(template, "period", c, n, xi, NO_EXTERNALS, weights))
        branch = templates.branches[c]
        branch_at.append(len(parts) if branch is not None else -1)
        if branch is not None:
            k = len(blocks.branches)
            xi = branch.xi(branch_values(structure, sets, blocks), k)
            unfilled = structure.scenarios.probability[list(blocks.branches)]
            weights = {"penalty": np.ones(k), "unfilled": unfilled}
            parts.append(PlacedBlock(branch, "branch", c, k, xi, NO_EXTERNALS, weights))
    scenario_at = len(parts)
    if templates.scenario is not None:
        tail = structure.scenarios.probability / (1 - structure.instance.plan.risk.alpha)
        parts.append(
            PlacedBlock(templates.scenario, "scenario", -1, S, np.zeros((S, 0)), NO_EXTERNALS, {"tail_risk": tail})
        )
    parts = place(parts)
    finder = _Finder(structure, parts, period_at, branch_at, scenario_at)
    return assemble([finder.resolved(k) for k in range(len(parts))], structure.instance.money_unit)


def _canvas() -> tuple[Any, Any, dict[int, Any]]:
    """A block to write on, a block for stand-ins, and the register of stand-ins."""
    m = pyo.ConcreteModel()
    m.outside, m.block = pyo.Block(), pyo.Block()
    return m.outside, m.block, {}


def _named(outside: Any, externals: dict[int, Any], name: str, keys: list[Any]) -> Any:
    """A Var that stands for variables of another block, known keys."""
    outside.add_component(name, pyo.Var(keys))
    var = getattr(outside, name)
    for key in keys:
        externals[id(var[key])] = (name, key)
    return var


def _on_demand(outside: Any, externals: dict[int, Any], name: str) -> Callable[..., Any]:
    """Stand-ins given out when first asked for, keyed by the arguments; made many at a time, which is six times faster."""
    made: dict[Any, Any] = {}
    spare: list[Any] = []

    def stand(*key: Any) -> Any:
        if key not in made:
            if not spare:
                outside.add_component(f"{name}_{len(made)}", more := pyo.Var(range(STAND_INS)))
                spare.extend(more.values())
            made[key] = spare.pop()
            externals[id(made[key])] = (name, *key)
        return made[key]

    return stand


def _root(structure: Structure) -> Template:
    outside, block, externals = _canvas()
    trunk, scenario = _on_demand(outside, externals, "trunk"), _on_demand(outside, externals, "scenario")
    values = root_values(structure)
    add_variables(block, structure, {name: array[0] for name, array in values.items()})
    add_commitments(block, structure, trunk, scenario)
    costs = {
        "social_cost": block.commitment_cost,
        "residual_credit": block.residual_credit,
        "spending": trunk_spending(block, structure, trunk),
    }
    if structure.uses_risk:
        costs["tail_risk"] = block.value_at_risk
    return compile_block(block, externals, costs)


def _period(structure: Structure, sets: ComponentSets) -> Template:
    outside, block, externals = _canvas()
    links = Links(
        _named(outside, externals, "previous", list(sets.stocked)),
        _named(outside, externals, "contract", list(sets.contracts)),
        _named(outside, externals, "operating", list(sets.classes)),
        _named(outside, externals, "floor", sorted({k for _, k in sets.floors})),
        _named(outside, externals, "previous_missing", list(sets.users)),
    )
    values = period_values(structure, sets, structure.block_index[sets.component].one)
    add_period(block, structure, sets, links, {name: array[0] for name, array in values.items()})
    loss = block.loss if sets.component in structure.at_risk else 0.0
    costs = {"social_cost": block.cost, "expected_loss": loss, "penalty": block.penalty}
    return compile_block(block, externals, costs)


def _branch(structure: Structure, sets: ComponentSets) -> Template | None:
    blocks = structure.block_index[sets.component]
    if not blocks.branches:
        return None
    outside, block, externals = _canvas()
    own, trunk = _on_demand(outside, externals, "own"), _on_demand(outside, externals, "trunk")
    values = branch_values(structure, sets, blocks.one)
    add_branch(block, structure, sets, own, trunk, {name: array[0] for name, array in values.items()})
    return compile_block(block, externals, {"penalty": block.penalty, "unfilled": block.unfilled_cost})


def _scenario(structure: Structure) -> Template | None:
    if not (structure.uses_risk or structure.shares_money):
        return None
    outside, block, externals = _canvas()
    part, eta = _on_demand(outside, externals, "part"), _on_demand(outside, externals, "value_at_risk")
    add_scenario(block, structure, part, eta(), _on_demand(outside, externals, "unspent"))
    return compile_block(block, externals, {"tail_risk": block.tail} if structure.uses_risk else {})


class _Finder:
    """Knows the column of each variable of each instance."""

    def __init__(
        self,
        structure: Structure,
        parts: list[PlacedBlock],
        period_at: list[int],
        branch_at: list[int],
        scenario_at: int,
    ) -> None:
        self.structure, self.parts = structure, parts
        self.period_at, self.branch_at, self.scenario_at = period_at, branch_at, scenario_at
        self.branches = [
            (
                np.array([blocks.first[s] for s in blocks.branches], dtype=int),
                structure.scenarios.onset[list(blocks.branches), c],
            )
            for c, blocks in enumerate(structure.block_index)
        ]
        self.where = [{key: k for k, key in enumerate(part.template.columns)} for part in parts]

    def resolved(self, k: int) -> PlacedBlock:
        """Part k with the columns of its externals."""
        part = self.parts[k]
        columns = np.full((part.count, len(part.template.externals)), -1, dtype=np.int64)
        for e, (tag, *key) in enumerate(part.template.externals):
            columns[:, e] = self._find(k, tag, key)
        return replace(part, externals=columns)

    def _column(self, k: int, name: str, key: Any, at: Any) -> Any:
        """Columns of a variable of part k at given instances, -1 where the part has no such variable."""
        part = self.parts[k]
        position, stamps = self.where[k].get((name, key)), np.asarray(at)
        return np.full_like(stamps, -1) if position is None else part.first_column + position + part.width * stamps

    def _find(self, k: int, tag: str, key: list[Any]) -> Any:
        """Columns of an external of part k: one, or one for each instance."""
        structure = self.structure
        if tag in ("contract", "operating", "floor", "unspent"):
            return self._column(0, tag, key[0], 0)
        if tag == "value_at_risk":
            return self._column(0, "value_at_risk", None, 0)
        if tag == "scenario":
            return self._column(self.scenario_at, key[0], None, key[1])
        if tag == "part":
            return self._part(*key)
        if k == 0:  # commitments look at the trunk
            c, name, index, t = key
            return self._column(self.period_at[c], name, index, t)
        c = self.period_at.index(k) if k in self.period_at else self.branch_at.index(k)
        blocks = structure.block_index[c]
        if tag in PREVIOUS:
            before = self._column(k, PREVIOUS[tag], key[0], np.maximum(blocks.previous, 0))
            return np.where(blocks.previous >= 0, before, -1)
        name, index, t = key
        first, onset = self.branches[c]  # before its onset the trunk's instance holds a period of a branch
        at = t if tag == "trunk" else np.where(t < onset, t, first + t - onset)
        return self._column(self.period_at[c], name, index, at)

    def _part(self, name: str, key: Any, c: int) -> Ints:
        """(S,) columns of a component's variable in every scenario: its branch's, or the trunk's loss."""
        S = len(self.structure.scenarios.names)
        rest = int(self._column(0, "trunk_loss", c, 0)) if name == "loss" else -1
        columns = np.full(S, rest, dtype=np.int64)
        blocks = self.structure.block_index[c]
        if blocks.branches:
            columns[list(blocks.branches)] = self._column(self.branch_at[c], name, key, np.arange(len(blocks.branches)))
        return columns
