"""What `explain` says of choices: one item under any name, its state over a whole range, and what cannot be chosen."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from strategic_minerals import Dataset, Plan, PlanError, estimate_ranges, explain, solve
from strategic_minerals.answer.notes import check
from strategic_minerals.answer.study import Study
from strategic_minerals.matrix.problem import DecisionIndex, ForcedDecision, prepare
from strategic_minerals.question.load import load_question
from strategic_minerals.question.names import edited
from strategic_minerals.solver.session import Session
from strategic_minerals.studies.break_even import (
    BreakEven,
    ItemStatuses,
    Pair,
    figures_of,
    find_break_even,
    in_words,
)
from strategic_minerals.world.packages import Item, in_amounts
from support.drawn_cases import deciding
from support.promising import promising
from support.tiny import cut, floored, hazard_row, imported, offer, project, source, tiny


def mine(**changes: Any) -> tuple[Plan, Dataset]:
    """A mine of 4 kt that its owner may build: margin of 2 USD/kg from 2028 to 2034 at 0 %, so 56 in all; an embargo in 2030-31.

    The trunk's price never falls, so it runs to the end; half of the scenarios lose 8 kt for two years at 30 USD/kg more."""
    plant = project("a", 4.0, capex_musd=70.0, cash_usd_per_kg=60.0, life_yr=7.0)
    case: dict[str, Any] = {
        "prices": {"a": 62.0},
        "sources": {"far": source("CHN", "a", 10.0)},
        "demand": {"a": 10.0},
        "loss": 30.0,
        "years": 8,
        "projects": {"mine": plant},
        "packages": {"grant": {"instrument": "grant"}},
        "residual": 0.0,
        "scenarios": [cut("embargo", 0.5, 2030, 2)],
        "money": 300.0,
        "instruments": {"signing_years": [2027]},
    }
    case |= changes
    return tiny(case.pop("prices"), **case)


def explained(plan: Plan, data: Dataset, item: str, **options: Any) -> Study:
    return explain(solve(plan, data, gap=0.0, quick=True), item, gap=0.0, **options)


def picture(
    plan: Plan,
    data: Dataset,
    name: str,
    figure: str,
    *,
    chosen: bool = False,
    tolerance: float = 0.05,
) -> BreakEven:
    """An item over one figure alone. chosen: at the plan's own value."""
    problem = prepare(plan, data)
    item = DecisionIndex(problem).find(name)
    pair = Pair(plan, data, item, in_amounts(item, plan), 0.0, edited, problem.structure.scenarios.drawn, threads=1)
    varied = next(one for one in figures_of(problem, item) if one.name == figure)
    return find_break_even(pair, varied, chosen, tolerance)


def states(found: BreakEven) -> list[tuple[str, float, float]]:
    """(state, from, to) of the intervals, in order."""
    return [(interval.state, interval.start, interval.end) for interval in found.intervals]


def said_of(name: str, found: BreakEven) -> str:
    kind, _, called = name.partition(" ")
    return in_words(Item(kind, called), found)  # type: ignore[arg-type]


def floors(*menus: dict[str, Any]) -> dict[str, Any]:
    return {"signing_years": [2027], "price_floors": [{"material": "a", "term_years": 8, **menu} for menu in menus]}


# Whole pictures, against answers worked out by hand
def test_a_mine_is_built_by_its_owner_then_supported_then_not_chosen() -> None:
    """Proves: the owner earns 56 and builds it alone for up to that; beyond, a grant of c - 56 buys the 4 kt that users get in the
    embargo, .5 * 4 * 2 * 30 = 120 of losses: supported up to 56 + 120 = 176. Two switches, both told, with tight brackets."""
    found = picture(*mine(), "project mine", "capex", chosen=True, tolerance=0.01)
    assert [state for state, _, _ in states(found)] == ["built by its owner", "chosen", "not chosen"]
    (_, low, alone), (_, support, most), (_, out, high) = states(found)
    assert (low, high) == (0.0, 280.0)
    assert (alone, support) == (pytest.approx(56.0, abs=1e-3), pytest.approx(56.0, abs=1e-3))
    assert most <= 176.0 <= out <= most + 0.01 * 70.0 + 1e-9
    assert (found.low, found.high, found.switches, found.note) == (0.0, 280.0, 2, "")
    assert found.flips_at == pytest.approx(56.0, abs=1e-3)
    said = said_of("project mine", found)
    assert "its owner builds it without support from 0 up to 56 million USD; supported from 56 to 17" in said


