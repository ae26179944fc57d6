"""The matrix that the solver gets is the model as written: stamped templates against the flat Pyomo model; and the model for people
is that matrix, in tonnes and million USD, with names for indices."""

import math
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyomo.repn import generate_standard_repn

from formulation.test_golden_lp import CASES
from oracle.flat import flat_model
from strategic_minerals import FormulationError, build_model, solve
from strategic_minerals.matrix import problem as problems
from strategic_minerals.matrix.assembly import Assembly, PlacedBlock, assemble, place
from strategic_minerals.matrix.named import NamedMatrix, objective_costs
from strategic_minerals.matrix.problem import Problem, prepare
from strategic_minerals.matrix.template import PYOMO_LOCK, compile_block
from strategic_minerals.model.sets import STAGES
from strategic_minerals.model.values import SAME_PRICE, branch_values
from strategic_minerals.solver.highs import TOLERANCES
from strategic_minerals.solver.optimise import optimise
from support.instances import ASKED, FEATURES, quick_first, random_case
from support.tiny import FIRST, KT, cut, offer, source, tiny

EVERYTHING = dict.fromkeys(FEATURES, True)
SMALL_CASES = [
    (100, {**EVERYTHING, "partial": False}),
    (101, {**EVERYTHING, "gallium": False, "trunk_release": False, "sample": False}),
    (102, dict.fromkeys(FEATURES, False)),
    *((seed, dict.fromkeys(ASKED, True)) for seed in (3, 4)),
    *((seed, {}) for seed in range(10)),
]
"""(seed, switches): two with nearly all features, one with none, two with losses that change and users' stocks, ten draws."""

QUICK_AND_SLOW = [pytest.param(*case, marks=[pytest.mark.slow] * (n >= 9)) for n, case in enumerate(SMALL_CASES)]

ROUNDING = 1e-11
"""Two ways of adding up the same terms may differ by this, relative to the largest term."""

Place = tuple[str, Any, str, Any]


def places(problem: Problem) -> dict[int, Place]:
    """Column -> (block, index of the block, variable, key) by the names of the flat model."""
    found: dict[int, Place] = {}
    for part in problem.assembly.blocks:
        for n in range(part.count):
            block, index = block_of(problem, part, n)
            for k, (name, key) in enumerate(part.template.columns):
                found[part.first_column + n * part.width + k] = (block, index, name, key)
    return found


def block_of(problem: Problem, part: PlacedBlock, n: int) -> tuple[str, Any]:
    """Block of the flat model that instance n of a part stands for."""
    kind, c = part.kind, part.component
    if kind in ("commitments", "scenario"):
        return kind, (None if kind == "commitments" else n)
    blocks = problem.structure.block_index[c]
    if kind == "branch":
        return kind, (c, blocks.branches[n])
    return kind, (c, int(blocks.scenario[n]), int(blocks.period[n]))


def flat_places(m: Any, kind: Any) -> dict[Any, Place]:
    """Component data of the flat model -> the same place, by object identity."""
    found: dict[Any, Place] = {}
    for block in ("commitments", "period", "branch", "scenario"):
        for index, data in getattr(m, block).items():
            for component in data.component_objects(kind, descend_into=False):
                for key, item in component.items():
                    found[id(item)] = (block, index, component.local_name, key)
    return found


def linear(body: Any, where: dict[Any, Place]) -> tuple[dict[Place, float], float, float]:
    """(coefficient by place, constant, largest term) of an expression, every Param at its value."""
    repn = generate_standard_repn(body, compute_values=True)
    assert repn.is_linear()
    coefficients: dict[Place, float] = defaultdict(float)
    for value, variable in zip(repn.linear_coefs, repn.linear_vars, strict=True):
        coefficients[where[id(variable)]] += float(value)
    largest = max([1.0, *(abs(v) for v in coefficients.values())])
    return dict(coefficients), float(repn.constant), largest


