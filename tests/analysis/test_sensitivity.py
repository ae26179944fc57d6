"""How firm an answer is and why: frontier, break-evens, prices in words, designs, sweeps that go on."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, Plan, PlanError, complete, explain, frontier, indices, solve, sweep
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import DecisionIndex, prepare
from strategic_minerals.question.names import edited
from strategic_minerals.solver.highs import Model, SolvedRun
from strategic_minerals.studies.designs import estimate_ranges, left_out, one_at_a_time, sobol
from support.instances import random_case
from support.one_mineral import one_mineral
from support.promising import promising
from support.tiny import cut, imported, offer, project, source

EXACT = 1e-6


def by_brute_force(money: float) -> tuple[float, tuple[str, ...]]:
    """(least Z, its projects): every choice of projects fixed in the linear program, one after the other."""
    problem = prepare(*one_mineral(money))
    cost, choices = objective_costs(problem)["social_cost"], DecisionIndex(problem)
    best: tuple[float, tuple[str, ...]] = (math.inf, ())
    items = [item for item in choices.items if item.kind == "project"]
    for count in range(len(items) + 1):
        for chosen in combinations(items, count):
            model = Model(problem.assembly, cost, integer=False)
            for item in items:
                columns = choices.decided(item).columns
                at = np.full(len(columns), float(item in chosen))
                model.set_bounds(columns, at, at)
            run = model.run(time_limit_s=600.0)
            if isinstance(run, SolvedRun) and run.objective < best[0] - EXACT:
                best = run.objective, "; ".join(str(item) for item in chosen)
    return best


def test_the_frontier_is_the_path_that_brute_force_enumerates() -> None:
    """Proves: at every budget the portfolio and worth of the best of all four choices of projects; C, which 60 million USD just
    allow, is dropped for A when there are 100, and comes back beside A at 160; switches lie where brute force has them."""
    plan, data = one_mineral(200.0)
    money = [0.0, 50.0, 70.0, 90.0, 110.0, 130.0, 150.0, 200.0]
    found = frontier(plan, data, factors=[m / 200.0 for m in money], tolerance=0.005, gap=0.0)
    reference = solve(*one_mineral(), gap=0.0, quick=True).outcome.do_nothing_musd
    for point in found.tables["points"].itertuples():
        z, projects = by_brute_force(200.0 * point.factor)
        assert point.objective_musd == pytest.approx(z - reference, abs=1e-5)
        assert point.portfolio == projects
    assert len(found.tables["points"]) > len(money)
    assert found.tables["switches"]["resolved"].all()
    for switch in found.tables["switches"].itertuples():
        assert by_brute_force(200.0 * switch.below)[1] != by_brute_force(200.0 * switch.above)[1]
        assert switch.above - switch.below <= 0.005 + 1e-9
    took = found.tables["switches"][found.tables["switches"]["gained"] == "project C"].iloc[0]
    assert 200.0 * took["below"] < 60.0 <= 200.0 * took["above"]
    dropped = found.tables["switches"][found.tables["switches"]["lost"].str.contains("project C")].iloc[0]
    assert 200.0 * dropped["below"] < 100.0 <= 200.0 * dropped["above"] + 1e-9
    assert found.tables["points"]["expected_loss_musd"].is_monotonic_decreasing


def holds(plan: Plan, data: Dataset, name: str) -> bool:
    """Whether the best plan supports a project."""
    table = solve(plan, data, gap=0.0, quick=True).tables["projects"]
    return bool(table[table.project == name]["share"].max() > 0.5)


@pytest.mark.long
@pytest.mark.parametrize(("money", "name"), [(110.0, "A"), (70.0, "C")])
def test_break_evens_flip_the_plan_on_their_two_sides(money: float, name: str) -> None:
    """Proves: solved freely at both ends of each bracket, the plan has the project on one side and not on the other."""
    plan, data = one_mineral(money)
    result = solve(plan, data, gap=0.0, quick=True)
    found = explain(result, f"project {name}", gap=0.0, tolerance=0.01).tables["break_evens"]
    assert set(found["figure"]) == {"capex", "premium"}
    chosen = holds(plan, data, name)
    flips = 0
    for row in found.itertuples():
        column = {"capex": "capex_musd", "premium": "premium_share"}[row.figure]
        addresses = [f"projects[{name}].{column}"]
        assert row.chosen == chosen
        assert holds(*edited(plan, data, dict.fromkeys(addresses, row.stands_at)), name) == chosen, row.figure
        if math.isnan(row.flips_at):
            continue
        flips += 1
        assert row.proved
        assert abs(row.flips_at - row.stands_at) <= 0.01 * abs(row.base) + 1e-9 or row.base == 0.0
        assert holds(*edited(plan, data, dict.fromkeys(addresses, row.flips_at)), name) != chosen, row.figure
    assert flips >= 1


def test_what_an_item_brings_is_what_is_lost_without_it() -> None:
    """Proves: chosen or not, by brute force the difference to the plan with and without it; a rejected one says what binds."""
    result = solve(*one_mineral(110.0), gap=0.0, quick=True)
    told = explain(result, gap=0.0)
    assert "<h4>Reasons</h4><table" in told._repr_html_()  # as notebooks show it
    z = result.outcome.objective_musd
    rows = told.tables["reasons"].set_index(["kind", "item"])
    for name, other in (("A", "C"), ("C", "A")):
        row = rows.loc[("project", name)]
        if row["chosen"]:
            alone = result.plan.instruments.model_copy(update={"project_list": (other,)})
            without = solve(
                result.plan.model_copy(update={"instruments": alone}), result.data, gap=0.0, quick=True
            ).outcome.objective_musd
            assert row["brings_musd"] == pytest.approx(without - z, abs=1e-5)
        else:
            assert row["brings_musd"] < 0
            assert "the appropriation of FY2027" in row["binds"]
    assert rows.loc[("offer", "spot")]["unit"] == "t"
    assert "REASONS" in told.summary()


def test_expected_losses_are_told_as_risk_counts_them() -> None:
    """Proves: with losses that change with time a tonne unserved costs the undisturbed price and the loss: where risk is expected
    loss alone, all that an item brings is loss avoided, and nothing of it is CVaR."""
    plan, data = imported(
        10.0,
        offers={"spot": offer("a", 3.0)},
        scenarios=[cut("cut", 0.4, 2028, 1, share=0.5, price_multiplier=3.0)],
        money=20.0,
        loss=20.0,
        objective={"kind": "risk_within_budget", "cvar_share": 0.0},
    )
    rows = [{"material": "a", "segment": "*", "from_month": 0.0, "multiplier": 0.5}]
    told = explain(solve(plan, data.replace(adaptation=pd.DataFrame(rows)), gap=0.0, quick=True), gap=0.0)
    row = told.tables["reasons"].set_index("item").loc["spot"]
    assert row.brings_musd == pytest.approx(0.4 * 2.0 * (10.0 + 0.5 * 20.0))
    assert row.loss_change_musd == pytest.approx(-0.4 * 2.0 * (10.0 + 10.0))
    assert row.sentence.endswith("16.0 M better: +16.0 M shortage losses avoided")


def test_an_item_without_which_there_is_no_plan_says_so() -> None:
    """Proves: leaving it out has no number, but the reason."""
    result = solve(*promising(0.15), gap=0.0, quick=True)
    row = explain(result, gap=0.0).tables["reasons"].set_index("item").loc["spot"]
    assert math.isnan(row["brings_musd"])
    assert "no plan without it" in row["sentence"]


def test_contracts_that_follow_one_another_are_not_added_up() -> None:
    """Proves: an offtake of 3 kt a year renewed after two years is 3 kt a year."""
    friend = source("AUS", "a", 3.0, kappa=0.0, lot_t_per_yr=3000.0, fee_usd_per_kg=0.001, term_yr=2.0)
    plan, data = imported(
        10.0,
        sources={"far": source("CHN", "a", 10.0), "friend": friend},
        years=4,
        loss=300.0,
        scenarios=[cut("early", 0.3, 2028, 1), cut("late", 0.3, 2030, 1)],
    )
    result = solve(plan, data, gap=0.0, quick=True)
    assert len(result.tables["contracts"]) >= 2
    row = explain(result, gap=0.0).tables["reasons"].set_index(["kind", "item"]).loc[("contract", "friend")]
    assert row["amount"] == pytest.approx(3000.0)


@pytest.mark.parametrize("seed", [3, 138, 5, 32])
def test_a_point_of_a_sweep_is_the_plan(seed: int) -> None:
    """Proves R17: the plan as it stands, as a point, is what `solve` gives (HiGHS, offered a point to begin with, called plans of
    some of these cases optimal that were not)."""
    plan, data = random_case(seed)
    alone = solve(plan, data, gap=0.0, quick=True).outcome
    row = sweep(plan, data, [{}, {}], gap=0.0).tables["points"].iloc[1]
    assert row["objective_musd"] == pytest.approx(
        alone.objective_musd, abs=1e-6 * (1 + abs(alone.do_nothing_musd or 0.0))
    )


def test_a_sweep_without_any_answer_is_told() -> None:
    """Proves: points that all fail give rows, no decisions, and words."""
    plan, data = promising(year=0.0)
    found = sweep(plan, data, one_at_a_time({"discount_rate": (0.0, 0.05)}), gap=0.0)
    assert found.facts["failed_share"] == 1.0
    assert found.tables["chosen"].empty
    assert "No answer at 3 points: infeasible" in found.summary()
    assert "no budget has a plan" in frontier(plan, data, factors=[0.0, 1.0]).summary()


def test_what_was_decided_before_the_plan_is_no_choice() -> None:
    """Proves: a plant under construction is there at every point, and no point chooses it."""
    plants = {
        "built": project("a", 1.0, cash_usd_per_kg=5.0, committed=True),
        "new": project("a", 1.0, additional=True),
    }
    plan, data = one_mineral(110.0, projects=plants)
    assert "built" not in set(sweep(plan, data, [{}, {"discount_rate": 0.01}], gap=0.0).tables["chosen"]["item"])


def test_an_item_that_is_none_is_refused_with_a_hint() -> None:
    """Proves: a misspelt name gets a suggestion; a project that nobody can finance gets the reason why it cannot be chosen."""
    plan, data = one_mineral(110.0)
    result = solve(plan, data, gap=0.0, quick=True)
    with pytest.raises(PlanError, match="did you mean"):
        explain(result, "projekt A")
    late, tables = one_mineral(110.0, instruments={"signing_years": [2030]})
    with pytest.raises(PlanError, match=r"which cannot be chosen.*no signing date"):
        explain(solve(late, tables, gap=0.0, quick=True), "A")
    with pytest.raises(InputError, match="relaxation"):
        explain(solve(plan, data, relax=True, quick=True))
    for factors, tolerance in (([], 0.01), ([-1.0], 0.01), ([1.0], 0.0), ([1.0], math.nan)):
        with pytest.raises(InputError):
            frontier(plan, data, factors=factors, tolerance=tolerance)


def buying(money: float = 30.0) -> tuple[Plan, Dataset]:
    """Stock alone: each kt for 10, of which half is left at the end; 20 kt go missing in 2028 in a quarter of the scenarios."""
    return promising(0.0, money, service_levels=[], materials={"a": {"haircut_share": 0.5}})


def test_a_budget_drawn_early_shrinks_with_the_others() -> None:
    """Proves: a plan of which half a year's money was drawn before has points from nothing on."""
    plan, data = buying()
    early = plan.model_copy(update={"budget": plan.budget.model_copy(update={"carried_in_musd": -15.0})})
    points = frontier(early, data, factors=[0.0, 0.25, 1.0], tolerance=1.0).tables["points"]
    assert points.objective_musd.notna().all()