def test_money_that_does_not_suffice_is_a_reason() -> None:
    """Proves: with 50 million USD a grant of up to 50 can be paid, so that it cannot be supported beyond 106."""
    found = picture(*mine(money={2027: 50.0, 2028: 0.0}), "mine", "capex", chosen=True)
    last = found.intervals[-1]
    assert last.state == "cannot be chosen"
    assert last.start == pytest.approx(106.0, abs=3.5)
    assert "stays within the money" in last.why


def test_where_projects_are_supported_in_part_money_is_no_bound() -> None:
    """Proves: with 50 million USD half of a mine of 156 can be paid for, which is worth it up to 176 like the whole; the plan that
    has a third of it has it."""
    short = {"money": {2027: 50.0, 2028: 0.0}, "instruments": {"signing_years": [2027], "partial_support": True}}
    found = picture(*mine(**short), "mine", "capex", chosen=True)
    assert [state for state, _, _ in states(found)] == ["built by its owner", "chosen", "not chosen"]
    assert found.intervals[1].end <= 176.0 <= found.intervals[2].start
    plan, data = edited(*mine(**short), {"projects[mine].capex_musd": 170.0})
    told = explained(plan, data, "mine")
    assert told.tables["break_evens"].chosen.all()
    assert not told.tables["break_evens"].note.str.contains("as good").any()


def test_a_capital_share_bounds_what_can_be_supported() -> None:
    """Proves: a grant of at most a fifth of capex closes a gap of c - 56 where .8 c <= 56: up to 70; the reason beyond is told."""
    capital = {"grant": {"kind": "grant", "score": 1.0, "max_share_of_capex": 0.2}}
    found = picture(*edited(*mine(capital=capital), {"projects[mine].capex_musd": 60.0}), "mine", "capex", chosen=True)
    assert [state for state, _, _ in states(found)] == ["built by its owner", "chosen", "cannot be chosen"]
    assert found.intervals[2].start == pytest.approx(70.0, abs=1e-3)
    assert "the gap is more than its grant may cover" in said_of("project mine", found)


PLANT = project("a", 4.0, capex_musd=50.0, cash_usd_per_kg=60.0, restart_yr=10.0, additional=True)


def flooded(*menus: dict[str, Any], **changes: Any) -> tuple[Plan, Dataset]:
    """A plant that a flood of 2030-31 shuts for good, unless a floor above its 60 carries it to the cut of 2032-33."""
    event = cut("squeeze", 0.5, 2030, 2, flood_years=2.0, flood_multiplier=0.4)
    return mine(
        **{"projects": {"plant": PLANT}, "scenarios": [event], "loss": 400.0, "instruments": floors(*menus), **changes}
    )


def test_a_floor_is_chosen_between_what_saves_the_plant_and_its_rival() -> None:
    """Proves: the level of 90 would be chosen from the plant's cash cost, 60, up to the other level, 61, which then does the same
    for less: a window of one dollar in a range from 9 to 270."""
    found = picture(*flooded({"levels_usd_per_kg": [61.0, 90.0]}), "a-floor-90", "floor level", tolerance=0.01)
    below, window, above = states(found)[:3]
    assert [state for state, _, _ in (below, window, above)] == ["not chosen", "chosen", "not chosen"]
    assert below[2] <= 60.0 <= window[1] <= below[2] + 0.9
    assert window[2] <= 61.0 <= above[1] <= window[2] + 0.9
    assert found.high >= 180.0
    assert "chosen from 60" in said_of("floor a-floor-90", found)


