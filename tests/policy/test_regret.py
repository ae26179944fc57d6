"""One plan for several losses and beliefs: against the extensive form, closed forms, redrawn samples, and what a reader is told."""

import math
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.stats import nbinom

from strategic_minerals import (
    Dataset,
    InputError,
    Plan,
    PlanError,
    Result,
    Study,
    explain,
    least_regret,
    roll,
    solve,
    verify,
)
from strategic_minerals.core.runner import HERE
from strategic_minerals.matrix.problem import structure_of
from strategic_minerals.question.plan import Ambiguity, Belief, DaysOfCover, HazardBelief
from strategic_minerals.solver.lshaped.cells import Aim, Cells, Row
from strategic_minerals.studies import regret as grid_module
from strategic_minerals.studies import regret as regret_module
from strategic_minerals.studies.regret import (
    NOTHING,
    RECOMMENDED,
    SLOPES,
    Candidate,
    Grid,
    Lived,
    Made,
    _chosen,
    _line,
    admitted,
    measured,
)
from strategic_minerals.world.draws import Exposure
from strategic_minerals.world.scenarios import (
    CENTRAL,
    believed,
    believing,
    draws,
    equally_likely,
    law,
    likelihood,
    loss_proxy,
    named_beliefs,
)
from support.tiny import cut, hazard_row, imported, offer, project

pytestmark = pytest.mark.long

LOW = {"name": "low", "hazards": [{"hazard": "stop", "rate_per_yr": 0.05}]}
HIGH = {"name": "high", "hazards": [{"hazard": "stop", "rate_per_yr": 0.5}]}
THREE = [LOW, {"name": CENTRAL}, HIGH]


def doubtful(
    losses: dict[str, float] | None = None, *, scenarios: int = 12, plants: int = 1, **ambiguity: Any
) -> tuple[Plan, Dataset]:
    """10 kt a year that stop at .2 a year; some may be bought before, and a plant may be built; losses that differ widely."""
    made = {
        "years": 5,
        "offers": {"spot": offer("a", 3.0)},
        "projects": {
            f"plant{n}": project("a", 4.0 / plants, capex_musd=100.0 / plants + 3.0 * n, cash_usd_per_kg=9.0)
            for n in range(plants)
        },
        "packages": {"grant": {"instrument": "grant"}},
        "loss": 8.0,
        "money": 60.0,
    }
    plan, data = imported(10.0, **made)
    row = hazard_row(
        "stop",
        "a",
        0.2,
        duration_law="fixed",
        cut_share=1.0,
        kind="embargo",
        rate_per_yr_low=0.02,
        rate_per_yr_high=0.6,
    )
    frame = data.frame("loss_functions")
    known = {"test": 8.0, **({"dear": 120.0, "middle": 40.0} if losses is None else losses)}
    every = pd.concat([frame.assign(loss_function=name, loss_usd_per_t=value * 1000) for name, value in known.items()])
    materials = data.frame("materials").assign(haircut_share=0.3, holding_share_per_yr=0.1)
    told = plan.to_toml_like() | {
        "policy": "targets",
        "sample": {"scenarios": 4, "draws": 64, "seed": 3, "quiet_probability": 0.1},
        "ambiguity": {"scenarios": scenarios, "beliefs": THREE, **ambiguity},
    }
    tables = {"hazards": pd.DataFrame([row]), "loss_functions": every, "materials": materials}
    return Plan.model_validate(told), data.replace(**tables)


@cache
def grid(relax: bool = False, plants: int = 1) -> tuple[Grid, Made]:
    with HERE.started():
        found = Grid.of(*doubtful(plants=plants))
        return found, Made.of(found, relax)


