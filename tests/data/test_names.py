"""Readers are told names, not codes: of things by the tables' names, of drawn scenarios by what happens in them."""

from __future__ import annotations

import pytest

from strategic_minerals import load_dataset, load_plan, shipped, solve
from strategic_minerals.answer.notes import heading, scenario_names
from strategic_minerals.answer.result import Result
from strategic_minerals.page.charts import figures
from strategic_minerals.question.names import Names
from strategic_minerals.world.build import build_instance
from strategic_minerals.world.events import describe, longest_event
from strategic_minerals.world.loss_values import (
    headline,
    headlines,
    length_in_words,
    rate_in_words,
    rates_in_words,
    span_in_words,
)
from strategic_minerals.world.scenarios import build_scenarios
from support.tiny import cut, offer, source, tiny


@pytest.fixture(scope="module")
def names() -> Names:
    return Names.of(load_dataset(shipped("inputs")))


@pytest.fixture(scope="module")
def sampled() -> Result:
    """The shipped quickstart with a few drawn scenarios beside its own."""
    changes = {"sample": {"scenarios": 4, "seed": 3}, "horizon.years": 3}
    return solve(
        load_plan(shipped("models") / "quickstart.toml", changes), load_dataset(shipped("inputs")), gap=1e-2, quick=True
    )


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("narva_2", "Narva phase 2 (Estonia)"),
        ("lynas_hree", "Lynas Malaysia heavy expansion"),
        ("jpn_magnet", "Japanese NdFeB magnets"),
        ("chn_magnet", "Chinese NdFeB magnets"),
        ("can_gallium", "Gallium (Canada)"),
        ("oth_gallium", "Gallium (Other countries)"),
        ("unheard_of", "unheard_of"),
    ],
)
def test_a_producer_is_told_with_its_country_once(names: Names, code: str, name: str) -> None:
    assert names.producer(code) == name


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("project narva_2", "Narva phase 2 (Estonia) [project narva_2]"),
        ("project narva_2: loan", "Narva phase 2 (Estonia) [project narva_2: loan]"),
        ("contract jpn_magnet", "Japanese NdFeB magnets [contract jpn_magnet]"),
        ("offer gallium_3", "Gallium (Canada) [offer gallium_3]"),
        ("floor market-ndpr_oxide-floor-110", "price floor for NdPr oxide [floor market-ndpr_oxide-floor-110]"),
        ("package loan", "package loan"),
        ("project unheard_of", "project unheard_of"),
    ],
)
def test_an_item_keeps_the_code_that_a_command_needs(names: Names, item: str, told: str) -> None:
    assert names.item(item) == told


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("project narva_2: loan", "Narva phase 2 (Estonia): loan"),
        ("contract can_gallium", "offtake from Gallium (Canada)"),
        ("stock gallium", "stock of Gallium"),
        ("project unheard_of", "project unheard_of"),
    ],
)
def test_an_item_that_is_only_told_has_no_code(names: Names, item: str, told: str) -> None:
    assert names.chosen(item) == told


def test_every_shipped_thing_has_a_name_of_its_own(names: Names) -> None:
    for named in (names.materials, names.countries, names.producers, names.hazards):
        assert len(set(named.values())) == len(named)


def two_cuts(first: float, second: float, **stated: str):
    """A cut of all supply of `a` for `first` years, then one of `b`, which is worth a tenth, for `second` years."""
    one, other = cut("s", 0.5, 2028.0, first), cut("s", 0.5, 2029.0, second)
    one["events"][0] |= {"materials": "a", **stated}
    other["events"][0] |= {"materials": "b"}
    plan, data = tiny(
        {"a": 10.0, "b": 1.0},
        sources={"far_a": source("CHN", "a", 1.0), "far_b": source("CHN", "b", 1.0)},
        demand={"a": 1.0, "b": 1.0},
        loss={"a": 100.0, "b": 10.0},
        offers={"spot": offer("a", 1.0)},
        scenarios=[one | {"events": [*other["events"], *one["events"]]}],
        years=4,
    )
    instance = build_instance(plan, data, longest_event(plan, data))
    return instance, build_scenarios(instance, data), Names.of(data)


@pytest.mark.parametrize(("first", "second", "since"), [(1.0, 1.0, 2028), (0.1, 2.0, 2029)])
def test_the_most_harmful_event_is_told_and_the_others_are_counted(first: float, second: float, since: int) -> None:
    """Proves: what is lost counts, not the order in which events are listed: `a` loses ten times as much as `b` in a year."""
    instance, scenarios, names = two_cuts(first, second)
    told, quiet = headlines(scenarios, instance, names)
    assert told.startswith("supply cut (CHN) from ")
    assert f"from {since}, " in told
    assert told.endswith(", and 1 more")
    assert quiet == "no disruption"


def test_an_event_that_states_its_countries_is_told_with_them() -> None:
    instance, scenarios, names = two_cuts(1.0, 1.0, countries="*")
    assert "(all foreign sources)" in headline(scenarios.events[0], instance, names)


@pytest.mark.parametrize(
    ("years", "words"),
    [(0.01, "1 month"), (1.0, "12 months"), (14 / 12, "14 months"), (2.0, "2 years"), (4.31, "4.3 years")],
)
def test_lengths_are_told_in_months_up_to_two_years(years: float, words: str) -> None:
    assert length_in_words(years) == words