def same(left: dict[Place, float], right: dict[Place, float], scale: float) -> list[str]:
    """Places where two rows differ."""
    return [
        f"{place}: {left.get(place, 0.0)!r} against {right.get(place, 0.0)!r}"
        for place in sorted(left.keys() | right.keys(), key=repr)
        if abs(left.get(place, 0.0) - right.get(place, 0.0)) > ROUNDING * scale
    ]


def close(left: float, right: float, scale: float = 1.0) -> bool:
    """Equal infinities, or equal up to rounding."""
    return left == right or abs(left - right) <= ROUNDING * max(scale, abs(left), abs(right))


def stamped_rows(problem: Problem) -> dict[Place, int]:
    """Place of a constraint -> row of the matrix."""
    assembly = problem.assembly
    rows: dict[Place, int] = {}
    for row in range(assembly.shape[0]):
        name, key, _, n = assembly.row_name(row)
        block, index = block_of(problem, assembly.blocks[assembly.row_block[row]], n)
        place = (block, index, name, key)
        assert place not in rows, f"row {place} stands twice"
        rows[place] = row
    return rows


def difference(problem: Problem, m: Any) -> list[str]:
    """Everything in which the stamped matrix and the flat model differ."""
    assembly, columns = problem.assembly, places(problem)
    variables = flat_places(m, pyo.Var)
    wrong = [f"column {p} on one side only" for p in set(columns.values()) ^ set(variables.values())]
    data = {variables[id(v)]: v for v in m.component_data_objects(pyo.Var)}
    for column, spot in columns.items():
        v = data[spot]
        lower = -math.inf if v.lb is None else float(v.lb)
        upper = math.inf if v.ub is None else float(v.ub)
        if not (close(assembly.lower[column], lower) and close(assembly.upper[column], upper)):
            wrong.append(
                f"bounds of {spot}: {assembly.lower[column]}..{assembly.upper[column]} against {lower}..{upper}"
            )
        if bool(assembly.integer[column]) != (v.is_binary() or v.is_integer()):
            wrong.append(f"integrality of {spot}")
    rows, constraints = stamped_rows(problem), flat_places(m, pyo.Constraint)
    for item in m.component_data_objects(pyo.Constraint, active=True):
        spot = constraints[id(item)]
        flat, constant, scale = linear(item.body, variables)
        lower = -math.inf if item.lower is None else float(pyo.value(item.lower)) - constant
        upper = math.inf if item.upper is None else float(pyo.value(item.upper)) - constant
        row = rows.pop(spot, None)
        if row is None:  # left out because nothing stands in it, and then it must hold
            empty = all(abs(value) <= ROUNDING * scale for value in flat.values())
            if not (empty and lower <= ROUNDING and upper >= -ROUNDING):
                wrong.append(f"row {spot} is missing: {flat}")
            continue
        entries = slice(assembly.start[row], assembly.start[row + 1])
        blocks: dict[Place, float] = defaultdict(float)
        for column, value in zip(assembly.index[entries], assembly.value[entries], strict=True):
            blocks[columns[int(column)]] += float(value)
        wrong += [f"row {spot}, {text}" for text in same(dict(blocks), flat, scale)]
        if not (close(assembly.row_lower[row], lower, scale) and close(assembly.row_upper[row], upper, scale)):
            found = f"{assembly.row_lower[row]}..{assembly.row_upper[row]}"
            wrong.append(f"limits of row {spot}: {found} against {lower}..{upper}")
    wrong += [f"row {spot} is not in the flat model" for spot in rows]
    for aim in m.stages:
        flat, constant, scale = linear(getattr(m, aim).expr, variables)
        costs = objective_costs(problem)[aim]
        stamped_costs = {columns[int(k)]: float(costs[k]) for k in np.flatnonzero(costs)}
        wrong += [f"cost of {text}" for text in same(stamped_costs, flat, scale)]
        if constant != 0:
            wrong.append(f"constant {constant} in the objective")
    return wrong