def ishigami(points: pd.DataFrame) -> pd.Series:
    """sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 (Ishigami and Homma 1990)."""
    x1, x2, x3 = (points[name] for name in ("x1", "x2", "x3"))
    return np.sin(x1) + 7 * np.sin(x2) ** 2 + 0.1 * x3**4 * np.sin(x1)


CUBE = dict.fromkeys(("x1", "x2", "x3"), (-math.pi, math.pi))
FIRST_ORDER, TOTAL = {"x1": 0.3139, "x2": 0.4424, "x3": 0.0}, {"x1": 0.5576, "x2": 0.4424, "x3": 0.2437}


@pytest.mark.parametrize("failed", [0.0, 0.02])
def test_sobol_indices_of_ishigami(failed: float) -> None:
    """Proves: the indices known in closed form, also where a fiftieth of the runs fail: their blocks are left out, and told."""
    design = sobol(CUBE, samples=4096, seed=7)
    points = pd.DataFrame(design.points)
    points["y"] = ishigami(points)
    points.loc[np.random.default_rng(1).random(len(points)) < failed, "y"] = math.nan
    found = indices(design, points, "y").set_index("address")
    assert found["first"].to_dict() == pytest.approx(FIRST_ORDER, abs=0.03)
    assert found["total"].to_dict() == pytest.approx(TOTAL, abs=0.03)
    share = left_out(design, points, "y")
    assert share == 0.0 if not failed else 0.05 < share < 0.2


