"""Offtake contracts by hand: what an option is worth to its seller, who pays it, and what arrives of it; and plants whose owner may
build them without support or not: counted by their chance, not by a sign."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from strategic_minerals import solve
from strategic_minerals.answer.notes import doubtful
from strategic_minerals.audit.audit import audit
from strategic_minerals.matrix.problem import prepare
from strategic_minerals.matrix.solution import extract
from strategic_minerals.solver.optimise import optimise
from support.tiny import cut, imported, project, ran, short, source, total

STOP = cut("stop", 0.5, 2028.0, 1.0, price_multiplier=3.0)
WORTH = 0.5 * (3.0 - 1.0) * 10.0 / 3
"""USD/kg and year: half of the futures, twice the price more, one year of three."""


def case(price: str = "market", *, ally: dict[str, Any] | None = None, **more: Any) -> Any:
    """Users want 4 kt, from China at 10 USD/kg; an ally keeps all of his 4 kt in a crisis but for contracts."""
    terms = {"kappa": 0.0, "lot_t_per_yr": 1.0, "fee_usd_per_kg": 0.01, "term_yr": 3.0, "premium_share": 0.0}
    sources = {"far": source("CHN", "a", 9.0), "ally": source("AUS", "a", 4.0, **{**terms, **(ally or {})})}
    instruments = {"offtake_price": price, "contract_years": [2027], **more.pop("instruments", {})}
    return imported(
        10.0, **{"sources": sources, "demand": {"a": 4.0}, "scenarios": [STOP], "instruments": instruments, **more}
    )


@pytest.mark.parametrize(("price", "fee", "rise"), [("market", 0.01, WORTH), ("fixed", WORTH, 0.0), ("fee", 0.01, 0.0)])
def test_an_option_costs_what_it_is_worth_to_the_seller(price, fee, rise):
    """What it is expected to give up at crisis prices: users pay it, or a higher fee."""
    natural = prepare(*case(price)).natural
    j = natural.producers.index("ally")
    assert natural.contract_fee[j] * 1e3 == pytest.approx(fee)
    assert natural.contract_rise[j] * 1e3 == pytest.approx(rise)


@pytest.mark.parametrize("start", [2028.0, 2028.25])
@pytest.mark.parametrize(
    ("kappa", "honoured", "arrives"),
    [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.4, 0.5, 0.7), (0.4, 0.0, 0.4), (0.4, 1.0, 1.0)],
)
def test_an_option_costs_what_its_seller_gives_up_of_what_arrives(kappa, honoured, arrives, start):
    """What is not honoured is sold at the price of the crisis: the seller gives nothing up for it. An event of parts of two years
    costs what it costs in one: prices rise in the part in which tonnes are kept."""
    stop = {**STOP, "events": [{**STOP["events"][0], "start_year": start}]}
    asked = case(ally={"kappa": kappa, "honoured_share": honoured}, loss=200.0, scenarios=[stop])
    natural = prepare(*asked).natural
    assert natural.contract_rise[natural.producers.index("ally")] * 1e3 == pytest.approx(arrives * WORTH)
    assert solve(*asked, quick=True).audited.passed


def test_who_pays_the_option():
    """4 kt for three years: by users, or from the budget; social cost is the same but for the fee that is saved."""
    market, fixed, fee = (solve(*case(price), quick=True, gap=0.0) for price in ("market", "fixed", "fee"))
    assert all(result.audited.passed for result in (market, fixed, fee))
    spent = [result.tables["contracts"].fees_musd.sum() for result in (market, fixed)]
    assert spent == pytest.approx([0.01 * 4 * 3, WORTH * 4 * 3])
    assert total(market) - total(fee) == pytest.approx(WORTH * 4 * 3)
    assert total(market) - total(fixed) == pytest.approx(0.01 * 4 * 3)
    assert market.objective_parts["users_contracts"] == pytest.approx(WORTH * 4 * 3)


def test_an_option_that_is_worth_more_to_the_seller_is_left():
    """A loss of 5 USD/kg beyond the price in half of the futures is not worth it, for a fee alone it would be."""
    signed = [len(solve(*case(price, loss=5.0), quick=True).tables["contracts"]) for price in ("fee", "market")]
    assert signed == [1, 0]


@pytest.mark.parametrize(("kappa", "honoured"), [(0.0, 1.0), (0.0, 0.5), (0.4, 0.5), (0.4, 0.0)])
def test_what_is_not_honoured_does_not_arrive(kappa, honoured):
    """Of 4 kt reserved: what everybody gets, and of the rest the part that the seller's government lets go."""
    result = solve(*case("fee", ally={"kappa": kappa, "honoured_share": honoured}), quick=True)
    arrives = 4 * (kappa + (1 - kappa) * honoured)
    assert ran(result, "ally", "stop", "2028") == pytest.approx(arrives)


