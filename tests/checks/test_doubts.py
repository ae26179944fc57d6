"""Figures that are probably not meant, and what a plan states and nothing comes of it: the wrong one is doubted or told, in its
place, with what speaks against it, and no correct one; losses per tonne are held against shortages that were seen."""

from functools import cache
from typing import Any

import pytest

from strategic_minerals import (
    Dataset,
    Plan,
    PlanError,
    Study,
    check,
    load_plan,
    loss_replay,
    scenario_outlook,
    shipped,
    solve,
)
from strategic_minerals.question.base import Row, key_of
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.doubts import KIND, unit_slips, unlikely
from strategic_minerals.question.load import load_question
from strategic_minerals.question.plan import Sample
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.references import select_materials
from strategic_minerals.question.sources import episodes, replays
from strategic_minerals.question.tables import TABLES
from strategic_minerals.world.unused import unused
from support.tiny import cut, imported, offer, source, tiny


def plan(name: str = "quickstart", values: dict[str, Any] | None = None) -> Plan:
    return load_plan(shipped("models") / f"{name}.toml", values or {})


def changed(table: str, column: str, keys: str, change: Any) -> Dataset:
    """The shipped tables with a figure and its range changed in the rows of some keys (separated by blanks; `*`: all)."""
    ends = [name for end in ("", "_low", "_high") if (name := column + end) in TABLES[table].model_fields]
    rows = tuple(
        row.model_copy(update={name: change(value) for name in ends if (value := getattr(row, name))})
        if keys == "*" or key_of(row) in keys.split()
        else row
        for row in shipped_tables().rows(table)
    )
    return Dataset({**shipped_tables().tables, table: rows})


@pytest.mark.long
def test_shipped_plans_and_tables_give_no_false_alarm() -> None:
    """Proves: no figure of the shipped tables, nor of a shipped plan, is doubted, and nothing that a plan states is idle."""
    for path in sorted(shipped("models").glob("*.toml")):
        asked, tables = load_question(path)
        first, tail = asked.horizon.first_year, asked.horizon.tail_years or 0
        years = range(first, first + asked.horizon.years + tail)
        assert unlikely(asked, tables) == [], path
        assert list(unit_slips(asked, tables)) == [], path
        assert list(unused(asked, tables, years, select_materials(asked, tables))) == [], path


SLIPS = [
    ("prices", "mcs2024/gallium/2024", "price_usd_per_kg", 1e3, "USD per tonne", True),
    ("demand", "gallium/other/2026", "demand_t_per_yr", 1e3, "kg a year", False),
    ("capacities", "chn_gallium/2026", "normal_t_per_yr", 1e3, "kg a year", False),
    ("projects", "nolans", "capex_musd", 1e3, "thousand USD", True),
    ("offers", "gallium_1", "depth_t_per_yr", 1e3, "kg a year", False),
    ("substitution", "gallium/other/1", "cost_usd_per_kg", 1e3, "USD per tonne", False),
]
"""Table, row, column, factor, unit that it seems to be in, whether the question is refused."""


@pytest.mark.parametrize(("table", "key", "column", "factor", "guess", "refused"), SLIPS)
def test_a_figure_in_another_unit_is_doubted_in_its_own_row_alone(
    table: str, key: str, column: str, factor: float, guess: str, refused: bool
) -> None:
    """Proves: as a note, and as a fault where no opinion explains it; with the unit and with what was compared."""
    slipped = changed(table, column, key, lambda value: value * factor)
    ((kind, item, text),) = unlikely(plan(), slipped)
    assert (kind, item) == (KIND, key)
    assert text.startswith(f"{table}.csv {key} {column}: ")
    assert guess in text
    assert "compared with" in text
    faults = [(fault.file, fault.row, fault.column) for fault in unit_slips(plan(), slipped)]
    assert faults == ([(f"{table}.csv", key, column)] if refused else [])


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("quickstart", {"budget.appropriation_musd": 50_000_000}, "budget.appropriation_musd"),
    ("critical-minerals", {"budget.appropriation_musd.2029": 1_000_000}, "budget.appropriation_musd.2029"),
    (
        "rare-earths",
        {"instruments.price_floors.0.levels_usd_per_kg": [55, 45_000]},
        "instruments.price_floors.0.levels_usd_per_kg.1",
    ),
    ("quickstart", {"hazards": [{"hazard": "pacific_war", "duration_yr": 24.0}]}, "hazards.0.duration_yr"),
    ("quickstart", {"discount_rate": 0.0003}, "discount_rate"),
    ("quickstart", {"horizon.first_year": 2127}, "horizon.first_year"),
]
"""Plan, values, field that is doubted: money in another unit, and notations outside the usual range."""


