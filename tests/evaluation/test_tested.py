"""A plan tested in samples that it was not made with: a true gap, and acts that have to be signed because they are needed."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, Plan, Result, UntrustedError, explain, solve, verify
from strategic_minerals.answer.act_now import ActNow
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.core.errors import Outcome, StoppedError
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import trunk_alone
from strategic_minerals.question.plan import Release
from strategic_minerals.solver.optimise import SampleSearch
from strategic_minerals.solver.session import Session
from strategic_minerals.studies import lived as lived_module
from strategic_minerals.studies import solve as tested_module
from strategic_minerals.studies.recourse import FirstStage, RecourseOutcome
from strategic_minerals.studies.stress import Met, evaluated, met
from support.drawn_cases import deciding
from support.tiny import hazard_row, imported, offer, source, tiny

FEW = {"samples": 4, "scenarios": 64, "gap": 1e-6}


def told(result: Result) -> ActNow:
    return ActNow.of(result.tables)


@pytest.fixture(scope="module")
def answer() -> Result:
    return solve(*deciding(), **FEW)


@pytest.mark.long
def test_what_is_prescribed_has_to_be_signed_and_what_ties_is_left_out() -> None:
    """Proves: where a rule asks for a tenth of a year's imports and no tonne pays for itself (going short costs less), just that is
    bought in all plans; no plan without it keeps the rule, which is what the answer says of it."""
    plan, data = deciding()
    losses = data.frame("loss_functions").assign(loss_usd_per_t=0.0)
    cover = {"material": "a", "days": 36.5, "from_year": 2027}
    held = Plan.model_validate(plan.to_toml_like() | {"days_of_cover": [cover]})
    result = solve(held, data.replace(loss_functions=losses), **FEW)
    found = told(result)
    bought = found.acts[found.acts.kind == "buy"]
    assert bought.chosen.tolist() == pytest.approx([1000.0, 1000.0])
    assert set(bought.verdict) == {"sign"}
    assert (bought.in_plans == bought.plans).all()
    assert len(found.left_out)
    assert found.left_out.why_not.str.len().gt(0).all()
    assert "no such plan keeps the rules" in result.summary(full=True)


@pytest.mark.long
def test_leaving_out_costs_what_the_plan_without_it_is_worth_less(answer: Result) -> None:
    """Proves: the only purchase is needed, as are all purchases, for all that the plan is worth; waiting longer costs no less; what
    is stated is the difference of two plans in the same samples, which the plan without anything confirms: it is worth nothing."""
    rows = told(answer).left_out
    worth = told(answer).figure("worth_musd")
    groups = rows[rows.kind != "wait"]
    assert set(zip(groups.kind, groups.item, strict=True)) == {("instrument", "purchases"), ("mineral", "a")}
    assert groups.needed.all()
    assert groups.cost_musd.nunique() == 1
    assert groups.cost_musd.iloc[0] == pytest.approx(worth, rel=0.2)  # 50 of the 64 scenarios of each sample
    waits = rows[rows.kind == "wait"].cost_musd.tolist()
    assert waits == sorted(waits)
    assert 0 < waits[0] < waits[-1] < groups.cost_musd.iloc[0]
    assert "WAIT: doing nothing new for one year costs" in answer.summary(full=True)


@pytest.mark.long
def test_a_rule_that_is_clearly_better_takes_the_place_of_the_usual_one_alone() -> None:
    """Proves: where the store has room for less than a stop takes of defence, who loses hardly more than others, giving all at once
    is worth more than keeping it back: the answer follows that rule, and a plan that names the usual one keeps to it."""
    stop = hazard_row("stop", "a", 0.15, kind="outage", duration_yr=2.0, cut_share=0.9, cut_law="fixed")
    plan, data = imported(
        10.0,
        materials={"a": {"storage_t": 4000.0}},
        demand={("a", "civil"): 8.0, ("a", "defence"): 2.0},
        tiers={"civil": [(1.0, 1.0)], "defence": [(1.0, 1.1)]},
        loss=90.0,
        offers={"spot": offer("a", 10.0)},
        years=8,
        policy="targets",
        sample={"hazards": ["stop"], "scenarios": 48, "seed": 3},
    )
    data = data.replace(hazards=pd.DataFrame([stop]))
    chosen = solve(plan, data, **FEW)
    assert (chosen.plan.release.this_event, chosen.plan.release.new_events_yr) != (1.5, 2.0)
    kept = solve(plan.model_copy(update={"release": Release()}), data, **FEW)
    assert kept.plan.release == Release()
    assert told(chosen).figure("worth_musd") > told(kept).figure("worth_musd")
    assert "The usual rule" in chosen.summary(full=True)
    assert "The usual rule" not in kept.summary(full=True)


@pytest.mark.long
def test_where_no_plan_is_worth_more_than_nothing_that_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where plans cost 1,000 million more as they are lived than the model says, nothing is bought, the screen says so and
    why; a plan that promises a tenth of a year's use stays, and the screen says what it loses."""

    def dearer(*given: Any) -> list[Met]:
        return [
            replace(one, plans=tuple(replace(each, cost=each.cost + 1000.0) for each in one.plans))
            for one in met(*given)
        ]

    plan, data = deciding()
    cover = {"material": "a", "days": 36.5, "from_year": 2027}
    held = Plan.model_validate(plan.to_toml_like() | {"days_of_cover": [cover]})
    monkeypatch.setattr(tested_module, "met", dearer)
    few: dict[str, Any] = {"samples": 2, "scenarios": 32, "gap": 1e-6, "candidates": 1}
    nothing = solve(plan, data, **few)
    assert nothing.solution.acquisition.sum() == 0
    assert told(nothing).figure("worth_musd") == pytest.approx(0.0, abs=1e-6)
    text = re.sub(r"\s+", " ", nothing.summary())
    assert "Do nothing new" in text
    assert "the best plan that was found loses 8" in text
    with pytest.raises(InputError, match="doing nothing new"):
        explain(nothing)
    promised = solve(held, data, **few)
    assert promised.solution.acquisition[0].sum() >= 1000.0
    assert "After all costs the plan loses 8" in re.sub(r"\s+", " ", promised.summary())
    monkeypatch.undo()
    assert solve(plan, data, **few).solution.acquisition[0].sum() > 1000.0


