"""A plan carried on through the years: nothing signed or built is forgotten, no news changes nothing, what changes says why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import ActRow, InputError, NewsRow, PlanError, Result, read_noted, roll, solve
from strategic_minerals.audit.accounts import costs_by_scenario, open_accounts
from strategic_minerals.cli.main import options_from
from strategic_minerals.core.stats import BASELINE_COURSE
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.question.dataset import Dataset
from strategic_minerals.question.load import load_question
from strategic_minerals.question.plan import Plan
from strategic_minerals.studies.learning import evidence_of
from strategic_minerals.studies.roll import EVIDENCE, FACTS, STATE
from strategic_minerals.verbs import VERBS
from support.one_mineral import one_mineral
from support.rolled import CALM, QUIET, YEARS, helped, reserve, reserved, struck, support_signed, under_hazard
from support.tiny import (
    FIRST,
    KT,
    best,
    cut,
    floored,
    guaranteed,
    imported,
    offer,
    project,
    ran,
    short,
    source,
    tiny,
    total,
)


def first_year(result: Result) -> float:
    """Cost of the first year on the baseline course [million USD]: what users pay and what the reserve buys and holds."""
    x, n = result.solution, prepare(result.plan, result.data).natural
    traded = x.output[0, 0, 0] + x.acquisition[0, :, 0].sum()
    return float(traded * n.price[0, 0] + x.stock[0, 0, 0] * n.holding[0])


@pytest.mark.long
def test_cover_that_a_new_plant_at_home_makes_smaller_is_said_to_be() -> None:
    """Proves: 36.5 days of 10 kt of imports are 1,000 t, and 600 once a plant of 4 kt, supported the year before, makes at home."""
    plant = project("gallium", 4.0, country="USA", additional=True, capex_musd=5.0, cash_usd_per_kg=0.9, lead_yr=2.0)
    case = {"projects": {"plant": plant}, "packages": {"help": {"instrument": "grant"}}, "loss": 100.0}
    case |= {"instruments": {"signing_years": [FIRST]}, "scenarios": [cut("stop", 0.5, FIRST + 3.0, 2.0, share=0.8)]}
    case |= {"days_of_cover": [{"material": "gallium", "days": 36.5, "from_year": FIRST + 1}]}
    first = solve(*reserve(6, **case), gap=0.0, quick=True)
    text = roll(first, gap=0.0, learning=False).summary()
    assert f"36.5 days of net imports of gallium: 600 t from FY{FIRST + 2} on, 1,000 t in the plan before" in text
    cover = {"days_of_cover": ()}
    other = solve(first.plan.model_copy(update=cover), first.data, gap=0.0, quick=True)
    assert "net imports" not in roll(other, gap=0.0, learning=False).summary()


@pytest.mark.long
def test_without_news_ten_rolled_years_are_worth_what_the_plan_said() -> None:
    """Proves: the value of the plan's tail, given that nothing has happened, is the value of the plan made again, year after year;
    and stocks, purchases and outlays are those of the plan."""
    plan = solve(*reserve(), gap=0.0, quick=True)
    before = plan
    for passed in range(1, YEARS):
        now = roll(before, fresh_draws=False, **CALM).result
        problem = prepare(before.plan, before.data)
        chance = problem.structure.scenarios.probability
        cost = costs_by_scenario(open_accounts(problem, before.solution))
        later = problem.structure.scenarios.onset[:, 0] >= 2  # the first year and the second are known to be quiet
        tail = float(chance[later] @ (cost[later] - first_year(before))) / float(chance[later].sum()) * 1.03
        assert total(now) == pytest.approx(tail, rel=1e-7)
        left = slice(passed, None)
        assert now.solution.stock[0, 0] == pytest.approx(plan.solution.stock[0, 0, left], abs=1e-6)
        assert now.solution.acquisition[0] == pytest.approx(plan.solution.acquisition[0][:, left], abs=1e-6)
        outlay = plan.tables["budget"].outlay_musd.to_numpy()[left]
        assert now.tables["budget"].outlay_musd.to_numpy() == pytest.approx(outlay, rel=1e-9)
        before = now
    assert before.plan.horizon.years == 1
    assert plan.tables["stock"].stock_t.max() > 0


def test_the_draws_of_a_sample_are_those_in_which_nothing_has_happened() -> None:
    """Proves: with kept draws the new plan's scenarios are those of the old one that lie ahead, at probabilities given that."""
    result = solve(*struck(reserve(6), {"rate_per_yr": 0.2}, quiet_probability=0.1), quick=True)
    now = roll(result, learning=False, fresh_draws=False).result
    old, new = (prepare(r.plan, r.data).structure.scenarios for r in (result, now))
    ahead = [k for k, events in enumerate(old.events) if all(e.start >= FIRST + 2 for e in events)]
    assert [old.events[k] for k in ahead] == list(new.events)
    assert new.probability == pytest.approx(old.probability[ahead] / old.probability[ahead].sum())