@pytest.mark.long
def test_a_field_in_another_unit_or_notation_is_doubted() -> None:
    """Proves: at its own field, and nothing else is; small, large and no budgets are opinions."""
    for name, values, field in FIELDS:
        ((kind, item, text),) = unlikely(plan(name, values), shipped_tables())
        assert (kind, item) == (KIND, field)
        assert text.startswith(f"plan {field}: ")
    for appropriation in (0, 20, 2000):
        assert unlikely(plan(values={"budget.appropriation_musd": appropriation}), shipped_tables()) == []


def test_a_whole_column_in_another_unit_is_one_doubt_that_names_the_first_rows() -> None:
    """Proves: rows that are off alike are told together, and their producers' costs, which prices would measure, are not."""
    first, *others = unlikely(plan(), changed("prices", "price_usd_per_kg", "*", lambda value: value * 1000))
    assert "probably USD per tonne, the same in" in first[2]
    assert "projects.csv nolans" not in " ".join(text for *_, text in others)


CELLS = [
    ("offers", "gallium_1", "premium_share", 5.0, "percent"),
    ("offers", "gallium_1", "premium_share", 1.05, "1 + the share"),
    ("materials", "gallium", "net_import_reliance_pct", 0.9, "a share"),
    ("hazards", "heavy_licence", "duration_yr", 18.0, "months"),
    ("yields", "nolans/ndpr_oxide", "yield_t_per_t", 500.0, ""),
]
"""Table, row, column, a figure that the schema lets through, how it was given."""


@pytest.mark.parametrize(("table", "key", "column", "value", "given"), CELLS)
def test_a_figure_in_another_notation_is_told_with_its_usual_range(
    table: str, key: str, column: str, value: float, given: str
) -> None:
    """Proves: in its row and column, once, and nothing else is doubted; it is no fault."""
    asked, tables = plan("rare-earths"), changed(table, column, key, lambda _: value)
    ((_, item, text),) = unlikely(asked, tables)
    assert item == key
    assert text.startswith(f"{table}.csv {key} {column}: {value:g}, outside the usual range")
    assert (f"probably {given}" if given else "expected") in text
    assert "if it is intended, leave it" in text
    assert check_data(asked, tables) == []


OPINIONS = [
    ("offers", "gallium_1", "premium_share", 0.9),
    ("materials", "gallium", "haircut_share", 0.5),
    ("projects", "nolans", "life_yr", 60.0),
    ("hazards", "heavy_licence", "duration_yr", 7.0),
]


def test_opinions_are_not_asked_about() -> None:
    """Proves: figures at the edge of what the record and the trade have pass without a word."""
    for table, key, column, value in OPINIONS:
        assert unlikely(plan("rare-earths"), changed(table, column, key, lambda _, v=value: v)) == [], (table, column)


def test_a_doubt_is_a_note_of_check_and_of_the_answer() -> None:
    """Proves: what `check` doubts stands among the notes of the answer too; own tables in memory are looked at as well."""
    asked, tables = imported(10.0, offers={"spot": offer("a", 5.0, 1.05)}, money=5e8)
    report = check(asked, tables)
    assert not report.faults
    table = solve(asked, tables).tables["notes"]
    assert set(table[table.kind == KIND].item) == {"budget.appropriation_musd", "spot"}
    assert set(table[table.kind == KIND].note) <= set(report.notes)


SAMPLE = {"scenarios": 4, "seed": 1}


def quick(**changes: Any) -> Plan:
    """The quickstart plan with fields replaced."""
    told = load_plan(shipped("models") / "quickstart.toml").to_toml_like()
    return parse_plan({**told, **changes}, file="plan")