@pytest.fixture(scope="module")
def by_targets() -> Result:
    plan, data = deciding()
    return solve(plan.model_copy(update={"policy": "targets"}), data, **FEW)


@pytest.mark.long
def test_no_policy_could_be_worth_more_than_stated(by_targets: Result) -> None:
    """Proves: the most that any policy could be worth lies above the worth as lived, and is that of the same samples with each
    future known; far above it says nothing and is not printed."""
    result = by_targets
    gap, samples = told(result).gap.iloc[0], told(result).samples
    asked = samples[samples.most_musd.notna()]
    assert len(asked) == 2
    assert (asked.most_musd >= asked.worth_musd).all()
    assert gap.worth_musd <= gap.most_musd <= gap.most_limit_musd
    says = gap.most_musd <= 1.15 * gap.worth_musd
    assert bool(gap.most_says) == says == ("on these dates gains over" in re.sub(r"\s+", " ", result.summary()))
    assert "most_musd" not in str(list(told(result).objections()))


@pytest.mark.long
def test_what_can_stand_in_for_each_other_is_needed_together() -> None:
    """Proves (trap 58): of two makers of the same mineral, each of which covers half of what a stop takes at a fee, both are to be
    signed, since without the mineral, jointly, the plan loses all that it is worth."""
    stop = hazard_row(
        "stop", "a", 0.3, kind="embargo", duration_yr=1.0, duration_law="fixed", cut_law="fixed", cut_share=1.0
    )
    plan, data = tiny(
        {"a": 10.0},
        sources={
            "far": source("CHN", "a", 8.0),
            "one": source("AUS", "a", 1.0, kappa=0.0, lot_t_per_yr=1000.0, term_yr=5.0, fee_usd_per_kg=0.05),
            "two": source("AUS", "a", 1.0, kappa=0.0, lot_t_per_yr=1000.0, term_yr=5.0, fee_usd_per_kg=0.05),
        },
        demand={"a": 10.0},
        loss=50.0,
        years=5,
        sample={"scenarios": 8, "seed": 1, "rates": "known"},
    )
    found = told(solve(plan, data.replace(hazards=pd.DataFrame([stop])), **FEW))
    last = found.acts[found.acts.through_year == found.acts.through_year.max()]
    signed = last[(last.kind == "offtake") & (last.chosen > 0)]
    assert len(signed) == 2
    assert set(signed.verdict) == {"sign"}
    group = found.left_out[found.left_out.item == "contracts"].iloc[0]
    assert group.needed
    assert group.cost_musd == pytest.approx(found.figure("worth_musd"), rel=0.2)