def test_what_was_signed_is_paid_kept_and_not_signed_again() -> None:
    """Proves: instalments, fees and the floor are due in the years in which the plan had them; the plant and the contract serve as
    before; neither can be signed a second time."""
    first = support_signed()
    signed = first.tables["projects"]
    assert float(signed[signed.project == "plant"].share.max()) == 1.0
    assert len(first.tables["contracts"]) == 1
    for years in (1, 2, 4):
        found = roll(first, years=years, **CALM)
        now, before = found.result.tables["budget"], first.tables["budget"].iloc[years:]
        parts = before[["capital_support_musd", "offtake_fees_musd", "contract_fees_musd", "floor_top_ups_musd"]]
        assert now.signed_before_musd.to_numpy() == pytest.approx(parts.sum(axis=1).to_numpy(), abs=1e-9)
        assert now.outlay_musd.to_numpy() == pytest.approx(before.outlay_musd.to_numpy(), abs=1e-9)
        assert "plant" not in set(found.result.tables["projects"].project)
        assert found.result.tables["contracts"].empty
        assert found.result.audited.passed
        short = [r.solution.shortfall.sum(axis=1) for r in (first, found.result)]
        if years < 3:  # before the stop, which both plans reckon with
            assert short[1] == pytest.approx(short[0][:, years:], abs=1e-6)


def test_a_floor_of_before_keeps_the_plant_alive_and_is_paid_on_the_facts_of_the_year() -> None:
    """Proves: at a price of 2 USD/kg the budget pays the difference to 3; at new prices of 2.8 a fifth of that."""
    first = support_signed()
    prices = pd.DataFrame([{"price_set": "base", "material": "gallium", "from_year": FIRST, "price_usd_per_kg": 2.8}])
    found = roll(first, years=3, learning=False, facts=Dataset.from_tables({"prices": prices}), gap=0.0)
    calm = roll(first, years=3, **CALM)
    due = [float(r.result.tables["budget"].signed_before_musd.iloc[0]) for r in (found, calm)]
    fees = float(first.tables["budget"][["offtake_fees_musd", "contract_fees_musd"]].iloc[3].sum())
    assert fees > 0
    assert due[1] - fees == pytest.approx(4.0 * (3.0 - 2.0))
    assert due[0] - fees == pytest.approx(4.0 * (3.0 - 2.8))
    assert found.facts["causes"] == [FACTS]
    assert found.result.audited.passed


def test_a_plan_made_in_mid_crisis_releases() -> None:
    """Proves: a stop that began last year and goes on is met from the stock, on the baseline course."""
    first = reserved(6)
    told = {"countries": "CHN", "materials": "gallium", "cut_share": 0.3, "duration_years": 1.0}
    begun = NewsRow(item="stop", status="in force", from_year=FIRST + 0.5, remaining_years=1.0, **told)
    found = roll(first, news=[begun], **CALM)
    assert found.result.tables["stock"].released_t.iloc[0] > 0
    assert found.facts["causes"] == [STATE]
    assert [event.name for event in found.result.plan.ongoing] == ["stop"]
    lifted = roll(found.result, news=[NewsRow(item="stop", status="ended")], **CALM)
    assert not lifted.result.plan.ongoing
    assert lifted.result.tables["stock"].released_t.iloc[0] == 0


