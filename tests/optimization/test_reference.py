"""The do-nothing reference is one point, whatever the solver finds first; aims in turn are measured against it. Sizes do not
matter: a problem in other tonnes and other money has the same plan, and "no plan" needs a witness."""

from typing import Any, Literal

import numpy as np
import pytest

from strategic_minerals import Dataset, InfeasibleError, InputError, Plan, Runner, UntrustedError, solve
from strategic_minerals.answer.result import Result
from strategic_minerals.audit.accounts import cvar, losses, open_accounts
from strategic_minerals.core.stats import BASELINE_COURSE
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.highs import Model, Run, UnsolvedRun
from strategic_minerals.solver.infeasibility import contradiction
from strategic_minerals.solver.stages import cap_trunk_shortfall, reference_model, solve_reference, solver_of
from strategic_minerals.world.scenarios import quantile
from support.instances import many, quick_first, random_case
from support.promising import squeezed
from support.scalings import SCALINGS, scaled, small
from support.tiny import cut, floored, imported, offer, project, ran, source, tiny

EXACT: dict[str, Any] = {"gap": 0.0, "quick": True, "run": Runner(threads=1)}


def cautious(plan: Plan, share: float = 1.0) -> Plan:
    """The plan with risk as its first aim, and no money that is appropriated for disruptions alone."""
    aim = plan.objective.model_copy(update={"kind": "risk_within_budget", "cvar_share": share})
    money = plan.budget.model_copy(update={"branch_money": "planned"})
    return plan.model_copy(update={"objective": aim, "budget": money})


@pytest.mark.parametrize("weight", [0.0, 0.01])
def test_the_risk_stage_is_measured_against_the_risk_of_doing_nothing(weight: float) -> None:
    """Proves: CVaR 90 % of 6,500 without a plan and 4,500 with it: 2,000 less, whether or not CVaR costs something in Z0. Where it
    costs nothing, its columns once floated and 5,500 was stated."""
    stops = (("a", 0.05, 1.0), ("b", 0.2, 0.3), ("c", 0.3, 0.1))
    plan, data = imported(
        100.0,
        of="x",
        loss=900.0,
        offers={"spot": offer("x", 1.0)},
        scenarios=[cut(name, p, 2029.0, 1.0, share=share) for name, p, share in stops],
        years=3,
        money=150.0,
        risk={"alpha": 0.9, "cvar_weight": weight},
        objective={"kind": "risk_within_budget", "cvar_share": 1.0},
    )
    result = solve(plan, data, **EXACT)
    scenarios = result.tables["scenario_losses"]
    with_plan, without = (
        cvar(scenarios[column].to_numpy(), scenarios.probability.to_numpy(), 0.9)
        for column in ("loss_musd", "loss_without_plan_musd")
    )
    assert (with_plan, without) == (pytest.approx(4500.0), pytest.approx(6500.0))
    assert result.outcome.stages[0][1] == pytest.approx(-2000.0)


@pytest.mark.parametrize("seed", quick_first(range(12), 6))
def test_every_stage_of_random_plans_is_a_difference_of_the_same_figure(seed: int) -> None:
    """Proves: what is stated of the risk stage is the plan's risk less that of the reference, both added up from losses, and the
    plan's penalties (the reference has none)."""
    plan, data = random_case(seed, sample=False, loss_limits=False)
    share = (0.3, 0.7, 1.0)[seed % 3]
    result = solve(cautious(plan, share), data, gap=1e-4, quick=True, run=Runner(threads=1))
    problem = prepare(result.plan, result.data)
    pi, alpha = problem.structure.scenarios.probability, plan.risk.alpha

    def risk(solution: Any) -> float:
        lost = losses(open_accounts(problem, solution))
        return (1 - share) * float(pi @ lost) + share * cvar(lost, pi, alpha)

    difference = risk(result.solution) - risk(result.reference) + result.objective_parts["soft_penalties"]
    stated = {name: value for name, value, *_ in result.outcome.stages}["risk"]
    room = 1e-6 * (1 + abs(risk(result.reference)))
    aim = risk(result.solution) + result.objective_parts["soft_penalties"]
    assert stated - room <= difference <= stated + 1e-4 * max(1.0, aim) + room  # what the slack lets later aims give up


