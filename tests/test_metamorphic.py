"""What must not change the answer does not, and what can only help or harm does that: on tiny and on random problems.

No answer is known by hand here; two questions are compared whose answers are tied to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from instances import random_case
from strategic_minerals import solve
from strategic_minerals.dataset import Dataset
from strategic_minerals.plan import Plan
from tiny import bought, cut, offer, project, source, tiny, total

SEEDS = (0, 2, 4, 5, 7)
Case = tuple[Plan, Dataset]


def optimum(case: Case) -> Any:
    return solve(*case, gap=0.0, time_limit_s=60.0)


def z(case: Case) -> float:
    return total(optimum(case))


def agrees(value: float) -> object:
    return pytest.approx(value, rel=1e-6, abs=1e-4)


def slack(value: float) -> float:
    """What rounding may turn round."""
    return 1e-6 * abs(value) + 1e-4


# --- ways to change a case ---------------------------------------------------------------------------------------


def edited(plan: Plan, change: Callable[[dict[str, Any]], None]) -> Plan:
    """A plan changed as plain data."""
    raw = plan.to_toml_like()
    change(raw)
    return Plan.model_validate(raw)


def frames(data: Dataset) -> dict[str, pd.DataFrame]:
    """Tables without their empty columns, to edit and validate again."""
    return {name: data.frame(name).dropna(axis=1, how="all") for name in data.tables}


def scaled(case: Case, factors: Mapping[str, float]) -> Case:
    """Every number of plan and tables times the factor of its unit, told by the end of its name."""
    plan, data = case

    def factor(name: str) -> float:
        bare = name.removesuffix("_low").removesuffix("_high")
        units = [unit for unit in (*factors, "_t_per_t", "_usd_per_t") if bare.endswith(unit)]
        return factors.get(max(units, key=len), 1.0) if units else 1.0

    def walk(node: Any, f: float = 1.0) -> Any:
        if isinstance(node, dict):
            return {key: walk(value, f if str(key).isdigit() else factor(str(key))) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value, f) for value in node]
        return node * f if f != 1.0 and isinstance(node, int | float) else node

    tables = frames(data)
    for table in tables.values():
        for column in table.columns:
            if factor(column) != 1.0:
                table[column] = table[column] * factor(column)
    return Plan.model_validate(walk(plan.to_toml_like())), Dataset.from_tables(tables)


def renamed(case: Case, names: Mapping[str, str]) -> Case:
    """Names of materials, producers and offers replaced wherever they stand, in lists too."""
    plan, data = case

    def new(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: new(item) for key, item in value.items()}
        if isinstance(value, list):
            return [new(item) for item in value]
        return " ".join(names.get(word, word) for word in value.split(" ")) if isinstance(value, str) else value

    tables = frames(data)
    for table in tables.values():
        for column in table.columns.difference(["stage"]):
            table[column] = table[column].map(new)
    return Plan.model_validate(new(plan.to_toml_like())), Dataset.from_tables(tables)


def shuffled(case: Case, seed: int) -> Case:
    """Rows of every table, and worlds, promises and rules of the plan, in another order."""
    plan, data = case
    rng = np.random.default_rng(seed)

    def change(raw: dict[str, Any]) -> None:
        for name in ("scenarios", "service_levels", "diversification"):
            raw[name] = [raw[name][k] for k in rng.permutation(len(raw[name]))]

    tables = {name: table.sample(frac=1, random_state=seed) for name, table in frames(data).items()}
    return edited(plan, change), Dataset.from_tables(tables)


def with_rows(case: Case, **rows: dict[str, Any]) -> Case:
    """A row more in some tables."""
    plan, data = case
    tables = frames(data)
    for name, row in rows.items():
        old = tables[name].to_dict("records") if name in tables else []
        tables[name] = pd.DataFrame([*old, row])
    return plan, Dataset.from_tables(tables)


def halved(case: Case, name: str) -> Case:
    """An existing source as two of half the size, each with half of its offers and half of its contract."""
    plan, data = case
    tables = frames(data)
    for table, column, amount in (
        ("activities", "activity", None), ("capacities", "activity", "capacity_t_per_yr"),
        ("yields", "producer", None), ("offers", "source_producer", "depth_t_per_yr"),
    ):  # fmt: skip
        frame = tables[table]
        mine = frame[frame[column] == name].copy()
        if amount is not None:
            frame.loc[frame[column] == name, amount] /= 2
            mine[amount] /= 2
        mine[column] = f"{name}-2"
        if table == "offers":
            mine["offer"] = mine["offer"] + "-2"
        tables[table] = pd.concat([frame, mine])
    return plan, Dataset.from_tables(tables)


# --- worlds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_of_probability_zero_does_not_count(seed):
    """Proves: a world that cannot happen changes nothing; one of a millionth changes next to nothing."""
    plan, data = random_case(seed)

    def add(probability: float) -> Plan:
        return edited(
            plan, lambda raw: raw["scenarios"].append(cut("never", probability, 2028, 1, countries="CHN AUS"))
        )

    without = z((plan, data))
    assert z((add(0.0), data)) == agrees(without)
    assert z((add(1e-6), data)) == pytest.approx(without, rel=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_like_worlds_are_one_of_both_probabilities(seed):
    """Proves: a world split into two halves is the same question, CVaR and emergency money included.

    Soft promises are left out: their penalty counts once a world, whatever its probability, by definition.
    """
    plan, data = random_case(seed, service_soft=False)

    def split(raw: dict[str, Any]) -> None:
        first = raw["scenarios"][0]
        first["probability"] /= 2
        raw["scenarios"].append({**first, "name": "twin"})
        for level in raw["service_levels"]:
            if first["name"] in level["scenarios"]:
                level["scenarios"].append("twin")

    assert z((edited(plan, split), data)) == agrees(z((plan, data)))


@pytest.mark.parametrize("seed", SEEDS)
def test_more_disruption_is_never_better(seed):
    """Proves: China cut by a fifth more never lowers social cost. (A cut of floored producers could: it saves top-ups.)"""
    plan, data = random_case(seed, third_cut=False, override=False, embedded=False, two_events=False)

    def deeper(raw: dict[str, Any]) -> None:
        for scenario in raw["scenarios"]:
            for event in scenario["events"]:
                if event["cut_share"] > 0 and event["countries"] == "CHN":
                    event["cut_share"] = min(1.0, 1.2 * event["cut_share"])

    before, after = z((plan, data)), z((edited(plan, deeper), data))
    assert after >= before - slack(before)


# --- money and choices -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_more_money_is_never_worse(seed):
    """Proves: half as much money again never raises social cost."""
    case = random_case(seed, lean=True)

    def richer(raw: dict[str, Any]) -> None:
        budget = raw["budget"]
        amounts = budget["appropriation_musd"]
        more = {y: 1.5 * v for y, v in amounts.items()} if isinstance(amounts, dict) else 1.5 * amounts
        budget["appropriation_musd"] = more

    before, after = z(case), z((edited(case[0], richer), case[1]))
    assert after <= before + slack(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_more_offer_is_never_worse(seed):
    """Proves: an offer that nobody has to take never raises social cost."""
    case = random_case(seed, reserve=True)
    extra = {"offer": "extra", "material": "magnet", "source_producer": "outside", "depth_t_per_yr": 500.0,
             "premium_share": 0.1, "crisis_availability": 0.3}  # fmt: skip
    before, after = z(case), z(with_rows(case, offers=extra))
    assert after <= before + slack(before)


def choice(**changes: Any) -> Case:
    """A reserve, a plant and a contract compete for too little money over two kinds of cut; money costs 5 % a year."""
    case = {
        "sources": {"far": source("CHN", "a", 10.0), "home": source("USA", "a", 2.0),
                    "ally": source("AUS", "a", 4.0, kappa=0.5, lot_t_per_yr=0.0, fee_usd_per_kg=1.0, term_yr=4.0)},
        "demand": {"a": 14.0}, "materials": {"a": {"haircut_share": 0.1, "holding_share_per_yr": 0.02}},
        "offers": {"spot": offer("a", 2.0), "dear": offer("a", 5.0, premium=0.2)},
        "projects": {"plant": project("a", 2.0, capex_musd=60.0, cash_usd_per_kg=58.0, hurdle_rate=0.1, life_yr=6.0)},
        "packages": {"grant": {"instrument": "grant"}},
        "scenarios": [cut("long", 0.1, 2029, 2), cut("short", 0.3, 2029, 1, share=0.5)],
        "years": 4, "rate": 0.05, "money": 90.0,
    }  # fmt: skip
    return tiny({"a": 60.0}, **{**case, **changes})


def test_what_is_dominated_changes_nothing():
    """Proves: a dearer offer behind cheaper ones with room to spare, a twin of the plant at three times its cost, a
    package that costs more: Z and what is done stay as they are."""
    plenty = {"spot": offer("a", 100.0)}
    base = optimum(choice(offers=plenty))
    offers = {**plenty, "worse": offer("a", 100.0, premium=0.5)}
    plant = {"plant": project("a", 2.0, capex_musd=60.0, cash_usd_per_kg=58.0, hurdle_rate=0.1, life_yr=6.0)}
    twin = project("a", 2.0, capex_musd=180.0, cash_usd_per_kg=58.0, hurdle_rate=0.1, life_yr=6.0, excludes="plant")
    packages = {
        "grant": {"instrument": "grant"},
        "fee": {"instrument": "grant", "offtake_share": 1.0, "offtake_fee_usd_per_kg": 5.0},
    }
    for change in ({"offers": offers}, {"projects": {**plant, "twin": twin}}, {"packages": packages}):
        result = optimum(choice(**{"offers": plenty, **change}))
        assert total(result) == agrees(total(base))
        assert bought(result, "a") == agrees(bought(base, "a"))
    assert base.outcome.objective_musd < -1.0


def test_a_promise_that_asks_less_is_never_worse():
    """Proves: social cost falls, or stays, as the promise asks for less, down to no promise."""
    worlds = [cut("long", 0.1, 2029, 2, design_basis=True)]
    made = {"material": "a", "segment": "civil", "scenarios": ["long"]}
    costs = [
        z(choice(scenarios=worlds, money=900.0, service_levels=[{**made, "level": level}])) for level in (0.9, 0.7, 0.5)
    ]
    costs.append(z(choice(scenarios=worlds, money=900.0)))
    assert all(more >= less - slack(less) for more, less in pairwise(costs))
    assert costs[0] > costs[-1] + 1.0


# --- names, order, units -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_order_and_names_do_not_matter(seed):
    """Proves: shuffled rows, worlds and rules, and materials and producers under other names, are the same question."""
    case = random_case(seed)
    before = z(case)
    assert z(shuffled(case, seed)) == agrees(before)
    tables = case[1]
    known = [*(r.material for r in tables.rows("materials")), *(r.activity for r in tables.rows("activities")),
             *(r.project for r in tables.rows("projects")), *(r.offer for r in tables.rows("offers"))]  # fmt: skip
    names = {name: f"{chr(122 - k)}{k}" for k, name in enumerate(known)}
    assert z(renamed(case, names)) == agrees(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_kilograms_for_tonnes_change_nothing(seed):
    """Proves: a thousand times the tonnes at a thousandth of the price per kg is the same money (failure mode R5)."""
    case = random_case(seed)
    kilograms = {"_t": 1e3, "_t_per_yr": 1e3, "_usd_per_kg": 1e-3, "_usd_per_t": 1e-3}
    assert z(scaled(case, kilograms)) == agrees(z(case))


@pytest.mark.parametrize("seed", SEEDS)
def test_twice_the_size_is_twice_the_cost(seed):
    """Proves: twice the tonnes, capex, appropriations and limits at the same prices cost twice as much."""
    case = random_case(seed)
    double = {"_t": 2.0, "_t_per_yr": 2.0, "_musd": 2.0}
    small, large = optimum(case), optimum(scaled(case, double))
    assert total(large) == agrees(2 * total(small))
    assert large.outcome.objective_musd == agrees(2 * small.outcome.objective_musd)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["china-mine", "ally-mine"])
def test_a_source_is_its_two_halves(seed, name):
    """Proves: a source split into halves, with its offers and (lots aside) its contract, is the same source."""
    case = random_case(seed, lots=False)
    assert z(halved(case, name)) == agrees(z(case))


def test_unrelated_materials_add_up():
    """Proves: with money enough for each, two materials planned together cost what they cost apart, worlds shared.

    `both` strikes both, `one` only the first: the second stays on its trunk there.
    """
    worlds = [cut("both", 0.2, 2028, 1), cut("one", 0.3, 2029, 1, "a", share=0.5)]
    only_b = [cut("both", 0.2, 2028, 1)]
    a = {"sources": {"far-a": source("CHN", "a", 10.0)}, "demand": {"a": 10.0}, "offers": {"a-spot": offer("a", 20.0)}}
    b = {"sources": {"far-b": source("CHN", "b", 3.0)}, "demand": {"b": 3.0}, "offers": {"b-spot": offer("b", 5.0)}}
    together = optimum(tiny(
        {"a": 60.0, "b": 200.0}, scenarios=worlds, rate=0.05, loss=900.0, **{name: {**a[name], **b[name]} for name in a},
    ))  # fmt: skip
    apart = [
        optimum(tiny({"a": 60.0}, scenarios=worlds, rate=0.05, loss=900.0, **a)),
        optimum(tiny({"b": 200.0}, scenarios=only_b, rate=0.05, loss=900.0, **b)),
    ]
    assert total(together) == agrees(sum(total(one) for one in apart))
    assert together.outcome.objective_musd == agrees(sum(one.outcome.objective_musd for one in apart))
    assert all(one.outcome.objective_musd < -1.0 for one in apart)
    assert bought(together, "a") == agrees(bought(apart[0], "a"))
    assert bought(together, "b") == agrees(bought(apart[1], "b"))


# --- risk --------------------------------------------------------------------------------------------------------


def measured(alpha: float, weight: float) -> tuple[float, float, Any]:
    """(Z, CVaR or 0, result) of the choice under a weight on its tail."""
    result = optimum(choice(risk={"alpha": alpha, "cvar_weight": weight}))
    return total(result), result.objective_parts["cvar"] / weight if weight else 0.0, result


def test_no_weight_on_the_tail_is_no_tail():
    """Proves: weight 0 is the risk-neutral question, whatever alpha; alpha 0 counts the mean loss once more."""
    neutral = optimum(choice())
    assert measured(0.95, 0.0)[0] == agrees(total(neutral))
    result = measured(0.0, 1.0)[2]
    losses = result.tables["scenario_losses"]
    assert result.objective_parts["cvar"] == agrees(float(losses.probability @ losses.loss_musd))


def test_more_weight_on_the_tail_makes_it_no_longer():
    """Proves: as the weight grows the tail shrinks or stays, and what is paid beside it grows or stays."""
    found = [measured(0.9, weight) for weight in (0.1, 0.5, 2.0, 10.0)]
    tails = [tail for _, tail, _ in found]
    rest = [cost - weight * tail for (cost, tail, _), weight in zip(found, (0.1, 0.5, 2.0, 10.0), strict=True)]
    assert all(after <= before + slack(before) for before, after in pairwise(tails))
    assert all(after >= before - slack(before) for before, after in pairwise(rest))
    assert tails[-1] < tails[0] - 1.0


def test_the_tail_ends_at_the_worst_world():
    """Proves: CVaR grows with alpha from the mean to the loss of the worst world, and stays there."""
    sizes = []
    for alpha in (0.0, 0.5, 0.9, 0.99):
        result = optimum(choice(risk={"alpha": alpha, "cvar_weight": 1e-6}))
        losses = result.tables["scenario_losses"]
        sizes.append(result.objective_parts["cvar"] / 1e-6)
    assert all(after > before for before, after in pairwise(sizes[:3]))
    assert sizes[3] == pytest.approx(losses.loss_musd.max(), rel=1e-5)
    assert sizes[2] == pytest.approx(losses.loss_musd.max(), rel=1e-5)  # the worst world has the whole tenth