def extensive(of: Grid, cells: list[tuple[int, int]], integer: bool) -> tuple[Any, ...]:
    """The model once for every loss, with one master: (matrix, bounds, rows, integers, cost of each cell)."""
    a = of.problem.assembly
    rows, columns = a.shape[:2]
    one = sp.csr_array((a.value, a.index, a.start), shape=(rows, columns))
    losses = len(of.losses)
    held = Cells(of.problem.structure, a, of.cost, of.probability, integer=integer).parts.mine[:-1]
    tie = sp.csr_array((np.ones(len(held)), (np.arange(len(held)), held)), shape=(len(held), columns))
    blocks = [sp.block_diag([one] * losses, format="csr")]
    for k in range(1, losses):
        parts = [sp.csr_array((len(held), columns))] * losses
        parts[0], parts[k] = tie, -tie
        blocks.append(sp.hstack(parts, format="csr"))
    matrix = sp.vstack(blocks, format="csr")
    zero = np.zeros(len(held) * (losses - 1))
    lower, upper = (np.concatenate([np.tile(side, losses), zero]) for side in (a.row_lower, a.row_upper))
    cost = {}
    for k, loss in cells:
        cost[k, loss] = np.zeros(columns * losses)
        cost[k, loss][columns * loss : columns * (loss + 1)] = of.cost[k, loss]
    whole = np.tile(a.integer, losses).astype(int) * integer
    return matrix, Bounds(np.tile(a.lower, losses), np.tile(a.upper, losses)), (lower, upper), whole, cost


@pytest.mark.parametrize(("relax", "plants"), [(True, 1), (False, 1), (False, 5)])
def test_least_regret_equals_the_extensive_form(relax: bool, plants: int) -> None:
    """Proves: the best plan of every cell, and the plan of least regret, cost what one model with all losses written out says that
    they cost, with integers and without."""
    of, made = grid(relax, plants)
    cells = list(np.ndindex(*of.nothing.shape))
    matrix, bounds, (lower, upper), whole, cost = extensive(of, cells, not relax)
    best = np.zeros_like(of.nothing)
    for cell in cells:
        run = milp(cost[cell], integrality=whole, bounds=bounds, constraints=LinearConstraint(matrix, lower, upper))
        best[cell] = of.nothing[cell] - run.fun
    room = 0.011 * np.maximum(best, of.least)
    own = np.array([made.worth_of[1 + loss, of.central, loss] for loss in range(len(of.losses))])
    assert (own <= best[of.central] * (1 + 1e-6) + 1e-6).all()
    assert (own >= (best - room)[of.central]).all()
    assert (made.most >= best - 1e-6 * (1 + best)).all()
    against = measured(made.most, of.least)
    n = matrix.shape[1]
    more = [np.append(-cost[cell], against[cell]) for cell in cells]
    rows = sp.vstack(
        [sp.hstack([matrix, sp.csr_array((matrix.shape[0], 1))]), sp.csr_array(np.array(more))], format="csr"
    )
    least = [made.most[cell] - of.nothing[cell] for cell in cells]
    run = milp(
        np.append(np.zeros(n), 1.0),
        integrality=np.append(whole, 0),
        bounds=Bounds(np.append(bounds.lb, 0.0), np.append(bounds.ub, np.inf)),
        constraints=LinearConstraint(rows, np.append(lower, least), np.append(upper, np.full(len(cells), np.inf))),
    )
    assert made.regret == pytest.approx(run.fun, abs=0.008)
    assert made.regret_bound <= run.fun + 0.002
    assert made.regret > 0.02, "a case in which nothing has to be given up tests nothing"


def test_a_plan_for_one_loss_regrets_more() -> None:
    """Proves: in the scenarios that plans are made with, none that is best for a single loss has a smaller largest regret."""
    of, made = grid()
    regret = ((made.most - made.worth_of) / measured(made.most, of.least)).max(axis=(1, 2))
    assert (regret[0] <= regret[1:] + 0.006).all()
    assert regret[1:].max() > regret[0] + 0.1


def test_scenarios_are_reduced_by_no_loss() -> None:
    """Proves (trap 53): every loss is weighed in the same scenarios, all that were drawn, whatever reduction the plan's own sample
    asks for, and whichever loss is the plan's own."""
    plan, data = doubtful()
    with HERE.started():
        one, other = Grid.of(plan, data), Grid.of(plan.model_copy(update={"loss_function": "dear"}), data)
    assert one.problem.structure.scenarios.events == other.problem.structure.scenarios.events
    assert len(one.believed.drawn.events) == 12
    assert set(one.losses) == set(other.losses) == {"test", "dear", "middle"}