@pytest.mark.parametrize(
    "case",
    [many(3), many(11), *(random_case(seed, sample=True, loss_limits=False) for seed in (6, 8, 390))],
    ids=["many-3", "many-11", "6", "8", "390"],
)
def test_flat_and_decomposed_have_the_same_reference(case: tuple[Plan, Dataset]) -> None:
    """Proves: the loss of every scenario without a plan, and trunk shortfall by material and segment, do not hang on the method
    (trap 41). The last three once ended within 1e-9 of the least cost, between two corners: losses differed by 1e-4 million USD."""
    plan, data = case
    problem = prepare(plan, data)
    cost, found = objective_costs(problem)["social_cost"], []
    for method in ("flat", "decomposed"):
        solver = solver_of(problem, reference_model(problem), cost, method, integer=False, threads=1)
        z0 = extract(problem.structure, problem.assembly, solve_reference(problem, cost, 60.0, solver=solver))
        found.append((losses(open_accounts(problem, z0)), z0.shortfall[0].sum(axis=1)))
    (flat, flat_short), (apart, apart_short) = found
    assert apart == pytest.approx(flat, rel=1e-9, abs=1e-7)
    assert apart_short == pytest.approx(flat_short, rel=1e-9, abs=1e-6)


def test_ties_are_broken_by_the_order_of_the_formulation() -> None:
    """Proves: two segments that lose the same per tonne are short by turns for all the solver cares; the second of the table goes
    short first, and a scenario of probability 0 loses as little as it can although nothing of it costs anything."""
    plan, data = tiny(
        {"x": 100.0},
        sources={"imp": source("CHN", "x", 6.0)},
        demand={("x", "first"): 5.0, ("x", "second"): 5.0},
        loss=900.0,
        scenarios=[cut("never", 0.0, 2028.0, 1.0, share=0.5), cut("some", 0.4, 2029.0, 1.0)],
        years=3,
    )
    result = solve(plan, data, **EXACT)
    table = result.tables["scenario_losses"].set_index("scenario")
    short = result.reference.shortfall[0].sum(axis=1) / 1000
    assert short == pytest.approx([0.0, 12.0])  # 4 kt in each of three years
    assert table.loss_without_plan_musd["never"] == pytest.approx(1000 * (4 + 7 + 4))


def test_the_smallest_quantile_is_taken() -> None:
    """Proves: with half of the probability at 10 and half at 30, every value between is a median; the smallest is taken."""
    assert quantile(np.array([30.0, 10.0]), np.array([0.5, 0.5]), 0.5) == 10.0
    assert quantile(np.array([30.0, 10.0]), np.array([0.5, 0.5]), 0.6) == 30.0
    assert quantile(np.array([5.0, 7.0]), np.array([0.2, 0.0]), 0.9) == 7.0


@pytest.mark.parametrize("slack", [0.0, 1e-9, 1e-8, 1e-7, 1e-6])
@pytest.mark.parametrize("seed", quick_first([0, 5, 8, 21], 1))
def test_aims_in_turn_have_a_point_whatever_the_slack(seed: int, slack: float) -> None:
    """Proves: the aim before has a point, so the next one has; 1e-7 was once refused where 0 and 1e-6 were solved."""
    plan, data = random_case(seed, sample=False)
    objective = plan.objective.model_copy(
        update={"kind": "risk_within_budget", "cvar_share": 0.5, "stage_slack": slack}
    )
    planned = {"objective": objective, "budget": plan.budget.model_copy(update={"branch_money": "planned"})}
    result = solve(plan.model_copy(update=planned), data, gap=1e-6, quick=True, run=Runner(threads=1))
    assert [name for name, *_ in result.outcome.stages] == ["risk", "spending", "social_cost"]