def test_a_floor_that_owners_refuse_is_out_of_reach_with_the_reason() -> None:
    """Proves: taking back a fiftieth of what lies above 30 leaves the owner worse off; that is a reason, not a rejection, and the
    floor is still explained: owners take it once it takes nothing of the price, 62."""
    plan, data = flooded({"levels_usd_per_kg": [30.0], "upside_share": 0.02})
    told = explained(plan, data, "a-floor-30")
    assert (
        told.tables["reasons"].sentence.iloc[0]
        == "floor a-floor-30: cannot be chosen; the owner is better off without it"
    )
    rows = told.tables["intervals"][told.tables["intervals"].figure == "floor level"]
    assert rows.state.tolist() == ["cannot be chosen", "chosen"]
    assert "the owner is better off without it" in rows.why.iloc[0]
    assert (rows.from_value.iloc[0], rows.to_value.iloc[0]) == (pytest.approx(3.0), pytest.approx(62.0, abs=0.01))


def test_what_plan_and_tables_refuse_bounds_the_range() -> None:
    """Proves: no fault of a table stands in an answer; no premium below the haircut is tried."""
    plan, data = mine(materials={"a": {"haircut_share": 0.25}})
    found = explained(plan, data, "mine")
    assert not found.tables["break_evens"][["sentence", "note"]].stack().str.contains(r"not found|\.csv").any()
    row = found.tables["break_evens"].iloc[1]
    assert (row.figure, row.low, row.high) == ("premium", pytest.approx(-0.25, abs=1e-5), 1.0)
    for row in found.tables["break_evens"].itertuples():  # the tables go together
        intervals = found.tables["intervals"]
        rows = intervals[intervals.figure == row.figure]
        assert (rows.from_value.iloc[0], rows.to_value.iloc[-1]) == (row.low, row.high)
        assert len(rows) == row.switches + 1
        assert (rows.from_value.iloc[1:].to_numpy() > rows.to_value.iloc[:-1].to_numpy()).all()
        assert rows.switch_high.iloc[:-1].tolist() == rows.from_value.iloc[1:].tolist()


def test_how_often_disruptions_occur_is_the_plans_own_rate_where_it_states_one() -> None:
    """Proves: with a sixth of the table's rate in the plan, the offer pays from the same rate on. The table's
    rate, which nobody reads, is no estimate of this plan."""
    more: dict[str, Any] = {"offers": {"spot": offer("a", 5.0)}, "money": 100.0, "sample": {"scenarios": 16, "seed": 1}}
    plan, data = imported(1.0, years=4, loss=20.0, materials={"a": {"holding_share_per_yr": 0.25}}, **more)
    rate = {"rate_per_yr_low": 0.1, "rate_per_yr_high": 0.9, "confidence": "estimate", "note": "of a test"}
    data = data.replace(hazards=pd.DataFrame([hazard_row("stop", "a", 0.3, cut_share=1.0, cut_law="fixed", **rate)]))
    own = Plan.model_validate(plan.to_toml_like() | {"hazards": [{"hazard": "stop", "rate_per_yr": 0.05}]})
    told = [explained(one, data, "spot") for one in (plan, own)]
    rates = [one.tables["depends"].set_index("figure").loc["rate_per_yr"] for one in told]
    assert [one.value for one in rates] == [0.3, 0.05]
    assert 0 < rates[1].flips_at < 0.05
    assert rates[1].flips_at == pytest.approx(rates[0].flips_at, rel=0.2)
    assert all("it stops paying if 'stop' comes less often than" in one.summary() for one in told)
    assert list(estimate_ranges(plan, data)) == ["hazards[stop].rate_per_yr"]
    assert not estimate_ranges(own, data)


def test_an_offer_pays_from_the_loss_on_at_which_it_brings_more_than_it_costs() -> None:
    """Proves: 1 kt costs 10 and brings .25 * (10 + 5 f) + .75 * 5: it would pay from a loss of three times 5 on, however little."""
    plan, data = promising(0.0, service_levels=[], materials={"a": {"haircut_share": 0.5}}, loss=5.0)
    told = explained(plan, data, "spot")
    row = told.tables["depends"].set_index("figure").loc["loss"]
    assert row.flips_at == pytest.approx(3.0)
    assert (
        "it would pay only if a missing tonne costs, beyond its price, over 300% of what is assumed" in told.summary()
    )