def test_what_others_have_bought_is_not_sold_again():
    result = solve(*case("fee", ally={"sold_share": 0.7}), quick=True)
    assert result.tables["contracts"].contract_t_per_yr.sum() == pytest.approx(1200.0)
    nothing = solve(*case("fee", ally={"sold_share": 0.7, "lot_t_per_yr": 1201.0}), quick=True)
    assert len(nothing.tables["contracts"]) == 0


@pytest.mark.parametrize("family", ["option_price", "contracts_in_force", "source_capacity"])
def test_the_audit_knows_each_rule(family):
    plan, data = case("market", ally={"honoured_share": 0.5, "sold_share": 0.25})
    loose = prepare(*case("fee"))
    solved = optimise(loose, gap=0.0, time_limit_s=60.0)
    solution = extract(loose.structure, loose.assembly, solved.x)
    ruled = prepare(plan, data)
    natural = ruled.natural
    if family == "option_price":
        natural = replace(natural, contract_rise=np.zeros_like(natural.contract_rise))
    found = {one.family: one.holds for one in audit(replace(ruled, natural=natural), solution).residuals}
    assert not found[family]


def test_an_option_cheaper_than_the_tonne_is_doubted():
    """Holding costs the discount rate, 0.5 USD/kg a year; the fee 0.01."""
    told = [any("offtake option" in text for text in doubtful(*case(price, rate=0.05))) for price in ("fee", "market")]
    assert told == [True, False]


EARNED = 4.0 * (10.0 - 5.0) * 10
"""What the plant earns in ten years, 4 kt a year at 5 USD/kg, undiscounted [million USD]."""


def unsure(capex: float, low: float, high: float, **more: Any) -> Any:
    """Users want 4 kt, all of it from China, which stops in the third year; the plant would stand from the second on."""
    costs = {"capex_musd": capex, "capex_musd_low": low, "capex_musd_high": high, "cash_usd_per_kg": 5.0}
    plant = project("a", 4.0, **costs, **more.pop("plant", {}))
    grants = {"packages": {"grant": {"instrument": "grant"}}, "instruments": {"reserve": False}}
    return imported(
        10.0,
        4.0,
        projects={"plant": plant},
        scenarios=[cut("stop", 0.5, 2029.0, 1.0)],
        loss=1000.0,
        **{**grants, **more},
    )


@pytest.mark.parametrize(
    ("capex", "low", "high", "chance"),
    [
        (220.0, 180.0, 260.0, 0.05 + 0.45 / 2),  # 20 short in the middle, 20 to spare at its cheapest
        (220.0, 200.0, 260.0, 0.05),
        (180.0, 160.0, 240.0, 0.5 + 0.45 / 3),
        (200.1, 150.0, 250.1, 0.05 + 0.45 * 50 / 50.1),  # 0.1 short: not nothing
        (220.0, 210.0, 260.0, 0.0),
        (180.0, 160.0, 199.0, 1.0),
    ],
)
def test_the_likely_part_is_there_in_any_case_and_support_adds_the_rest(capex, low, high, chance):
    nothing = solve(*unsure(capex, low, high, packages={}), quick=True)
    supported = solve(*unsure(capex, low, high), quick=True)
    assert short(nothing, "stop", "2029") == pytest.approx(4 * (1 - chance), abs=1e-9)
    rows = supported.tables["projects"].query("package == 'grant'")
    assert len(rows) == (chance < 1)
    assert short(supported, "stop", "2029") == pytest.approx(0.0, abs=1e-9)
    if 0 < chance < 1:
        assert ran(supported, "plant_unsupported", "stop", "2029") == pytest.approx(4 * chance)
        assert ran(supported, "plant", "stop", "2029") == pytest.approx(4 * (1 - chance))
        gap = rows.financing_gap_musd.sum()
        assert gap == pytest.approx(expected_gap(capex, low, high), rel=1e-5)
        assert gap > max(0.0, capex - EARNED)


def expected_gap(capex: float, low: float, high: float) -> float:
    """Mean of what the owner lacks, straight between the ends, which are 5 and 95 % of what the cost may be."""
    cheaper, dearer = (np.linspace(capex, capex + (end - capex) / 0.9, 200_001) for end in (low, high))
    return float(np.mean([np.maximum(0.0, part - EARNED).mean() for part in (cheaper, dearer)]))