@pytest.mark.parametrize("seed", [23, 118])
def test_a_limit_that_leaves_next_to_nothing_does_not_cost_the_answer(seed: int) -> None:
    """Proves: under a limit without slack the solver has called a point optimal that lies far above the plan which it had in hand;
    the aims are met again with a little more, and the answer stands."""
    plan, data = random_case(seed)
    objective = plan.objective.model_copy(update={"kind": "least_budget"})
    result = solve(plan.model_copy(update={"objective": objective}), data, **EXACT)
    assert result.outcome.relative_gap == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1e-12, 1e-9])
def test_a_scenario_of_next_to_no_probability_is_one_of_none(probability: float) -> None:
    """Proves: what such a scenario loses without a plan does not hang on costs that lie within the solver's tolerance."""
    plan, data = tiny(
        {"x": 100.0, "m": 200.0},
        materials={"x": {"disposal_t_per_yr": 3000.0}},
        stock={"x": 3.0},
        loss=900.0,
        years=4,
        sources={
            "imp": source("CHN", "x", 10.0),
            "plant": source("CHN", {"m": 1.0, "x": -0.5}, 4.0),
            "ally": source("AUS", "x", 2.0, kappa=0.5),
        },
        demand={"x": 10.0, "m": 4.0},
        scenarios=[cut("a", probability, 2028.0, 1.0)],
    )
    losses_without = solve(plan, data, **EXACT).tables["scenario_losses"].loss_without_plan_musd
    assert losses_without[0] == pytest.approx(10400.0)


SAME = {"demand": {"a": 4.0}, "scenarios": [cut("stop", 0.5, 2029.0, 1.0)]}


def test_plants_at_home_and_of_allies_do_not_stand_idle_beside_imports_that_cost_the_same():
    """1 kt at home, 2 of allies, 1 of the 9 kt from China, in every year before the event; nothing costs more."""
    sources = {
        "china": source("CHN", "a", 9.0),
        "ally": source("AUS", "a", 2.0, kappa=1.0),
        "home": source("USA", "a", 1.0),
    }
    result = solve(*imported(10.0, sources=sources, **SAME), quick=True)
    for year in ("2027", "2028", "2029"):
        made = [ran(result, name, BASELINE_COURSE, year) for name in ("home", "ally", "china")]
        assert made == pytest.approx([1.0, 2.0, 1.0], abs=1e-5)


def test_who_has_a_contract_comes_before_who_has_none():
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 3.0}
    sources = {"other": source("AUS", "a", 4.0, kappa=0.0), "signed": source("AUS", "a", 3.0, **terms)}
    more = {"scenarios": [cut("stop", 0.5, 2029.0, 1.0, countries="CHN", tight=True)], "demand": {"a": 4.0}}
    sources["china"] = source("CHN", "a", 1.0)
    result = solve(*imported(10.0, sources=sources, **more), quick=True)
    assert result.tables["contracts"].contract_t_per_yr.sum() == pytest.approx(3000.0)
    assert ran(result, "signed", BASELINE_COURSE, "2027") == pytest.approx(3.0, abs=1e-5)


def test_what_costs_less_runs_wherever_it_is():
    """A premium at home of a hundredth is no tie."""
    sources = {"china": source("CHN", "a", 9.0), "home": source("USA", "a", 4.0, premium_share=0.01)}
    result = solve(*imported(10.0, sources=sources, **SAME), quick=True)
    assert ran(result, "china", BASELINE_COURSE, "2027") == pytest.approx(4.0, abs=1e-5)


@pytest.fixture(scope="module")
def truth() -> Result:
    return solve(*small(), **EXACT)