def test_listed_scenarios_may_leave_nothing_to_draw() -> None:
    """Proves: of scenarios that take all of the probability losses and chances are asked, and no rate of what nobody draws."""
    plan, data = deciding()
    told = plan.to_toml_like() | {"scenarios": [cut("x", 0.6, 2029, 1), cut("y", 0.4, 2028, 1)]}
    told["sample"]["quiet_probability"] = 0.0
    rows = explain(solve(Plan.model_validate(told), data, quick=True), "spot").tables["depends"]
    assert set(rows.figure) == {"loss", "probability"}


def test_an_offer_that_only_disruptions_use_is_not_said_to_be_rejected() -> None:
    """Proves: 2 kt are bought at the cheaper offer, which is shut in the stop; what the stop takes comes back from the dearer."""
    offers = {"cheap": offer("a", 4.0), "dear": offer("a", 4.0, 0.5, crisis=1.0)}
    case: dict[str, Any] = {"loss": 100.0, "materials": {"a": {"storage_t": 2000.0}}, "years": 4, "policy": "targets"}
    case |= {"scenarios": [cut("stop", 0.5, 2028, 3)], "budget": {"emergency_musd": 500.0}, "offers": offers}
    reasons = explain(solve(*imported(10.0, **case), gap=0.0, quick=True)).tables["reasons"].set_index("item").sentence
    assert "bought in disruptions alone" in reasons["dear"]
    assert "chosen (2,000 t)" in reasons["cheap"]


def test_an_offer_is_at_its_own_figures_what_it_is_beside_them() -> None:
    """Proves: without money no plan has the least that counts of an offer, but a plan is free to have it and takes none, at today's
    figures as beside them. What is forced at today's figures, for the reason, is another question than that of the figures."""
    study = explained(*mine(offers={"spot": offer("a", 2.0, 0.1)}, money=0.0), "offer spot")
    assert "no plan with at least 2 t of it" in study.tables["reasons"]["sentence"].item()
    intervals = study.tables["intervals"]
    assert intervals["figure"].tolist() == ["premium"]
    assert set(intervals["state"]) == {"not chosen"}


def test_what_is_sunk_is_no_figure_and_what_is_nothing_yet_is_one() -> None:
    """Proves: the capex of a committed project is left out; that of a project without any is tried up to its output's worth."""
    plant = project("a", 4.0, capex_musd=50.0, cash_usd_per_kg=60.0)
    for changes, wanted in (({"committed": True}, []), ({"capex_musd": 0.0}, [(0.0, 0.0, 4.0 * 62.0 * 10.0)])):
        problem = prepare(*mine(projects={"mine": {**plant, **changes}}))
        found = [f for f in figures_of(problem, DecisionIndex(problem).find("mine")) if f.name == "capex"]
        assert [(f.base, f.low, f.high) for f in found] == [tuple(map(pytest.approx, one)) for one in wanted]


# Identity
TWO = ({"levels_usd_per_kg": [61.0, 90.0]}, {"levels_usd_per_kg": [90.0], "upside_share": 0.2})


CALLED_LIKE_FLOORS = {"grant": 0.0, "grant+a-floor-90": 0.5, "x-floor-9": 1.0}


def of_floors(plan: Plan, data: Dataset) -> tuple[DecisionIndex, list[Item]]:
    problem = prepare(plan, data)
    choices = DecisionIndex(problem)
    return choices, [item for item in choices.items if item.kind == "floor"]