def test_a_hair_s_breadth_decides_nothing():
    """0.1 to spare or 0.1 short in the middle of a range: the same plan, worth the same within a thousandth."""
    spare, lacking = (total(solve(*unsure(capex, 150.0, 250.0), quick=True, gap=0.0)) for capex in (199.9, 200.1))
    assert spare == pytest.approx(lacking, rel=1e-3)


@pytest.mark.parametrize("tie", [{"needs": "other"}, {"excludes": "other"}])
def test_what_is_tied_to_another_project_is_built_by_its_sign(tie):
    """What is built by chance binds nobody, so neither of the two counts so."""
    plan, data = unsure(220.0, 150.0, 260.0)
    other = data.rows("projects")[0].model_copy(update={"project": "other", **dict.fromkeys(("needs", "excludes"), "")})
    rows = (data.rows("projects")[0].model_copy(update=tie), other)
    made = tuple(row.model_copy(update={"producer": "other"}) for row in data.rows("yields") if row.producer == "plant")
    tables = {**data.tables, "projects": rows, "yields": (*data.rows("yields"), *made)}
    natural = prepare(plan, replace(data, tables=tables)).natural
    assert all(one.chance == 0 for one in natural.projects)


def test_a_running_cost_of_nothing_may_be_more():
    """0 in the middle, 8 USD/kg at the high end: the range counts as the audit reads it."""
    plan, data = unsure(220.0, 180.0, 260.0)
    free = data.rows("projects")[0].model_copy(
        update={"cash_usd_per_kg": 0.0, "cash_usd_per_kg_low": 0.0, "cash_usd_per_kg_high": 8.0, "capex_musd": 380.0}
        | {"capex_musd_low": 380.0, "capex_musd_high": 390.0}
    )
    assert solve(plan, replace(data, tables={**data.tables, "projects": (free,)}), quick=True).audited.passed


def test_a_market_floor_is_paid_once_for_a_plant():
    """4 kt at 2 USD/kg, whatever of them stands by chance."""
    menu = {"material": "a", "scope": "market", "levels_usd_per_kg": [12.0], "term_years": 2.0}
    owed = []
    for low, high in ((220.0, 220.0), (180.0, 260.0)):
        more = {"instruments": {"reserve": False, "price_floors": [menu]}, "procurement": {}}
        support = prepare(*unsure(220.0, low, high, **more)).structure.support
        options = [o for o in support.options if o.market and o.package.name == "grant"]
        owed.append((options[0].floor.expected, support.markets[0].money.expected))
    assert owed[0] == pytest.approx(owed[1])


def test_by_its_sign_the_range_counts_for_nothing():
    """Neutral value: as a project without a range, to the bit."""
    by_sign = {"owners": {"unsure": "by_sign"}}
    for capex in (180.0, 220.0):
        ranged, plain = unsure(capex, 150.0, 260.0, **by_sign), unsure(capex, capex, capex)
        assert solve(*ranged, quick=True).outcome == solve(*plain, quick=True).outcome


@pytest.mark.parametrize("plant", [{"additional": True}, {"committed": True}])
def test_what_is_decided_is_not_unsure(plant):
    natural = prepare(*unsure(220.0, 150.0, 260.0, plant=plant)).natural
    assert natural.producers == ("far", "plant")


def test_the_audit_works_the_chance_out_by_itself():
    plan, data = unsure(220.0, 180.0, 260.0)
    problem = prepare(plan, data)
    solved = optimise(problem, gap=0.0, time_limit_s=60.0)
    solution = extract(problem.structure, problem.assembly, solved.x)
    assert all(one.holds for one in audit(problem, solution).residuals if one.family == "built_by_chance")
    n = problem.natural
    for spoilt in (replace(n, projects=(replace(n.projects[0], chance=0.5),)), replace(n, capacity=n.capacity * 1.1)):
        found = {one.family: one.holds for one in audit(replace(problem, natural=spoilt), solution).residuals}
        assert not found["built_by_chance"]


def test_additional_is_built_where_the_plan_signs_it_alone():
    """Defect 4: doing nothing lacks it, though it has no gap; the plan signs it, at no cost, and the table of projects says so."""
    result = solve(*unsure(150.0, 150.0, 150.0, plant={"additional": True}, packages={}), quick=True)
    assert short(result, "stop", "2029") == pytest.approx(0.0, abs=1e-9)
    (row,) = result.tables["projects"].to_dict("records")
    assert (row["package"], row["baseline"], row["support_cost_musd"]) == ("none", False, 0.0)