def test_what_can_hardly_be_had_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves (trap 55): regret is measured against a floor where next to nothing can be had, so that the plan keeps more of what is
    worth much under another loss than it would without the floor."""
    plan, data = doubtful({"dear": 120.0})

    def kept() -> float:
        with HERE.started():
            of = Grid.of(plan, data)
            made = Made.of(of, relax=False)
        dear = of.losses.index("dear")
        assert made.most[:, of.losses.index("test")].min() < 0.05 * made.most.max()
        return float((made.worth_of[0][:, dear] / made.most[:, dear]).min())

    with_floor = kept()
    monkeypatch.setattr(grid_module, "LEAST_OF_MONEY", 1e-3)
    monkeypatch.setattr(regret_module, "LEAST_OF_WORTH", 1e-3)
    assert with_floor > kept() + 0.1


@pytest.mark.parametrize("rates", ["uncertain", "known"])
def test_reweighted_answers_equal_redrawn_ones(rates: str) -> None:
    """Proves (trap 56): the expected loss of doing nothing under a belief, from scenarios that all beliefs share, is within 3 % of
    that from scenarios of its own; so is the number of events."""
    plan, data = doubtful()
    sample = plan.sample.model_copy(update={"rates": rates})  # type: ignore[union-attr]
    plan = plan.model_copy(update={"sample": sample})
    _, natural = structure_of(plan, data)
    beliefs, n = plan.ambiguity.beliefs, 9_000
    _, found = believed(natural, data, beliefs, n, 5)

    def told(events: Any) -> np.ndarray:
        lean = replace(natural, plan=plan.model_copy(update={"scenarios": ()}))
        lost = loss_proxy(lean, equally_likely(lean, list(events))).sum(axis=1)
        return np.stack([lost, [len(one) for one in events]])

    common = told(found.drawn.events)
    for k, belief in enumerate(beliefs):
        mine = replace(natural, plan=believing(plan, belief))
        own = told(draws(mine, data, sample, n, 77 + k)).mean(axis=1)
        assert common @ found.share[k] == pytest.approx(own, rel=0.03), belief.name
    assert (found.effective >= 1 / len(beliefs) - 1e-9).all()


def test_likelihoods_are_those_of_the_laws() -> None:
    """Proves: onsets under an uncertain rate are gamma-Poisson, under a known one Poisson, what follows binomial; what cannot be
    has no likelihood."""
    plan, data = doubtful()
    one = law(plan, data, Belief(name="one", hazards=(HazardBelief(hazard="stop", rate_per_yr=0.4),)))
    shape, free = one["stop"].shape, 3.0
    assert shape is not None

    def of(n: int) -> float:
        return math.exp(likelihood(one, [{"stop": Exposure(n, free)}])[0]) * free**n / math.factorial(n)

    for n in range(5):
        assert of(n) == pytest.approx(nbinom.pmf(n, shape, shape / 0.4 / (shape / 0.4 + free)))
    never = law(plan, data, Belief(name="never", hazards=(HazardBelief(hazard="stop", rate_per_yr=0.0),)))
    seen = [{"stop": Exposure(0, free)}, {"stop": Exposure(1, free)}]
    assert likelihood(never, seen).tolist() == [0.0, -math.inf]


def test_beliefs_are_found_where_a_plan_names_none() -> None:
    """Proves: the product names the ends of the range of the figure that moves the loss most, and the tables' own between."""
    plan, data = doubtful(beliefs=[])
    found = named_beliefs(structure_of(plan, data)[1], data)
    assert [belief.name for belief in found] == ["low", CENTRAL, "high"]
    assert [one.hazards[0].rate_per_yr for one in (found[0], found[2])] == [0.02, 0.6]