def test_floors_of_every_kind_and_scope_are_told_apart() -> None:
    """Proves: one level as contract, purchase, border and market floor, in two equal menus each, makes eight items."""
    of_kinds = [
        {"levels_usd_per_kg": [90.0], "kind": kind, "scope": scope}
        for kind, scope in (
            ("contract", "project"),
            ("purchase", "project"),
            ("contract", "market"),
            ("border", "market"),
        )
    ]
    home = {"far": source("CHN", "a", 10.0), "near": source("USA", "a", 1.0, cash_usd_per_kg=61.0)}
    plan, data = flooded(*of_kinds, *of_kinds, sources=home)
    choices, found = of_floors(plan, data)
    assert len(found) == len({item.name for item in found}) == 8
    assert len({tuple(choices.decided(item).columns.tolist()) for item in found}) == 8
    addresses = {figures_of(prepare(plan, data), item)[0].addresses for item in found}
    assert len(addresses) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"instruments.price_floors.0.levels_usd_per_kg.1": 60.5},
        {"instruments.price_floors.1.upside_share": 0.1},
        {"projects[plant].capex_musd": 500.0},
        {"instruments.price_floors.0.levels_usd_per_kg *": 1.5},
    ],
)
def test_an_item_is_found_by_what_it_is_after_an_edit(change: dict[str, Any]) -> None:
    """Proves: where levels, terms or capex change, each floor's columns are those of options with its menu and place."""
    plan, data = flooded(*TWO)
    _, items = of_floors(plan, data)
    edited_plan, edited_data = edited(plan, data, change)
    problem = prepare(edited_plan, edited_data)
    choices, root = DecisionIndex(problem), problem.assembly.commitments
    for item in items:
        place = item.level.at
        floors_of_options = [option.package.floor for option in problem.structure.support.options]
        wanted = [o for o, floor in enumerate(floors_of_options) if floor is not None and floor.id == place]
        assert choices.decided(item).columns.tolist() == [root.columns("sign", o)[0] for o in wanted]
        level = edited_plan.instruments.price_floors[place.menu].levels_usd_per_kg[place.level]
        assert figures_of(problem, item)[0].base == level


def test_an_item_is_found_in_a_menu_of_another_order_or_with_more_or_less_in_it() -> None:
    """Proves: a held floor is the same one where levels change places, come or go; where it is gone there is none."""
    plan, data = flooded(*TWO)
    _, (low, first, second) = of_floors(plan, data)
    assert [item.name for item in (low, first, second)] == ["a-floor-61", "a-floor-90-menu1", "a-floor-90-menu2"]

    def bases(menus: Any) -> list[tuple[str, float]]:
        problem = prepare(flooded(*menus)[0], data)
        found = [figures_of(problem, item)[0] for item in (low, first, second)]
        return [(f.addresses[0].split(".")[2], f.base) for f in found]

    assert bases(TWO) == [("0", 61.0), ("0", 90.0), ("1", 90.0)]
    assert bases(({"levels_usd_per_kg": [90.0, 61.0]}, TWO[1])) == [("0", 61.0), ("0", 90.0), ("1", 90.0)]
    assert bases(({"levels_usd_per_kg": [50.0, 61.0, 90.0]}, TWO[1])) == [("0", 61.0), ("0", 90.0), ("1", 90.0)]
    alone, _ = flooded({"levels_usd_per_kg": [61.0]}, TWO[1])
    with pytest.raises(KeyError):
        DecisionIndex(prepare(alone, data)).decided(first)


def test_packages_called_like_floors_are_packages() -> None:
    """Proves: packages called as one with a floor of the menu are told apart from it, by name and by columns."""
    rows = {name: {"instrument": "grant", "offtake_share": share} for name, share in CALLED_LIKE_FLOORS.items()}
    plan, data = edited(*flooded({"levels_usd_per_kg": [90.0]}, packages=rows), {"projects[plant].capex_musd": 100.0})
    problem = prepare(plan, data)
    names = [package.name for package in problem.natural.packages]
    assert len(names) == len(set(names))
    choices = DecisionIndex(problem)
    items = {item.name: item for item in choices.items if item.kind == "package"}
    assert set(rows) <= set(items)
    signed = {
        problem.assembly.commitments.columns("sign", o)[0]: option.package.row
        for o, option in enumerate(problem.structure.support.options)
    }
    for name, item in items.items():
        assert {signed[column] for column in choices.decided(item).columns if column in signed} == {name}
    assert [item.name for item in choices.items if item.kind == "floor"] == ["a-floor-90"]
    forced = items["grant+a-floor-90"]
    answer = Session(gap=0.0).answer(plan, data, forced=ForcedDecision(forced, inside=True))
    held = DecisionIndex(answer.problem)
    chosen = [item.package for item in held.items if item.kind == "package" and held.chosen(item, answer.x)]
    assert chosen == [forced.package] == ["grant+a-floor-90"]


