"""What a reader sees: figures that equal the tables, the verdict."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
from test_report import full, quickstart

from strategic_minerals import Result, charts, solve
from strategic_minerals.page.charts import Subject, figures, study_figures
from strategic_minerals.page.compare import (
    Moment,
    by_country,
    chain,
    courses,
    loss_curve,
    money,
    stock_by_year,
    supply,
    timeline,
    worst_without,
)
from strategic_minerals.page.page import report
from support.drawn_cases import deciding
from support.one_mineral import one_mineral


@cache
def drawn() -> Result:
    """A plan with scenarios that were drawn, tested by samples."""
    return solve(*deciding(), samples=2, scenarios=20)


@cache
def one(amount: float = 110.0) -> Result:
    return solve(*one_mineral(amount), gap=0.0, quick=True)


@pytest.mark.long
def test_a_plan_in_which_nothing_is_best_says_so() -> None:
    """Proves: no table of steps or targets, no losses that fall by nothing; without money the reason is that there is none."""
    idle = quickstart(0.0, existing=False)
    assert idle.brief.tables() == {}
    assert "Do nothing new: no money is given." in idle.brief.recommendation
    assert "fall from" not in idle.brief.recommendation


def test_figures_say_what_the_tables_say() -> None:
    """Proves: the timeline names every action; targets of the stock are those of the table, and its band holds the expected stock;
    money by line adds to the outlays; the area below a curve of losses is the expected loss."""
    result = full()
    actions = set(timeline(result)["what"])
    assert {f"buy {material}" for material in result.tables["acquisitions"]["material"]} <= actions
    stock = result.tables["stock"].set_index(["material", "fiscal_year"])["stock_t"]
    held = stock_by_year(result)
    for row in held.itertuples():
        assert row.target_t == pytest.approx(stock[row.material, row.fiscal_year], abs=1e-6)
        assert row.low_t - 1e-6 <= row.expected_t <= row.high_t + 1e-6
    assert (held["low_t"] < held["target_t"] - 1.0).any()  # the squeeze draws on it
    scenarios = result.tables["scenario_losses"]
    for case, steps in loss_curve(result).groupby("case"):
        column = "loss_musd" if case == "with the plan" else "loss_without_plan_musd"
        area = (steps["loss_musd"].diff() * steps["chance"]).sum()
        assert area == pytest.approx((scenarios["probability"] * scenarios[column]).sum())
    lines = money(result)
    spent = lines[lines["line"] != "appropriation"].groupby("fiscal_year")["musd"].sum()
    budget = result.tables["budget"].set_index("fiscal_year")["outlay_musd"]
    assert spent.to_numpy() == pytest.approx(budget.loc[spent.index].to_numpy(), abs=1e-6)


def test_supply_is_shown_along_the_chain() -> None:
    """Proves: shares of what comes in add to one; tonnes are those of operations; what a product is made of stands below it."""
    result = full()
    table, chosen, found, told = supply(result)
    yields = {(row.producer, row.material): row.yield_t_per_t for row in result.data.rows("yields")}
    now, _, worst = found
    for moment in found:
        for material in moment.parts:
            assert sum(moment.shares(material).values()) == pytest.approx(1.0)
    runs = result.tables["operations"]
    runs = runs[(runs["scenario"] == "baseline course") & (runs["period"] == runs["period"].min())]
    made = sum(row.output_t * max(0.0, yields.get((row.producer, "metal"), 0.0)) for row in runs.itertuples())
    assert sum(now.parts["metal"].values()) - now.parts["metal"].get("shortfall", 0.0) == pytest.approx(made)
    assert worst.shares("metal")["shortfall"] > 0
    assert chosen == ["metal"]
    assert chain("metal", found) == list(dict.fromkeys(table.material)) == ["metal", "ore"]
    assert "CHN" in told


@pytest.mark.parametrize("make", [full, quickstart])
def test_a_chain_flows_to_its_users(make: Callable[[], Result]) -> None:
    """Proves: users of the product get and lack what the tables say; as much of each supplier flows as is its share; no more comes
    into a step than leaves it."""
    result = make()
    _, chosen, found, _ = supply(result)
    drawn = courses(chosen, found)
    assert [course.steps for course in drawn] == ([["ore", "metal"]] if make is full else [[code] for code in chosen])
    short = result.tables["shortfalls"].groupby(["scenario", "period", "material"])["shortfall_t"].sum()
    for course in drawn:
        product, users = course.steps[-1], len(course.steps)
        lacks = sum(lacks for _, lacks in found[-1].users[product].values())
        assert lacks == pytest.approx(short.get((worst_without(result), found[-1].name[-4:], product), 0.0), abs=1e-6)
        for moment in found:
            flows, given = course.flows(moment), dict[str, float]()
            for segment, (got, lacks) in moment.users[product].items():
                mine = [flow for flow in flows if flow.target == (users, segment)]
                assert sum(flow.arrives for flow in mine) == pytest.approx(got + lacks, abs=1e-6)
            for node in {flow.source for flow in flows}:
                leaves = sum(flow.leaves for flow in flows if flow.source == node)
                assert sum(flow.arrives for flow in flows if flow.target == node) <= leaves * (1 + 1e-6)
                given |= {node[1]: leaves} if node[0] == users - 1 else {}
            for who, share in moment.shares(product).items():
                if course.at(users - 1, who) == who:
                    assert given[who] / sum(given.values()) == pytest.approx(share)
    if make is full:
        assert sum(map(sum, found[0].users["metal"].values())) == pytest.approx(14_000.0)  # all that is wanted


def test_a_chain_loses_what_its_yields_say() -> None:
    """Proves: plants of other recipes get what they need of a feed, in proportion to its supply; half of it serves another use and
    is not drawn; what arrives at a plant is what it makes."""
    plants = [("C", {"ore": -40.0, "metal": 10.0}), ("D", {"ore": -20.0, "metal": 10.0})]
    parts = {"ore": {"A": 90.0, "B": 30.0}, "metal": {"C": 10.0, "D": 10.0, "E": 20.0}}
    moment = Moment("now", parts, {("ore", "metal"): 60.0}, plants, {"metal": {"all": (40.0, 5.0)}})
    (course,) = courses(["metal"], [moment])
    assert course.worth == pytest.approx([20.0 / 60.0, 1.0])
    flows = {(flow.source[1], flow.target[1]): (flow.leaves, flow.arrives) for flow in course.flows(moment)}
    assert flows["A", "C"] == pytest.approx((0.75 * 40.0 / 3.0, 0.75 * 10.0))
    assert flows["B", "D"] == pytest.approx((0.25 * 20.0 / 3.0, 0.25 * 10.0))
    assert flows["E", "all"] == pytest.approx((20.0, 20.0))
    assert flows["shortfall", "all"] == pytest.approx((5.0, 5.0))


def test_the_map_says_who_supplies_and_where_the_plan_acts() -> None:
    """Proves: shares of countries add to one; every purchase and contract has its country; a country without an outline is told in
    words; where nothing is supplied there is neither picture."""
    result = full()
    _, chosen, found, _ = supply(result)
    table = by_country(result, chosen, found)
    assert table["supply_share"].sum() == pytest.approx(1.0)
    acts = table.set_index("country")["the_plan"]
    for name, verb in (("acquisitions", "buys"), ("contracts", "signs with")):
        assert all(verb in acts[country] for country in result.tables[name]["country"])
    shown = {figure.name: figure for figure in figures(result)}
    (drawing,) = shown["map"].drawings[""]
    assert any(words.text.startswith("CHN") for words in drawing.texts)
    assert "Natural Earth (public domain)" in shown["map"].note
    moved = result.tables["operations"].replace({"country": {"CHN": "SGP"}})
    far = {figure.name: figure for figure in figures(replace(result, tables={**result.tables, "operations": moved}))}
    assert re.search(r"Not on the map: SGP \d+%", far["map"].alt)
    tables = {name: result.tables[name].iloc[:0] for name in ("operations", "flows", "shortfalls")}
    nothing = figures(replace(result, tables={**result.tables, **tables}))
    assert not {"supply", "map"} & {figure.name for figure in nothing}


@pytest.mark.long
def test_lived_tables_are_drawn_and_a_quick_answer_says_what_it_is() -> None:
    """Proves: curve, stocks and money show the tables of a tested plan where it has them; a plan that was not tested says so beside
    the pictures, one that was does not."""
    quick, tested = quickstart(), drawn()
    years = sorted(set(tested.tables["stock"]["fiscal_year"]))
    material = tested.tables["stock"]["material"].iloc[0]
    rows = [(year, material, 3.0, 2.0, 1.0, 5.0) for year in years]
    lived = {
        "stock_by_year": pd.DataFrame(
            rows, columns=["fiscal_year", "material", "target_t", "expected_t", "low_t", "high_t"]
        ),
        "loss_curve": pd.DataFrame({"chance": [0.01, 0.5], "loss_musd": [7.0, 0.0], "loss_without_musd": [9.0, 2.0]}),
    }
    shown = {figure.name: figure for figure in figures(replace(tested, tables={**tested.tables, **lived}))}
    assert "with a chance of 1 in 100 they are 9 or more without it and 7 or more with it" in shown["loss-curve"].alt
    assert set(shown["stocks"].table["high_t"]) == {5.0}
    assert "5 to 95 %" in shown["stocks"].note
    expected = tested.tables["money_by_year"].iloc[:-1]["expected_musd"]
    assert set(expected.round(6)) == set(shown["budget"].table["expected_musd"].round(6))
    assert "nine of ten futures" in shown["budget"].note
    said = "tested in no other scenarios"
    assert said in report(quick).partition('id="loss-curve"')[0]
    assert said not in report(tested)
    assert "its own scenarios" in {figure.name: figure for figure in figures(quick)}["stocks"].note


def test_charts_are_the_figures_of_the_page() -> None:
    """Proves: `charts` gives the charts of the page with their titles; `repr` tells the worth."""
    shown, found = [figure for figure in figures(one()) if not figure.drawings], charts(one())
    assert list(found) == [figure.name for figure in shown]
    for figure in shown:
        title = found[figure.name].to_dict()["title"]
        assert (title if isinstance(title, str) else " ".join(title)) == figure.title
    worth = 0.0 - one().outcome.objective_musd  # type: ignore[operator]
    assert f"proven best, worth {worth:,.4g} million USD of {one().plan.price_year}" in repr(one())


def test_a_grid_of_two_figures_is_a_heat_map_and_nothing_else_is() -> None:
    """Proves: each point of a grid is a cell with its worth, in the order of the levels; a list of points, two points alike and one
    level of a figure are no grid."""
    frame = pd.DataFrame({"budget.total_musd": [1.0, 1.0, 2.0, 2.0], "price": [[1.0], [2.0]] * 2})
    frame = frame.assign(reason="optimal", objective_musd=[-1.0, -2.0, float("nan"), -4.0])
    (figure,) = study_figures({"sweep/points": frame}, Subject())
    assert figure.table["worth_musd"].tolist()[:2] == [1.0, 2.0]
    assert "from 1 to 4 million USD" in figure.alt
    floors = frame.assign(price=["off", "60", "off", "60"])
    assert len(study_figures({"sweep/points": floors}, Subject())) == 1
    for other in (frame.iloc[:3], frame.iloc[:2], frame.drop(columns="price"), frame.iloc[[0, 1, 2, 2]]):
        assert study_figures({"sweep/points": other}, Subject()) == []
