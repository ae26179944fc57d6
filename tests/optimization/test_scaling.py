"""Sizes do not matter: a problem in other tonnes and other money has the same plan, and "no plan" needs a witness."""

from typing import Any, Literal

import numpy as np
import pytest

from strategic_minerals import InfeasibleError, InputError, Plan, Runner, UntrustedError, solve
from strategic_minerals.answer.result import Result
from strategic_minerals.matrix.named import objective_costs
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.solver.highs import Model, Run, UnsolvedRun
from strategic_minerals.solver.infeasibility import contradiction
from strategic_minerals.solver.stages import cap_trunk_shortfall, solve_reference
from support.instances import random_case
from support.promising import squeezed
from support.scalings import SCALINGS, scaled, small
from support.tiny import cut, floored, imported, offer, project, source, tiny

EXACT: dict[str, Any] = {"gap": 0.0, "quick": True, "run": Runner(threads=1)}


@pytest.fixture(scope="module")
def truth() -> Result:
    return solve(*small(), **EXACT)


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
    assert result.audited.passed
    held = result.tables["notes"].query("kind == 'already owed'")
    assert len(held) == 5  # each year, and the total


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (
            {"sources": {"plant": source("CHN", {"magnet": 1.0, "oxide": -1e-9}, 12.0)}},
            ("yields.csv", "plant/oxide", "yield_t_per_t"),
        ),
        ({"prices": {"magnet": 1e-10, "oxide": 60.0}}, ("prices.csv", "base/magnet/2027", "price_usd_per_kg")),
        (
            {"materials": {"magnet": {"holding_share_per_yr": 1e-11}, "oxide": {}}},
            ("materials.csv", "magnet", "holding_share_per_yr"),
        ),
        (
            {"projects": {"mill": project("magnet", 1e-9, cash_usd_per_kg=90.0)}},
            ("projects.csv", "mill", "capacity_t_per_yr"),
        ),
    ],
)
def test_a_figure_that_the_solver_takes_for_zero_is_named(change: dict[str, Any], place: tuple[str, str, str]) -> None:
    """Proves: an entry below 1e-7 is dropped without a word by the solver, so file, row and column of the figure behind it are
    refused."""
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
        **change,
    }
    plan, data = tiny(**{**asked, "sources": mine | asked["sources"]})
    with pytest.raises(InputError) as error:
        solve(plan, data, quick=True)
    fault = error.value.faults[0]
    assert (fault.file, fault.row, fault.column) == place
    assert "the solver takes" in fault.expected