def test_the_cautious_rule_weighs_the_worst_beliefs() -> None:
    """Proves: for the plan's own loss the cautious plan comes as close to the best mean of all beliefs and of the worst as one
    model written out does; with no weight on the tail it is the plan of the mean belief."""
    plan, data = doubtful(rule="cautious", tail_weight=0.5, tail_level=0.5)
    with HERE.started():
        of = Grid.of(plan, data)
        made = Made.of(of, relax=True)
        matrix, bounds, (lower, upper), _, cost = extensive(of, [(k, 0) for k in range(3)], False)
    n = matrix.shape[1]
    # columns: the model, eta, z_k;  min .5 mean R + .5 (eta + mean z / .5)  with R_k = most_k - nothing_k + cost_k
    shift = made.most[:, 0] - of.nothing[:, 0]
    rows = [np.concatenate([-cost[k, 0], [1.0], np.eye(3)[k]]) for k in range(3)]
    both = sp.vstack(
        [sp.hstack([matrix, sp.csr_array((matrix.shape[0], 4))]), sp.csr_array(np.array(rows))], format="csr"
    )
    aim = np.concatenate([0.5 * sum(cost[k, 0] for k in range(3)) / 3, [0.5], np.full(3, 0.5 / 3 / 0.5)])
    run = milp(
        aim,
        bounds=Bounds(
            np.concatenate([bounds.lb, [-np.inf], np.zeros(3)]), np.concatenate([bounds.ub, np.full(4, np.inf)])
        ),
        constraints=LinearConstraint(both, np.append(lower, shift), np.append(upper, np.full(3, np.inf))),
    )
    assert n + 4 == len(aim)
    assert made.regret == pytest.approx(run.fun + 0.5 * shift.mean(), abs=0.01 * of.least + 0.5)


@cache
def study() -> Study:
    return least_regret(*doubtful(), samples=3, scenarios=24)


def test_the_table_follows_from_its_cells() -> None:
    """Proves: regret is what the best candidate of a cell is ahead by, against what could be had there; the largest of a candidate
    is that of its cells; nobody regrets the best; doing nothing new is worth nothing."""
    tables = study().tables
    cells, candidates = tables["cells"], tables["candidates"].set_index("candidate")
    best = cells.groupby(["belief", "loss"]).worth_musd.transform("max")
    assert cells.best_musd.tolist() == pytest.approx(best.tolist())
    assert cells.regret_musd.tolist() == pytest.approx((best - cells.worth_musd).tolist())
    assert (cells.regret_share >= 0).all()
    worst = cells.groupby("candidate").regret_share.max()
    assert candidates.largest_regret_share.to_dict() == pytest.approx(worst.to_dict())
    assert cells[cells.candidate == NOTHING].worth_musd.abs().max() == pytest.approx(0.0, abs=1e-6)
    assert candidates.index[0] == RECOMMENDED
    assert set(tables["acts"].candidate) <= set(candidates.index)


def test_todays_policy_buys_nothing_in_an_event() -> None:
    """Proves: with stock, offers in an event and money for it, doing nothing new is still worth nothing: it replaces nothing."""
    plan, data = doubtful(scenarios=6)
    told = plan.to_toml_like()
    told["budget"] |= {"emergency_musd": 50.0}
    told["horizon"] |= {"years": 4}
    _, stocked = imported(10.0, years=5, stock={"a": 2.0}, offers={"spot": offer("a", 3.0, crisis=1.0)})
    tables = {name: stocked.frame(name) for name in ("stock", "offers")}
    cells = least_regret(Plan.model_validate(told), data.replace(**tables), samples=3, scenarios=24).tables["cells"]
    assert cells[cells.candidate == NOTHING].worth_musd.abs().max() == pytest.approx(0.0, abs=1e-6)


def test_probabilities_at_which_to_choose_otherwise_balance() -> None:
    """Proves: between the loss where another plan gains most and the one where it gives up most, both plans are worth the same at
    the stated probability; with more of the first the other plan is the better one."""
    tables = study().tables
    of_belief = tables["cells"][tables["cells"].belief == CENTRAL]
    central = of_belief.pivot(index="candidate", columns="loss", values="worth_musd")
    some = 0
    for row in tables["choices"].itertuples():
        ahead = central.loc[row.candidate] - central.loc[RECOMMENDED]
        assert row.gain_musd == pytest.approx(max(0.0, ahead.max()))
        if row.better_under and row.otherwise_musd > 0:
            some += 1
            at = [p * ahead[row.better_under] + (1 - p) * ahead.min() for p in (row.probability, row.probability + 0.1)]
            assert at[0] == pytest.approx(0.0, abs=1e-6)
            assert at[1] > 0
    assert some > 0