def floor_package(material: str = "a", level: float = 5.0, **terms: Any) -> dict[str, Any]:
    """A row of packages with a floor of its own."""
    return floored(material, level, 8.0, instrument="grant", **terms)


def test_the_level_of_a_package_of_the_table_is_searched_too() -> None:
    """Proves: a package with a floor of its own has its level as a figure, and is chosen above the plant's cash cost."""
    case = flooded(packages={"own+floor-a-floor-61": floor_package(level=61.0)})
    found = picture(*case, "package own+floor-a-floor-61", "floor level", chosen=True)
    assert states(found)[1][0] == "chosen"
    assert states(found)[0][2] <= 60.0 <= states(found)[1][1] <= states(found)[0][2] + 0.05 * 61.0 + 1e-9


# What cannot be chosen
FLOOR_OF_B = {"material": "b", "levels_usd_per_kg": [5.0]}
IMPOSSIBLE: list[tuple[dict[str, Any], str, str]] = [
    ({"instruments": floors(FLOOR_OF_B)}, "floor b-floor-5", "no project that the plan may support makes b"),
    (
        {"instruments": floors({**FLOOR_OF_B, "scope": "market"})},
        "floor market-b-floor-5",
        "no producer that it would cover makes b",
    ),
    (
        {"instruments": {**floors({"levels_usd_per_kg": [90.0]}), "project_list": ["other"]}}
        | {"projects": {"plant": PLANT, "other": project("b", 1.0)}},
        "floor a-floor-90",
        "no project that the plan may support makes a",
    ),
    (
        {"instruments": floors({"levels_usd_per_kg": [20.0], "upside_share": 0.02})},
        "floor a-floor-20",
        "the owner is better off without it",
    ),
    (
        {"packages": {"own": floor_package("b", project="plant")}},
        "package own",
        "no project that could take it makes b",
    ),
    (
        {"materials_planned": ("a",), "packages": {"other": {"instrument": "grant", "project": "elsewhere"}}}
        | {"projects": {"plant": PLANT, "elsewhere": project("b", 1.0)}},
        "package other",
        "the plan may support no project that could take it",
    ),
]


def with_b(changes: dict[str, Any]) -> tuple[Plan, Dataset]:
    """The flooded plant beside a material b that a source abroad makes."""
    case = {
        "prices": {"a": 62.0, "b": 5.0},
        "sources": {"far": source("CHN", "a", 10.0), "far_b": source("CHN", "b", 10.0)},
        "demand": {"a": 10.0, "b": 10.0},
        "instruments": {"signing_years": [2027]},
    }
    plan, data = flooded(**{**case, **{name: given for name, given in changes.items() if name != "materials_planned"}})
    return plan.model_copy(update={"materials": changes.get("materials_planned", plan.materials)}), data


@pytest.mark.parametrize(("changes", "what", "why"), IMPOSSIBLE)
def test_what_cannot_be_chosen_is_listed_with_its_reason(changes: dict[str, Any], what: str, why: str) -> None:
    """Proves: in `check`, in the summary, in the notes of the result and among what was dropped; and when it is asked for."""
    plan, data = with_b(dict(changes))
    notes = [note for note in check(plan, data).notes if note.startswith(f"{what} cannot be chosen: ")]
    assert len(notes) == 1
    assert why in notes[0]
    result = solve(plan, data, gap=0.0, quick=True)
    assert f"  {notes[0]}" in result.summary(full=True).splitlines()
    assert notes[0] in set(result.tables["notes"].note)
    assert any(why in reason or "signing date" in reason for reason in result.tables["dropped"].reason)
    if what.startswith("floor"):
        assert "none of the plan's price floors can be chosen" in result.summary(full=True)
        assert "makes the plan better" not in result.summary(full=True)
    try:
        told = (index := DecisionIndex(prepare(plan, data))).refused(index.find(what))
    except PlanError as error:
        told = str(error)
    assert why in told