def lived_worth(*worth: float) -> Met:
    """A sample of one scenario in which plans are worth so much."""
    none = {
        name: np.zeros(1)
        for name in ("loss", "by_material", "named", "defence", "short", "penalty", "outlay", "stock", "bill")
    }
    without, *plans = (RecourseOutcome(cost=np.array([-one]), **none) for one in (0.0, *worth))
    return Met(0, ("one",), np.ones(1), [], without, tuple(plans))


def test_of_plans_that_live_alike_the_one_that_spends_least_is_printed() -> None:
    """Proves: of three plans, the second worth 1 more than the first in every sample but for noise of 5, the third 30 less, the
    first is taken, which spends less than the second; without noise the second."""
    spends: list[Any] = [SimpleNamespace(tables={"budget": pd.DataFrame({"outlay_musd": [m]})}) for m in (1, 2, 0.5)]
    for noise, expected in ((5.0, 0), (0.0, 1)):
        off = [noise * (-1) ** k for k in range(10)]
        lives = [lived_worth(100.0, 101.0 + off[k], 70.0) for k in range(10)]
        assert tested_module._chosen(spends, lives, 0.95) == expected


@pytest.mark.long
def test_a_plan_that_was_found_is_not_lost_with_its_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where time runs out in what may be left out, the plan stands with what was asked before, and is tested."""
    plan, data = deciding()
    honest = Session.answer

    def late(self: Session, *args: object, **options: object) -> object:
        if options.get("forced") is not None and "offtake" not in options["forced"][0].kinds[:1]:  # type: ignore[index]
            raise StoppedError("too late", Outcome("time_limit", None, None, None, None))
        return honest(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "answer", late)
    found = told(solve(plan, data, **FEW))
    assert found.why_not == ""
    assert found.left_out.empty
    assert set(found.acts.verdict) == {""}


@pytest.mark.long
def test_money_of_a_year_is_what_the_scenarios_pay(by_targets: Result) -> None:
    """Proves: 3 kt a year at 10 USD/kg are bought until a stop comes, which ends purchases; the expected money of each year lies
    within its band, all years add up, and the first, in which nothing happens, is what the plan says."""
    result, data = by_targets, deciding()[1]
    *years, whole = told(result).money_by_year.itertuples()
    assert sum(row.expected_musd for row in years) == pytest.approx(whole.expected_musd)
    assert all(row.low_musd - 1e-9 <= row.expected_musd <= row.high_musd + 1e-9 for row in years)
    calm = result.tables["budget"].outlay_musd.tolist()
    assert years[0].expected_musd == pytest.approx(calm[0])
    assert years[0].low_musd == years[0].high_musd
    first = FirstStage.of(result.plan, data, result.solution)
    quiet = first.own_scenarios.rows(slice(0, 1))
    assert quiet.names == ["no event"] or not quiet.events[0]
    assert evaluated(first, quiet).outlay[0, : len(calm)] == pytest.approx(calm)


def resampled(plan: Plan, **changes: object) -> Plan:
    """The plan with another sample."""
    return plan.model_copy(update={"sample": plan.sample.model_copy(update=changes)})


def search_of(plan: Plan, data: Dataset, result: Result) -> SampleSearch:
    return SampleSearch(prepare(plan, data), result.reference, deadline=time.perf_counter() + 600)


@pytest.mark.slow
def test_the_gap_is_no_smaller_than_what_a_better_plan_saves(answer: Result) -> None:
    """Proves: a plan made with 512 scenarios is no better in 4,000 others than the limit on the gap allows, and the worth stated
    lies within its interval there."""
    plan, data = deciding()
    found = told(answer)
    many = solve_once(resampled(plan, scenarios=512), data, gap=1e-6)
    search = search_of(resampled(plan, scenarios=4000, seed=99), data, answer)
    mine, better = (search.cost_of(trunk_alone(one.solution)).social_cost for one in (answer, many))
    assert mine - better <= found.figure("gap_limit_musd")
    worth = search.nothing.social_cost - mine
    room = 3 * (found.figure("worth_high_musd") - found.figure("worth_musd"))
    assert worth == pytest.approx(found.figure("worth_musd"), abs=room)


def test_a_sample_says_what_its_own_solve_says() -> None:
    """Proves: what a plan costs in the sample that it was made with is what its solve states, and so are its losses; the bound is
    no higher, and no other plan that is tried costs less."""
    plan, data = deciding()
    result = solve_once(plan, data, gap=1e-9)
    search = search_of(plan, data, result)
    cost = search.cost_of(trunk_alone(result.solution))
    assert cost.social_cost == pytest.approx(sum(result.objective_parts.values()), rel=1e-7)
    assert search.nothing.social_cost == pytest.approx(sum(result.reference_parts.values()), rel=1e-7)
    assert cost.loss == pytest.approx(result.figures.value("expected_loss_musd"), rel=1e-6)
    best = search.best(trunk_alone(result.solution), 1e-6)
    assert best.bound <= cost.social_cost + 1e-5
    assert best.objective == pytest.approx(cost.social_cost, abs=1e-4)


def test_tests_are_kept_whole_whatever_the_plan_reduces() -> None:
    """Proves: a plan whose own scenarios are medoids is tested by samples as they were drawn, each with a seed of its own."""
    reduced = resampled(deciding()[0], draws=200)
    assert len({1, *tested_module.sample_seeds(1, 10, tested_module.TEST_SEED_MASK)}) == 11
    assert tested_module.whole_sample(reduced, 7, 64) == resampled(reduced, draws=None, scenarios=64, seed=7)


def test_a_run_leads_with_what_to_do_first_and_can_be_checked(answer: Result, tmp_path: Path) -> None:
    """Proves: the manifest begins with the acts of the first years; the run is read back the same and verified; an amount, a gap
    or a verdict that was altered is objected to."""
    folder = answer.save(tmp_path / "run")
    assert next(iter(json.loads((folder / "manifest.json").read_text(encoding="utf-8")))) == "act_now"
    assert told(Result.load(folder)).manifest() == told(answer).manifest()
    assert not verify(folder).facts["objections"]
    for table, column, word in (
        ("act_now", "chosen", "chosen"),
        ("act_now", "least_in_samples", "not as much"),
        *(("sample_gap", name, name) for name in ("gap_musd", "gap_limit_musd", "worth_low_musd", "gap_share")),
        ("samples", "bound_musd", "bound"),
    ):
        altered = answer.tables[table].copy()
        altered[column] = altered[column] * 1.5
        forged = replace(answer, tables={**answer.tables, table: altered})
        assert any(word in objection for objection in verify(forged, again=answer).facts["objections"]), (table, column)
    rows = answer.tables["left_out"].assign(needed=False)
    forged = replace(answer, tables={**answer.tables, "left_out": rows})
    assert any("called needed" in objection for objection in verify(forged, again=answer).facts["objections"])


def test_the_summary_leads_with_new_scenarios_and_puts_its_own_last(answer: Result) -> None:
    text = answer.summary(full=True)
    verdict, evidence = text.partition("EVIDENCE")[0], text[text.index("EVIDENCE") :]
    assert "256 simulated futures, each known once a disruption begins" in re.sub(r"\s+", " ", answer.summary())
    assert "True gap, in the model that made the plan: none is worth over" in verdict
    assert "In its own" in evidence
    gap = answer.tables["sample_gap"].assign(gap_musd=-1.0)
    assert "is not known" in replace(answer, tables={**answer.tables, "sample_gap": gap}).summary(full=True)


def test_aims_without_a_bound_say_why_and_claim_none() -> None:
    """Proves: a limit on losses and an aim in two stages get figures in new scenarios, a reason, and no gap."""
    plan, data = deciding()
    for change in ({"risk": {"expected_loss_limit_musd": 150.0}}, {"objective": {"kind": "least_budget"}}):
        result = solve(Plan.model_validate(plan.to_toml_like() | change), data, **FEW)
        assert "social cost" in told(result).why_not
        assert "gap_musd" not in told(result).gap
        assert "In 256 new scenarios" in result.summary(full=True)
        found = told(result)
        assert found.figure("worth_musd") == pytest.approx(found.samples.worth_musd.mean())
        assert found.remaining.loss_musd.sum() == pytest.approx(found.figure("loss_musd"))
        assert len(found.money_by_year) == result.plan.horizon.years + 1
        assert "no bound on better plans" in re.sub(r"\s+", " ", result.summary())


@pytest.mark.long
def test_many_samples_are_lived_and_one_in_two_is_searched(tmp_path: Path) -> None:
    """Proves: of ten samples all say what the plan is worth, five how far the best one may be; the folder agrees with itself."""
    result = solve(*deciding(), **(FEW | {"samples": 10, "scenarios": 20}))
    found = told(result)
    assert not found.why_not
    assert (found.figure("samples"), found.figure("searched")) == (10, 5)
    assert found.samples.worth_musd.notna().all()
    assert found.samples.gap_musd.notna().tolist() == [True, False] * 5
    assert set(found.sample_acts["sample"]) <= {"plan 1", "plan 2", *(f"test {k}" for k in (1, 3, 5, 7, 9))}
    assert list(found.objections()) == []
    result.save(tmp_path / "run")
    assert verify(tmp_path / "run").facts["verified"]


@pytest.mark.parametrize("change", [{}, {"risk": {"cvar_weight": 0.5}}])
def test_an_answer_that_was_found_outlives_its_time(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where time ends once a plan is made, and beside what its lives say, the plan stands, with the reason."""
    plan, data = deciding()

    def over(*_: object) -> None:
        raise StoppedError("the time limit", Outcome("time_limit", None, None, None, None))

    monkeypatch.setattr(tested_module, "_examined", lambda *_: tested_module._Examined(failed="no time"))
    for name in ("_aside", "depends_rows", *(["met"] if change else [])):
        monkeypatch.setattr(lived_module, name, over)
    result = solve(Plan.model_validate(plan.to_toml_like() | change), data, **FEW)
    found = told(result)
    assert found.why_not
    assert found.lived == (not change)
    assert ("the gain leaves it out" in result.summary()) == bool(change)