@pytest.mark.long
def test_a_quiet_year_is_evidence_and_the_only_cause() -> None:
    """Proves: Gamma(3.5, 3.5 / 0.3) after a quiet year has the mean 3.5 / (3.5 / 0.3 + 1); `roll` names nothing else. An event
    after half a year is one onset in half a year; one that another brought on is none, and as long as it lasts its hazard cannot
    begin either. A year of which nobody read anything is no evidence, and the answer says so (section 22: missing news)."""
    first = under_hazard()
    unread = roll(first)
    assert unread.result.data.rows("hazards") == first.data.rows("hazards")
    assert "RATES THAT STAY" in unread.summary()
    assert "RATES THAT STAY" not in roll(first, learning=False).summary() + roll(first, news=QUIET).summary()
    known = first.plan.sample.model_copy(update={"rates": "known"})
    sure = roll(replace(first, plan=first.plan.model_copy(update={"sample": known})), news=QUIET)
    assert sure.result.data.rows("hazards") == first.data.rows("hazards")
    assert "RATES THAT STAY: all. The plan takes them for known" in sure.summary()
    begun = NewsRow(item="stop", status="in force", from_year=FIRST + 0.5, hazard="stop")
    quiet, after, spared = (
        roll(first, news=happened) for happened in (QUIET, [begun], [begun.model_copy(update={"counted": False})])
    )
    twice = roll(quiet.result, news=QUIET)
    for found, onsets, years in ((quiet, 0, 1.0), (twice, 0, 2.0), (after, 1, 0.5), (spared, 0, 0.5)):
        row = found.result.data.rows("hazards")[0]
        assert row.rate_per_yr == pytest.approx((3.5 + onsets) / (3.5 / 0.3 + years))
        assert row.rate_per_yr_low < row.rate_per_yr < row.rate_per_yr_high
    assert quiet.facts["causes"] == [EVIDENCE]
    assert f"The only cause of what differs from the plan of before: {EVIDENCE}." in quiet.summary()
    assert "only cause" not in roll(first, learning=False).summary()
    # of three years, one event until the middle of the first and one of nine months leave 0.5 + 1.25 years
    events = [begun.model_copy(update={"from_year": 2028.0}), NewsRow(item="stop", status="ended", from_year=2028.75)]
    seen = evidence_of(first.data.rows("hazards"), events, 2027.0, 2030.0, {"stop": 2027.5})["stop"]
    assert (seen.exposure_yr, seen.onsets) == (pytest.approx(1.75), 1)


def test_money_drawn_early_is_told() -> None:
    """Proves: a year tells what it has lost to the year before, and what it takes of the next."""
    plan, data = reserve(6, budget={"advance_share": 0.5}, money=0.6)
    found = roll(solve(plan, data, gap=0.0, quick=True), **CALM)
    assert "of 0.6 appropriated (0.3 of it drawn the year before) and 0.3 of the next year's." in found.summary()


def test_a_loan_is_owed_until_it_is_due_and_no_longer() -> None:
    """Proves: what the first year buys is due a year later, in the plan of that year; the one after it owes nothing of it, and what
    its own year bought, for as long as the first did."""
    plan, data = reserve(6, budget={"loan": {"interest": 0.05, "term_years": 1.0}})
    first = solve(plan, data, gap=0.0, quick=True)
    second = roll(first, **CALM).result
    loan = second.plan.budget.loan
    assert loan.owed_musd == pytest.approx(float(first.tables["budget"].borrowed_musd.iloc[0]))
    assert (loan.owed_musd > 0, loan.due_year) == (True, FIRST + 1)
    bought = float(second.tables["budget"].purchases_musd.iloc[0])
    says = " ".join(second.summary().split())
    assert f"{bought:.2g} M is borrowed and due in FY{FIRST + 2}; what is bought later is borrowed anew" in says
    third = roll(second, **CALM).result.plan.budget.loan
    assert (third.owed_musd, third.due_year, third.term_years) == (pytest.approx(bought), FIRST + 2, 1.0)
    never = roll(second, acts=[ActRow(kind="bought", item="spot", done=0.0)], **CALM).result.plan.budget.loan
    assert (never.owed_musd, never.due_year) == (0.0, None)


