"""Qualified forms by hand: what counts for users who may not take every tonne, and that they share nothing with the rest.

And trap 27: what comes inside imported goods can be neither held nor made, so no plan may depend on how much of it there is. Its
loss is told apart and left out of risk measures, unless the plan asks for it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strategic_minerals import Dataset, InputError, PlanError, check, solve
from strategic_minerals.answer.solving import solve_once
from strategic_minerals.answer.tables import losses_by_scenario
from strategic_minerals.audit.accounts import embedded_losses, losses, open_accounts
from strategic_minerals.audit.audit import audit
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from strategic_minerals.studies.outlook import scenario_outlook
from strategic_minerals.studies.stress import stress_test
from support.tiny import bought, cut, hazard_row, offer, project, short, source, supply_rule, tiny, total, unaudited

FORM = {"qualified_of": "magnet", "qualified_users": "defence", "holding_share_per_yr": 0.01}
BACK = {"countries": "CHN", "materials": "magnet", "reach_back": True, "applies_to": ["users"]}


def chain(
    *,
    clean_mine: float = 2.0,
    form: bool = True,
    rule: Any = BACK,
    makers: Any = (),
    scenarios: Any = None,
    demand: Any = None,
    **more: Any,
) -> tuple[Any, Dataset]:
    """Magnets come from China, from an ally who says nothing of his feed, and from a home plant that runs on ore of an ally and of
    China: half a tonne a tonne. Defence wants 3 kt, others 4; China stops everything in the second year."""
    plan, data = tiny(
        {"ore": 10.0, "magnet": 50.0} | ({"form": 50.0} if form else {}),
        materials={"form": FORM},
        sources={
            "ally_mine": source("AUS", "ore", clean_mine, feed="AUS"),
            "china_mine": source("CHN", "ore", 9.0),
            "plant": source("USA", {"magnet": 1.0, "ore": -0.5}, 5.0, feed="modelled"),
            "china": source("CHN", "magnet", 9.0),
            "silent": source("AUS", "magnet", 9.0, kappa=1.0),
        }
        | ({"check": source("USA", {"form": 1.0, "magnet": -1.0}, 9.0, feed="modelled")} if form else {}),
        demand=demand or {("magnet", "defence"): 3.0, ("magnet", "civil"): 4.0},
        tiers={"defence": [(1.0, 4.0)], "civil": [(1.0, 1.0)]},
        scenarios=scenarios or [cut("stop", 0.5, 2028.0, 1.0)],
        **{"procurement": {"exclusions": [rule] if rule else []}, **more},
    )
    if not makers:
        return plan, data
    rows = [{"material": "form", "producer": name, "lead_yr": lead} for name, lead in makers]
    return plan, data.replace(qualifications=pd.DataFrame(rows))


@pytest.mark.parametrize(("mine", "expected"), [(2.0, 0.0), (1.0, 1.0), (0.25, 2.5), (0.0, 3.0)])
def test_in_an_embargo_defence_lacks_what_clean_sources_cannot_give(mine, expected):
    """3 kt less two tonnes of magnets for each tonne of clean ore; the silent ally fills everybody else."""
    result = solve(*chain(clean_mine=mine, instruments={"reserve": False}), quick=True)
    assert short(result, "stop", "2028", "form") == pytest.approx(expected)
    assert short(result, "stop", "2028", "magnet") == pytest.approx(0.0, abs=1e-9)


def test_a_rule_on_a_form_looks_at_what_it_is_made_of():
    """Proves: the maker of the form at home never stops; what its feed and all magnets lose in the stop opens its stock."""
    laws = [{"material": "form", "from_lost_share": 0.1}]
    result = solve(*chain(clean_mine=0.0, stock={"form": 3.0}, stock_rules=laws), gap=0.0, quick=True)
    assert short(result, "stop", "2028", "form") == pytest.approx(0.0, abs=1e-9)


def test_without_the_form_defence_takes_any_tonne():
    """The same question, the form not planned: priority fills defence, which cannot fail."""
    plan, data = chain(clean_mine=0.0)
    whole = solve(plan.model_copy(update={"materials": ("ore", "magnet")}), data, quick=True)
    bare, tables = chain(clean_mine=0.0, form=False)
    assert short(whole, "stop") == pytest.approx(0.0, abs=1e-9)
    assert whole.outcome == solve(bare, tables, quick=True).outcome  # to the bit


@pytest.mark.parametrize("mine", [0.0, 1.0, 2.0])
def test_a_form_of_which_nobody_asks_anything_costs_nothing(mine):
    """Neutral value: no rule and no list of makers."""
    free, bare = chain(clean_mine=mine, rule=None), chain(clean_mine=mine, form=False, rule=None)
    assert total(solve(*free, quick=True, gap=0.0)) == pytest.approx(total(solve(*bare, quick=True, gap=0.0)), rel=1e-9)


def test_without_reach_back_the_country_of_the_maker_counts():
    """The plant may run on whatever ore there is, and the silent ally counts."""
    result = solve(*chain(clean_mine=0.0, rule={**BACK, "reach_back": False}), quick=True)
    assert short(result, "stop", "2028", "form") == pytest.approx(0.0, abs=1e-9)


def test_only_named_makers_count_others_after_their_lead():
    """The plant alone is named and gives 2 kt of its 4 to defence in the stop, the ally from the third year on."""
    stops = [cut("stop", 0.3, 2028.0, 1.0), cut("late", 0.3, 2029.0, 1.0)]
    makers = [("plant", 0.0), ("silent", 2.0)]
    result = solve(*chain(clean_mine=1.0, rule=None, makers=makers, scenarios=stops), quick=True)
    assert short(result, "stop", "2028", "form") == pytest.approx(1.0)
    assert short(result, "late", "2029", "form") == pytest.approx(0.0, abs=1e-9)


def test_each_pool_serves_its_own_users():
    """A tonne in the store of the material does not help defence; one of the form does, and is bought of clean makers alone."""
    offers = {"any": offer("magnet", 9.0, source="silent"), "good": offer("form", 9.0, source="check")}
    stocked = solve(*chain(clean_mine=0.5, offers={"any": offers["any"]}), quick=True)
    assert short(stocked, "stop", "2028", "form") == pytest.approx(2.0)
    both = solve(*chain(clean_mine=0.5, offers=offers, scenarios=[cut("stop", 0.5, 2029.0, 1.0)]), quick=True)
    # clean ore of the years before went to defence itself
    assert short(both, "stop", "2029", "form") == pytest.approx(2.0)
    more = solve(
        *chain(clean_mine=2.0, offers=offers, scenarios=[cut("stop", 0.5, 2029.0, 1.0, countries="CHN AUS")]),
        quick=True,
    )
    bought = more.tables["acquisitions"].groupby("material").acquired_t.sum()
    # 1 kt a year of clean magnets is left over by the 3 of defence
    assert bought.get("form", 0.0) == pytest.approx(2000.0)
    assert short(more, "stop", "2029", "form") == pytest.approx(1.0)


def test_a_promise_is_kept_in_qualified_tonnes():
    """A plant on clean feed is built to keep it, and a promise on the material as such is told what to say."""
    promise = {"segment": "defence", "level": 1.0, "scenarios": ["stop"]}
    more: dict[str, Any] = {
        "projects": {"new": project("ore", 1.0, capex_musd=1.0, additional=True, feed="USA")},
        "packages": {"grant": {"instrument": "grant"}},
        "scenarios": [cut("stop", 0.5, 2029.0, 1.0, design_basis=True)],
    }
    result = solve(*chain(clean_mine=1.0, service_levels=[{**promise, "material": "form"}], **more), quick=True)
    assert short(result, "stop", "2029", "form") == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(PlanError, match="'form', for which this segment asks"):
        solve(*chain(service_levels=[{**promise, "material": "magnet"}], **more), quick=True)


def test_prices_and_shortages_are_those_of_the_material():
    """A flood and a squeeze move both alike, and what passes as qualified costs nothing."""
    plan, data = chain(scenarios=[cut("stop", 0.5, 2028.0, 1.0, "magnet", price_multiplier=3.0)])
    problem = prepare(plan, data)
    n, scenarios = problem.natural, problem.structure.scenarios
    form, material = n.materials.index("form"), n.materials.index("magnet")
    for values in (scenarios.price, scenarios.market_gap, scenarios.squeeze, scenarios.tight):
        assert np.array_equal(values[:, form], values[:, material])
    assert scenarios.tight[:, form].any()
    assert n.material_unit[form] == n.material_unit[material]


@pytest.mark.parametrize(
    ("family", "rule", "makers"),
    [
        ("clean_balance", BACK, ()),
        ("qualified_supply", None, [("plant", 0.0)]),
        ("qualified_supply", {**BACK, "reach_back": False, "countries": "CHN AUS USA"}, ()),
    ],
)
def test_the_audit_sees_what_passes_unqualified(family, rule, makers):
    """More of the form than qualified makers made, everything else consistent with it: only these rows object."""
    plan, data = chain(clean_mine=0.5, rule=rule, makers=makers)
    free = plan.model_copy(update={"procurement": plan.procurement.model_copy(update={"exclusions": ()})})
    loose = prepare(free, Dataset({k: v for k, v in data.tables.items() if k != "qualifications"}, data.name))
    solution = extract(loose.structure, loose.assembly, optimise(loose, gap=0.0, time_limit_s=60.0).x)
    ruled = prepare(plan, data)
    found = audit(replace(loose, plan=plan, data=data, natural=ruled.natural, structure=ruled.structure), solution)
    assert any(one.family == family and not one.holds for one in found.residuals)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"materials": {"form": {**FORM, "qualified_users": ""}}}, "segments that ask for the form"),
        ({"materials": {"form": {"qualified_users": "defence"}}}, "an empty cell, or the material in `qualified_of`"),
        ({"materials": {"form": {**FORM, "qualified_users": "defense"}}}, "did you mean 'defence'"),
        ({"materials": {"form": {**FORM, "qualified_of": "magnit"}}}, "did you mean 'magnet'"),
        ({"check": source("CHN", {"form": 1.0, "magnet": -1.0}, 9.0)}, "an activity at home"),
        ({"check": source("USA", {"form": 1.0, "magnet": -0.9}, 9.0)}, "an activity at home"),
        ({"check": source("USA", {"form": 1.0, "magnet": -1.0}, 9.0, cash_usd_per_kg=1.0)}, "adds no cost"),
        ({"check": source("USA", {"magnet": 1.0}, 9.0)}, "one activity that makes the form"),
    ],
)
def test_forms_that_make_no_sense_are_refused(change, expected):
    tables = {
        "materials": {"form": FORM},
        "demand": {("magnet", "defence"): 1.0},
        "sources": {"far": source("CHN", "magnet", 9.0), "check": source("USA", {"form": 1.0, "magnet": -1.0}, 9.0)},
    }
    if "check" in change:
        tables["sources"]["check"] = change["check"]
    plan, data = tiny({"magnet": 50.0, "form": 50.0}, **{**tables, **{k: v for k, v in change.items() if k != "check"}})
    with pytest.raises(InputError, match=expected):
        solve(plan.model_copy(update={"materials": ("magnet", "form")}), data, quick=True)


@pytest.mark.parametrize(("material", "producer"), [("magnet", "plant"), ("form", "ally_mine"), ("form", "check")])
def test_a_qualification_without_effect_is_refused(material, producer):
    """Proves: a maker of something else, and a material that is no form, are named: nobody would be qualified by such a row."""
    plan, data = chain(makers=[("plant", 0.0)])
    rows = pd.DataFrame([{"material": material, "producer": producer}])
    (fault,) = check(plan, data.replace(qualifications=rows)).faults
    assert fault.file == "qualifications.csv"


@pytest.mark.long
def test_a_star_stands_for_all_makers_without_a_row():
    """Proves: with every maker qualified the answer is that without rows; a row of one's own takes a maker out of the star's."""
    stated, starred, none = (solve(*chain(makers=rows), quick=True) for rows in ((), [("*", 0.0)], [("*", 9.0)]))
    assert starred.outcome.objective_musd == pytest.approx(stated.outcome.objective_musd)
    one, same = (solve(*chain(makers=rows), quick=True) for rows in ([("plant", 0.0)], [("*", 9.0), ("plant", 0.0)]))
    assert one.outcome.objective_musd == pytest.approx(same.outcome.objective_musd)
    assert short(none, "stop", "2028", "form") > short(one, "stop", "2028", "form")


@pytest.mark.parametrize(("seller", "lacking"), [("ally_mine", 0.0), ("china_mine", 3.0)])
def test_a_stock_of_clean_feed_makes_what_defence_may_use(seller, lacking):
    """1.5 kt of ore for 3 kt of magnets, bought in the years before everybody abroad stops: of the ally it counts, of China not."""
    stop = [cut("stop", 0.5, 2029.0, 1.0, countries="CHN AUS")]
    offers = {"ore": offer("ore", 9.0, source=seller)}
    result = solve(*chain(clean_mine=3.0, offers=offers, scenarios=stop, loss=1000.0), quick=True)
    assert short(result, "stop", "2029", "form") == pytest.approx(lacking, abs=1e-6)


def test_only_what_is_qualified_limits_a_form():
    """The plant alone is named and gives all it can; an ally who is idle beside it is no way out."""
    result = solve(
        *chain(clean_mine=9.0, rule=None, makers=[("plant", 0.0)], demand={("magnet", "defence"): 7.0}), quick=True
    )
    table = result.tables["bottlenecks"].query("case == 'nothing' and scenario == 'stop' and material == 'form'")
    assert set(table.limited_by) == {"form"}


def test_days_of_cover_count_what_qualified_users_want_of_the_material():
    """Proves: 7 kt are wanted, 3 of them of the form, and the home plant makes 5, whatever is then taken as qualified: a tenth of
    a year of net imports is 0.2 kt. The audit counts it by its own code."""
    rule = {"material": "magnet", "days": 36.5, "from_year": 2027}
    offers = {"any": offer("magnet", 9.0, 0.1, source="silent")}
    stop = [cut("stop", 0.001, 2028.0, 1.0)]
    result = solve(*chain(days_of_cover=[rule], offers=offers, scenarios=stop), quick=True)
    held = result.tables["stock"].set_index(["material", "fiscal_year"]).stock_t
    assert held["magnet", 2027] == pytest.approx(200.0)


STOP = cut("stop", 0.2, 2028, 1, design_basis=True)
LONG = cut("long", 0.1, 2028, 2)


def goods(embedded: float = 0.0, **plan: Any) -> tuple:
    """10 kt of magnets a year, and some kt inside goods, both Chinese: in a stop of a year each kt missing costs 5 + 100 M."""
    inside = (
        {"sources": {"goods": source("CHN", "inside", embedded)}, "demand": {"inside": embedded}}
        if embedded
        else {"sources": {}, "demand": {}}
    )
    given: dict[str, Any] = {
        "materials": {"inside": {"embedded": True}, "magnet": {"holding_share_per_yr": 0.1}},
        "sources": {"china": source("CHN", "magnet", 10), **inside["sources"]},
        "demand": {"magnet": 10, **inside["demand"]},
        "offers": {"o": offer("magnet", 4), "dear": offer("magnet", 4, 1.0)},
        "scenarios": [STOP, LONG],
        **plan,
    }
    return tiny({"magnet": 5, "inside": 5}, **given)


def answer(case: tuple) -> Any:
    return solve_once(*case, gap=0.0)


RISKS = [
    {},
    {"risk": {"cvar_weight": 2.0, "alpha": 0.8}},
    {"risk": {"cvar_limit_musd": 1400.0, "alpha": 0.8}},
    {"risk": {"expected_loss_limit_musd": 250.0}},
    {"objective": {"kind": "risk_within_budget"}, "money": 20.0},
]


@pytest.mark.parametrize("risk", RISKS, ids=lambda risk: "/".join(next(iter(risk.values()), ["cost"])))
def test_the_plan_is_the_same_with_twice_as_much_inside_goods(risk: dict[str, Any]) -> None:
    none, some, twice = (answer(goods(kt, **risk)) for kt in (0.0, 20.0, 40.0))
    for other in (some, twice):
        assert other.outcome.objective_musd == pytest.approx(none.outcome.objective_musd, abs=1e-6)
        assert bought(other, "magnet") == pytest.approx(bought(none, "magnet"), abs=1e-6)
    assert total(twice) - total(some) == pytest.approx(total(some) - total(none), abs=1e-6)


def test_it_is_the_same_where_scenarios_are_sampled_and_reduced() -> None:
    """A sample is reduced by what scenarios cost: the goods must not choose which of them are kept."""
    sample = {"scenarios": 3, "draws": 60, "seed": 1, "quiet_probability": 0.05}

    def kept(kt: float) -> Any:
        plan, data = goods(kt, scenarios=[], years=5, sample=sample)
        return prepare(plan, with_hazards(data)).structure.scenarios

    some, twice = kept(20.0), kept(40.0)
    assert some.names == twice.names
    assert np.array_equal(some.probability, twice.probability)


def with_hazards(data: Any) -> Any:
    """The tables with two hazards: one stops all that China sells, the other its goods alone."""
    hazards = [
        hazard_row(name, materials, 0.3, cut_share=0.8, cut_law="fixed")
        for name, materials in (("both", "*"), ("goods", "inside"))
    ]
    return data.replace(hazards=pd.DataFrame(hazards))


def test_its_loss_has_a_column_of_its_own_and_a_line_in_the_summary() -> None:
    """20 kt at 105 M: 2,100 M in the stop of a year, 4,200 in the longer one, 840 expected."""
    result = answer(goods(20.0))
    table = result.tables["scenario_losses"].set_index("scenario")
    assert table.embedded_loss_musd["stop"] == pytest.approx(2100)
    assert table.embedded_loss_musd["long"] == pytest.approx(4200)
    assert table.loss_without_plan_musd["stop"] == pytest.approx(1050)
    assert table.shortfall_without_plan_t["stop"] == pytest.approx(10_000)
    line = next(line for line in result.summary(full=True).splitlines() if "inside imported goods" in line)
    assert "840 M with the plan or without it, not counted above, nor in risk measures" in line


def test_risk_measures_count_it_where_the_plan_asks() -> None:
    result = answer(goods(20.0, risk={"cvar_weight": 1.0, "alpha": 0.8, "embedded": True}))
    table = result.tables["scenario_losses"].set_index("scenario")
    assert table.loss_without_plan_musd["stop"] == pytest.approx(1050 + 2100)
    assert "counted above, as the plan asks" in result.summary(full=True)
    left_out = answer(goods(20.0, risk={"cvar_weight": 1.0, "alpha": 0.8}))
    tail = (4200 * 0.1 + 2100 * 0.1) / 0.2
    assert total(result) - total(left_out) == pytest.approx(tail, abs=1e-5)


def test_the_audit_counts_as_the_model_does() -> None:
    for risk in ({"cvar_weight": 1.0}, {"cvar_weight": 1.0, "embedded": True}):
        solved = unaudited(*goods(20.0, risk=risk))
        solution = extract(solved.problem.structure, solved.problem.assembly, solved.x)
        told, accounts = losses_by_scenario(solved.problem, solution), open_accounts(solved.problem, solution)
        assert losses(accounts) == pytest.approx(told[0], abs=1e-6)
        assert embedded_losses(accounts) == pytest.approx(told[1], abs=1e-6)


def test_stress_tests_and_outlooks_leave_it_out() -> None:
    plan, data = goods(20.0)
    data = with_hazards(data)
    result = solve_once(plan, data, gap=0.0)
    doubled, more = goods(40.0)
    again = solve_once(doubled, with_hazards(more), gap=0.0)
    tests = [stress_test(answered, scenarios=40, seed=3) for answered in (result, again)]
    assert np.allclose(*(one.tables["scenarios"].loss_musd for one in tests), rtol=0, atol=1e-6)
    years = [
        scenario_outlook(*case, scenarios=40, seed=3).tables["years"]
        for case in ((plan, data), (doubled, with_hazards(more)))
    ]
    assert np.allclose(years[0].cvar_musd, years[1].cvar_musd)


FAULTY: list[tuple[dict[str, Any], str]] = [
    ({"offers": {"o": offer("inside", 4)}}, "offers.csv"),
    ({"stock": {"inside": 1.0}}, "stock.csv"),
    ({"projects": {"p": project("inside", 1.0)}}, "yields.csv"),
    ({"sources": {"china": source("CHN", {"magnet": 1.0, "inside": 1.0}, 10)}}, "yields.csv"),
    ({"sources": {"china": source("CHN", "magnet", 10), "home": source("USA", "inside", 1)}}, "activities.csv"),
    (
        {"sources": {"china": source("CHN", "magnet", 10), "ally": source("AUS", "inside", 1, lot_t_per_yr=1.0)}},
        "activities.csv",
    ),
    ({"days_of_cover": [{"material": "inside", "days": 0, "from_year": 2028}]}, "plan"),
    (
        {"diversification": [supply_rule("country_cap", "inside", 0.5, country="CHN", from_year=2028, hard=True)]},
        "plan",
    ),
    ({"service_levels": [{"material": "inside", "segment": "civil", "level": 0.5, "scenarios": ["stop"]}]}, "plan"),
    ({"instruments": {"price_floors": [{"material": "inside", "levels_usd_per_kg": [6], "term_years": 3}]}}, "plan"),
]


@pytest.mark.parametrize(("change", "file"), FAULTY, ids=[f"{n}-{file}" for n, (_, file) in enumerate(FAULTY)])
def test_nothing_that_a_plan_decides_may_reach_it(change: dict[str, Any], file: str) -> None:
    given = {"demand": {"magnet": 10, "inside": 5}, **change}
    with pytest.raises((InputError, PlanError)) as raised:
        solve_once(*goods(0.0, **given))
    assert any(
        (fault.file == file and "no stock and no plant" in str(fault)) or "not embedded" in str(fault)
        for fault in raised.value.faults
    )