@pytest.mark.parametrize(("seed", "switches"), QUICK_AND_SLOW)
def test_the_stamped_matrix_is_the_flat_model_entry_by_entry(seed: int, switches: dict[str, bool]) -> None:
    """Proves: columns, rows, coefficients, bounds, right-hand sides, integrality and costs of the compiled and stamped
    matrix are those of the flat model, each found by its name. A template compiled from the first stamp whose numbers
    were frozen would give every later period the prices of the first one."""
    problem = prepare(*random_case(seed, **switches))
    with PYOMO_LOCK:
        assert difference(problem, flat_model(problem.structure)) == []


@pytest.mark.parametrize("kind", ["risk_within_budget", "least_budget"])
@pytest.mark.parametrize("seed", quick_first([1, 5, 8], 1))
def test_every_stage_of_an_aim_stands_in_the_flat_model(seed: int, kind: str) -> None:
    """Proves: the aims of a lexicographic plan are the flat model's objectives, coefficient by coefficient, in the order of
    `stages`; only the first is active. A model with social cost alone would be another problem than `solve` solves."""
    plan, data = random_case(seed)
    problem = prepare(plan.model_copy(update={"objective": plan.objective.model_copy(update={"kind": kind})}), data)
    with PYOMO_LOCK:
        m = flat_model(problem.structure)
        assert difference(problem, m) == []
    names = [o.local_name for o in m.component_objects(pyo.Objective)]
    assert names == list(m.stages) == list(STAGES[kind])
    assert [o.local_name for o in m.component_data_objects(pyo.Objective, active=True)] == [m.stages[0]]


def block_with(rule: Any, values: dict[str, float]) -> Any:
    """A block of two variables and Params p, q, r (mutable) with one row `lower <= rule(b) <= upper`."""
    m = pyo.ConcreteModel()
    m.b = pyo.Block()
    m.b.x, m.b.y = pyo.Var(bounds=(0, 10)), pyo.Var(bounds=(0, 10))
    for name, value in values.items():
        m.b.add_component(name, pyo.Param(mutable=True, initialize=value))
    m.b.row = pyo.Constraint(expr=rule(m.b))
    return m.b


def blocks(block: Any, xi: list[list[float]], cost: Any = None) -> Assembly:
    """The block put down once for each row of parameter values."""
    template = compile_block(block, {}, {"social_cost": block.x if cost is None else cost})
    n = len(xi)
    nothing = np.zeros((n, 0), dtype=np.int64)
    weights = {"social_cost": np.ones(n)}
    return assemble(place([PlacedBlock(template, "period", -1, n, np.array(xi, dtype=float), nothing, weights)]))


numbers = st.floats(-50, 50).map(lambda v: round(v, 3)).filter(lambda v: abs(v) > 1e-3)


@given(
    a=numbers,
    b=numbers,
    d=numbers,
    first=st.tuples(numbers, numbers, numbers),
    then=st.tuples(numbers, numbers, numbers),
)
def test_a_template_is_exact_in_its_parameters(
    a: float, b: float, d: float, first: tuple[float, ...], then: tuple[float, ...]
) -> None:
    """Proves: a block compiled at one set of parameter values and stamped at another equals the block built there.

    row: (a p - q/d) x + (b (1 + r) - 3) y <= 7 - 2 p + q; cost: (p + 2 r) x - b q y. A coefficient frozen at the first
    values would be off by a (p2 - p1)."""

    def rule(m: Any) -> Any:
        return (a * m.p - m.q / d) * m.x + (b * (1 + m.r) - 3) * m.y <= 7 - 2 * m.p + m.q

    with PYOMO_LOCK:
        block = block_with(rule, dict(zip("pqr", first, strict=True)))
        assembly = blocks(block, [list(first), list(then)], (block.p + 2 * block.r) * block.x - b * block.q * block.y)
    for n, (p, q, r) in enumerate((first, then)):
        x, y = a * p - q / d, b * (1 + r) - 3
        dense = np.zeros(4)
        entries = slice(assembly.start[n], assembly.start[n + 1])
        dense[assembly.index[entries]] = assembly.value[entries]
        assert dense == pytest.approx(np.concatenate([[0, 0] * n, [x, y], [0, 0] * (1 - n)]), rel=1e-12, abs=1e-12)
        assert assembly.row_upper[n] == pytest.approx(7 - 2 * p + q, rel=1e-12, abs=1e-12)
        assert assembly.costs["social_cost"][2 * n : 2 * n + 2] == pytest.approx(
            [p + 2 * r, -b * q], rel=1e-12, abs=1e-12
        )