def small(**more: Any) -> tuple[Plan, Dataset]:
    """A plan of five years from 2027 with two of three materials, of which more is asked."""
    given: dict[str, Any] = {
        "demand": {"a": 10.0, ("b", "defence"): 3.0},
        "sources": {"far": source("CHN", "a", 12.0), "near": source("USA", "b", 4.0)},
        "offers": {"spot": offer("a", 5.0), "more": offer("c", 5.0)},
        "money": 50.0,
        "years": 5,
        **more,
    }
    asked, data = tiny({"a": 10.0, "b": 20.0, "c": 5.0}, **given)
    return asked.model_copy(update={"materials": ("a", "b")}), data


def hazard(name: str = "ban", materials: str = "a", **fields: Any) -> Row:
    """A row of the table of hazards: a Chinese stop of a year, every other year."""
    given = {"hazard": name, "name": name, "kind": "embargo", "countries": "CHN", "materials": materials}
    given |= {"rate_per_yr": 0.5, "duration_yr": 1.0, "cut_share": 1.0, **fields}
    return TABLES["hazards"].model_validate(given)


def with_hazards(data: Dataset, *rows: Row) -> Dataset:
    """Tables with hazards."""
    return Dataset({**data.tables, "hazards": rows})


def notes(asked: Plan, data: Dataset, *words: str) -> list[str]:
    """Notes with all of some words."""
    report = check(asked, data)
    assert not report.faults, report.faults
    return [note for note in report.notes if all(word in note for word in words)]


def test_shares_and_years_that_contradict_each_other_are_faults() -> None:
    """Proves: probabilities beyond one, two values of one hazard."""
    first = {"hazard": "pacific_war", "cut_share": 0.5}
    for changes, told in (
        ({"sample": {**SAMPLE, "quiet_probability": 0.9}}, "quiet_probability 0.9 and the listed 0.22 add up to 1.12"),
        ({"hazards": [first, {**first, "cut_share": 0.7}]}, "expected one value of pacific_war: hazards.0 says 0.5"),
    ):
        with pytest.raises(PlanError, match=told):
            quick(**changes)
    quick(hazards=[first, {"hazard": "pacific_war", "duration_yr": 1.0}])


def test_an_outlook_without_probability_has_finite_figures() -> None:
    """Proves: where listed and quiet scenarios leave the sample nothing."""
    asked, data = small(scenarios=[cut("stop", 0.99, 2028.0, 1.0, "a")])
    data = with_hazards(data, hazard())
    asked = asked.model_copy(update={"sample": Sample(**SAMPLE, quiet_probability=0.02)})
    (note,) = notes(asked, data, "plan sample", "no probability")
    assert "scenarios" in note
    found = scenario_outlook(asked, data, scenarios=4)
    assert found.tables["materials"].notna().all(axis=None)
    assert found.tables["hazards"]["mean_duration_yr"].notna().all()
    for listed, thinned in ((0.15, False), (0.3, True)):
        other, _ = small(scenarios=[cut("stop", listed, 2028.0, 1.0, "a")], sample=SAMPLE)
        assert bool(notes(other, data, "sample", "counts for 70% of its rate")) == thinned


COVER = {"material": "c", "days": 90.0, "from_year": 2027}
CAP = {"material": "c", "kind": "country_cap", "country": "CHN", "share": 0.5, "from_year": 2027}
MENU = {"material": "a", "levels_usd_per_kg": [12.0], "term_years": 5, "scope": "market"}
CONTROL = {"name": "quota", "countries": "CHN", "materials": "c", "cut_share": 0.3, "until_year": 2029.0}


def stopped(name: str, material: str = "a", **event: Any) -> dict[str, Any]:
    """A scenario of one stop of a year."""
    return cut(name, 0.05, 2028.0, 1.0, material, **event)