@pytest.mark.long
@pytest.mark.parametrize("method", ["flat", "decomposed"])
@pytest.mark.parametrize(("tonnes", "prices"), SCALINGS)
def test_the_scaled_problem_has_the_scaled_answer(
    tonnes: float, prices: float, method: Literal["flat", "decomposed"], truth: Result
) -> None:
    """Proves R45: worth, reference, what is signed and what is bought are the small plan's times the factors; "no plan, confirmed"
    was said at prices times 2e5. Shadow prices of money do not change."""
    result = solve(*scaled(*small(), tonnes, prices), method=method, **EXACT)
    assert result.outcome.reason == "optimal"
    assert result.outcome.objective_musd == pytest.approx(truth.outcome.objective_musd * tonnes * prices, rel=1e-7)
    assert result.outcome.do_nothing_musd == pytest.approx(truth.outcome.do_nothing_musd * tonnes * prices, rel=1e-9)
    assert result.solution.sign == pytest.approx(truth.solution.sign, abs=1e-6)
    assert result.solution.acquisition.sum(axis=2) == pytest.approx(
        truth.solution.acquisition.sum(axis=2) * tonnes, rel=1e-5, abs=1e-5 * tonnes
    )
    for name in ("appropriation", "stock"):
        old, new = (r.prices[r.prices.price == name].value.to_numpy() for r in (truth, result))
        assert new == pytest.approx(old * (prices if name == "stock" else 1.0), rel=1e-5, abs=1e-6 * prices)


def test_equations_of_ten_billion_tonnes_are_kept_to_rounding() -> None:
    """Proves: a plan whose balance is 2e-6 t of 1e10 t apart counts as one; taken apart, every plan was once turned away."""
    plan, data = random_case(34, loss_limits=False, sample=True)
    before = solve(plan, data, method="decomposed", **EXACT).outcome
    after = solve(*scaled(plan, data, 1e7, 1.0), method="decomposed", **EXACT).outcome
    assert after.reason == "optimal"
    assert after.objective_musd == pytest.approx(before.objective_musd * 1e7, rel=1e-7)


def test_aims_in_turn_and_limits_scale_too(truth: Result) -> None:
    """Proves: stages, their slack and a limit on CVaR are told in money of the scaled problem."""
    plan, data = small()
    fields = plan.to_toml_like()
    fields["objective"] = {"kind": "risk_within_budget", "cvar_share": 0.5, "stage_slack": 0.0}
    fields["risk"] = {"alpha": 0.9, "cvar_limit_musd": 3000.0}
    plan = Plan.model_validate(fields)
    before = solve(plan, data, **EXACT).outcome
    after = solve(*scaled(plan, data, 1e3, 1e4), **EXACT).outcome
    for (name, value, bound, _), (same, larger, more, _) in zip(before.stages, after.stages, strict=True):
        assert (name, larger, more) == (
            same,
            pytest.approx(value * 1e7, rel=1e-6),
            pytest.approx(bound * 1e7, rel=1e-6),
        )


def promising(level: float, prices: float) -> tuple[Plan, Any]:
    """A million USD buys 0.01 kt beside the 1 of 3 kt that home makes, in money of any size."""
    return scaled(*squeezed(level, money=1.0, offers={"spot": offer("magnet", 5.0)}), 1.0, prices)