TWO = r"product of two uncertain parameters.*p.*q"
CURVED: dict[str, tuple[Any, Any, str]] = {
    "coefficient": (lambda m: m.p * m.q * m.x + m.y <= 1, None, TWO),
    "right-hand side": (lambda m: m.x + m.y <= m.p * m.q, None, TWO),
    "cost": (lambda m: m.x + m.y <= 1, lambda m: m.p * m.q * m.x, TWO),
    "quotient": (lambda m: m.x / m.p + m.y <= m.q, None, "not affine"),
    "power": (lambda m: pyo.exp(m.p) * m.x + m.y <= m.q, None, "not affine"),
}


@pytest.mark.parametrize("form", CURVED)
def test_what_is_not_affine_in_the_parameters_is_refused(form: str) -> None:
    """Proves: p*q, 1/p and exp(p) cannot be affine in (p, q) and are refused with their expression, wherever they stand. Compiled
    at p=2, q=3 as the number 6 a product would be 6 for p=4, q=3 as well; truth 12."""
    rule, cost, said = CURVED[form]
    with PYOMO_LOCK:
        block = block_with(rule, {"p": 2.0, "q": 3.0})
        with pytest.raises(FormulationError, match=said):
            blocks(block, [[2.0, 3.0]], None if cost is None else cost(block))


def test_entries_too_small_for_the_solver_are_refused() -> None:
    """Proves R5: HiGHS drops entries of 1e-9 and less without a word: 1e-10 x + y >= 2 becomes y >= 2. Every nonzero
    entry below 1e-7 is refused before it gets there; 2e-7 passes, and an exact zero is no entry."""
    with PYOMO_LOCK:
        block = block_with(lambda m: m.p * m.x + m.y >= 2, {"p": 1.0})
        with pytest.raises(FormulationError, match=r"holds 1e-10 .*: the solver drops what is below 1e-07"):
            blocks(block, [[1.0], [1e-10]])
        assert blocks(block, [[2e-7], [0.0]]).value.tolist() == [2e-7, 1.0, 1.0]


@pytest.mark.parametrize(
    ("form", "value"),
    [(form, value) for form in ("coefficient", "cost") for value in (math.nan, math.inf, -math.inf)]
    + [("right-hand side", math.nan), ("right-hand side", -math.inf), ("bound", math.nan), ("bound", -math.inf)],
)
def test_a_number_that_is_none_never_reaches_the_solver(form: str, value: float) -> None:
    """Proves R7: NaN or infinity in a coefficient, a cost, a right-hand side or a bound is refused when the arrays are
    built (x <= +inf alone is legal: no limit). Passed on, a NaN coefficient gave 'optimal' 2.0."""
    rules = {"coefficient": lambda m: m.p * m.x + m.y >= 2, "right-hand side": lambda m: m.x + m.y <= m.p}
    with PYOMO_LOCK:
        block = block_with(rules.get(form, lambda m: m.x + m.y >= 2), {"p": 1.0})
        if form == "bound":
            block.x.setub(block.p)
        cost = block.p * block.x if form == "cost" else block.x
        assert blocks(block, [[1.0], [2.0]], cost).shape[0] == 2
        with pytest.raises(FormulationError, match="finite"):
            blocks(block, [[1.0], [value]], cost)