IDLE: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "days_of_cover": [COVER, {**COVER, "material": "a", "from_year": 2050}],
            "diversification": [{**CAP, "material": "a", "country": "AUS", "hard": True}],
            "stock_rules": [{"material": "c", "from_lost_share": 0.1}],
        },
        [
            "days_of_cover.0.material: c is not planned: the rule has no effect",
            "days_of_cover.1.from_year: 2050 is after the last computed year",
            "diversification.0.country: no planned source in AUS makes a: the cap has no effect",
            "stock_rules.0.material: c is not planned: the rule has no effect",
        ],
    ),
    (
        {
            "scenarios": [
                stopped("unplanned", "c"),
                stopped("elsewhere", countries="AUS"),
                stopped("nothing", share=0.0),
                stopped("price-that-falls", price_multiplier=0.5),
            ]
        },
        [
            "scenarios.0.events.0: c is not planned: the event has no effect",
            "scenarios.1.events.0: no planned source in AUS makes a, and prices and demand do not change",
            "scenarios.2.events.0: no cut, and unchanged price and demand",
            "scenarios.3.events.0.price_multiplier: 0.5, outside the usual range; expected 1 to 25",
        ],
    ),
    (
        {
            "sample": {**SAMPLE, "hazards": ["other", "flood"]},
            "hazards": [{"hazard": "ban", "cut_share": 0.5}],
            "money": {2026: 60.0, 2027: 70.0, 2050: 80.0},
        },
        [
            "sample.hazards: other affects no planned material: c is not planned",
            "hazards.0: neither the sample nor a scenario uses ban",
            "budget.appropriation_musd.2050: 80 is not used: the last",
        ],
    ),
    (
        {"risk": {"alpha": 0.05, "cvar_weight": 1.0}, "materials": {"a": {"storage_t": 0.0}}},
        [
            "risk.alpha: 0.05, outside the usual range; expected at least 0.5",
            "materials.csv a storage_t: 0: the reserve can store",
        ],
    ),
    ({"money": {2029: 60.0}}, ["the first year named is FY2029: there is no money before it"]),
    (
        {
            "procurement": {"law": True, "ceilings": True},
            "release": {"sell_share": 0.3},
            "scenarios": [stopped("war", surge_level="high")],
        },
        [
            "procurement.law: no rule of origin_rules.csv has this switch",
            "procurement.ceilings: no planned material",
            "release.sell_share: sell_above is not set",
            "scenarios.0.events.0.surge_level: neither the event nor its hazard names a surge",
        ],
    ),
]
"""What is stated, and what is said of it."""


def test_an_entry_of_which_nothing_comes_is_told_once() -> None:
    for fields, every in IDLE:
        asked, data = small(**fields)
        found = notes(asked, with_hazards(data, hazard(), hazard("other", "c"), hazard("flood", flood_yr=1.0)))
        for told in every:
            assert len([note for note in found if told in note]) == 1, (told, found)


WORKING: list[dict[str, Any]] = [
    {"diversification": [{**CAP, "material": "a", "penalty_usd_per_kg": 5.0}], "risk": {"alpha": 0.9}},
    {"budget": {"liability_cap_musd": 10.0}, "instruments": {"price_floors": [MENU]}},
    {"days_of_cover": [{**COVER, "material": "a"}], "controls": [{**CONTROL, "materials": "a c"}]},
    {"scenarios": [stopped("surge", "a b", countries="AUS", share=0.0, demand_multipliers={"defence": 2.0})]},
    {
        "money": {2025: 50.0, 2028: 60.0},
        "materials": {"a": {"storage_t": 500.0}},
        "release": {"sell_above": 3.0, "sell_share": 0.3},
    },
]
"""The same with the difference that gives it an effect."""


def test_the_same_at_work_is_not_told() -> None:
    """Proves: rules, measures, events, floods, hazards, limits and series at work give no note of this kind."""
    for fields in WORKING:
        asked, data = small(**fields)
        data = with_hazards(data, hazard(), hazard("other", "c"))
        computed = range(2027, 2027 + asked.horizon.years)
        assert list(unused(asked, data, computed, asked.materials)) == [], fields


@cache
def study() -> Study:
    return loss_replay(load_plan(shipped("models") / "quickstart.toml"), shipped_tables())


def verdicts(data: Dataset, material: str = "ndfeb_magnet") -> dict[str, str]:
    return {r.function: r.verdict for r in replays(data) if r.episode.material == material}