@pytest.mark.long
@pytest.mark.parametrize("months", [12, 6])
def test_a_loan_buys_stock_and_nothing_else(months: int) -> None:
    """Proves: next year owes what the run says is borrowed, which grants for plants are no part of; a term of two years and a half
    ends within a year, and tables and audit agree on when."""
    loan = {"loan": {"interest": 0.05, "term_years": 2.5}}
    horizon = {"first_year": FIRST, "years": 4, "tail_years": 0, "period_months": months}
    plan, data = one_mineral(300.0, budget=loan)
    first = solve(Plan.model_validate({**plan.to_toml_like(), "horizon": horizon}), data, gap=0.0, quick=True)
    year = first.tables["budget"].iloc[0]
    assert year.capital_support_musd > 0 < year.purchases_musd
    after = roll(first, **CALM).result.plan.budget.loan
    assert after.owed_musd == pytest.approx(year.purchases_musd)
    assert (after.owed_musd, after.due_year) == (pytest.approx(year.borrowed_musd), FIRST + 2.5)


def test_what_was_done_otherwise_changes_the_state(tmp_path: Path) -> None:
    """Proves: half of a purchase, a counted stock, a package that was not signed, a year that cost less."""
    first = reserved(6)
    planned = float(first.solution.acquisition[0, 0, 0])
    file = tmp_path / "acts.csv"
    file.write_text(f"kind,item,done,unit\nbought,spot,{planned / 2},t\n")
    found = roll(first, acts=read_noted(file, ActRow), **CALM)
    assert found.result.data.rows("stock")[0].opening_t == pytest.approx(planned / 2)
    assert found.facts["causes"] == [STATE]
    budget = first.plan.budget.model_copy(update={"carry_over_share": 0.5, "appropriation_musd": 9.0})
    thrifty = solve(first.plan.model_copy(update={"budget": budget}), first.data, quick=True)
    kept = roll(thrifty, acts=[ActRow(kind="spent", done=7.0)], learning=False).result.plan.budget.carried_in_musd
    assert kept == pytest.approx(2.0)
    counted = roll(first, acts=[ActRow(kind="stock", item="gallium", done=123.0)], learning=False)
    assert counted.result.data.rows("stock")[0].opening_t == 123.0
    unsigned = support_signed()
    name = next(p for p in unsigned.tables["projects"].package if "floor" in p)
    without = roll(unsigned, acts=[ActRow(kind="package", item="plant", detail=name, done=0.0)], learning=False)
    assert "plant" in {row.project for row in without.result.data.rows("projects")}