def test_the_belief_of_the_tables_is_that_which_changes_nothing() -> None:
    """Proves: whatever beliefs are called, the one without a hazard of its own stands for the tables' figures."""
    plan, data = doubtful(beliefs=[{**HIGH, "name": CENTRAL}, {"name": "mine"}])
    with HERE.started():
        of = Grid.of(plan, data)
    assert of.beliefs[of.central].name == "mine"


def test_where_the_recommended_plan_is_best_outright_no_other_is_better() -> None:
    """Proves: between the stated probabilities of the dearest loss no candidate is worth more by the central belief, and beyond
    each of them one is."""
    between = study().facts["best_outright"]
    of_belief = study().tables["cells"].query("belief == @CENTRAL")
    central = of_belief.pivot(index="candidate", columns="loss", values="worth_musd")

    def ahead(p: float) -> float:
        worth = (1 - p) * central[between["cheap"]] + p * central[between["dear"]]
        return float(worth[RECOMMENDED] - worth.drop(RECOMMENDED).max())

    if between is None:
        ends = [central[one] for one in central]
        assert all(end.drop(RECOMMENDED).max() >= end[RECOMMENDED] for end in ends)
        return
    assert ahead((between["from"] + between["to"]) / 2) >= -1e-6
    for beyond, edge in ((between["from"] - 0.01, 0.0), (between["to"] + 0.01, 1.0)):
        if (beyond > 0) if edge == 0.0 else (beyond < 1):
            assert ahead(beyond) < 0


def test_a_reaction_is_priced_and_not_assumed() -> None:
    """Proves: were stops rarer by the stated share, what shortages still cost a candidate would fall by just what it is behind."""
    reaction = study().tables["reaction"]
    behind = reaction[reaction.more_worth_musd < 0]
    assert (behind.rarer_share * behind.loss_left_musd).tolist() == pytest.approx((-behind.more_worth_musd).tolist())
    assert (reaction[reaction.more_worth_musd > 0].rarer_share == 0).all()


def test_losses_and_beliefs_are_checked() -> None:
    """Proves: a loss that the tables lack is refused by name, with the nearest; so are two beliefs of one name and more than
    three; a plan that draws nothing has no beliefs to weigh."""
    plan, data = doubtful()
    wrong = plan.model_copy(update={"ambiguity": Ambiguity(losses=("deer",))})
    with pytest.raises(PlanError, match=r"ambiguity.losses.*deer.*dear"):
        least_regret(wrong, data)
    strange = Ambiguity.model_validate({"beliefs": [{"name": "a", "hazards": [{"hazard": "stap", "rate_per_yr": 1}]}]})
    with pytest.raises(PlanError, match=r"ambiguity.beliefs.0.hazards.0.hazard.*stap.*stop"):
        least_regret(plan.model_copy(update={"ambiguity": strange}), data)
    other = data.replace(hazards=pd.concat([data.frame("hazards"), data.frame("hazards").assign(hazard="glut")]))
    idle = Ambiguity(beliefs=(Belief(name="x", hazards=(HazardBelief(hazard="glut", rate_per_yr=0.1),)),))
    sample = plan.sample.model_copy(update={"hazards": ("stop",)})
    with pytest.raises(PlanError, match=r"'glut'; expected a hazard that the sample draws"):
        least_regret(plan.model_copy(update={"ambiguity": idle, "sample": sample}), other)
    for beliefs in ([LOW, LOW], [LOW, HIGH, {"name": "c"}, {"name": "d"}]):
        with pytest.raises(ValueError, match=r"beliefs|names"):
            Ambiguity.model_validate({"beliefs": beliefs})
    with pytest.raises(InputError, match="a sample, from which new scenarios are drawn"):
        least_regret(plan.model_copy(update={"sample": None}), data)


def test_one_loss_and_one_belief_is_the_plan_itself() -> None:
    """Proves: where nothing is in doubt nothing is regretted: the recommended plan is as good as the best one."""
    plan, data = doubtful({}, beliefs=[{"name": CENTRAL}])
    with HERE.started():
        of = Grid.of(plan, data)
        made = Made.of(of, relax=False)
    assert of.losses == ("test",)
    assert made.regret <= 0.012