def test_a_tornado_moves_each_figure_alone() -> None:
    """Proves: rows are the plan solved at each end, the widest swing first."""
    plan, data = buying()
    design = one_at_a_time({"budget.appropriation_musd *": (0.5, 2.0), "scenarios.0.probability": (0.1, 0.3)})
    found = sweep(plan, data, design, gap=0.0)
    table = indices(design, found.tables["points"])
    assert table["swing"].is_monotonic_decreasing
    row = table.set_index("address").loc["budget.appropriation_musd *"]
    assert row["at_base"] - row["at_low"] == pytest.approx(-1.875 * 15.0, rel=1e-6)
    assert row["at_high"] - row["at_base"] == pytest.approx(-1.875 * 30.0, rel=1e-6)
    assert "WHAT MOVES THE ANSWER" in found.summary()
    assert found.tables["chosen"].set_index("item").loc["a", "share"] == pytest.approx(1.0)


def test_estimates_come_with_their_own_ranges_and_series_move_as_one() -> None:
    """Proves: a tornado over the tables' estimates takes low and high of the rows that the plan reads."""
    plan, data = imported(10.0, demand={"a": {2027: 10.0, 2028: 12.0}}, offers={"spot": offer("a", 5.0)})
    changed = data.replace(
        demand=data.frame("demand").assign(demand_t_per_yr_low=5000.0, demand_t_per_yr_high=24000.0),
        offers=data.frame("offers").assign(depth_t_per_yr_low=1000.0, depth_t_per_yr_high=6000.0),
    )
    ranges = estimate_ranges(plan, changed, 5)
    assert ranges["offers[spot].depth_t_per_yr"] == (1000.0, 6000.0)
    low, high = ranges["demand[a/civil/*].demand_t_per_yr *"]
    assert (low, high) in ((0.5, 2.4), (pytest.approx(5 / 12), 2.0))


def test_what_is_missing_is_told() -> None:
    """Proves: gaps of stocks, substitutes and, without events, hazards are named."""
    plan, data = buying()
    calm = plan.model_copy(update={"scenarios": ()})
    gaps, more = (set(complete(one, data).tables["gaps"]["table"]) for one in (plan, calm))
    assert gaps >= {"stock", "substitution"}
    assert more - gaps == {"hazards"}
