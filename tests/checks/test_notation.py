"""Legal figures in another notation: 5 for 5 %, 1.05 for 5 % more, 0.0095 for 95 %, 18 for 18 months; limits of 0 for none.

Each is told with the range of its column and with what would then be written; unusual figures that are right are no fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from strategic_minerals.checks import usual_ranges
from strategic_minerals.checks.doubtful import unlikely
from strategic_minerals.checks.zero_limits import ZERO, zero_limits

from strategic_minerals import Dataset, Plan, check, load_dataset, load_plan, shipped, solve
from strategic_minerals.question.base import key_of
from strategic_minerals.question.consistency import check_data
from strategic_minerals.question.read_toml import parse_plan
from strategic_minerals.question.tables import TABLES
from support.tiny import cut, offer, source, tiny
from support.tiny import project as mill

PLANS = sorted(path.stem for path in shipped("models").glob("*.toml"))


@cache
def facts(notes: bool = False, home: str = "USA") -> Dataset:
    """The shipped tables of a home; without notes, no figure is held against the arithmetic in its own."""
    tables = load_dataset(shipped("inputs"), home)
    if notes:
        return tables
    bare = {name: tuple(row.model_copy(update={"note": ""}) for row in rows) for name, rows in tables.tables.items()}
    return Dataset(bare)


@cache
def stated(name: str) -> dict[str, Any]:
    """A shipped plan as plain data."""
    return load_plan(shipped("models") / f"{name}.toml").to_toml_like()


def quick(name: str = "quickstart", **changes: Any) -> Plan:
    """A shipped plan with sections replaced."""
    return parse_plan({**stated(name), **changes}, file="plan")


def with_cells(table: str, keys: str, column: str, value: float, notes: bool = False) -> Dataset:
    """The shipped tables with one figure in the rows of some keys (names separated by spaces; `*`: all), its range left out."""
    bare = {f"{column}{end}": None for end in ("_low", "_high") if f"{column}{end}" in TABLES[table].model_fields}
    chosen = keys.split()
    rows = tuple(
        type(row).model_validate({**row.model_dump(), column: value, **bare})
        if "*" in chosen or key_of(row) in chosen
        else row
        for row in facts(notes).rows(table)
    )
    return Dataset({**facts(notes).tables, table: rows})


def told(asked: Plan, data: Dataset) -> list[str]:
    """Notes on figures that are probably not meant."""
    return [text for _, _, text in unlikely(asked, data)]


CELLS: list[tuple[str, str, str, float, str, str]] = [
    ("offers", "gallium_1", "premium_share", 5, "percent", "5 % is written 0.05"),
    ("offers", "gallium_1", "premium_share", 1.05, "1 + the share", "5 % is written 0.05"),
    ("offers", "gallium_1", "premium_share", 0.0005, "divided by 100 once too often", "5 % is written 0.05"),
    ("projects", "nolans", "premium_share", 1.1, "1 + the share", "10 % is written 0.1"),
    ("activities", "chn_gallium", "premium_share", 3.0, "percent", "3 % is written 0.03"),
    ("materials", "gallium", "decay_share_per_yr", 0.5, "percent", "0.5 % is written 0.005"),
    ("materials", "gallium", "decay_share_per_yr", 0.9, "percent", "0.9 % is written 0.009"),
    ("materials", "gallium", "holding_share_per_yr", 0.25, "percent", "0.25 % is written 0.0025"),
    ("materials", "gallium", "haircut_share", 0.00096, "divided by 100 once too often", "9.6 % is written 0.096"),
    ("materials", "gallium", "resale_share", 0.01, "divided by 100 once too often", "100 % is written 1"),
    ("activities", "chn_gallium", "kappa", 0.0066, "divided by 100 once too often", "66 % is written 0.66"),
    ("projects", "nolans", "hurdle_rate", 0.0012, "divided by 100 once too often", "12 % is written 0.12"),
    ("projects", "nolans", "hurdle_rate", 0.012, "decimal point", "12 % is written 0.12"),
    ("packages", "loan_offtake_100", "offtake_fee_share", 0.5, "percent", "0.5 % is written 0.005"),
    ("instruments", "loan", "rate", 1.035, "1 + the share", "3.5 % is written 0.035"),
    ("instruments", "loan", "score", 1.1, "1 + the share", "10 % is written 0.1"),
    ("instruments", "grant", "score", 0.01, "divided by 100 once too often", "100 % is written 1"),
    ("substitution", "gallium/other/1", "limit_share", 0.0005, "divided by 100 once too often", "5 % is written 0.05"),
    ("tiers", "*/defence/3", "loss_multiplier", 100.0, "percent", "100 % is written 1"),
    ("hazards", "heavy_licence", "cut_share", 0.0075, "divided by 100 once too often", "75 % is written 0.75"),
    (
        "hazards",
        "heavy_licence",
        "third_country_cut_share",
        0.001,
        "divided by 100 once too often",
        "10 % is written 0.1",
    ),
    ("hazards", "heavy_licence", "element_share", 0.005, "divided by 100 once too often", "50 % is written 0.5"),
    ("hazards", "heavy_licence", "after_probability", 0.0025, "divided by 100 once too often", "25 % is written 0.25"),
    ("hazards", "heavy_licence", "rate_per_yr", 3.0, "percent", "3 % is written 0.03"),
    ("hazards", "heavy_licence", "rate_per_yr", 6.0, "years between two", "Once in 6 years is written 0.167"),
    ("hazards", "heavy_licence", "price_multiplier", 0.5, "a rise", "50 % more is written 1.5"),
    ("hazards", "heavy_licence", "price_multiplier", 50.0, "a rise in percent", "50 % more is written 1.5"),
    ("hazards", "heavy_licence", "duration_yr", 9.0, "months", "9 months are 0.75 years"),
    ("hazards", "heavy_licence", "duration_yr", 18.0, "months", "18 months are 1.5 years"),
    ("hazards", "heavy_licence", "flood_yr", 6.0, "months", "6 months are 0.5 years"),
    ("projects", "nolans", "restart_yr", 18.0, "months", "18 months are 1.5 years"),
    ("activities", "mp_separation", "restart_yr", 24.0, "months", "24 months are 2 years"),
    ("projects", "nolans", "lead_yr", 9.0, "months", "9 months are 0.75 years"),
    ("projects", "nolans", "lead_yr", 18.0, "months", "18 months are 1.5 years"),
    ("projects", "nolans", "lead_yr", 24.0, "months", "24 months are 2 years"),
    ("projects", "nolans", "lead_yr", 36.0, "months", "36 months are 3 years"),
    ("projects", "nolans", "lead_yr", 90.0, "months", "90 days are 0.246 years"),
    ("projects", "nolans", "lead_yr", 365.0, "days", "365 days are 0.999 years"),
    ("projects", "nolans", "life_yr", 120.0, "months", "120 months are 10 years"),
    ("instruments", "loan", "tenor_yr", 60.0, "months", "60 months are 5 years"),
    ("activities", "lynas_plant", "term_yr", 36.0, "months", "36 months are 3 years"),
    ("materials", "gallium", "net_import_reliance_pct", 0.9, "a share", "0.9 is 90 percent"),
    (
        "crisis_prices",
        "ree_2010_11.dysprosium.oxide_fob_china.2011_08",
        "months",
        0.5,
        "years",
        "0.5 years are 6 months",
    ),
]
"""Table, row, column, a figure that the schema lets through, how it was given, what to write."""


def test_a_figure_in_another_notation_is_told_with_what_is_written() -> None:
    """Proves: in its row and column, once, and nothing else is doubted."""
    missed = []
    for table, key, column, value, as_if, written in CELLS:
        found = told(quick("rare-earths"), with_cells(table, key, column, value))
        start = f"{table}.csv {key} {column}: {value:g}, "
        if len(found) != 1 or not (found[0].startswith(start) and as_if in found[0] and written in found[0]):
            missed.append((table, key, column, value, found))
    assert missed == []


FIELDS: list[tuple[str, str, Any, str]] = [
    ("rare-earths", "service_levels.0.level", 0.0095, "95 % is written 0.95"),
    ("rare-earths", "scenarios.0.events.0.duration_years", 9.0, "9 months are 0.75 years"),
    ("rare-earths", "scenarios.1.events.0.cut_share", 0.01, "100 % is written 1"),
    ("rare-earths", "scenarios.1.events.0.cut_share", 0.0075, "75 % is written 0.75"),
    ("rare-earths", "scenarios.1.events.0.price_multiplier", 50.0, "50 % more is written 1.5"),
    ("rare-earths", "scenarios.1.events.0.demand_multipliers", {"defence": 15.0}, "15 % more is written 1.15"),
    ("rare-earths", "scenarios.2.events.0.flood_years", 6.0, "6 months are 0.5 years"),
    ("rare-earths", "scenarios.0.probability", 0.0005, "5 % is written 0.05"),
    ("rare-earths", "hazards", [{"hazard": "heavy_licence", "duration_yr": 18.0}], "18 months are 1.5 years"),
    ("rare-earths", "hazards", [{"hazard": "heavy_licence", "duration_yr": 9.0}], "9 months are 0.75 years"),
    ("rare-earths", "hazards", [{"hazard": "heavy_licence", "cut_share": 0.0075}], "75 % is written 0.75"),
    ("rare-earths", "diversification.0.share", 0.008, "80 % is written 0.8"),
    ("rare-earths", "budget.carry_over_share", 0.005, "50 % is written 0.5"),
    ("rare-earths", "instruments.price_floors.0.upside_share", 0.003, "30 % is written 0.3"),
    ("rare-earths", "instruments.price_floors.0.term_years", 36.0, "36 months are 3 years"),
    ("rare-earths", "sample.quiet_probability", 0.0005, "5 % is written 0.05"),
    ("quickstart", "discount_rate", 0.3, "3 % is written 0.03"),
    ("quickstart", "residual", 0.01, "100 % is written 1"),
    ("quickstart", "risk", {"alpha": 0.009}, "90 % is written 0.9"),
    ("quickstart", "risk", {"cvar_weight": 50.0}, "50 % is written 0.5"),
    ("quickstart", "objective", {"kind": "risk_within_budget", "cvar_share": 0.005}, "50 % is written 0.5"),
    ("quickstart", "objective", {"kind": "least_budget", "stage_slack": 5.0}, "5 % is written 0.05"),
    ("quickstart", "days_of_cover", [{"material": "gallium", "days": 3, "from_year": 2027}], "3 months are 91.3 days"),
    ("quickstart", "days_of_cover", [{"material": "gallium", "days": 0.25, "from_year": 2027}], "years are 91.3 days"),
]
"""Plan, field, a value that the schema lets through, what to write."""


def test_a_field_in_another_notation_is_told_with_what_is_written() -> None:
    """Proves: of a plan, once, at its own field, and nothing else is doubted."""
    missed = []
    for name, path, value, written in FIELDS:
        changes = {path: value, **({"budget.branch_money": "planned"} if path == "objective" else {})}
        found = told(load_plan(shipped("models") / f"{name}.toml", changes), facts())
        if len(found) != 1 or not (found[0].startswith(f"plan {path}") and written in found[0]):
            missed.append((name, path, value, found))
    assert missed == []


@pytest.mark.parametrize("notes", [True, False])
@pytest.mark.parametrize("name", PLANS)
def test_shipped_plans_have_nothing_in_another_notation_and_no_limit_of_nothing(name: str, notes: bool) -> None:
    """Proves: neither a shipped plan nor the shipped tables are told anything of this kind."""
    asked = quick(name)
    data = facts(notes, asked.home)
    assert told(asked, data) == []
    assert list(zero_limits(asked, data, {row.material for row in data.rows("materials")})) == []


def test_a_long_embargo_and_a_low_hurdle_are_asked_about_and_pass() -> None:
    """Proves: correct and unusual figures get one question each that says to leave them if they are meant, and no fault."""
    events = [{"hazard": "ga_ge_sb_ban", "start_year": 2028.0, "duration_years": 10.0}]
    long = quick(scenarios=[{"name": "embargo", "probability": 0.1, "events": events}])
    own = cut("embargo", 0.1, 2028.0, 10.0, "gallium", countries="CHN")
    for asked, data in (
        (long, facts()),
        (quick(scenarios=[own]), facts()),
        (quick(), with_cells("projects", "nolans", "hurdle_rate", 0.02)),
    ):
        assert check_data(asked, data) == []
        assert len(told(asked, data)) == 1
    (note,) = told(quick(), with_cells("projects", "nolans", "hurdle_rate", 0.02))
    assert "if it is intended, leave it" in note


OPINIONS = [
    ("offers", "gallium_1", "premium_share", 0.9),
    ("offers", "gallium_1", "premium_share", 0.01),
    ("materials", "gallium", "decay_share_per_yr", 0.15),
    ("materials", "gallium", "decay_share_per_yr", 0.001),
    ("materials", "gallium", "haircut_share", 0.5),
    ("projects", "nolans", "hurdle_rate", 0.05),
    ("projects", "nolans", "hurdle_rate", 0.3),
    ("projects", "nolans", "lead_yr", 7.0),
    ("projects", "nolans", "lead_yr", 0.5),
    ("projects", "nolans", "life_yr", 60.0),
    ("instruments", "loan", "score", 0.005),
    ("instruments", "loan", "tenor_yr", 30.0),
    ("hazards", "heavy_licence", "rate_per_yr", 1.0),
    ("hazards", "heavy_licence", "cut_share", 0.1),
    ("hazards", "heavy_licence", "duration_yr", 7.0),
    ("hazards", "heavy_licence", "price_multiplier", 20.0),
]


def test_opinions_are_not_asked_about() -> None:
    """Proves: figures at the edge of what the record and the trade have are let through without a word."""
    cases = {case: told(quick("rare-earths"), with_cells(*case)) for case in OPINIONS}
    assert {case: found for case, found in cases.items() if found} == {}


def test_rows_of_a_column_in_one_notation_are_told_once() -> None:
    """Proves: one note for all rows, and for all entries of a list, that are read in the same way."""
    (note,) = told(quick(), with_cells("materials", "gallium germanium antimony", "resale_share", 0.01))
    assert "the same in 3 rows of the column" in note
    assert all(name in note for name in ("gallium", "germanium", "antimony"))
    (note,) = told(quick(), with_cells("activities", "*", "premium_share", 1.05))
    assert note.startswith("activities.csv ")
    assert "5 % is written 0.05" in note
    levels = [{**level, "level": 0.0095} for level in quick("defence-base-case").to_toml_like()["service_levels"]]
    (note,) = told(quick("defence-base-case", service_levels=levels), facts())
    assert note.startswith("plan service_levels.0.level: 0.0095, ")
    assert f"the same in {len(levels)} fields (service_levels.1.level, " in note


@pytest.mark.parametrize(
    ("table", "column", "change", "as_if"),
    [
        ("offers", "premium_share", lambda value: value + 1, "1 + the share"),
        ("hazards", "third_country_cut_share", lambda value: value / 100, "divided by 100 once too often"),
        ("hazards", "rate_per_yr", lambda value: value * 100, "percent"),
        ("projects", "restart_yr", lambda value: value * 12, "months"),
        ("instruments", "score", lambda value: value / 100, "divided by 100 once too often"),
    ],
    ids=["premium", "third countries", "rate", "restart", "score"],
)
def test_a_column_in_one_notation_is_told_once(table: str, column: str, change: Any, as_if: str) -> None:
    """Proves: whether its figures are found beside others or by their range, and where some of them can be read in two ways."""
    ends = [end for end in ("", "_low", "_high") if f"{column}{end}" in TABLES[table].model_fields]
    rows = tuple(
        row.model_copy(update={n: change(getattr(row, n)) for end in ends if getattr(row, n := f"{column}{end}")})
        for row in facts().rows(table)
    )
    (note,) = told(quick("rare-earths"), Dataset({**facts().tables, table: rows}))
    assert note.startswith(f"{table}.csv ")
    assert f" {column}: " in note
    assert as_if in note
    assert "rows of the column (" in note


def test_an_upper_end_in_another_notation_is_told() -> None:
    """Proves: the end of a range in months, whose value is in years."""
    rows = tuple(
        row.model_copy(update={"duration_yr_high": 24.0}) if row.hazard == "heavy_licence" else row
        for row in facts().rows("hazards")
    )
    (note,) = told(quick(), Dataset({**facts().tables, "hazards": rows}))
    assert note.startswith("hazards.csv heavy_licence duration_yr_high: 24, ")
    assert "24 months are 2 years" in note


def small(**more: Any) -> tuple[Plan, Dataset]:
    """A plan of one material with an offer, an own project and no published figures."""
    given: dict[str, Any] = {
        "demand": {"a": 10.0},
        "sources": {"far": source("CHN", "a", 12.0)},
        "offers": {"spot": offer("a", 5.0)},
        "money": 50.0,
        **more,
    }
    return tiny({"a": 10.0}, **given)


def noted(asked: Plan, data: Dataset, words: str) -> list[str]:
    """Notes of `check` with some words; no fault."""
    report = check(asked, data)
    assert report.faults == ()
    return [note for note in report.notes if words in note]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"offers": {"spot": offer("a", 5.0, 5.0)}}, "offers.csv spot premium_share: 5, "),
        ({"offers": {"spot": offer("a", 5.0, 1.05)}}, "offers.csv spot premium_share: 1.05, "),
        ({"materials": {"a": {"decay_share_per_yr": 0.9}}}, "materials.csv a decay_share_per_yr: 0.9, "),
        (
            {"projects": {"mill": mill("a", 4.0, capex_musd=30.0, premium_share=1.1)}},
            "projects.csv mill premium_share: 1.1, ",
        ),
        ({"projects": {"mill": mill("a", 4.0, capex_musd=30.0, lead_yr=18.0)}}, "projects.csv mill lead_yr: 18, "),
        ({"scenarios": [cut("stop", 0.1, 2028.0, 9.0)]}, "plan scenarios.0.events.0.duration_years: 9, "),
        ({"scenarios": [cut("stop", 0.1, 2028.0, 1.0, share=0.01)]}, "plan scenarios.0.events.0.cut_share: 0.01, "),
    ],
)
def test_tables_of_few_rows_and_without_facts_are_told_the_same(more: dict[str, Any], told: str) -> None:
    """Proves: by `check`, of figures that nothing published stands beside; the same plan without the slip is told nothing."""
    assert len(noted(*small(**more), told)) == 1
    assert noted(*small(), "probably") == []


def test_the_answer_tells_what_check_tells() -> None:
    """Proves: notes on notation and on limits of nothing stand in the table `notes` of an answer."""
    asked, data = small(offers={"spot": offer("a", 5.0, 1.05)}, materials={"a": {"storage_t": 0.0}})
    table = solve(asked, data).tables["notes"]
    assert set(table.note) >= {*noted(asked, data, "1.05"), *noted(asked, data, "storage_t")}
    assert list(table[table.kind == ZERO].item) == ["a"]


# --- limits of 0 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["storage_t", "drawdown_t_per_yr"])
def test_a_reserve_of_which_nothing_can_be_stored_or_released_is_told(column: str) -> None:
    """Proves: 0 is told with both meanings where the plan may buy the material; empty and a limit are not; nor where there is no
    reserve, nothing is offered, or the material is not planned."""
    (note,) = noted(*small(materials={"a": {column: 0.0}}), column)
    assert note.startswith(f"materials.csv a {column}: 0: the reserve can ")
    assert "offers.csv spot" in note
    assert note.endswith("leave the cell empty for no limit")
    assert noted(*small(materials={"a": {column: 500.0}}), f"a {column}: 0") == []
    assert noted(*small(), column) == []
    assert noted(*small(materials={"a": {column: 0.0}}, offers={}), column) == []
    none = {"materials": {"a": {column: 0.0}}, "instruments": {"reserve": False}}
    assert noted(*small(**none), column) == []
    assert noted(quick(), with_cells("materials", "cobalt", column, 0.0), column) == []
    assert len(noted(quick(), with_cells("materials", "gallium", column, 0.0), column)) == 1


def test_a_stock_that_can_never_be_released_is_told() -> None:
    """Proves: what is in store at the start counts, whatever is offered."""
    (note,) = noted(
        *small(materials={"a": {"drawdown_t_per_yr": 0.0}}, offers={}, stock={"a": 2.0}), "drawdown_t_per_yr"
    )
    assert "2,000 t are in store at the start" in note


def test_other_limits_of_nothing_are_told_with_both_meanings() -> None:
    """Proves: a total of nothing beside money, a cap of nothing beside floors, smallest contracts of nothing."""
    (note,) = noted(*small(budget={"total_musd": 0.0}), "total_musd")
    assert "nothing may be spent" in note
    assert noted(*small(budget={"total_musd": 0.0}, money=0.0), "total_musd: 0: nothing") == []
    floors = {"price_floors": [{"material": "a", "levels_usd_per_kg": [12.0], "term_years": 10.0}]}
    (note,) = noted(*small(budget={"liability_cap_musd": 0.0}, instruments=floors), "liability_cap_musd")
    assert "floors may never cost anything" in note
    assert noted(*small(budget={"liability_cap_musd": 0.0}), "liability_cap_musd: 0: no floor") == []
    ally = source("AUS", "a", 12.0, lot_t_per_yr=0.0, term_yr=5.0, kappa=0.5)
    (note,) = noted(*small(sources={"far": ally}), "lot_t_per_yr")
    assert "of any size; leave the cell empty if it offers none" in note


# --- nothing is left out -------------------------------------------------------------------------------------------

LIKE_A_SHARE = (
    "_share",
    "_rate",
    "_factor",
    "probability",
    "kappa",
    "_pct",
    "_share_per_yr",
    "_multiplier",
    "share",
    "rate",
)
IN_TIME = ("_yr", "_years", "years", "days", "months")


def is_noted(name: str) -> bool:
    """Whether a name is that of a share, a rate, a factor, a probability, or of a length of time."""
    bare = name.removesuffix("_low").removesuffix("_high")
    return bare == name and name.endswith((*LIKE_A_SHARE, *IN_TIME)) and not name.endswith(("_t_per_yr", "rate_per_yr"))


def fields(model: type[BaseModel], place: str = "") -> Iterator[str]:
    """Dotted names of all fields of a plan."""
    for name, field in model.model_fields.items():
        dotted = f"{place}.{name}" if place else name
        yield dotted
        for inner in _models(field.annotation):
            yield from fields(inner, dotted)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def test_every_share_rate_factor_probability_and_length_has_a_range() -> None:
    """Proves: columns of all tables and fields of the plan, but for ages (whole years, see ramps), lists of years, and lengths that
    other rules judge."""
    columns = {f"{table}.{name}" for table, model in TABLES.items() for name in model.model_fields if is_noted(name)}
    known = {f"{table}.{name}" for table, names in usual_ranges.TABLES.items() for name in names}
    assert columns - known == {"ramps.age_yr"}
    assert all(name in TABLES[table].model_fields for table, names in usual_ranges.TABLES.items() for name in names)
    asked = set(fields(Plan))
    elsewhere = {"horizon.years", "instruments.signing_years", "instruments.contract_years", "horizon.period_months"}
    assert {name for name in asked if is_noted(name.rpartition(".")[2])} - set(usual_ranges.PLAN) == elsewhere
    assert set(usual_ranges.PLAN) <= asked


def test_ranges_hold_what_was_shipped() -> None:
    """Proves: every figure of the shipped tables lies within the range of its column, or no reading brings it there."""
    for table, columns in usual_ranges.TABLES.items():
        for row in facts().rows(table):
            for column, usual in columns.items():
                value = getattr(row, column)
                assert value is None or usual.read(abs(value)) == [], f"{table}.{key_of(row)}.{column}"