def test_an_item_is_found_by_the_name_that_answers_print() -> None:
    """Proves: a planner need not know its code; a name that several have, and one that nothing has, say what there is."""
    index = DecisionIndex(prepare(*load_question(Path("quickstart"))))
    for text, item in (
        ("Saguenay gallium, commercial", "project saguenay"),
        ("wagerup gallium (australia): loan_offtake_100", "project wagerup: loan_offtake_100"),
        ("offtake from Gallium (Japan)", "contract jpn_gallium"),
        ("Gallium (Canada)", "offer gallium_3"),
    ):
        assert str(index.find(text)) == item
    with pytest.raises(
        PlanError, match="which several have; expected one of 'contract can_gallium', 'contract jpn_gallium'"
    ):
        index.find("Gallium")
    with pytest.raises(PlanError, match="did you mean 'Wagerup gallium"):
        index.find("Wagerup galium (Australia)")


# Sums
PART = re.compile(r"([+-][\d,]+\.\d) M ")


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_reason_is_a_sum_that_adds_up(weight: float) -> None:
    """Proves: what an item brings is what it changes for users, government and losses; what is printed adds up."""
    offers = {"spot": offer("a", 2.0, 0.1), "dear": offer("a", 2.0, 0.9)}
    risk = {"cvar_weight": weight, "alpha": 0.9}
    plan, data = mine(offers=offers, risk=risk)
    rows = explain(solve(plan, data, gap=0.0, quick=True), gap=0.0).tables["reasons"]
    rows = rows[rows.brings_musd.notna()]
    assert len(rows) >= 3
    for row in rows.itertuples():
        changes = row.loss_change_musd + row.users_change_musd + row.government_change_musd
        if weight == 0.0:
            assert row.brings_musd == pytest.approx(-changes, abs=1e-4)
        printed = [float(part.replace(",", "")) for part in PART.findall(row.sentence)]
        if abs(row.brings_musd) >= 0.05:
            assert printed
            assert f"{abs(row.brings_musd):,.1f} M {'better' if row.brings_musd > 0 else 'worse'}" in row.sentence
        assert sum(printed) == pytest.approx(round(row.brings_musd, 1) if printed else 0.0, abs=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        [{"projects[mine].capex_musd": capex} for capex in (100.0, 300.0, 900.0)],
        [{"prices[*/a/*].price_usd_per_kg *": factor} for factor in (1.0, 1.2, 0.7, 1.2)],
        [{"scenarios.0.probability": chance} for chance in (0.4, 0.1)],
        [{"projects[mine].cash_usd_per_kg *": factor} for factor in (1.0, 1.5, 0.5)],
    ],
)
def test_how_an_item_stands_does_not_hang_on_what_was_asked_before(changes: list[dict[str, Any]]) -> None:
    """Proves: what one value leaves for the next is no other than what each value asked afresh would find."""
    plan, data = mine()
    for expectation in ("trunk", "scenarios"):
        asked = plan.model_copy(
            update={"owners": plan.owners.model_copy(update={"expectation": expectation, "sample": 16})}
        )
        item = Item("project", "mine", project="mine")
        book = ItemStatuses(item, None)
        for change in changes:
            variant = edited(asked, data, change)
            assert book.of(*variant) == ItemStatuses(item, None).of(*variant)


@pytest.mark.parametrize("policy", ["foresight", "targets"])
def test_a_small_loss_is_a_loss_and_an_offer_that_is_left_out_is_left_out_everywhere(policy: str) -> None:
    """Proves: 1 t of 10 t a year is missed at 30 USD/kg beyond the price with a chance of a half; in store it spares 0.015 million
    USD, far below what is printed with one decimal and all that the plan is worth. Without its only offer nothing else takes its
    place: no branch buys there either."""
    plan, data = imported(
        10.0,
        0.01,
        loss=30.0,
        offers={"spot": offer("a", 0.001, crisis=1.0)},
        scenarios=[cut("stop", 0.5, 2029, 1, share=0.1)],
        years=4,
        policy=policy,
    )
    result = solve(plan, data, gap=0.0, quick=True)
    row = explain(result, gap=0.0).tables["reasons"].set_index("item").loc["spot"]
    worth = -float(result.outcome.objective_musd or 0.0)
    assert 0 < worth < 0.05
    assert row.brings_musd == pytest.approx(worth, rel=1e-4)
    assert "at no loss" not in row.sentence
    assert re.search(r"it makes the plan 0\.0\d+ M better", row.sentence)