def test_a_point_is_an_answer_whatever_its_regret() -> None:
    """Proves: a plan whose regret was worked out is one that the search may keep, however large the regret; without time there is
    no plan, and no figure of one."""
    of, made = grid()
    cells = Cells(of.problem.structure, of.problem.assembly, of.cost, of.probability, integer=True, threads=1)
    against = measured(made.most, of.least)
    every = list(np.ndindex(*against.shape))
    rows = tuple(Row({cell: 1.0}, float(against[cell]), float(made.most[cell] - of.nothing[cell])) for cell in every)
    aim = Aim({}, 1.0, rows)
    assert cells.minimise_for(aim, None, absolute_gap=1e-4, time_limit_s=0.0) is None
    found = cells.minimise_for(aim, made.points[1], absolute_gap=1e-4, time_limit_s=60.0)
    assert found is not None
    cells._look_at(aim)
    met = cells.evaluate(np.append(made.points[1], 0.0), np.zeros(0), 0.0, time.perf_counter() + 60.0)
    assert met.y[-1] > found.value > 0.05
    assert cells.allowed(met.y)


def test_a_line_through_few_plans_stays_sensible() -> None:
    """Proves: lived worth is read off the model's along the line of least squares, through plans alike too, and never along one
    that a few close plans make steep; a best worth of nothing is no division by zero."""
    model = np.array([50.0, 80.0, 100.0])
    assert _line(model, 0.5 * model + 7, 10.0) == pytest.approx((7.0, 0.5))
    assert _line(np.array([99.0, 100.0]), np.array([0.0, 90.0]), 10.0)[1] == SLOPES[1]
    level, slope = _line(np.zeros(3), np.array([1.0, 2.0, 3.0]), 10.0)
    assert (level, slope) == pytest.approx((2.0, 1.0))


def test_losses_that_say_the_same_count_once() -> None:
    """Proves: a study in money of two years is one loss; one that lacks a loss which the plan needs is left out with the reason."""
    plan, data = doubtful({"again": 8.2, "dear": 120.0})
    names, (same, left_out) = admitted(plan, data)
    assert names == ("test", "dear")
    assert same == {"again": "test"}
    assert not left_out
    frame = data.frame("loss_functions")
    frame.loc[frame.loss_function == "dear", "material"] = "other"
    names, (_, left_out) = admitted(plan, data.replace(loss_functions=frame))
    assert names == ("test",)
    assert left_out["dear"] == "no loss of a/civil"


def test_the_interval_of_the_draw_never_stands_alone() -> None:
    """Proves: an answer has the worth of its plan under every loss and belief beside the interval of its samples, dearer losses
    making a plan that holds stock worth more; the words give both."""
    plan, data = doubtful()
    result = solve(plan.model_copy(update={"loss_function": "dear"}), data, samples=2, scenarios=30, candidates=1)
    band = result.tables["band"].pivot(index="belief", columns="loss", values="worth_musd")
    assert band.shape == (3, 3)
    assert (band["dear"] >= band["middle"] - 1e-6).all()
    assert (band["middle"] >= band["test"] - 1e-6).all()
    worth = result.tables["sample_gap"].worth_musd.iloc[0]
    assert band.loc[CENTRAL, "dear"] == pytest.approx(worth)
    text = result.summary(full=True)
    assert "for the draw of scenarios alone" in text
    assert "Over 3 losses and 3 beliefs" in text


@cache
def recommended() -> Study:
    return least_regret(*doubtful(), samples=3, scenarios=10)


def test_the_recommended_plan_is_an_answer_of_its_own(tmp_path: Path) -> None:
    """Proves: the run signs and holds what the table of acts says of the recommended plan, is worth under each loss what its cells
    say but for the futures, passes `verify`, goes on with `roll`, and claims no optimum."""
    study = recommended()
    result = study.result
    assert result is not None
    acts = study.tables["acts"]
    mine = acts[(acts.candidate == RECOMMENDED) & (acts.through_year == acts.through_year.max())].set_index("kind")
    projects, bought = result.tables["projects"], result.tables["acquisitions"]
    assert projects.share.sum() == pytest.approx(mine.amount.get("support", 0.0), abs=1e-6)
    assert bought.acquired_t.sum() == pytest.approx(mine.amount.get("buy", 0.0), rel=1e-4, abs=1e-2)
    band, cells = result.tables["band"], study.tables["cells"]
    own = cells[cells.candidate == RECOMMENDED].reset_index(drop=True)
    assert band.worth_musd.tolist() == own.worth_musd.tolist()
    figures = result.tables["sample_gap"].iloc[0]
    assert "gives up at most" in figures.why_not
    assert "no plan beats it" not in result.summary()
    assert "`explain`" not in result.summary()
    result.save(tmp_path / "run")
    kept = Result.load(tmp_path / "run")
    assert verify(tmp_path / "run").facts["verified"]
    assert roll(kept).result is not None
    with pytest.raises(InputError, match="not chosen by its own scenarios"):
        explain(kept)