def test_terms_that_cancel_leave_no_entry() -> None:
    """Proves: before its onset a branch pays the trunk's price for the trunk's purchase; p x - 0.3 x with p = 0.3 put
    down through two externals in one column adds to nothing. Left as 5e-17 it would be refused as too small."""
    m = pyo.ConcreteModel()
    m.out, m.b = pyo.Block(), pyo.Block()
    m.out.u, m.out.w = pyo.Var(), pyo.Var()
    m.b.x = pyo.Var(bounds=(0, 1))
    m.b.p = pyo.Param(mutable=True, initialize=1.0)
    m.b.row = pyo.Constraint(expr=m.b.p * m.out.u - 0.3 * m.out.w + m.b.x <= 1)
    with PYOMO_LOCK:
        template = compile_block(m.b, {id(m.out.u): ("u",), id(m.out.w): ("w",)}, {"social_cost": m.b.x})
    xi, where = np.array([[0.1 + 0.2], [0.7]]), np.ones((2, 2), dtype=np.int64)  # u and w stand in column 1
    assembly = assemble(place([PlacedBlock(template, "period", -1, 2, xi, where, {"social_cost": np.ones(2)})]))
    assert assembly.start.tolist() == [0, 1, 2]
    assert assembly.index.tolist() == [0, 1]
    assert assembly.value.tolist() == pytest.approx([1.0, 1.0 + 0.7 - 0.3])  # the second row's own x is column 1


def test_a_price_that_differs_by_rounding_is_the_same_price() -> None:
    """Proves: a scenario whose prices are the trunk's but for the last digits pays the trunk's prices, so that no entry of the
    matrix is next to nothing; a difference that can be told stands."""
    structure = prepare(*random_case(0)).structure
    trunk = structure.trunk
    for off, told in ((1e-12, False), (1e-3, True)):
        price = np.broadcast_to(trunk.price, structure.scenarios.price.shape) * (1 + off)
        gap = np.broadcast_to(trunk.market_gap, structure.scenarios.market_gap.shape)
        moved = replace(structure, scenarios=replace(structure.scenarios, price=price, market_gap=gap))
        asked = 0
        for sets, blocks in zip(moved.component_sets, moved.block_index, strict=True):
            values = branch_values(moved, sets, blocks)
            apart = np.abs(values["buy_price"] - values["planned_price"])
            assert (apart >= SAME_PRICE).any() == (told and apart.size > 0)
            assert not ((apart > 0) & (apart < SAME_PRICE)).any()
            asked += apart.size
        assert asked > 0


SEEDS = range(3)


def in_tonnes(plan: Any, data: Any, monkeypatch: pytest.MonkeyPatch) -> Problem:
    """A problem whose units are tonnes throughout."""

    def unscaled(instance: Any) -> Any:
        ones = {"material_unit": np.ones(len(instance.materials)), "producer_unit": np.ones(len(instance.producers))}
        return replace(instance, **ones)

    monkeypatch.setattr(problems, "scale", unscaled)
    return prepare(plan, data)


def cases() -> list[Any]:
    golden = [pytest.param(case, id=name or "everything") for name, case in CASES.items()]
    return [*golden, *(pytest.param(lambda seed=seed: random_case(seed), id=f"random {seed}") for seed in SEEDS)]


@pytest.mark.parametrize("case", cases())
def test_every_column_and_row_has_a_name_of_its_own(case: Any) -> None:
    """Proves: no two columns, and no two rows, have the same name and index; each row of the plan is named once."""
    problem = prepare(*case())
    named = NamedMatrix(problem)
    assert not [place for place, count in Counter(named.columns).items() if count > 1]
    rows = [(row, place) for row, place, _ in named.rows()]
    assert [row for row, _ in rows] == list(range(problem.assembly.shape[0]))
    assert not [place for place, count in Counter(place for _, place in rows).items() if count > 1]