@pytest.mark.slow
def test_a_sample_that_fails_leaves_the_plan_and_claims_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: where a sample is not solved, where menus of samples differ, or where a plan costs less than the bound on every plan,
    the plan stands with its figures in new scenarios and the reason, without a gap."""
    plan, data = deciding()
    honest = tested_module._tested
    changes: dict[str, object] = {}

    def otherwise(asked: tested_module.Asked) -> list[tested_module.Tested]:
        if not changes:
            raise UntrustedError("a sample of scenarios was not worked out in time")
        first, *rest = honest(asked)
        return [replace(first, **changes), *rest]  # type: ignore[arg-type]

    monkeypatch.setattr(tested_module, "_tested", otherwise)
    for changed, word in (
        ({}, "in time"),
        ({"menu": ("other",)}, "different ways"),
        ({"bound": 1e9}, "not to be trusted"),
    ):
        changes |= changed
        result = solve(plan, data, **(FEW | {"samples": 8}))
        assert word in told(result).why_not
        assert "gap_musd" not in told(result).gap
        assert "no bound on better plans" in re.sub(r"\s+", " ", result.summary())
        changes.clear()


@pytest.mark.slow
def test_the_second_plan_is_made_with_a_whole_sample_where_the_first_ones_is_reduced(answer: Result) -> None:
    """Proves: beside a plan of few scenarios that stand for many another is made with more of them, kept whole, which hangs less on
    the draw; the run folder says with which; where the plan's own sample is whole, the second is like it."""
    plan, data = deciding()
    found = solve(resampled(plan, scenarios=4, draws=400), data, **FEW)
    assert told(found).figure("chosen") == 2
    own, kept, whole = plan.sample, found.plan.sample, answer.plan.sample
    assert (kept.scenarios, kept.draws) == (tested_module.WHOLE, None)
    assert kept.seed != own.seed
    assert (whole.scenarios, whole.draws) == (own.scenarios, own.draws)