def test_faults_of_the_tables_say_line_and_column(tmp_path: Path) -> None:
    """Proves: every fault at once, with its place; an event without a hazard lacks what it does not say itself."""
    file = tmp_path / "news.csv"
    file.write_text("item,status,from_year,countries\na,announced,2028,CHN\nb,begun,2028,CHN\nc,in force,2027.5,CHN\n")
    with pytest.raises(InputError, match="materials, cut_share, remaining_years") as error:
        read_noted(file, NewsRow)
    assert {(fault.file, fault.row) for fault in error.value.faults} == {("news.csv", row) for row in "234"}
    for text, told in (
        ("item;status\na;ended\n", "1  item;status .* separated by commas"),
        ("item,happened\na,5\n", "2  happened  found 5; expected nothing: an event has a status"),
        ('item\n"a";b\n', "2  .* separated by commas"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=told):
            read_noted(file, NewsRow)
    (tmp_path / "acts.csv").write_text(text)
    with pytest.raises(InputError, match=r"acts.csv[\s\S]*news.csv"):  # the command line reads both
        options_from(VERBS["roll"], dict.fromkeys(VERBS["roll"].options) | {"source": tmp_path})
    first, stock = reserved(3), ActRow(kind="stock", item="galium", done=1.0)
    with pytest.raises(InputError, match=r"acts.csv.*a material of the plan[\s\S]*news.csv"):
        roll(first, acts=[stock], news=[NewsRow(kind="price", item="x", happened=1.0)])
    with pytest.raises(PlanError, match="left to plan"):
        roll(first, years=3)


def test_a_rolling_horizon_plans_as_many_years_as_before() -> None:
    now = roll(reserved(4), horizon="rolling", learning=False).result.plan.horizon
    assert (now.first_year, now.years) == (FIRST + 1, 4)


def test_terms_that_pass_the_horizon_stay_what_they_are() -> None:
    """Proves (trap 61): in a plan of four years a contract of ten is one of ten in the table, the words and the next plan, whose
    fees and reserved capacity go on to its last year; a plant's fees go on for its life. The plan's cost is that of its years."""

    def signed(term: float) -> Result:
        deal = {"kappa": 0.0, "lot_t_per_yr": 0.1 * KT, "fee_usd_per_kg": 0.01, "term_yr": term}
        terms = {"capex_musd": 2.0, "cash_usd_per_kg": 0.1, "life_yr": 15.0, "kappa": 0.0}
        plant = project("gallium", 1.0, country="AUS", additional=True, **terms)
        return helped(deal, plant, 1.0, FIRST + 2.0, years=4, residual=0.0)

    long, short = signed(10.0), signed(4.0)
    deal = long.tables["contracts"].iloc[0]
    assert deal.term_yr == 10.0
    assert deal.fees_musd == pytest.approx(0.01 * deal.contract_t_per_yr / 1000 * 10)
    assert "for 10 years" in long.summary()
    assert long.audited.passed
    assert long.outcome.objective_musd == pytest.approx(short.outcome.objective_musd, rel=1e-9)
    found = roll(long, years=1, horizon="rolling", **CALM).result
    due: dict[str, dict[int, float]] = {"contract": {}, "package": {}}
    kinds = {row.commitment: row.kind for row in found.data.rows("commitments")}
    for row in found.data.rows("payments_due"):
        if row.payment == "fee":
            due[kinds[row.commitment]][row.fiscal_year] = row.amount_musd
    yearly = 0.01 * deal.contract_t_per_yr / 1000
    assert due["contract"] == pytest.approx({FIRST + k: yearly for k in range(1, 10)})
    assert due["package"] == pytest.approx({FIRST + k: 0.02 for k in range(1, 16)})
    last = found.tables["budget"].signed_before_musd.iloc[-1]
    assert last == pytest.approx(yearly + 0.02)


@pytest.mark.long
def test_a_contract_that_begins_with_the_next_year_is_signed_before_it() -> None:
    """Proves: without news the contracts of FY2028 in a frozen plan bind the plan of that year; they do not slip another
    year, though no plan knows an event in its first."""
    frozen = Path(__file__).parents[1] / "frozen"
    first = solve(*load_question(frozen / "models" / "quickstart.toml", frozen / "inputs"), quick=True)
    signed = first.tables["contracts"].set_index("activity").contract_t_per_yr
    assert set(first.tables["contracts"].start.astype(int)) == {2028}
    study = roll(first, **CALM)
    now = study.result
    assert "now nothing" not in study.summary()
    bound = [row for row in now.data.rows("commitments") if row.kind == "contract"]
    assert {row.item for row in bound} == set(signed.index)
    assert {row.from_year for row in bound} == {2028}
    assert now.tables["contracts"].empty
    name = str(signed.index[0])
    refused = [ActRow(kind="contract", item=name, fiscal_year=2028, done=0.0)]
    left = roll(first, acts=refused, **CALM).result.data.rows("commitments")
    assert {row.item for row in left if row.kind == "contract"} == set(signed.index) - {name}


def test_a_promise_goes_on_about_a_disruption_that_was_announced() -> None:
    """Proves: where news announces a scenario that a promise names, the promise stays, and the title says the years of the plan."""
    plan, data = reserve(4)
    told = plan.to_toml_like()
    told["title"] = f"A reserve, FY{FIRST}-{FIRST + 3}"
    told["scenarios"][1]["design_basis"] = True
    name = told["scenarios"][1]["name"]
    told["service_levels"] = [
        {"material": "gallium", "segment": data.frame("demand").segment[0], "level": 0.5, "scenarios": [name]}
    ]
    first = solve(Plan.model_validate(told), data, gap=0.0, quick=True)
    said = NewsRow(item=name, status="announced", from_year=FIRST + 2.0, probability=0.1, countries="CHN", materials="gallium",
                   cut_share=0.3, duration_years=1.0, price_multiplier=1.0)  # fmt: skip
    now = roll(first, news=[said], **CALM).result.plan
    assert [level.scenarios for level in now.service_levels] == [(name,)]
    assert next(one for one in now.scenarios if one.name == name).design_basis
    assert now.title == f"A reserve, FY{FIRST + 1}-{FIRST + 3}"


def test_what_was_signed_beyond_the_appropriation_is_owed_and_no_end_of_planning() -> None:
    """Proves: 50 million USD that are due in a year of 10 leave a plan that buys nothing in that year alone, and say so."""
    plan, data = reserve(3, money=10.0)
    signed = {"commitment": "x", "kind": "contract", "item": "far", "producer": "far", "signed_year": FIRST - 1}
    due = {"commitment": "x", "fiscal_year": FIRST, "payment": "fee", "amount_musd": 50.0}
    owing = data.replace(commitments=pd.DataFrame([signed]), payments_due=pd.DataFrame([due]))
    result = solve(plan, owing, gap=0.0, quick=True)
    assert result.audited.passed
    assert result.tables["budget"].signed_before_musd.tolist() == [50.0, 0.0, 0.0]
    assert result.tables["budget"].purchases_musd.iloc[0] == 0.0
    assert any("what was signed before" in text for text in result.tables["notes"].note)
    assert result.outcome.do_nothing_musd == pytest.approx(solve(plan, data, quick=True).outcome.do_nothing_musd)


def test_a_second_roll_keeps_what_the_first_one_carried() -> None:
    """Proves: two years in two steps leave the same question as two years in one, whatever was signed in the first."""
    first = support_signed()
    step = roll(roll(first, **CALM).result, **CALM)
    once = roll(first, years=2, **CALM)
    for column in ("signed_before_musd", "outlay_musd"):
        twice, at_once = (found.result.tables["budget"][column].tolist() for found in (step, once))
        assert twice == pytest.approx(at_once, abs=1e-9)
    assert total(step.result) == pytest.approx(total(once.result), rel=1e-9)
    both = [sorted(row.commitment for row in r.result.data.rows("commitments")) for r in (step, once)]
    assert both[0] == both[1]


def test_a_plant_that_is_built_by_chance_stands_a_year_later():
    costs = {"capex_musd": 190.0, "capex_musd_low": 150.0, "capex_musd_high": 240.0, "cash_usd_per_kg": 5.0}
    more: dict[str, Any] = {"years": 4, "scenarios": [cut("stop", 0.5, 2030.0, 1.0)], "packages": {}}
    first = solve(*imported(10.0, 4.0, projects={"plant": project("a", 4.0, **costs)}, **more), quick=True)
    part = ran(first, "plant_unsupported", "stop", "2030")
    assert 2.0 < part < 3.0
    later = roll(first, years=2).result
    assert ran(later, "plant_unsupported", BASELINE_COURSE, "2029") > 0
    assert ran(later, "plant_unsupported", "stop", "2030") == pytest.approx(part)


def test_a_contract_gives_no_more_once_it_is_of_an_earlier_year():
    """Half of 2 kt is honoured; what others have bought stays theirs."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 10.0}
    ally = source("AUS", "a", 4.0, **terms, honoured_share=0.5, sold_share=0.5)
    more: dict[str, Any] = {"years": 4, "scenarios": [cut("stop", 0.5, 2029.0, 1.0)]}
    more["instruments"] = {"contract_years": [2027], "reserve": False}
    first = solve(*imported(10.0, 4.0, sources={"far": source("CHN", "a", 9.0), "ally": ally}, **more), quick=True)
    assert ran(first, "ally", "stop", "2029") == pytest.approx(1.0)
    later = roll(first, years=1).result
    made = later.tables["operations"].query("scenario == 'stop' and period == '2029' and country == 'AUS'")
    assert made.output_t.sum() == pytest.approx(1000.0)


def test_a_contract_that_ends_in_mid_year_gives_in_half_of_it():
    """Proves: 4.5 years from 2027 on end in the middle of 2031; rolled, an ally of 4 kt gives 2 kt in that year, not 4."""
    ally = source("AUS", "a", 4.0, kappa=0.0, lot_t_per_yr=100.0, fee_usd_per_kg=0.5, term_yr=4.5)
    more: dict[str, Any] = {"years": 6, "months": 6, "scenarios": [cut("stop", 0.5, 2031.0, 1.0)]}
    more["instruments"] = {"contract_years": [2027], "reserve": False}
    first = best(imported(100.0, loss=900.0, sources={"far": source("CHN", "a", 8.0), "ally": ally}, **more))
    study = roll(first, years=1, learning=False, gap=0.0)
    assert "ends in 2031.5; the tables hold whole years, so that it counts with 50% of its tonnes" in study.summary()
    for result in (first, study.result):
        made = result.tables["operations"].query("scenario == 'stop' and country == 'AUS'")
        assert made[made.period.str.startswith("2031")].output_t.sum() == pytest.approx(2000.0)
        paid = result.tables["budget"].set_index("fiscal_year").loc[2031]
        assert paid.contract_fees_musd + paid.signed_before_musd == 1.0


def test_a_contract_that_begins_with_the_new_plan_is_said_to_be_signed():
    """Proves: it was due before its year, and a note says that it counts as signed, unless a row of `acts.csv` has none of it."""
    ally = source("AUS", "a", 4.0, kappa=0.0, lot_t_per_yr=100.0, fee_usd_per_kg=0.5, term_yr=5.0)
    more: dict[str, Any] = {"years": 6, "scenarios": [cut("stop", 0.5, 2031.0, 1.0)]}
    more["instruments"] = {"contract_years": [2028], "reserve": False}
    first = best(imported(100.0, loss=900.0, sources={"far": source("CHN", "a", 8.0), "ally": ally}, **more))
    said, none = "contracts with ally: a row `contract` of acts.csv", [ActRow(kind="contract", item="ally", done=0.0)]
    assert said in roll(first, **CALM).summary()
    assert said not in roll(first, acts=none, **CALM).summary()


@pytest.mark.parametrize("until", [2029.0, 2029.25])
def test_a_floor_begins_where_an_older_one_on_the_same_output_ends(until: float) -> None:
    """Proves: yearly periods count a guarantee until early 2029 as over when the plant opens; rolled, the new one follows it."""
    plant = project("a", 1.0, cash_usd_per_kg=60.0, committed=True, lead_yr=2.0)
    case: dict[str, Any] = {"projects": {"new": plant}, "agreed": [guaranteed("new", "a", 80.0, until)], "years": 6}
    case |= {"packages": {"carried": floored("a", 70.0, 4.0)}, "demand": {"a": 2.0}, "loss": 500.0}
    war = cut("war", 0.4, 2031.0, 1.0, share=0.0, price_multiplier=0.5)
    menu = {"packages": ["none", "carried"], "signing_years": [2027]}
    first = best(imported(100.0, 1.0, scenarios=[war], instruments=menu, **case))
    rows = roll(first, years=1, learning=False, gap=0.0).result.data.rows("commitments")
    assert [row.floor_from_year for row in rows] == [None, until]


def test_makers_are_qualified_when_their_lead_has_passed():
    """The ally is qualified from the third year on, which is the second of the next plan; users' own stock goes along."""
    plan, data = tiny(
        {"magnet": 50.0, "form": 50.0},
        materials={"form": {"qualified_of": "magnet", "qualified_users": "defence"}},
        sources={
            "plant": source("USA", "magnet", 2.0),
            "ally": source("AUS", "magnet", 9.0, kappa=1.0),
            "check": source("USA", {"form": 1.0, "magnet": -1.0}, 9.0),
        },
        demand={("magnet", "defence"): 3.0},
        scenarios=[cut("stop", 0.5, 2029.0, 1.0, "magnet")],
        years=4,
    )
    rows = [{"material": "form", "producer": name, "lead_yr": lead} for name, lead in (("plant", 0.0), ("ally", 2.0))]
    held = [{"material": "magnet", "segment": "defence", "level_months": 1.0}]
    data = data.replace(qualifications=pd.DataFrame(rows), users_stock=pd.DataFrame(held))
    later = roll(solve(plan, data, quick=True), years=1).result
    assert {row.producer: row.lead_yr for row in later.data.rows("qualifications")} == {"plant": 0.0, "ally": 1.0}
    assert short(later, BASELINE_COURSE, "2028", "form") == pytest.approx(1.0)
    assert short(later, BASELINE_COURSE, "2029", "form") == pytest.approx(0.0, abs=1e-9)


PLANT = {
    "country": "USA",
    "cash_usd_per_kg": 8.0,
    "capex_musd": 90.0,
    "hurdle_rate": 0.05,
    "lead_yr": 2.0,
    "life_yr": 10.0,
}
ALLY = {"kappa": 0.0, "lot_t_per_yr": 100.0, "fee_usd_per_kg": 0.1, "term_yr": 8.0, "cash_usd_per_kg": 11.0}
MENU = {"material": "a", "levels_usd_per_kg": [12.0], "term_years": 8, "scope": "market", "eligible": "allied"}
GUARD = floored("a", 12.0, 3.0, instrument="grant")
RIGHT = floored("a", 10.0, 1.0, "purchase", take_t_per_yr=500.0)
SIGNED: dict[str, dict[str, Any]] = {
    "a flood before first output": {
        "price": {2027: 10.0, 2028: 5.0, 2029: 10.0},
        "plant": {"restart_yr": 2.0},
        "help": GUARD,
    },
    "from mid-year to mid-year": {"plant": {"lead_yr": 1.5, "life_yr": 3.0}, "help": GUARD, "months": 6},
    "a contract and a market floor": {"ally": {}, "menu": {"price_floors": [MENU]}},
    "a contract with a maker who is shut": {"price": {2027: 10.0, 2028: 14.0}, "ally": {"restart_yr": 3.0}},
    "a right to buy for a year": {
        "plant": {"lead_yr": 1.0, "capex_musd": 0.0},
        "help": RIGHT,
        "menu": {"reserve": True},
    },
    "half of a plant that the reserve buys from": {
        "plant": {"lead_yr": 1.0},
        "help": {"instrument": "grant"},
        "money": {2027: 20.0, 2028: 99.0},
    },
}


@pytest.mark.parametrize("case", SIGNED)
def test_what_was_signed_serves_and_costs_a_year_later_as_the_plan_had_it(case: str) -> None:
    asked = {"price": 10.0, "menu": {}} | SIGNED[case]
    more: dict[str, Any] = {name: asked[name] for name in ("months", "money") if name in asked}
    menu = {
        "signing_years": [2027],
        "contract_years": [2027],
        "offtake_price": "fee",
        "reserve": "money" in asked,
    } | asked["menu"]
    if "ally" in asked:
        more["sources"] = {"far": source("CHN", "a", 10.0), "ally": source("AUS", "a", 4.0, **ALLY | asked["ally"])}
    else:
        more["projects"] = {"plant": project("a", 4.0, additional=True, **PLANT | asked["plant"])}
        more["packages"], menu["packages"] = {"help": asked["help"]}, ["help"]
    if "money" in asked:
        more["offers"], menu["partial_support"] = {"sold": offer("a", 1.0, 0.0, "plant")}, True
    stop = [cut("stop", 0.5, 2030.0, 2.0)]
    first = best(imported(asked["price"], 10.0, years=6, loss=500.0, scenarios=stop, instruments=menu, **more))
    later = roll(first, fresh_draws=False, **CALM).result
    due = [
        "capital_support_musd",
        "offtake_fees_musd",
        "contract_fees_musd",
        "floor_top_ups_musd",
        "signed_before_musd",
    ]
    owed, missing = [], []
    for result in (first, later):
        owed.append(result.tables["budget"].set_index("fiscal_year")[due].sum(axis=1).loc[2028:])
        missing.append(
            sum(short(result, "stop", str(year)) for year in range(2028, 2033)) if "months" not in more else 0
        )
    assert first.tables["projects"].share.max() > 0 if "plant" in asked else len(first.tables["contracts"])
    assert owed[1].tolist() == pytest.approx(owed[0].tolist(), abs=1e-6)
    assert missing[1] == pytest.approx(missing[0], abs=1e-6)


def test_a_plant_that_was_signed_in_two_parts_is_carried_on():
    support = {
        "packages": {"help": {"instrument": "grant"}},
        "money": 10.0,
        "scenarios": [cut("stop", 0.5, 2030.0, 1.0)],
    }
    menu = {"signing_years": [2027, 2028], "reserve": False, "partial_support": True}
    plant = project(
        "a", 4.0, country="USA", cash_usd_per_kg=9.0, capex_musd=60.0, lead_yr=1.0, life_yr=10.0, additional=True
    )
    first = best(imported(10.0, 10.0, years=4, loss=100.0, projects={"plant": plant}, instruments=menu, **support))
    assert first.tables["projects"].share.tolist() == pytest.approx([0.5, 0.5])
    later = roll(first, years=2, fresh_draws=False, **CALM).result
    assert short(later, "stop", "2030") == pytest.approx(short(first, "stop", "2030"))