@pytest.mark.parametrize("prices", [1e-3, 1.0, 2e5, 1e6])
def test_what_is_infeasible_stays_so_and_what_is_not_too(prices: float) -> None:
    """Proves: a promise of 0.33 is kept and one of 0.35 is not, in money of any size, and the same demands are blamed."""
    assert solve(*promising(0.33, prices), gap=0.0, quick=True).outcome.reason == "optimal"
    with pytest.raises(InfeasibleError) as error:
        solve(*promising(0.35, prices), gap=0.0, quick=True)
    assert set(error.value.culprits) == {"service_level", "budget"}


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        (("social_cost", "solve"), "contradicts itself"),
        (("social_cost", "solve", "elastic"), "contradicts itself"),
        (("do nothing",), "doing nothing"),
    ],
)
def test_infeasible_is_believed_only_with_a_witness(
    phases: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves: a solver that says "infeasible" with and without presolve is not believed where, with every demand open, nothing is
    missed, or no point is found either; nor where it says so of doing nothing, which keeps every rule by construction."""
    real = Model.run

    def run(self: Model, **options: Any) -> Run:
        found = real(self, **options)
        wrong = UnsolvedRun(status="infeasible", bound=-np.inf, seconds=found.seconds)
        return wrong if options.get("phase", "solve") in phases else found

    monkeypatch.setattr(Model, "run", run)
    with pytest.raises(UntrustedError, match=said):
        solve(*small(), method="flat", **EXACT)


def test_a_true_conflict_has_its_witness() -> None:
    """Proves: the elastic program misses something where a promise cannot be kept, and nothing where it can."""
    for level, doubt in ((0.33, "none is"), (0.35, "")):
        problem = prepare(*promising(level, 1.0))
        z0 = solve_reference(problem, objective_costs(problem)["social_cost"], 60.0)
        problem = cap_trunk_shortfall(problem, z0)
        assert doubt in contradiction(problem, False, 60.0)
        assert bool(doubt) == bool(contradiction(problem, False, 60.0))


def test_doing_nothing_keeps_every_rule_but_the_demands() -> None:
    """Proves: with no money at all, an opening stock that costs something to hold and a plant that is built anyway there is a
    reference and a plan."""
    plan, data = imported(
        100.0,
        of="x",
        loss=900.0,
        stock={"x": 3.0},
        materials={"x": {"holding_share_per_yr": 0.05, "decay_share_per_yr": 0.1}},
        projects={"p": project("x", 2.0)},
        scenarios=[cut("s", 0.5, 2029.0, 1.0)],
        money=0.0,
        budget={"total_musd": 0.0},
        years=4,
    )
    result = solve(plan, data, gap=0.0, quick=True)
    held = result.tables["notes"].query("kind == 'already owed'")
    assert len(held) == 5  # each year, and the total


LITTLE_OXIDE = {"magnet": 1.0, "oxide": -1e-9}


@pytest.mark.parametrize(
    ("table", "change", "place"),
    [
        ("sources", {"plant": source("CHN", LITTLE_OXIDE, 12.0)}, "yields.csv plant/oxide yield_t_per_t"),
        ("prices", {"magnet": 1e-10, "oxide": 60.0}, "prices.csv base/magnet/2027 price_usd_per_kg"),
        ("materials", {"magnet": {"holding_share_per_yr": 1e-11}}, "materials.csv magnet holding_share_per_yr"),
        ("projects", {"mill": project("magnet", 1e-9, cash_usd_per_kg=90.0)}, "projects.csv mill capacity_t_per_yr"),
    ],
)
def test_a_figure_that_the_solver_takes_for_zero_is_named(table: str, change: dict[str, Any], place: str) -> None:
    """Proves: an entry below 1e-7 is dropped without a word by the solver, so file, row and column of the figure are told."""
    mine = {"mine": source("CHN", "oxide", 10.0)}
    asked: dict[str, Any] = {
        "prices": {"magnet": 80.0, "oxide": 60.0},
        "sources": {"plant": source("CHN", {"magnet": 1.0, "oxide": -0.4}, 12.0)},
        "demand": {"magnet": 10.0, "oxide": 1.0},
        "loss": 90.0,
        "offers": {"spot": offer("magnet", 2.0)},
        "packages": {"floor": floored("magnet", 95.0, 10.0)},
        "scenarios": [cut("stop", 0.3, 2029.0, 1.5, share=0.8)],
        "years": 4,
        table: change,
    }
    plan, data = tiny(**{**asked, "sources": mine | asked["sources"]})
    with pytest.raises(InputError) as error:
        solve(plan, data, quick=True)
    fault = error.value.faults[0]
    assert f"{fault.file} {fault.row} {fault.column}" == place
    assert "the solver takes" in fault.expected