@pytest.mark.parametrize("case", cases())
def test_units_are_tonnes(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: bounds, coefficients and limits, taken out of the solver's units, are those of the same problem in tonnes."""
    scaled = prepare(*case())
    plain = in_tonnes(*case(), monkeypatch)
    named, other = NamedMatrix(scaled), NamedMatrix(plain)
    assert named.columns == other.columns
    assert (other.tonnes == 1).all()
    one, two = scaled.assembly, plain.assembly
    for side in ("lower", "upper"):
        np.testing.assert_allclose(getattr(one, side) * named.tonnes, getattr(two, side), rtol=1e-9, atol=1e-12)
    rows = list(named.rows())
    assert [place for _, place, _ in rows] == [place for _, place, _ in other.rows()]
    unit = np.array([tonnes for _, _, tonnes in rows])
    for side in ("row_lower", "row_upper"):
        np.testing.assert_allclose(getattr(one, side) * unit, getattr(two, side), rtol=1e-9, atol=1e-9)
    each = np.repeat(unit, np.diff(one.start))
    order = [np.lexsort((a.index, np.repeat(np.arange(len(unit)), np.diff(a.start)))) for a in (one, two)]
    values = (one.value * each / named.tonnes[one.index])[order[0]]
    np.testing.assert_allclose(values, two.value[order[1]], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["social_cost", "risk_within_budget", "least_budget"])
@pytest.mark.parametrize("seed", quick_first([0, 1, 2, 3], 2))
def test_another_route_to_the_solver_finds_the_same_optimum(seed: int, kind: str) -> None:
    """Proves: the public model, solved through Pyomo's own interface to HiGHS, has the optimum that `solve` states for the first
    aim, as a difference to doing nothing, diversification and its limit on trunk shortfall (from Z0) included."""
    money = {} if kind == "social_cost" else {"appropriated": False}  # other aims may not spend it in disruptions
    plan, data = random_case(seed, country_cap=seed % 2 == 0, least_share=seed % 2 == 1, **money)
    plan = plan.model_copy(update={"objective": plan.objective.model_copy(update={"kind": kind})})
    solved = optimise(prepare(plan, data), gap=0.0, time_limit_s=600.0)
    with PYOMO_LOCK:
        m = build_model(plan, data)
        highs = pyo.SolverFactory("highs")
        asked = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "threads": 1, **TOLERANCES}
        result = highs.solve(m, solver_options=asked)
    assert pyo.check_optimal_termination(result)
    assert float(pyo.value(getattr(m, m.stages[0]))) == pytest.approx(
        solved.outcome.stages[0][1], rel=1e-7, abs=1e-7 * solved.outcome.do_nothing_musd
    )


def small() -> tuple[Any, Any]:
    """Demand of 100 t a year of gallium from China, a stop that may come, 3 t in store, and an offer of 30 t a year."""
    return tiny(
        {"gallium": 1.0},
        materials={"gallium": {"holding_share_per_yr": 0.01, "haircut_share": 0.1}},
        sources={"china": source("CHN", "gallium", 0.1)},
        demand={"gallium": 0.1},
        loss=10.0,
        offers={"spot": offer("gallium", 0.03)},
        stock={"gallium": 0.003},
        scenarios=[cut("stop", 0.3, FIRST + 2.0, 1.0, share=0.5)],
        years=4,
        rate=0.03,
    )


def test_the_model_reads_like_the_mathematics() -> None:
    """Proves: indices are names and years, amounts tonnes, and the objective what the answer states."""
    m = build_model(*small())
    spot = m.acquisition["spot", "base", FIRST]
    assert (spot.lb, spot.ub) == (0.0, pytest.approx(0.03 * KT))
    assert str(m.stock_balance["gallium", "stop", FIRST + 3].expr).count("stock[gallium,") == 2
    assert {index[1] for index in m.stock} == {"base", "stop"}
    answered = solve(*small(), gap=0.0, quick=True)
    pyo.SolverFactory("highs").solve(m)
    assert pyo.value(m.social_cost) == pytest.approx(answered.outcome.objective_musd, rel=1e-9)
    assert m.stock["gallium", "base", FIRST].value == pytest.approx(float(answered.solution.stock[0, 0, 0]), abs=1e-6)