def test_a_drawn_scenario_is_told_by_what_happens_in_it(sampled: Result) -> None:
    """Proves: neither summary nor figures say `sample-2`, unless two scenarios are told alike; the tables keep it as their key."""
    losses = sampled.tables["scenario_losses"]
    drawn = losses[losses.scenario.str.startswith("sample-")]
    assert len(drawn) == 4
    told = scenario_names(sampled.plan, losses)
    assert len(set(told.values())) == len(told)
    assert told["ban-2028"] == "ban-2028"
    alike = drawn.what_happens.duplicated(keep=False)
    for row in drawn[~alike].itertuples():
        assert told[row.scenario] == row.what_happens
        assert (row.what_happens == "no disruption") == (row.onset == "")
        assert "Indonesian" not in row.what_happens  # nickel and tin are not planned
    if not alike.any():
        assert "sample-" not in sampled.summary()
        shown = [figure for figure in figures(sampled) if "scenario" in figure.table.columns]
        assert shown
        for figure in shown:
            assert not figure.table.scenario.str.startswith("sample-").any()
            assert "sample-" not in f"{figure.note} {figure.alt}"


def test_summary_and_figures_use_names(sampled: Result) -> None:
    """Proves: codes of what is bought, contracted and lost stand in tables alone."""
    codes = {*sampled.tables["acquisitions"].material, *sampled.tables["contracts"].activity}
    codes |= {row.hazard for row in sampled.data.rows("hazards")}
    told = sampled.summary()
    said = [f"{figure.note} {figure.alt} {figure.title}" for figure in figures(sampled)]
    coded = [code for code in codes if "_" in code]  # others are words of names as well
    assert coded
    for code in coded:
        assert not [text for text in (told, *said) if f" {code} " in text or f" {code}:" in text], code


def test_events_are_told_by_their_hazards_names() -> None:
    plan, data = load_plan(shipped("models") / "quickstart.toml"), load_dataset(shipped("inputs"))
    instance = build_instance(plan, data, longest_event(plan, data))
    first = build_scenarios(instance, data).events[0][0]
    assert describe(first).startswith("Chinese ban on gallium, germanium and antimony from 2028.0: supply cut by ")


@pytest.mark.parametrize(
    ("column", "head"),
    [
        ("duration_yr", "duration [years]"),
        ("rate_per_yr", "rate [per year]"),
        ("yield_t_per_t", "yield [t/t]"),
        ("loss_usd_per_t", "loss [USD/t]"),
        ("cvar_musd_low", "CVaR, low end [million USD]"),
        ("defence_short_high", "probability of a defence shortfall, high end"),
        ("do_nothing_musd", "without the plan [million USD]"),
        ("low", "low"),
    ],
)
def test_a_column_is_told_with_its_unit(column: str, head: str) -> None:
    assert heading(column) == head


def test_lots_of_one_seller_are_told_apart_by_number_and_price(names: Names) -> None:
    """Proves: two lots of gallium from no producer of the tables; the third is sold by one and is its only one."""
    assert names.offers["gallium_1"] == "Gallium from other suppliers, lot 1, 5% above the market price"
    assert names.offers["gallium_2"] == "Gallium from other suppliers, lot 2, 15% above the market price"
    assert names.offers["gallium_3"] == "Gallium (Canada)"
    assert len(set(names.offers.values())) == len(names.offers)


def test_lots_are_numbered_by_price_and_may_have_one_price() -> None:
    """Proves: the cheapest is the first wherever its row stands; discounts and market prices are named; equal prices
    leave the number."""
    lots = {"dear": 0.5, "twin": 0.5, "fair": 0.0, "cheap": -0.125}
    _, data = tiny(
        {"a": 10.0},
        sources={"far": source("CHN", "a", 10.0)},
        demand={"a": 10.0},
        offers={key: offer("a", 5.0, premium) for key, premium in lots.items()},
    )
    assert Names.of(data).offers == {
        "cheap": "a from other suppliers, lot 1, 12.5% below the market price",
        "fair": "a from other suppliers, lot 2, at the market price",
        "dear": "a from other suppliers, lot 3, 50% above the market price",
        "twin": "a from other suppliers, lot 4, 50% above the market price",
    }


@pytest.mark.parametrize(
    ("low", "high", "mean", "said"),
    [
        (0.25, 23 / 12, 0.75, "3 to 23 months, on average 9"),
        (2.5, 10.0, 4.0, "2.5 to 10 years, on average 4"),
        (0.3, 4.3, 1.5, "4 months to 4.3 years, on average 18 months"),
        (1.0, 4.0, 2.2, "12 months to 4 years, on average 2.2 years"),
        (float("nan"), 4.0, 1.5, "18 months on average"),
    ],
)
def test_a_range_of_lengths_has_one_unit_where_it_can(low: float, high: float, mean: float, said: str) -> None:
    assert span_in_words(low, high, mean) == said


def test_rates_are_told_as_how_often() -> None:
    """Proves: in years between two events up to once a year, in events a year beyond; a rate of nothing is never."""
    assert [rate_in_words(rate) for rate in (0.15625, 0.01, 1.0, 2.5, 0.0)] == [
        "once in 6.4 years",
        "once in 100 years",
        "once a year",
        "2.5 times a year",
        "never",
    ]
    assert rates_in_words(0.036, 0.346) == "once in 2.9 to 28 years"
    assert rates_in_words(0.5, 1.5) == "once in 2 years to 1.5 times a year"