def test_a_relaxation_and_one_certain_cell_make_no_false_claim() -> None:
    """Proves: a relaxation leaves the study alone, without a run; where nothing else may be right there is no band and no word of
    what is given up; a scenario called as the baseline course leaves the targets what they are."""
    assert least_regret(*doubtful(), samples=3, scenarios=10, relax=True).result is None
    plan, data = doubtful({"test": 120.0}, rule="one", beliefs=[{"name": CENTRAL}])
    found = least_regret(plan, data, samples=3, scenarios=10).result
    assert found is not None
    assert "band" not in found.tables or found.tables["band"].empty
    assert "searched" in found.tables["sample_gap"].why_not.iloc[0]
    listed = Plan.model_validate(plan.to_toml_like() | {"scenarios": [cut("base", 0.1, 2029, 1)]})
    study = least_regret(listed, data, samples=3, scenarios=10)
    assert study.result is not None
    acts = study.tables["acts"]
    mine = acts[(acts.candidate == RECOMMENDED) & (acts.through_year == acts.through_year.max()) & (acts.kind == "buy")]
    bought = study.result.tables["acquisitions"].acquired_t.sum()
    assert bought == pytest.approx(mine.amount.sum(), rel=1e-4, abs=1e-2)
    assert bought > 1.0


def test_no_candidate_is_better_by_the_rule_than_the_one_that_is_recommended() -> None:
    """Proves: of plans that lose money as they live, doing nothing is recommended; other samples say what that is worth."""

    def sample(*worth: float) -> Lived:
        of = np.array(worth)[:, None, None]
        return Lived(of, 2 * of, 3 * of, np.ones(1), 10, ())

    plan, _ = doubtful(rule="regret")
    grid: Any = SimpleNamespace(plan=plan, least=1.0)
    solution: Any = object()
    given = [Candidate(name, solution) for name in (RECOMMENDED, "for test", NOTHING)]
    first, second = sample(-2.0, -3.0, 0.0), sample(1.0, 5.0, 0.5)
    again = [sample(-1.0), sample(7.0)]
    found, lives, twin = _chosen(grid, given, [first, second], Candidate("second", solution), again, 1)
    assert twin == NOTHING
    assert [one.name for one in found] == [RECOMMENDED, "for test", NOTHING]
    assert len(lives) == 1
    assert lives[0].worth.ravel().tolist() == [0.5, 5.0, 0.5]
    *_, twin = _chosen(grid, given, [sample(3.0, 3.0, 0.0), second], Candidate("second", solution), again, 1)
    assert twin == "for test", "what lives alike everywhere is the same plan"
    better = [sample(1.0), sample(7.0)]
    _, lives, twin = _chosen(grid, given, [first, second], Candidate(RECOMMENDED, solution), better, 1)
    assert twin == ""
    assert lives[0].worth.ravel().tolist() == [7.0, 5.0, 0.5]
    assert lives[0].outlay.ravel().tolist() == [14.0, 10.0, 1.0]
    lucky = [sample(1.0), sample(-4.0)]
    _, lives, twin = _chosen(grid, given, [first, second], Candidate(RECOMMENDED, solution), lucky, 1)
    assert (twin, lives[0].worth[0].item()) == (NOTHING, 0.5), "luck in the samples of the choice is no reason"
    cover = DaysOfCover(material="a", days=30.0, from_year=2028)
    grid.plan = plan.model_copy(update={"days_of_cover": (cover,)})
    _, lives, twin = _chosen(grid, given, [first, second], Candidate(RECOMMENDED, solution), again, 1)
    assert twin == "", "doing nothing keeps no promise"