def test_functions_are_held_against_shortages_of_their_own_length() -> None:
    """Proves: losses that are stated for a year or more, or for no length, are not held against three months of 2025, which users
    lived through on what they held; bans that took no tonne tell nothing of losses. What is not tested neither passes nor fails."""
    found = verdicts(shipped_tables())
    assert set(found.values()) == {"not comparable"}
    for material, verdict in (("gallium", "nothing was missing"), ("germanium", "not testable")):
        assert set(verdicts(shipped_tables(), material).values()) == {verdict}
    functions = study().tables["functions"].set_index("loss_function")
    assert set(functions.passes) == {""}
    assert set(functions.verdict) == {"not comparable"}
    assert functions.reason.str.contains("months were seen").all()


def test_losses_are_tonnes_times_loss_per_tonne() -> None:
    """Proves: the figures are the tonnes of the table times the losses per tonne of the table, at both ends of both."""
    rows = {
        r.loss_function: r
        for r in shipped_tables().rows("loss_functions")
        if (r.material, r.segment) == ("ndfeb_magnet", "*")
    }
    found = study().tables["episodes"].set_index(["loss_function", "material"])
    usgs, imf = found.loc["usgs_2025", "ndfeb_magnet"], found.loc["imf_2026", "ndfeb_magnet"]
    assert usgs.loss_musd == pytest.approx(1513 * rows["usgs_2025"].loss_usd_per_t / 1e6)
    assert usgs.loss_musd_low == pytest.approx(1200 * rows["usgs_2025"].loss_usd_per_t_low / 1e6)
    assert usgs.loss_musd_high == pytest.approx(1513 * rows["usgs_2025"].loss_usd_per_t_high / 1e6)
    assert imf.loss_musd == pytest.approx(1513 * rows["imf_2026"].loss_usd_per_t / 1e6)


def test_the_comparison_is_in_weeks_of_plants() -> None:
    """Proves: 30,000 million USD are a thousandth of a year's output of 30 trillion: .052 weeks of the work of 159.5 million
    persons, or 1,803 weeks of a plant with 4,600; reasons state tonnes, money, plants and weeks."""
    magnets = next(e for e in episodes(shipped_tables()) if e.material == "ndfeb_magnet")
    assert magnets.weeks(30_000.0) == pytest.approx(0.001 * 52 * 159.5e6 / 4600)
    assert magnets.most_weeks == 53.0
    reason = next(r for r in replays(shipped_tables(), ["ecb_2026"]) if r.episode.material == "ndfeb_magnet").reason()
    assert "1,513 t short would have cost 16,300 million USD (4,670 to 40,800)" in reason
    assert "978 weeks of a plant with 4,600 workers" in reason


def with_evidence(**figures: float) -> Dataset:
    """The tables with other figures of the magnet episode, by role."""
    frame = shipped_tables().frame("loss_replay")
    for role, value in figures.items():
        mine = (frame.role == role) & (frame.country.isin(["USA", "EU"])) & (frame.control_event == "E14")
        assert mine.any(), role
        frame.loc[mine, ["low", "central", "high"]] = value
    return shipped_tables().replace(loss_replay=frame)


def of_three_months(data: Dataset) -> Dataset:
    """The tables with every loss stated for the length of the episode."""
    return data.replace(loss_functions=data.frame("loss_functions").assign(horizon_months=3.0))


@pytest.mark.long
def test_verdicts_follow_the_evidence() -> None:
    """Proves: of functions for three months IMF and ECB are far too high and USGS is plausible; more stops seen and fewer tonnes
    missing speak for a function, fewer stops and more tonnes against it; without knowing what stopped nothing is said."""
    found = verdicts(of_three_months(shipped_tables()))
    assert found["usgs_2025"] == "plausible"
    assert found["imf_2026"] == found["ecb_2026"] == "far too high"
    assert verdicts(of_three_months(with_evidence(stopped=2000.0)))["imf_2026"] == "plausible"
    assert verdicts(of_three_months(with_evidence(undelivered=1.0)))["imf_2026"] == "plausible"
    assert verdicts(of_three_months(with_evidence(stopped=0.1)))["usgs_2025"] == "far too high"
    assert verdicts(of_three_months(with_evidence(undelivered=5000.0)))["usgs_2025"] == "too high"
    assert set(verdicts(of_three_months(with_evidence(stopped=0.0))).values()) == {"not testable"}
    assert set(verdicts(of_three_months(with_evidence(undelivered=0.0))).values()) == {"nothing was missing"}
